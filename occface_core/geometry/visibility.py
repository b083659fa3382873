"""Which vertices the camera sees, as a soft weight."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from occface_core.geometry.camera import project, scale_intrinsics
from occface_core.geometry.neighbours import erode, mesh_edges, smooth
from occface_core.geometry.normals import facing, vertex_normals
from occface_core.geometry.rasterise import rasterise

TOLERANCE = 1.5
"""A vertex this far behind the drawn surface, mm, still lies on it: pixels are coarser than vertices."""

GRAZING, FRONTAL = 0.15, 0.45
"""Cosines to the line of sight at which a surface starts to count, and counts fully."""


def visible_vertices(
    vertices: Tensor,
    triangles: Tensor,
    intrinsics: Tensor,
    height: int,
    width: int,
    *,
    weld: Tensor | None = None,
) -> Tensor:
    """Return (B, V) bool: in the picture, turned to the camera, and with nothing of the mesh in front.

    Args:
        vertices: (B, V, 3) mm in camera space.
        triangles: (T, 3) int64.
        intrinsics: camera matrix, (B, 3, 3) or (3, 3).
        height: height of the picture in pixels.
        width: width of the picture in pixels.
        weld: (V,) int64 the first vertex at the same place.
    """
    cosine = facing(vertices, vertex_normals(vertices, triangles, weld=weld))
    return _unhidden(vertices, triangles, intrinsics, height, width) & (cosine > 0)


def _unhidden(vertices: Tensor, triangles: Tensor, intrinsics: Tensor, height: int, width: int) -> Tensor:
    """Return (B, V) bool: in the picture, and with nothing of the mesh in front."""
    place = project(vertices, intrinsics)
    edge = place.new_tensor([width - 0.5, height - 0.5])
    within = ((place >= -0.5) & (place <= edge)).all(-1)
    # drawn at twice the size, so that less of what lies beside an edge is taken for what lies behind it
    drawn = rasterise(vertices, scale_intrinsics(intrinsics, 2), triangles, 2 * height, 2 * width).depth
    fine = torch.where(within[..., None], 2 * place + 0.5, 0)
    depth = torch.nan_to_num(drawn, nan=torch.inf).flatten(1)
    x, y = fine.floor().long().unbind(-1)
    seen = torch.zeros_like(within)
    for right in (0, 1):
        for down in (0, 1):
            column, row = (x + right).clamp(0, 2 * width - 1), (y + down).clamp(0, 2 * height - 1)
            seen |= depth.gather(1, row * 2 * width + column) >= vertices[..., 2] - TOLERANCE
    return seen & within


@attrs.define(frozen=True, kw_only=True, eq=False)
class Sight:
    """What the camera sees of a mesh.

    Attributes:
        visible: (B, V) bool, see `visible_vertices`.
        weights: (B, V) in [0, 1], see `seen_weights`.
    """

    visible: Tensor
    weights: Tensor


def seen_weights(
    vertices: Tensor,
    triangles: Tensor,
    intrinsics: Tensor,
    height: int,
    width: int,
    *,
    weld: Tensor | None = None,
) -> Tensor:
    """Return (B, V) in [0, 1]: how far a photo shows the colour of each vertex.

    Visible vertices, less where they are seen at a grazing angle, drawn in by a ring at the border of the
    visible region and faded over the next two. Arguments as for `visible_vertices`.
    """
    return look(vertices, triangles, intrinsics, height, width, weld=weld).weights


def look(
    vertices: Tensor,
    triangles: Tensor,
    intrinsics: Tensor,
    height: int,
    width: int,
    *,
    weld: Tensor | None = None,
) -> Sight:
    """Return which vertices are visible, and `seen_weights`. Arguments as for `visible_vertices`."""
    cosine = facing(vertices, vertex_normals(vertices, triangles, weld=weld))
    visible = _unhidden(vertices, triangles, intrinsics, height, width) & (cosine > 0)
    ramp = ((cosine - GRAZING) / (FRONTAL - GRAZING)).clamp(0, 1)
    edges = mesh_edges(triangles, weld)
    inner = erode(visible.to(vertices.dtype), edges)
    weights = torch.minimum(smooth(inner, edges, 2), inner) * ramp * ramp * (3 - 2 * ramp)
    return Sight(visible=visible, weights=weights if weld is None else weights[:, weld])
