"""Draw a picture as another grid of pixels sees it, without aliasing when it gets smaller."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def transform_points(matrix: Tensor, points: Tensor) -> Tensor:
    """Apply plane transforms (B, 3, 3) to points (B, N, 2); a matrix (3, 3) serves all items."""
    moved = points @ matrix[..., :2, :2].transpose(-1, -2) + matrix[..., None, :2, 2]
    if bool((matrix[..., 2, :] == matrix.new_tensor([0, 0, 1])).all()):
        return moved
    weight = points @ matrix[..., 2, :2, None] + matrix[..., None, 2, 2:]
    return moved / weight


def resample(
    picture: Tensor, target_to_source: Tensor, height: int, width: int, *, outside: str = "border"
) -> Tensor:
    """Sample one picture at the pixels of a target grid, bilinearly, averaging where it gets smaller.

    The picture is first averaged over blocks of whole pixels and the rest of the reduction is done by several
    samples in each target pixel, so that every source pixel counts.

    Args:
        picture: (C, H, W), floating point.
        target_to_source: (3, 3) affine transform from target pixels to pixels of `picture`.
        height: height of the result in pixels.
        width: width of the result in pixels.
        outside: "border" repeats the picture's edge outside of it, "zeros" puts 0 there.

    Returns:
        (C, height, width). Differentiable in `picture`.
    """
    source_height, source_width = picture.shape[-2:]
    (a, b, c), (d, e, f), _ = target_to_source.tolist()
    reduction = math.sqrt(abs(a * e - b * d))
    block = max(1, math.floor(reduction))
    if block > 1:  # only what the target reaches is averaged: a face is often a small part of its photo
        across = [c, c + a * (width - 1), c + b * (height - 1), c + a * (width - 1) + b * (height - 1)]
        along = [f, f + d * (width - 1), f + e * (height - 1), f + d * (width - 1) + e * (height - 1)]
        left, right, *columns = _span(min(across), max(across), source_width, block)
        top, bottom, *rows = _span(min(along), max(along), source_height, block)
        part = picture[None, :, top:bottom, left:right]
        if any(columns + rows):
            mode = "replicate" if outside == "border" else "constant"
            part = F.pad(part, (*columns, *rows), mode=mode)
        picture = F.avg_pool2d(part, block)[0]
        c -= left - columns[0] + (block - 1) / 2
        f -= top - rows[0] + (block - 1) / 2
        a, b, c, d, e, f = (value / block for value in (a, b, c, d, e, f))
    samples = 1 if reduction / block < 1.05 else 2
    x = torch.arange(width, dtype=picture.dtype, device=picture.device)
    y = torch.arange(height, dtype=picture.dtype, device=picture.device)[:, None]
    # what `sample_pixels` does to a grid of pixels, done to the few numbers that make the grid
    wide, high = (2 / max(size - 1, 1) for size in (picture.shape[-1], picture.shape[-2]))
    parts = []
    for i in range(samples):
        for j in range(samples):
            aside, below = (j + 0.5) / samples - 0.5, (i + 0.5) / samples - 0.5
            at = torch.empty((1, height, width, 2), dtype=picture.dtype, device=picture.device)
            torch.add(
                x * (a * wide), y * (b * wide) + ((c + a * aside + b * below) * wide - 1), out=at[0, ..., 0]
            )
            torch.add(
                x * (d * high), y * (e * high) + ((f + d * aside + e * below) * high - 1), out=at[0, ..., 1]
            )
            parts.append(F.grid_sample(picture[None], at, padding_mode=outside, align_corners=True)[0])
    return parts[0] if samples == 1 else torch.stack(parts).mean(0)


def sample_pixels(pictures: Tensor, at: Tensor, *, outside: str = "border") -> Tensor:
    """Sample pictures (B, C, H, W) bilinearly at pixels `at` (B, h, w, 2) (x, y), giving (B, C, h, w)."""
    height, width = pictures.shape[-2:]
    size = at.new_tensor([max(width - 1, 1), max(height - 1, 1)])
    return F.grid_sample(
        pictures, 2 * at / size - 1, mode="bilinear", padding_mode=outside, align_corners=True
    )


def sample_points(pictures: Tensor, points: Tensor, mode: str = "bilinear") -> Tensor:
    """Return (B, N, C) values of pictures (B, C, S, S) at points (B, N, 2) (x, y) in pixels; the edge goes on.

    Args:
        pictures: (B, C, S, S).
        points: (B, N, 2), 0 in the middle of the first pixel.
        mode: "bilinear" or "nearest".
    """
    grid = (2 * points + 1) / pictures.shape[-1] - 1
    values = F.grid_sample(
        pictures, grid[:, :, None].to(pictures), mode=mode, padding_mode="border", align_corners=False
    )
    return values[..., 0].transpose(1, 2)


def _span(low: float, high: float, size: int, block: int) -> tuple[int, int, int, int]:
    """Return the pixels [start, stop) to average for low..high, and how many to add before and after.

    Whole blocks: inside the picture some are left over at the end, outside of it a block is added.
    """
    start = min(max(math.floor(low) - 3 * block, 0), size - 1)
    stop = max(min(math.ceil(high) + 4 * block, size), start + 1)
    if stop < size and stop - start >= block:
        stop -= (stop - start) % block
    before = block if start == 0 else 0
    after = -(stop - start) % block + (block if stop == size else 0)
    return start, stop, before, after
