"""Draw a picture as another grid of pixels sees it, without aliasing when it gets smaller."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from occface_core.geometry.camera import pixel_grid


def transform_points(matrix: Tensor, points: Tensor) -> Tensor:
    """Apply plane transforms (B, 3, 3) to points (B, N, 2); a matrix (3, 3) serves all items."""
    moved = points @ matrix[..., :2, :2].transpose(-1, -2) + matrix[..., None, :2, 2]
    if bool((matrix[..., 2, :2] == 0).all()):
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
        (C, height, width).
    """
    source_height, source_width = picture.shape[-2:]
    corners = pixel_grid(2, 2, target_to_source) * target_to_source.new_tensor([width - 1.0, height - 1.0])
    reached = transform_points(target_to_source, corners)
    reduction = float(torch.linalg.det(target_to_source[:2, :2]).abs().sqrt())
    block = max(1, math.floor(reduction))
    matrix = target_to_source
    if block > 1:  # only what the target reaches is averaged: a face is often a small part of its photo
        low, high = reached.amin(0), reached.amax(0)
        left, right, *columns = _span(float(low[0]), float(high[0]), source_width, block)
        top, bottom, *rows = _span(float(low[1]), float(high[1]), source_height, block)
        part = picture[None, :, top:bottom, left:right]
        if any(columns + rows):
            mode = "replicate" if outside == "border" else "constant"
            part = F.pad(part, (*columns, *rows), mode=mode)
        picture = F.avg_pool2d(part, block)[0]
        shift_x, shift_y = (
            -(start - pad + (block - 1) / 2) / block for start, pad in ((left, columns[0]), (top, rows[0]))
        )
        shrink = 1 / block
        matrix = matrix.new_tensor([[shrink, 0, shift_x], [0, shrink, shift_y], [0, 0, 1]]) @ matrix
    samples = 1 if reduction / block < 1.05 else 2
    total = torch.zeros((), dtype=picture.dtype, device=picture.device)
    grid = pixel_grid(height, width, matrix)
    for i in range(samples):
        for j in range(samples):
            offset = grid.new_tensor([(j + 0.5) / samples - 0.5, (i + 0.5) / samples - 0.5])
            at = transform_points(matrix, grid + offset).reshape(height, width, 2)
            total = total + sample_pixels(picture[None], at[None].to(picture), outside=outside)[0]
    return total / samples**2


def sample_pixels(pictures: Tensor, at: Tensor, *, outside: str = "border") -> Tensor:
    """Sample pictures (B, C, H, W) bilinearly at pixels `at` (B, h, w, 2) (x, y), giving (B, C, h, w)."""
    height, width = pictures.shape[-2:]
    size = at.new_tensor([max(width - 1, 1), max(height - 1, 1)])
    return F.grid_sample(
        pictures, 2 * at / size - 1, mode="bilinear", padding_mode=outside, align_corners=True
    )


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
