"""Split every triangle into four without moving the surface, to make room for detail."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from occface_core.geometry.neighbours import mesh_edges


@attrs.define(frozen=True, kw_only=True, eq=False)
class Subdivision:
    """A finer mesh on the same surface.

    Attributes:
        triangles: (4T, 3) int64; the old vertices keep their numbers.
        edges: (E, 2) int64: vertex V + e lies in the middle of edge e.
    """

    triangles: Tensor
    edges: Tensor

    def spread(self, values: Tensor) -> Tensor:
        """Return values (..., V, C) at the old vertices as (..., V + E, C) at old and new ones."""
        middle = (values[..., self.edges[:, 0], :] + values[..., self.edges[:, 1], :]) / 2
        return torch.cat((values, middle), -2)


def subdivide(triangles: Tensor, vertex_count: int) -> Subdivision:
    """Split triangles (T, 3) int64 at the middles of their edges."""
    edges = mesh_edges(triangles)
    keys = edges[:, 0] * vertex_count + edges[:, 1]

    def middle(i: int, j: int) -> Tensor:
        low, high = triangles[:, [i, j]].sort(1).values.unbind(1)
        return torch.searchsorted(keys, low * vertex_count + high) + vertex_count

    a, b, c = triangles.unbind(1)
    ab, bc, ca = middle(0, 1), middle(1, 2), middle(2, 0)
    corners = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
    return Subdivision(
        triangles=torch.stack([torch.stack(corner, -1) for corner in corners], 1).reshape(-1, 3), edges=edges
    )
