from __future__ import annotations

import numpy as np
import pytest
import torch

from occface_core.geometry import neighbours
from occface_core.geometry.neighbours import extend, mesh_edges

solver = pytest.importorskip("occface_core.geometry.graph_solver", reason="numba is not installed")


def dense(edges, count):
    matrix = np.zeros((count, count))
    for a, b in edges.tolist():
        matrix[a, a] += 1
        matrix[b, b] += 1
        matrix[a, b] -= 1
        matrix[b, a] -= 1
    return matrix


@pytest.mark.parametrize("count, degree", [(1, 0), (7, 0), (40, 2), (60, 9)])
def test_solutions_are_those_of_the_dense_system(count, degree):
    rng = np.random.default_rng(count)
    pairs = {tuple(sorted(p)) for p in rng.integers(0, count, (count * degree, 2)).tolist() if p[0] != p[1]}
    edges = torch.tensor(sorted(pairs), dtype=torch.int64).reshape(-1, 2)
    diagonals = rng.uniform(1e-3, 5, (3, count))
    sides = rng.normal(size=(3, count, 2))
    before = sides.copy()
    got = solver.solve(edges, diagonals, sides)
    for d, b, x in zip(diagonals, sides, got, strict=True):
        np.testing.assert_allclose(x, np.linalg.solve(dense(edges, count) + np.diag(d), b), atol=1e-8)
    np.testing.assert_array_equal(sides, before)
    assert solver.solve(edges, diagonals[:0], sides[:0]).shape == (0, count, 2)


def test_a_face_is_extended_alike_without_numba(head, monkeypatch):
    edges = mesh_edges(head["triangles"], head["weld"])
    generator = torch.manual_seed(0)
    values = torch.rand(2, len(head["mean"]), 3, generator=generator, dtype=torch.float64)
    weights = (torch.rand(2, len(head["mean"]), generator=generator) < 0.2).double()
    fast = extend(values, weights, edges)
    monkeypatch.setattr(neighbours, "find_spec", lambda name: None)
    assert torch.allclose(extend(values, weights, edges), fast, atol=1e-9)
