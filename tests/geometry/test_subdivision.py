from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh

from occface_core.errors import RecordError
from occface_core.geometry import subdivision
from occface_core.geometry.neighbours import mesh_edges
from occface_core.geometry.subdivision import refine, subdivide


def areas(points, triangles):
    """Return the area vectors (T, 3): size, plane and winding in one."""
    corner = points[triangles]
    return torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]) / 2


def volume(points, triangles):
    corner = points[triangles]
    return (corner[:, 0] * torch.linalg.cross(corner[:, 1], corner[:, 2])).sum() / 6


def of_sides(triangles, chosen):
    """Return (T, 3) bool: which sides ab, bc, ca are among the chosen edges (E, 2)."""
    sides = torch.stack((triangles, triangles.roll(-1, 1)), -1).sort(-1).values
    names = sides[..., 0] * 10**6 + sides[..., 1]
    return torch.isin(names, chosen[:, 0] * 10**6 + chosen[:, 1])


def plainly(triangles, chosen, count):
    """Split the chosen edges one triangle after the other; the pieces as `subdivide` orders them."""
    middle = {edge: count + i for i, edge in enumerate(sorted(chosen))}
    made = {n: [] for n in range(4)}
    for a, b, c in triangles:
        mids = [middle.get((min(p), max(p)), -1) for p in ((a, b), (b, c), (c, a))]
        number = sum(m >= 0 for m in mids)
        turn = 0
        if number == 1:
            turn = next(i for i in range(3) if mids[i] >= 0)
        if number == 2:
            turn = (next(i for i in range(3) if mids[i] < 0) + 1) % 3
        (a, b, c), (ab, bc, ca) = ((x + x)[turn : turn + 3] for x in ([a, b, c], mids))
        made[number].append(
            {
                0: [(a, b, c)],
                1: [(a, ab, c), (ab, b, c)],
                2: [(a, ab, bc), (ab, b, bc), (a, bc, c)],
                3: [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)],
            }[number]
        )
    return [row for pieces in made.values() for part in zip(*pieces, strict=True) for row in part]


@pytest.mark.parametrize("numba", [True, False])
def test_refining_is_splitting_all_long_edges_again_and_again(numba, monkeypatch):
    """Against a plain loop over all edges of the whole mesh, order of vertices and triangles included."""
    ball = trimesh.creation.icosphere(subdivisions=3)
    vertices = torch.tensor(np.array(ball.vertices) * (20, 30, 14), dtype=torch.float32)
    triangles = torch.tensor(np.array(ball.faces), dtype=torch.int64)
    wanted = vertices[:, 0] > 5
    if not numba:
        monkeypatch.setattr(subdivision, "find_spec", lambda name: None)
    steps = refine(vertices, triangles, wanted)
    assert len(steps) == 3
    share, mesh = wanted.float()[:, None], triangles
    for step in steps:
        edges = mesh_edges(mesh)
        length = (vertices[edges[:, 0]] - vertices[edges[:, 1]]).norm(dim=-1)
        chosen = edges[(length > 1.6) & (share[edges, 0] > 0.5).any(1)]
        assert torch.equal(step.edges, chosen)
        slow = plainly(mesh.tolist(), set(map(tuple, chosen.tolist())), len(vertices))
        mesh = torch.tensor(slow)
        assert torch.equal(step.triangles, mesh)
        vertices, share = step.spread(vertices), step.spread(share)


