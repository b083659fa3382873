"""Split triangles, on the flat surface or on a curved one through the same vertices, to make room for detail."""

from __future__ import annotations

from importlib.util import find_spec

import attrs
import torch
from torch import Tensor

from occface_core.errors import RecordError
from occface_core.geometry.normals import unit


@attrs.define(frozen=True, kw_only=True, eq=False)
class Subdivision:
    """A finer mesh through the same vertices.

    Attributes:
        triangles: (T', 3) int64; the old vertices keep their numbers. Those that nothing split come first.
        edges: (E, 2) int64 the edges that were split, in order: vertex V + e lies in the middle of edge e.
    """

    triangles: Tensor
    edges: Tensor

    def spread(self, values: Tensor) -> Tensor:
        """Return values (..., V, C) at the old vertices as (..., V + E, C) at old and new ones."""
        middle = (values[..., self.edges[:, 0], :] + values[..., self.edges[:, 1], :]) / 2
        return torch.cat((values, middle), -2)

    def curve(self, points: Tensor, normals: Tensor) -> tuple[Tensor, Tensor]:
        """Return points and normals like `spread`, with the new ones on the curved surface that the normals tell of.

        The middle of an edge is that of curved point-normal triangles (Vlachos et al. 2001): exact for a circle's
        arc up to the fourth power of its angle. Without it, the pieces of a triangle stay in its plane, which
        shading shows as facets.

        Args:
            points: (..., V, 3).
            normals: (..., V, 3) of length 1, or 0 where a vertex has none; such ends do not bend.
        """
        start, end = (points[..., ends, :] for ends in self.edges.unbind(1))
        first, second = (normals[..., ends, :] for ends in self.edges.unbind(1))
        along = end - start
        rise = (along * first).sum(-1, keepdim=True) * first - (along * second).sum(-1, keepdim=True) * second
        middle = (start + end) / 2 - rise / 8
        return torch.cat((points, middle), -2), torch.cat((normals, unit(first + second)), -2)

    def spread_weld(self, weld: Tensor) -> Tensor:
        """Return (V + E,) the first vertex at the same place: the middles of welded edges are welded."""
        number = torch.arange(len(self.edges), device=weld.device)
        doubled = weld != torch.arange(len(weld), device=weld.device)
        doubled[weld[doubled]] = True
        rows = doubled[self.edges].any(1).nonzero()[:, 0]  # on a seam, or at its end: few
        low, high = weld[self.edges[rows]].sort(1).values.unbind(1)
        _, group = torch.unique(low * len(weld) + high, return_inverse=True)
        first = torch.full_like(rows, len(self.edges)).scatter_reduce(0, group, rows, "amin")
        return torch.cat((weld, number.index_copy(0, rows, first[group]) + len(weld)))


def subdivide(triangles: Tensor, vertex_count: int, *, split: Tensor | None = None) -> Subdivision:
    """Split edges of triangles (T, 3) int64 in the middle.

    A triangle becomes four where all its edges are split, three or two where some are, so that neighbours
    always share whole edges.

    Args:
        triangles: (T, 3) int64 rows a, b, c.
        vertex_count: number V of vertices.
        split: (T, 3) bool, whether to split the sides ab, bc and ca; neighbours must agree about the side that
            they share. All are split if None.
    """
    if split is None:
        split = triangles != triangles.roll(-1, 1)  # a triangle without area may have a side without length
    elif split.shape != triangles.shape:
        raise RecordError(
            f"subdivide: split must have shape {tuple(triangles.shape)}, got {tuple(split.shape)}"
        )
    edges, whole, pieces = _split(triangles, vertex_count, split)
    return Subdivision(triangles=torch.cat((whole, pieces)), edges=edges)


def _split(triangles: Tensor, vertex_count: int, split: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the edges that are split, the triangles that stay whole, and the pieces of the others."""
    # corner by corner and side by side: torch is several times as fast along long rows as along short ones
    sides = split.T.contiguous()
    count = sides.to(torch.uint8).sum(0)
    cut = count.nonzero()[:, 0]
    whole = triangles.index_select(0, (count == 0).nonzero()[:, 0])
    corner, sides, count = triangles.index_select(0, cut).T.contiguous(), sides[:, cut], count[cut]
    other = corner[[1, 2, 0]]
    keys, place = torch.unique(
        (torch.minimum(corner, other) * vertex_count + torch.maximum(corner, other))[sides],
        return_inverse=True,
    )
    edges = torch.stack((keys // vertex_count, keys % vertex_count), -1)
    middle = torch.full_like(corner, -1).masked_scatter(sides, place + vertex_count)
    parts = []
    for number, pieces in _PIECES.items():
        rows = (count == number).nonzero()[:, 0]
        some = torch.cat((corner[:, rows], middle[:, rows]))
        if number < 3:  # turn the triangles so that a lone split edge comes first, and a lone whole edge last
            lone = sides[:, rows] if number == 1 else ~sides[:, rows]
            first = (lone.int().argmax(0) + number - 1) % 3
            order = (torch.arange(3, device=first.device)[:, None] + first) % 3
            some = some.gather(0, torch.cat((order, order + 3)))
        parts += [torch.stack([some[k] for k in piece], -1) for piece in pieces]
    return edges, whole, torch.cat(parts)


# the pieces of a triangle whose columns are a, b, c, then the middles of ab, bc, ca, by number of middles
_PIECES = {
    1: ([0, 3, 2], [3, 1, 2]),
    2: ([0, 3, 4], [3, 1, 4], [0, 4, 2]),
    3: ([0, 3, 5], [3, 1, 4], [5, 4, 2], [3, 4, 5]),
}


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
    # what was once left whole stays so: neither its sides nor their ends change any more
    done = triangles[:0]
    for _ in range(rounds):
        edges, whole, pieces = _split_long(vertices, triangles, share[:, 0] > 0.5, longest)
        if not len(edges):
            break
        done, triangles = torch.cat((done, whole)), pieces
        step = Subdivision(triangles=torch.cat((done, triangles)), edges=edges)
        steps.append(step)
        vertices, share = step.spread(vertices), step.spread(share)
    return tuple(steps)


def _split_long(
    vertices: Tensor, triangles: Tensor, wanted: Tensor, longest: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Split sides that are longer than `longest` and have a wanted end; return what `_split` returns."""
    vertices = vertices.detach().to(torch.promote_types(vertices.dtype, torch.float32))
    if vertices.device.type == "cpu" and find_spec("numba"):
        from occface_core.geometry.subdivision_numba import split_long

        return split_long(vertices, triangles, wanted, longest)
    return _split(triangles, len(vertices), _long_sides(vertices, triangles, wanted, longest))


def _long_sides(vertices: Tensor, triangles: Tensor, wanted: Tensor, longest: float) -> Tensor:
    """Return (T, 3) bool: sides ab, bc and ca that are longer than `longest` and have a wanted end."""
    corner = triangles.T.contiguous()
    near = wanted[corner]
    split = near | near[[1, 2, 0]]
    rows = (split[0] | split[1] | split[2]).nonzero()[:, 0]
    corner = corner[:, rows]
    square = torch.zeros_like(corner, dtype=vertices.dtype)
    for axis in vertices.T.contiguous():
        place = axis[corner]
        square += (place - place[[1, 2, 0]]) ** 2
    return split.index_copy(1, rows, split[:, rows] & (square > longest**2)).T
