from __future__ import annotations

import pytest
import torch

from occface_core.errors import RecordError
from occface_core.geometry.neighbours import erode, extend, mesh_edges, smooth

F64 = torch.float64
CHAIN = torch.stack((torch.arange(10), torch.arange(1, 11)), 1)  # 0 - 1 - … - 10


def test_edges_of_a_closed_surface_obey_euler(ellipsoid):
    vertices, triangles = ellipsoid
    edges = mesh_edges(triangles)
    assert len(vertices) - len(edges) + len(triangles) == 2
    assert (edges[:, 0] < edges[:, 1]).all()
    assert len(torch.unique(edges, dim=0)) == len(edges)


def test_welded_edges_join_across_a_seam():
    triangles = torch.tensor([[0, 1, 2], [3, 5, 4]])  # 3 and 4 lie on 1 and 2
    weld = torch.tensor([0, 1, 2, 1, 2, 5])
    assert mesh_edges(triangles, weld).tolist() == [[0, 1], [0, 2], [1, 2], [1, 5], [2, 5]]


def test_erode_takes_one_ring_away():
    values = torch.tensor([[0.0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1]])
    assert erode(values, CHAIN)[0].tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 1]
    assert erode(values, CHAIN, 2)[0].tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0]


def test_smooth_is_the_mean_of_the_ring():
    values = torch.zeros(1, 11, dtype=F64)
    values[0, 5] = 3
    assert torch.allclose(smooth(values, CHAIN)[0, 3:8], torch.tensor([0, 1, 1, 1, 0.0], dtype=F64))
    assert torch.allclose(smooth(torch.ones_like(values), CHAIN, 3), torch.ones_like(values))


def test_extension_between_two_known_values_is_linear():
    """Closed form: the harmonic function on a chain is the straight line between its ends."""
    values, weights = torch.zeros(1, 11, 1, dtype=F64), torch.zeros(1, 11, dtype=F64)
    values[0, 0], values[0, 10] = 5, -5
    values[0, 4] = torch.nan  # unknown
    weights[0, [0, 10]] = 1
    got = extend(values, weights, CHAIN, fidelity=1e6, decay=1e-12)[0, :, 0]
    assert torch.allclose(got, torch.linspace(5, -5, 11, dtype=F64), atol=1e-4)


def test_extension_reaches_only_what_hangs_together():
    values, weights = torch.ones(1, 11, 2), torch.zeros(1, 11)
    weights[0, 0] = 1
    apart = torch.cat((CHAIN[:4], CHAIN[5:]))
    got = extend(values, weights, apart)[0]
    assert (got[:5] > 0.9).all() and (got[5:] == 0).all()
    assert (extend(values, weights * 0, CHAIN) == 0).all()


def test_extension_checks_its_shapes():
    with pytest.raises(RecordError, match=r"\(1, 11\), got \(1, 10\)"):
        extend(torch.zeros(1, 11, 1), torch.zeros(1, 10), CHAIN)


def test_no_values_stay_none():
    none = torch.zeros(0, 11)
    assert erode(none, CHAIN).shape == smooth(none, CHAIN, 2).shape == (0, 11)
