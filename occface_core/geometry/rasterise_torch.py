"""The rasteriser as torch operations: list the pixels of every triangle's box, keep the nearest at each."""

from __future__ import annotations

import torch
from torch import Tensor

from occface_core.geometry.fragments import Fragments
from occface_core.geometry.precision import SUBPIXEL_BITS, working_dtype

PAIRS_AT_ONCE = 1 << 22
"""Triangle-pixel pairs tried together; bounds the memory (about 200 bytes a pair)."""


def draw(
    vertices: Tensor,
    matrix: Tensor,
    triangles: Tensor,
    height: int,
    width: int,
    near: float,
    guard: float,
    kept: Tensor | None = None,
) -> tuple[Fragments, Tensor]:
    """Draw what needs no clipping; also return which vertices (B, V) can be drawn.

    `kept` (B, T) bool leaves out triangles of single items; None draws all.
    """
    projected, inverses, drawable = _project(vertices, matrix, near, guard)
    corner, inverse_depth, item, row = _drawable_triangles(projected, inverses, drawable, triangles, kept)
    low = (corner.amin(1) + ((1 << SUBPIXEL_BITS) - 1)) >> SUBPIXEL_BITS
    high = corner.amax(1) >> SUBPIXEL_BITS
    low, high = low.clamp_min(0), torch.minimum(high, high.new_tensor([width - 1, height - 1]))
    size = (high - low + 1).clamp_min(0)
    count = size[:, 0] * size[:, 1]

    shape = (len(vertices), height, width)
    nearest = inverse_depth.new_zeros(len(vertices) * height * width)
    winner = torch.full_like(nearest, -1, dtype=torch.int64)
    for chunk in _chunks(count):
        entry = torch.repeat_interleave(chunk, count[chunk])
        start = count[chunk].cumsum(0) - count[chunk]
        place = torch.arange(len(entry), device=entry.device) - torch.repeat_interleave(start, count[chunk])
        x = low[entry, 0] + place % size[entry, 0]
        y = low[entry, 1] + place // size[entry, 0]
        edge, least = _edges(corner[entry], x, y)
        inside = (edge >= least).all(1)
        entry, x, y, edge = entry[inside], x[inside], y[inside], edge[inside]
        z = _inverse_depth(edge, corner[entry], inverse_depth[entry])[0]
        pixel = (item[entry] * height + y) * width + x
        best = torch.zeros_like(nearest).scatter_reduce_(0, pixel, z, "amax")
        first = z == best[pixel]
        lowest = torch.full_like(winner, len(count)).scatter_reduce_(0, pixel[first], entry[first], "amin")
        wins = (lowest < len(count)) & (best > nearest)
        nearest, winner = torch.where(wins, best, nearest), torch.where(wins, lowest, winner)

    pixel = (winner >= 0).nonzero()[:, 0]
    entry, place = winner[pixel], pixel % (height * width)
    edge, _ = _edges(corner[entry], place % width, place // width)
    triangle = torch.full_like(winner, -1).index_copy(0, pixel, row[entry])
    weight = nearest.new_zeros((len(winner), 3)).index_copy(
        0, pixel, _inverse_depth(edge, corner[entry], inverse_depth[entry])[1]
    )
    depth = torch.where(triangle >= 0, 1 / nearest, torch.nan)
    fragments = Fragments(
        triangle=triangle.reshape(shape),
        barycentric=weight.reshape(*shape, 3).to(vertices.dtype),
        depth=depth.reshape(shape).to(vertices.dtype),
    )
    return fragments, drawable


def interpolate(fragments: Fragments, triangles: Tensor, attributes: Tensor) -> Tensor:
    """Spread attributes (B, V, C) over the pixels; differentiable in them."""
    batch, height, width = fragments.triangle.shape
    pixel = (fragments.triangle.reshape(-1) >= 0).nonzero()[:, 0]
    corner = triangles[fragments.triangle.reshape(-1)[pixel]]
    corner = corner + (pixel // (height * width) * attributes.shape[1])[:, None]
    weight = fragments.barycentric.reshape(-1, 3)[pixel].to(attributes.dtype)
    table = attributes.reshape(-1, attributes.shape[-1])
    mixed = (
        weight[:, 0, None] * table[corner[:, 0]]
        + weight[:, 1, None] * table[corner[:, 1]]
        + weight[:, 2, None] * table[corner[:, 2]]
    )
    flat = table.new_zeros((batch * height * width, table.shape[-1])).index_copy(0, pixel, mixed)
    return flat.reshape(batch, height, width, -1).permute(0, 3, 1, 2).contiguous()


def _project(vertices: Tensor, matrix: Tensor, near: float, guard: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return corners (B, V, 2) in whole sub-pixels, inverse depths (B, V) and what can be drawn (B, V)."""
    x, y, z = vertices.to(working_dtype(vertices)).unbind(-1)
    m = matrix.to(x.dtype)[:, :, :, None]
    depth = m[:, 2, 0] * x + m[:, 2, 1] * y + m[:, 2, 2] * z
    inverse = 1 / depth
    pixel_x = (m[:, 0, 0] * x + m[:, 0, 1] * y + m[:, 0, 2] * z) * inverse
    pixel_y = (m[:, 1, 0] * x + m[:, 1, 1] * y + m[:, 1, 2] * z) * inverse
    drawable = (depth >= near) & torch.isfinite(depth) & (pixel_x.abs() <= guard) & (pixel_y.abs() <= guard)
    pixel = torch.stack((pixel_x, pixel_y), -1)
    corner = torch.where(drawable[..., None], (pixel * (1 << SUBPIXEL_BITS)).round(), 0).to(torch.int64)
    return corner, inverse, drawable


def _drawable_triangles(
    corner: Tensor, inverse_depth: Tensor, drawable: Tensor, triangles: Tensor, kept: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return corners (N, 3, 2), inverse depths (N, 3), batch item and row of the triangles to draw."""
    wanted = drawable[:, triangles].all(-1)
    item, row = (wanted if kept is None else wanted & kept).nonzero(as_tuple=True)
    chosen = triangles[row]
    corners, inverses = corner[item[:, None], chosen], inverse_depth[item[:, None], chosen]
    solid = _area(corners) != 0
    return corners[solid], inverses[solid], item[solid], row[solid]


def _chunks(count: Tensor) -> list[Tensor]:
    """Split the rows that have pixels into runs of about `PAIRS_AT_ONCE` pixels."""
    rows = count.nonzero()[:, 0]
    part = count[rows].cumsum(0) // PAIRS_AT_ONCE
    lengths = torch.unique_consecutive(part, return_counts=True)[1]
    return list(torch.split(rows, lengths.tolist())) if len(rows) else []


def _area(corner: Tensor) -> Tensor:
    """Return twice the signed area (N,) of triangles (N, 3, 2)."""
    (ax, ay), (bx, by), (cx, cy) = (corner[:, k].unbind(-1) for k in range(3))
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


def _edges(corner: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the edge functions (N, 3) opposite to each corner, positive inside, and their least values."""
    sign = _area(corner).sign()
    px, py = x << SUBPIXEL_BITS, y << SUBPIXEL_BITS
    edges, least = [], []
    for k in range(3):
        (ax, ay), (bx, by) = corner[:, (k + 1) % 3].unbind(-1), corner[:, (k + 2) % 3].unbind(-1)
        dx, dy = sign * (bx - ax), sign * (by - ay)
        edges.append(dx * (py - ay) - dy * (px - ax))
        # a pixel exactly on an edge belongs to the triangle to the right of or below it
        least.append(torch.where((dy < 0) | ((dy == 0) & (dx > 0)), 0, 1))
    return torch.stack(edges, -1), torch.stack(least, -1)


def _inverse_depth(edge: Tensor, corner: Tensor, inverse_depth: Tensor) -> tuple[Tensor, Tensor]:
    """Return 1/z (N,) and the perspective-correct weights (N, 3) where the edge functions are `edge`."""
    share = edge.to(inverse_depth.dtype) * inverse_depth
    area = _area(corner)
    turned = area < 0  # summed in the order in which the compiled rasteriser does it
    second, third = (
        torch.where(turned, share[:, 2], share[:, 1]),
        torch.where(turned, share[:, 1], share[:, 2]),
    )
    total = share[:, 0] + second + third
    return total / area.abs().to(total.dtype), share / total[:, None]
