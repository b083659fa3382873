"""Rasterising figures that share a list of triangles, of which each has its own part."""

from __future__ import annotations

import torch
from torch import Tensor

from occface_core.geometry.fragments import Fragments
from occface_core.geometry.rasterise import GUARD, NEAR, rasterise

SHADOW_MAP = 192
"""Pixels along a side of the map in which shadows of the main light are looked up."""


def draw(
    points: Tensor,
    matrix: Tensor,
    triangles: Tensor,
    kept: Tensor | None,
    size: int,
    *,
    engine: str | None = None,
) -> Fragments:
    """Find the nearest kept triangle at every pixel.

    On the CPU the compiled rasteriser draws face by face, elsewhere all are drawn at once; both answer alike.

    Args:
        points: (B, N, 3) mm in camera space.
        matrix: (B, 3, 3) camera matrices.
        triangles: (M, 3) int64.
        kept: (B, M) bool, None keeps all.
        size: side of the pictures in pixels.
        engine: "numba" or "torch"; None takes numba on the CPU and torch elsewhere.
    """
    points, matrix = points.float(), matrix.float()
    if (engine or ("numba" if points.device.type == "cpu" else "torch")) == "torch":
        from occface_core.geometry import rasterise_torch

        return rasterise_torch.draw(points, matrix, triangles, size, size, NEAR, GUARD, kept)[0]
    if kept is None:
        return rasterise(points, matrix, triangles, size, size, engine=engine)
    parts = []
    for k in range(len(points)):
        rows = kept[k].nonzero()[:, 0]
        part = rasterise(points[k : k + 1], matrix[k], triangles[rows], size, size, engine=engine)
        here = part.triangle
        named = torch.where(here >= 0, rows[here.clamp_min(0)], -1) if len(rows) else here
        parts.append((named, part.barycentric, part.depth))
    triangle, weight, depth = (torch.cat(each) for each in zip(*parts, strict=True))
    return Fragments(triangle=triangle, barycentric=weight, depth=depth)


def resized(matrix: Tensor, size: int) -> Tensor:
    """Return camera matrices (B, 3, 3) for pictures of another size; the old one follows from their middle."""
    scale = size / (2 * matrix[:, 0, 2] + 1)
    zero, one = torch.zeros_like(scale), torch.ones_like(scale)
    move = torch.stack((scale, zero, (scale - 1) / 2, zero, scale, (scale - 1) / 2, zero, zero, one), -1)
    return move.reshape(-1, 3, 3) @ matrix


def sees(vertices: Tensor, triangles: Tensor, present: Tensor, kept: Tensor, way: Tensor) -> Tensor:
    """Return (B, N) float32 in [0, 1]: whether nothing stands between vertices and lights far away.

    Args:
        vertices: (B, N, 3) mm.
        triangles: (M, 3) int64.
        present: (B, N) bool, vertices that are there.
        kept: (B, M) bool, triangles that are there.
        way: (B, 3) float64 unit directions to the lights, in the vertices' axes.
    """
    size, far = SHADOW_MAP, 1e5
    upright = way.new_tensor([0.0, 1.0, 0.0]), way.new_tensor([1.0, 0.0, 0.0])
    helper = torch.where((way[:, 1].abs() < 0.9)[:, None], *upright)
    across = torch.linalg.cross(helper, way)
    across = across / across.norm(dim=1, keepdim=True)
    axes = torch.stack((across, torch.linalg.cross(way, across), -way), 1)
    used = present[..., None]
    middle = torch.where(used, vertices, 0).double().sum(1, keepdim=True) / used.sum(1, keepdim=True)
    turned = torch.where(used, vertices - middle, 0).double() @ axes.mT
    reach = turned[..., :2].abs().amax((1, 2)) + 2
    flat = (turned + turned.new_tensor([0.0, 0.0, far])).float()
    focal = far * (size / 2 - 2) / reach
    matrix = flat.new_zeros(len(flat), 3, 3)
    matrix[:, 0, 0] = matrix[:, 1, 1] = focal.float()
    matrix[:, :2, 2], matrix[:, 2, 2] = size / 2, 1
    nearest = torch.nan_to_num(draw(flat, matrix, triangles, kept, size).depth, nan=2 * far).flatten(1)
    place = flat[..., :2] / flat[..., 2:] * focal.float()[:, None, None] + size / 2
    margin = (2.0 * reach / size + 3.5).float()[:, None]
    lit = torch.zeros_like(flat[..., 0])
    for dx, dy in ((-0.7, 0.3), (0.7, -0.3), (0.3, 0.7), (-0.3, -0.7)):
        column = (place[..., 0] + dx).round().clamp(0, size - 1).long()
        row = (place[..., 1] + dy).round().clamp(0, size - 1).long()
        lit = lit + 0.25 * (flat[..., 2] < nearest.gather(1, row * size + column) + margin)
    return lit
