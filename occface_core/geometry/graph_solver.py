"""Linear systems of a graph's Laplacian with a changing diagonal, solved by a compiled LDLᵀ factorisation.

Where the factor has entries depends on the graph alone. It is found once, by SuperLU; then a face costs the numbers
alone, a quarter of the time.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from occface_core.geometry.compiled import compiled, for_each
from occface_core.geometry.kept import kept
from occface_core.geometry.laplacian import factor, laplacian

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@attrs.define(frozen=True, kw_only=True, eq=False)
class Pattern:
    """Where the factor L (V, V) of a graph has entries, N of them, by columns.

    Attributes:
        order: (V,) the vertex in each row.
        start: (V + 1,) first entry of each column, which is the diagonal's.
        row: (N,).
        first: (V + 1,) first of each row's entries left of the diagonal in the next two.
        entry: (M,) number of an entry.
        column: (M,) its column.
        joined: (N,) the Laplacian's own values there.
        degree: (V,) its diagonal.
    """

    order: Whole
    start: Whole
    row: Whole
    first: Whole
    entry: Whole
    column: Whole
    joined: Floats
    degree: Floats


@kept
def pattern(edges: Tensor, count: int) -> Pattern:
    """Return the pattern of a graph with edges (E, 2) between `count` vertices."""
    graph = laplacian(edges, count)
    factored = factor(graph, np.ones(count))
    order = np.argsort(factored.perm_c)
    lower = factored.L.tocsc()
    lower.sort_indices()
    start, row = lower.indptr.astype(np.int64), lower.indices.astype(np.int64)
    column = np.repeat(np.arange(count), np.diff(start))
    joined = np.zeros(len(row))
    own = graph[order][:, order].tocoo()
    below = own.row > own.col
    # entries go column by column and downwards, so that these numbers rise
    place = np.searchsorted(column * count + row, own.col[below].astype(np.int64) * count + own.row[below])
    joined[place] = own.data[below]
    left = np.flatnonzero(row > column)
    left = left[np.argsort(row[left], kind="stable")]
    return Pattern(
        order=order.astype(np.int64),
        start=start,
        row=row,
        first=np.searchsorted(row[left], np.arange(count + 1)).astype(np.int64),
        entry=left,
        column=column[left],
        joined=joined,
        degree=graph.diagonal()[order],
    )


@compiled
def _solve(
    start: np.ndarray,
    row: np.ndarray,
    first: np.ndarray,
    entry: np.ndarray,
    column: np.ndarray,
    joined: np.ndarray,
    diagonal: np.ndarray,
    sides: np.ndarray,
) -> None:
    """Factor, and replace sides (V, C) by the solution."""
    count, width = sides.shape
    lower, pivot, work = np.empty(len(row)), np.empty(count), np.empty(count)
    for j in range(count):
        for p in range(start[j], start[j + 1]):
            work[row[p]] = joined[p]
        work[j] = diagonal[j]
        for t in range(first[j], first[j + 1]):
            k = column[t]
            share = lower[entry[t]] * pivot[k]
            for p in range(entry[t], start[k + 1]):
                work[row[p]] -= lower[p] * share
        pivot[j] = work[j]
        for p in range(start[j] + 1, start[j + 1]):
            lower[p] = work[row[p]] / pivot[j]
            for c in range(width):
                sides[row[p], c] -= lower[p] * sides[j, c]
    for j in range(count - 1, -1, -1):
        for c in range(width):
            total = sides[j, c] / pivot[j]
            for p in range(start[j] + 1, start[j + 1]):
                total -= lower[p] * sides[row[p], c]
            sides[j, c] = total


def solve(edges: Tensor, diagonals: Floats, sides: Floats) -> Floats:
    """Return x (B, V, C) of (Laplacian + diag(d)) x = b for d (B, V), positive, and b (B, V, C)."""
    known = pattern(edges, diagonals.shape[1])
    turned = np.ascontiguousarray(sides[:, known.order])
    whole = known.degree + diagonals[:, known.order]

    def solve_one(i: int) -> None:
        _solve(
            known.start,
            known.row,
            known.first,
            known.entry,
            known.column,
            known.joined,
            whole[i],
            turned[i],
        )

    for_each(solve_one, len(turned))
    solved = np.empty_like(turned)
    solved[:, known.order] = turned
    return solved
