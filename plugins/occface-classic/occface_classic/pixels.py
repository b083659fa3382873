"""Between torch crops and the arrays of single faces that OpenCV and SciPy work on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]

REFERENCE_SIZE = 256
"""Crop size in pixels to which the pixel units of all options refer; other sizes scale them."""


def scaled(pixels: float, size: int, least: int = 1) -> int:
    """Return a length given at the reference size in pixels of a crop of `size`, at least `least`."""
    return max(least, round(pixels * size / REFERENCE_SIZE))


def rgb_arrays(image: Tensor) -> NDArray[np.float32]:
    """Return (B, S, S, 3) float32 in [0, 1], a copy on the CPU, of (B, 3, S, S) crops."""
    return np.array(image.detach().permute(0, 2, 3, 1).cpu().numpy(), dtype=np.float32, order="C")


def planes(values: Tensor) -> NDArray[np.float32]:
    """Return (B, S, S) float32, a copy on the CPU, of (B, 1, S, S)."""
    return np.array(values.detach()[:, 0].cpu().numpy(), dtype=np.float32, order="C")


def points_array(points: Tensor) -> NDArray[np.float64]:
    """Return (B, 68, 2) float64, a copy on the CPU."""
    return np.array(points.detach().cpu().numpy(), dtype=np.float64)


def rgb8(image: Array) -> NDArray[np.uint8]:
    """Return uint8 of RGB or grey values in [0, 1]."""
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)


def to_planes(arrays: list[Array], like: Tensor) -> Tensor:
    """Return (B, 1, S, S) float32 on the device of `like` (B, C, S, S); B = 0 keeps the size."""
    stacked = np.stack(arrays) if arrays else np.zeros((0, *like.shape[2:]))
    return torch.from_numpy(stacked.astype(np.float32))[:, None].to(like.device)


def to_rgb(arrays: list[Array], like: Tensor) -> Tensor:
    """Return (B, 3, S, S) on the device and in the dtype of `like`; B = 0 keeps the size."""
    if not arrays:
        return torch.empty_like(like)
    stacked = torch.from_numpy(np.stack(arrays).astype(np.float32)).permute(0, 3, 1, 2)
    return stacked.to(device=like.device, dtype=like.dtype).contiguous()
