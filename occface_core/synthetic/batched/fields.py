"""Smooth random fields of many samples at once, from the random numbers that the host drew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from occface_core.synthetic.noise import Grid


def spread(grids: Sequence[Grid], device: torch.device) -> Tensor:
    """Return the fields (B, H, W) of grids that are all of one kind: what `Grid.spread` gives of each."""
    first = grids[0]
    values = torch.as_tensor(np.stack([grid.values[..., 0] for grid in grids])).to(device)
    big = torch.nn.functional.interpolate(values[:, None], first.big, mode="bicubic", align_corners=False)[
        :, 0
    ]
    corner = torch.tensor([grid.corner for grid in grids], device=device)
    height, width = first.shape
    rows = corner[:, :1] + torch.arange(height, device=device)
    columns = corner[:, 1:] + torch.arange(width, device=device)
    item = torch.arange(len(grids), device=device)
    return big[item[:, None, None], rows[:, :, None], columns[:, None, :]] * 1.25


def octaves(each: Sequence[Sequence[Grid]], device: torch.device, decay: float = 0.55) -> Tensor:
    """Return the noise (B, H, W) of several cell sizes that `noise.octaves` makes of the same grids."""
    gains = [decay**k for k in range(len(each[0]))]
    layers = [gain * spread([grids[k] for grids in each], device) for k, gain in enumerate(gains)]
    return torch.stack(layers).sum(0) / float(np.sqrt(sum(gain * gain for gain in gains)))


def blurred(pictures: Tensor, sigma: Tensor) -> Tensor:
    """Return pictures (B, C, H, W) under Gaussian filters of width sigma (B,) px, 0 = as they are.

    The filter's length and the mirrored edge are those of OpenCV for floating-point pictures.
    """
    reach = ((sigma * 8 + 1).round().long() | 1) // 2
    reach = torch.where(sigma > 0, reach, 0)
    longest = int(reach.max()) if len(reach) else 0
    if longest == 0:
        return pictures
    offset = torch.arange(-longest, longest + 1, device=pictures.device)
    narrow = torch.where(sigma > 0, sigma, 1)[:, None].to(pictures)
    weight = torch.exp(-0.5 * (offset / narrow) ** 2) * (offset.abs() <= reach[:, None])
    weight = weight / weight.sum(1, keepdim=True)
    for axis in (2, 3):
        size = pictures.shape[axis]
        total = torch.zeros_like(pictures)
        for k, step in enumerate(offset.tolist()):
            place = torch.arange(size, device=pictures.device) + step
            place = mirrored(place, size)
            total = total + weight[:, k, None, None, None] * pictures.index_select(axis, place)
        pictures = total
    return pictures


def mirrored(place: Tensor, size: int) -> Tensor:
    """Return places reflected at the first and the last of `size` pixels, which are not doubled."""
    if size == 1:
        return torch.zeros_like(place)
    period = 2 * (size - 1)
    place = place % period
    return torch.where(place < size, place, period - place)
