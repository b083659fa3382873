"""Operations over the neighbours of each vertex of a mesh: erode, smooth, extend."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

from occface_core.errors import RecordError
from occface_core.geometry.kept import kept


@kept
def mesh_edges(triangles: Tensor, weld: Tensor | None = None) -> Tensor:
    """Return every edge once: (E, 2) int64, the lower vertex first.

    Args:
        triangles: (T, 3) int64.
        weld: (V,) int64 the first vertex at the same place; edges then join first vertices only.
    """
    faces = triangles if weld is None else weld[triangles]
    sides = torch.cat((faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]])).sort(1).values
    low, high = sides[sides[:, 0] != sides[:, 1]].unbind(1)
    count = int(high.max()) + 1 if len(high) else 1
    keys = torch.unique(low * count + high)
    return torch.stack((keys // count, keys % count), -1)


def erode(values: Tensor, edges: Tensor, rings: int = 1) -> Tensor:
    """Return, for each vertex, the least of its own and its neighbours' values (B, V), `rings` times."""
    ends = torch.cat((edges, edges.flip(1)))
    for _ in range(rings):
        values = values.scatter_reduce(1, ends[:, 0].expand(len(values), -1), values[:, ends[:, 1]], "amin")
    return values


def smooth(values: Tensor, edges: Tensor, rings: int = 1) -> Tensor:
    """Return the mean (B, V) of each vertex's own and its neighbours' values, `rings` times."""
    ends = torch.cat((edges, edges.flip(1)))
    count = values.new_ones(values.shape[1]).index_add(0, ends[:, 0], values.new_ones(len(ends)))
    for _ in range(rings):
        values = values.index_add(1, ends[:, 0], values[:, ends[:, 1]]) / count
    return values


def extend(
    values: Tensor, weights: Tensor, edges: Tensor, *, fidelity: float = 10.0, decay: float = 1e-4
) -> Tensor:
    """Spread what is known at some vertices smoothly over the others.

    Minimises Σ fidelity · weight (x - value)² + Σ over edges (x_i - x_j)² + decay Σ x²: near-harmonic between
    known vertices, fading to 0 over about 1 / √decay edges away from them.

    Args:
        values: (B, V, C), of any value where the weight is 0.
        weights: (B, V), at least 0.
        edges: (E, 2) int64.
        fidelity: pull of a known value against one neighbour's.
        decay: pull towards 0.

    Returns:
        (B, V, C).
    """
    if values.shape[:2] != weights.shape:
        raise RecordError(
            f"extend: weights must have shape {tuple(values.shape[:2])}, got {tuple(weights.shape)}"
        )
    known = torch.where(weights[..., None] > 0, values, 0).detach().cpu().double().numpy()
    pull = fidelity * weights.detach().cpu().double().numpy()
    return torch.from_numpy(_solved(edges, pull + decay, pull[..., None] * known)).to(values)


def _solved(edges: Tensor, diagonals: Any, sides: Any) -> Any:
    """Return x (B, V, C) of (Laplacian + diag(d)) x = b, compiled where numba is."""
    if find_spec("numba"):
        from occface_core.geometry.graph_solver import solve

        return solve(edges, diagonals, sides)
    from occface_core.geometry.laplacian import factor, laplacian

    graph = laplacian(edges, diagonals.shape[1])
    solved = [factor(graph, d).solve(b) for d, b in zip(diagonals, sides, strict=True)]
    return np.stack(solved) if solved else sides
