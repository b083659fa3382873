"""Unit normals of meshes and of depth maps."""

from __future__ import annotations

import torch
from torch import Tensor

from occface_core.geometry.camera import pixel_grid, unproject


def vertex_normals(vertices: Tensor, triangles: Tensor, *, weld: Tensor | None = None) -> Tensor:
    """Return the mean of the surrounding triangles' normals, weighted by their area.

    Args:
        vertices: (B, V, 3) mm in any frame.
        triangles: (T, 3) int64, counter-clockwise when seen from outside.
        weld: (V,) int64 the first vertex at the same place, where texture seams double vertices.

    Returns:
        (B, V, 3) unit normals pointing outwards, in the frame of `vertices`; 0 at vertices without area.
    """
    first, second, third = (vertices.index_select(1, corner) for corner in triangles.unbind(1))
    face = torch.linalg.cross(second - first, third - first)
    total = torch.zeros_like(vertices)
    for corner in triangles.unbind(1):
        total = _add(total, corner, face)
    if weld is not None:
        doubled = (weld != torch.arange(len(weld), device=weld.device)).nonzero()[:, 0]
        total = _add(total, weld[doubled], total[:, doubled])[:, weld]
    return unit(total)


def _add(total: Tensor, rows: Tensor, values: Tensor) -> Tensor:
    """Return total (B, V, 3) plus values (B, N, 3) at rows (N,): `index_add`, which is slow but for flat tensors."""
    batch, count, width = total.shape
    place = rows[:, None] * width + torch.arange(width, device=rows.device)
    item = torch.arange(batch, device=rows.device)[:, None] * (count * width)
    flat = total.reshape(-1).scatter_add(0, (item + place.reshape(-1)).reshape(-1), values.reshape(-1))
    return flat.reshape(total.shape)


def unit(vectors: Tensor) -> Tensor:
    """Return vectors (..., 3) of length 1; vectors of no length stay 0."""
    length = vectors.norm(dim=-1, keepdim=True)
    return vectors / torch.where(length > 1e-12, length, torch.inf)


def to_viewer(vectors: Tensor) -> Tensor:
    """Turn directions (..., 3) from camera axes to viewer axes (y up, z towards the viewer), or back."""
    return vectors * vectors.new_tensor([1.0, -1.0, -1.0])


def facing(vertices: Tensor, normals: Tensor) -> Tensor:
    """Return (B, V) cosine between each normal and the direction to the camera, both in camera axes."""
    return -(unit(vertices) * normals).sum(-1)


def depth_normals(depth: Tensor, intrinsics: Tensor, *, max_jump: float = 10.0) -> Tensor:
    """Return the normals of the surface that a depth map shows.

    Central differences where both neighbours lie on the surface, one-sided at its edge.

    Args:
        depth: (B, 1, H, W) mm along z, nan where there is no surface.
        intrinsics: camera matrix, (B, 3, 3) or (3, 3).
        max_jump: neighbours further than this in depth, mm, belong to another surface.

    Returns:
        (B, 3, H, W) unit normals in viewer axes (y up, z towards the viewer), 0 where there is no surface.
    """
    batch, _, height, width = depth.shape
    pixels = pixel_grid(height, width, depth).expand(batch, -1, -1)
    points = unproject(pixels, depth.reshape(batch, -1), intrinsics.to(depth))
    points = points.reshape(batch, height, width, 3)
    across = _difference(points, 2, max_jump)
    down = _difference(points, 1, max_jump)
    normals = unit(to_viewer(torch.linalg.cross(down, across)))
    return normals.permute(0, 3, 1, 2).contiguous()


def _difference(points: Tensor, dim: int, max_jump: float) -> Tensor:
    """Return the sum of forward and backward differences along a dimension, leaving out jumps."""
    step = points.diff(dim=dim)
    step = torch.where(step[..., 2:].abs() <= max_jump, step, 0)  # false for nan as well
    none = torch.zeros_like(points.narrow(dim, 0, 1))
    return torch.cat((step, none), dim) + torch.cat((none, step), dim)
