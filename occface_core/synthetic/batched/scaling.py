"""A picture made smaller and enlarged again, as one matrix along each axis."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=1024)
def lower(size: int, small: int, enlarge: int) -> Tensor:
    """Return (size, size) float32: averaged to `small` pixels, then enlarged as `degrade.ENLARGE` says.

    Pixels are averaged by the share of their area, and enlarged as OpenCV does it.
    """
    return (enlarging(small, size, enlarge) @ averaging(size, small)).float()


def averaging(size: int, small: int) -> Tensor:
    """Return (small, size) float64 weights of the overlap of pixels."""
    step = size / small
    low = torch.arange(small, dtype=torch.float64)[:, None] * step
    pixel = torch.arange(size, dtype=torch.float64)
    overlap = torch.minimum(low + step, pixel + 1) - torch.maximum(low, pixel)
    weight = overlap.clamp_min(0)
    return weight / weight.sum(1, keepdim=True)


def enlarging(small: int, size: int, enlarge: int) -> Tensor:
    """Return (size, small) float64 weights of linear, cubic or nearest interpolation."""
    matrix = torch.zeros(size, small, dtype=torch.float64)
    rows = torch.arange(size)
    if enlarge == 2:
        matrix[rows, (rows * small // size)] = 1
        return matrix
    place = (rows.double() + 0.5) * small / size - 0.5
    first = place.floor()
    t = place - first
    linear = ((0, 1 - t), (1, t))
    cubic = tuple((k, _cubic((t - k).abs())) for k in (-1, 0, 1, 2))
    for step, weight in linear if enlarge == 0 else cubic:
        matrix.index_put_((rows, (first.long() + step).clamp(0, small - 1)), weight, accumulate=True)
    return matrix


def _cubic(x: Tensor, a: float = -0.75) -> Tensor:
    """Return the weights of cubic convolution at a distance x."""
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return torch.where(x <= 1, near, torch.where(x < 2, far, 0))