def test_four_equal_triangles_for_each(ellipsoid):
    vertices, triangles = ellipsoid
    fine = subdivide(triangles, len(vertices))
    points = fine.spread(vertices)
    assert len(fine.triangles) == 4 * len(triangles)
    quarter = areas(points, fine.triangles).reshape(4, -1, 3)  # a piece of each triangle after the other
    whole = areas(vertices, triangles)
    assert torch.allclose(quarter, whole[None] / 4, atol=1e-9)
    assert len(points) - len(mesh_edges(fine.triangles)) + len(fine.triangles) == 2
    assert torch.equal(points[: len(vertices)], vertices)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_any_choice_of_edges_keeps_the_surface_closed(ellipsoid, share):
    """Invariants: Euler's number, every edge in two triangles in opposite directions, area and volume."""
    vertices, triangles = ellipsoid
    edges = mesh_edges(triangles)
    split = torch.rand(len(edges), generator=torch.manual_seed(0)) < share
    fine = subdivide(triangles, len(vertices), split=of_sides(triangles, edges[split]))
    points = fine.spread(vertices)
    assert len(points) == len(vertices) + int(split.sum())
    assert len(points) - len(mesh_edges(fine.triangles)) + len(fine.triangles) == 2
    directed = torch.cat([fine.triangles[:, [i, (i + 1) % 3]] for i in range(3)])
    assert len(torch.unique(directed, dim=0)) == len(directed)
    assert torch.allclose(volume(points, fine.triangles), volume(vertices, triangles))
    total = areas(points, fine.triangles).norm(dim=1).sum()
    assert torch.allclose(total, areas(vertices, triangles).norm(dim=1).sum())


def test_refining_shortens_what_is_wanted_and_leaves_the_rest(head):
    wanted = (head["mean"][:, 2] > 0) & (head["mean"][:, 1] < 20)
    steps = refine(head["mean"], head["triangles"], wanted, longest=1.25, rounds=9)
    points, share, weld = head["mean"], wanted.float()[:, None], head["weld"]
    for step in steps:
        points, share, weld = step.spread(points), step.spread(share), step.spread_weld(weld)
    edges = mesh_edges(steps[-1].triangles)
    length = (points[edges[:, 0]] - points[edges[:, 1]]).norm(dim=1)
    assert length[(share[edges, 0] == 1).all(1)].max() <= 1.25
    far = head["triangles"][(head["mean"][:, 2] < -40)[head["triangles"]].all(1)]
    kept = {frozenset(row) for row in steps[-1].triangles.tolist()}
    assert all(frozenset(row) in kept for row in far.tolist())
    assert torch.allclose(points[weld], points, atol=1e-4)
    assert refine(head["mean"], head["triangles"], wanted & False) == ()


def test_welded_middles():
    triangles = torch.tensor([[0, 1, 2], [4, 3, 5]])  # 3 lies on 1 and 4 on 2: the edge 1-2 is a seam
    weld = torch.tensor([0, 1, 2, 1, 2, 5])
    fine = subdivide(triangles, 6)
    got = fine.spread_weld(weld)
    seam = [6 + i for i, edge in enumerate(fine.edges.tolist()) if edge in ([1, 2], [3, 4])]
    assert got[seam[0]] == got[seam[1]] == seam[0]
    others = [v for v in range(6, len(got)) if v not in seam]
    assert got[others].tolist() == others


def test_the_choice_must_fit_the_sides():
    with pytest.raises(RecordError, match=r"\(1, 3\), got \(3,\)"):
        subdivide(torch.tensor([[0, 1, 2]]), 3, split=torch.ones(3, dtype=torch.bool))


def test_curved_pieces_lie_on_the_ball_that_the_vertices_lie_on():
    ball = trimesh.creation.icosphere(subdivisions=2, radius=50)
    points, triangles = torch.tensor(np.array(ball.vertices)), torch.tensor(np.array(ball.faces))
    normals, flat = points / 50, points
    for _ in range(2):
        step = subdivide(triangles, len(points))
        points, normals = step.curve(points, normals)
        flat, triangles = step.spread(flat), step.triangles
    off, flat_off = (abs(p.norm(dim=1) - 50).max() for p in (points, flat))
    assert off < 0.02 * flat_off
    assert torch.allclose(normals, points / points.norm(dim=1, keepdim=True), atol=2e-3)
    step = subdivide(triangles, len(points))
    unbent, none = step.curve(points, torch.zeros_like(points))
    assert torch.equal(unbent, step.spread(points)) and not none.any()
