"""Split triangles without moving the surface, to make room for detail."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from occface_core.errors import RecordError
from occface_core.geometry.neighbours import mesh_edges


@attrs.define(frozen=True, kw_only=True, eq=False)
class Subdivision:
    """A finer mesh on the same surface.

    Attributes:
        triangles: (T', 3) int64; the old vertices keep their numbers.
        edges: (E, 2) int64: vertex V + e lies in the middle of edge e.
    """

    triangles: Tensor
    edges: Tensor

    def spread(self, values: Tensor) -> Tensor:
        """Return values (..., V, C) at the old vertices as (..., V + E, C) at old and new ones."""
        middle = (values[..., self.edges[:, 0], :] + values[..., self.edges[:, 1], :]) / 2
        return torch.cat((values, middle), -2)

    def spread_weld(self, weld: Tensor) -> Tensor:
        """Return (V + E,) the first vertex at the same place: the middles of welded edges are welded."""
        low, high = weld[self.edges].sort(1).values.unbind(1)
        _, group = torch.unique(low * len(weld) + high, return_inverse=True)
        number = torch.arange(len(group), device=group.device)
        first = torch.full_like(number, len(group)).scatter_reduce(0, group, number, "amin")
        return torch.cat((weld, first[group] + len(weld)))


def subdivide(triangles: Tensor, vertex_count: int, *, split: Tensor | None = None) -> Subdivision:
    """Split edges of triangles (T, 3) int64 in the middle.

    A triangle becomes four where all its edges are split, three or two where some are, so that neighbours
    always share whole edges.

    Args:
        triangles: (T, 3) int64.
        vertex_count: number V of vertices.
        split: (E,) bool, for each of `mesh_edges(triangles)`; all are split if None.
    """
    edges = mesh_edges(triangles)
    if split is not None and split.shape != edges.shape[:1]:
        raise RecordError(f"subdivide: split must have shape ({len(edges)},), got {tuple(split.shape)}")
    chosen = edges if split is None else edges[split]
    keys = chosen[:, 0] * vertex_count + chosen[:, 1]

    def middle(start: Tensor, end: Tensor) -> Tensor:
        """Return the vertex in the middle of edges, -1 where they are not split."""
        wanted = torch.minimum(start, end) * vertex_count + torch.maximum(start, end)
        place = torch.searchsorted(keys, wanted).clamp_max(max(len(keys) - 1, 0))
        if not len(keys):
            return torch.full_like(start, -1)
        return torch.where(keys[place] == wanted, place + vertex_count, -1)

    corner = torch.cat((triangles, torch.stack([middle(*e) for e in _sides(triangles)], -1)), 1)
    count = (corner[:, 3:] >= 0).sum(1)
    # turn the triangles so that a lone split edge comes first, and a lone whole edge last
    lone = torch.where(count == 1, (corner[:, 3:] >= 0).int().argmax(1), 0)
    lone = torch.where(count == 2, ((corner[:, 3:] < 0).int().argmax(1) + 1) % 3, lone)
    order = (torch.arange(3, device=lone.device) + lone[:, None]) % 3
    turned = torch.cat((corner[:, :3].gather(1, order), corner[:, 3:].gather(1, order)), 1)
    parts = [turned[count == n][:, columns] for n, pieces in _PIECES.items() for columns in pieces]
    return Subdivision(triangles=torch.cat(parts), edges=chosen)


# the pieces of a triangle whose columns are a, b, c, then the middles of ab, bc, ca, by number of middles
_PIECES = {
    0: ([0, 1, 2],),
    1: ([0, 3, 2], [3, 1, 2]),
    2: ([0, 3, 4], [3, 1, 4], [0, 4, 2]),
    3: ([0, 3, 5], [3, 1, 4], [5, 4, 2], [3, 4, 5]),
}


def _sides(triangles: Tensor) -> list[tuple[Tensor, Tensor]]:
    a, b, c = triangles.unbind(1)
    return [(a, b), (b, c), (c, a)]


def refine(
    vertices: Tensor, triangles: Tensor, wanted: Tensor, *, longest: float = 1.6, rounds: int = 3
) -> tuple[Subdivision, ...]:
    """Split edges until those of the wanted part of a mesh are short enough for detail.

    Args:
        vertices: (V, 3) mm.
        triangles: (T, 3) int64.
        wanted: (V,) bool; edges with a wanted end are split.
        longest: edges longer than this, mm, are split.
        rounds: how often at most.

    Returns:
        The steps to take one after the other, each on the mesh that the one before has made.
    """
    steps: list[Subdivision] = []
    share = wanted.to(vertices.dtype)[:, None]
    for _ in range(rounds):
        edges = mesh_edges(triangles)
        length = (vertices[edges[:, 0]] - vertices[edges[:, 1]]).norm(dim=-1)
        split = (length > longest) & (share[edges, 0] > 0.5).any(1)
        if not bool(split.any()):
            break
        step = subdivide(triangles, len(vertices), split=split)
        steps.append(step)
        vertices, share, triangles = step.spread(vertices), step.spread(share), step.triangles
    return tuple(steps)
