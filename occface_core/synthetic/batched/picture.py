"""From the fine drawing to the picture: smaller, before its background, bright enough."""

from __future__ import annotations

import torch
from torch import Tensor

from occface_core.synthetic.labels import FACE_LABELS
from occface_core.synthetic.render import BRIGHTEN, DARKEST


def reduce(layer: Tensor, labels: Tensor, behind: Tensor, finer: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return pictures (B, 3, S, S), face regions (B, S, S) and labels (B, S, S) uint8.

    Args:
        layer: (B, H, W, 4) premultiplied RGBA, `finer` times as fine.
        labels: (B, H, W) int64.
        behind: (B, S, S, 3) backgrounds.
        finer: 2; of the pixels of a square, a label that two have wins, else the first's.
    """
    small = _mean(layer, finer)
    image = small[..., :3] + (1 - small[..., 3:]) * behind
    face = torch.zeros(256, device=labels.device)
    face[list(FACE_LABELS)] = 1
    region = _mean(face[labels][..., None], finer)[..., 0]
    a, b, c, d = labels[:, ::2, ::2], labels[:, ::2, 1::2], labels[:, 1::2, ::2], labels[:, 1::2, 1::2]
    first = (a == b) | (a == c) | (a == d)
    chosen = torch.where(first, a, torch.where((b == c) | (b == d), b, torch.where(c == d, c, a)))
    return image.clamp(0, 1).permute(0, 3, 1, 2).contiguous(), region, chosen.to(torch.uint8)


def exposure(image: Tensor, region: Tensor) -> Tensor:
    """Return factors (B,) that lift very dark faces' mean brightness towards `DARKEST`."""
    weight = region.sum((1, 2)).clamp_min(1e-6)
    mean = (image.mean(1) * region).sum((1, 2)) / weight
    return (DARKEST / mean.clamp_min(1e-3)).clamp(1.0, BRIGHTEN)


def _mean(values: Tensor, finer: int) -> Tensor:
    batch, height, width, channels = values.shape
    parts = values.reshape(batch, height // finer, finer, width // finer, finer, channels)
    return parts.mean((2, 4))
