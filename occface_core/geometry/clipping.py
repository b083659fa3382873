"""Cut triangles at the near plane and at the edge of the range in which pixels can be counted."""

from __future__ import annotations

import attrs
import numpy as np
import torch
from torch import Tensor


@attrs.define(frozen=True, kw_only=True, eq=False)
class Pieces:
    """What is left of cut triangles.

    Attributes:
        corners: (N, 3, 3) homogeneous picture coordinates (u·z, v·z, z).
        parent: (N,) int64 the triangle that each was cut from.
        blend: (N, 3, 3) weights of the parent's corners at each corner.
    """

    corners: Tensor
    parent: Tensor
    blend: Tensor


def clip_triangles(points: Tensor, triangles: Tensor, drawable: Tensor, near: float, guard: float) -> Pieces:
    """Cut the triangles that have a corner that cannot be drawn, and keep what can be drawn of them.

    Args:
        points: (V, 3) homogeneous picture coordinates, on the CPU.
        triangles: (T, 3) int64, on the CPU.
        drawable: (V,) bool, on the CPU.
        near: smallest z kept.
        guard: largest |u| and |v| kept, pixels.
    """
    values, faces = points.numpy(), triangles.numpy()
    # rows give the distance to each plane, positive inside; a touch inside the range that can be drawn
    reach = 0.999 * guard
    planes = np.array([[0, 0, 1], [-1, 0, reach], [1, 0, reach], [0, -1, reach], [0, 1, reach]], values.dtype)
    offsets = np.array([-near, 0, 0, 0, 0], values.dtype)
    cut = np.flatnonzero(~drawable.numpy()[faces].all(1))
    inside = values[faces[cut]] @ planes.T + offsets
    with np.errstate(invalid="ignore"):
        some = np.isfinite(inside).all((1, 2)) & (inside > 0).any(1).all(1)
    corners, parents = [], []
    for row in cut[some]:
        polygon = np.concatenate((values[faces[row]], np.eye(3, dtype=values.dtype)), 1)
        for plane, offset in zip(planes, offsets, strict=True):
            polygon = _cut(polygon, polygon[:, :3] @ plane + offset)
        for k in range(1, len(polygon) - 1):
            corners.append(polygon[[0, k, k + 1]])
            parents.append(row)
    stacked = np.stack(corners) if corners else np.zeros((0, 3, 6), values.dtype)
    return Pieces(
        corners=torch.from_numpy(stacked[..., :3].copy()),
        blend=torch.from_numpy(stacked[..., 3:].copy()),
        parent=torch.tensor(parents, dtype=torch.int64),
    )


def _cut(polygon: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the part of a convex polygon (N, 6) where `inside` (N,) is not negative.

    New corners are always counted from the inner end of an edge, so that the two triangles at an edge
    get the same corner.
    """
    kept = []
    for k in range(len(polygon)):
        here, there = polygon[k - 1], polygon[k]
        a, b = inside[k - 1], inside[k]
        if a >= 0 > b:
            kept.append(here + (there - here) * (a / (a - b)))
        elif b >= 0 > a:
            kept.append(there + (here - there) * (b / (b - a)))
        if b >= 0:
            kept.append(there)
    return np.stack(kept) if kept else polygon[:0]
