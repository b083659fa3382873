"""In which numbers exact geometry is computed."""

from __future__ import annotations

import torch
from torch import Tensor


def working_dtype(values: Tensor) -> torch.dtype:
    """Return float64, or float32 on devices that have no float64 (Apple's mps)."""
    return torch.float32 if values.device.type == "mps" else torch.float64


SUBPIXEL_BITS = 12
"""The rasteriser rounds corners to 2^-12 pixel: 0.0002 mm on a face."""
