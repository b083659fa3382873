"""What baseline JPEG coding leaves of pictures: DCT of 8 × 8 blocks, quantised, colours at half resolution.

Quantisation tables, their scale by quality and the colour conversion are those of ITU-T T.81 (annex K) and
JFIF as libjpeg applies them; no code words are written, since they lose nothing.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

BRIGHT = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29,
    51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121,
    120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
COLOUR = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99,
    *([99] * 36),
)  # fmt: skip
"""Steps of the coefficients at quality 50, row by row: of brightness and of colour."""


def jpeg(pictures: Tensor, quality: Tensor) -> Tensor:
    """Return pictures (B, 3, H, W) RGB in [0, 1] after coding and decoding at qualities (B,), 1 to 100."""
    height, width = pictures.shape[2:]
    full = (pictures.clamp(0, 1) * 255).round()
    full = torch.nn.functional.pad(full, (0, -width % 16, 0, -height % 16), mode="replicate")
    red, green, blue = full.unbind(1)
    luma = (0.299 * red + 0.587 * green + 0.114 * blue).round()
    blueness = (-0.168735892 * red - 0.331264108 * green + 0.5 * blue + 128).round().clamp(0, 255)
    redness = (0.5 * red - 0.418687589 * green - 0.081312411 * blue + 128).round().clamp(0, 255)
    scale = torch.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    luma = _coded(luma, _steps(BRIGHT, scale))
    blueness, redness = (
        _finer(_coded(_coarser(part), _steps(COLOUR, scale))) for part in (blueness, redness)
    )
    cb, cr = blueness - 128, redness - 128
    out = torch.stack((luma + 1.402 * cr, luma - 0.344136286 * cb - 0.714136286 * cr, luma + 1.772 * cb), 1)
    return out.round().clamp(0, 255)[:, :, :height, :width] / 255


def _steps(table: tuple[int, ...], scale: Tensor) -> Tensor:
    """Return (B, 8, 8) the quantisation steps at scales (B,) percent."""
    base = torch.tensor(table, device=scale.device).reshape(8, 8)
    return ((base * scale[:, None, None] + 50) // 100).clamp(1, 255).float()


@lru_cache(maxsize=4)
def _cosines(device: torch.device) -> Tensor:
    """Return (8, 8) the orthonormal DCT's matrix, frequency by place."""
    k = torch.arange(8, dtype=torch.float64)
    matrix = torch.cos(torch.pi * (2 * k + 1) * k[:, None] / 16) / 2
    matrix[0] /= 2**0.5
    return matrix.float().to(device)


def _coded(plane: Tensor, steps: Tensor) -> Tensor:
    """Return planes (B, H, W) of whole numbers after quantisation of their blocks."""
    batch, height, width = plane.shape
    cosines = _cosines(plane.device)
    blocks = (plane - 128).reshape(batch, height // 8, 8, width // 8, 8).transpose(2, 3)
    steps = steps[:, None, None]
    coefficient = ((cosines @ blocks @ cosines.T) / steps).round() * steps
    back = (cosines.T @ coefficient @ cosines).transpose(2, 3).reshape(batch, height, width)
    return (back + 128).round().clamp(0, 255)


def _coarser(plane: Tensor) -> Tensor:
    """Return planes at half resolution; half numbers are rounded down and up in turn along a row."""
    batch, height, width = plane.shape
    total = plane.reshape(batch, height // 2, 2, width // 2, 2).sum((2, 4))
    bias = 1 + torch.arange(width // 2, device=plane.device) % 2
    return ((total + bias) / 4).floor()


def _finer(plane: Tensor) -> Tensor:
    """Return planes at double resolution, each pixel 9 : 3 : 3 : 1 of the four nearest."""
    padded = torch.nn.functional.pad(plane[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    batch, height, width = plane.shape
    out = plane.new_empty(batch, height, 2, width, 2)
    for dy in (0, 1):
        near = padded[:, 1:-1] * 3 + padded[:, 2 * dy : 2 * dy + height]
        for dx, bias in ((0, 8), (1, 7)):
            value = near[:, :, 1:-1] * 3 + near[:, :, 2 * dx : 2 * dx + width]
            out[:, :, dy, :, dx] = ((value + bias) / 16).floor()
    return out.reshape(batch, 2 * height, 2 * width)
