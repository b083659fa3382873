"""The few vertices give what the whole model gives."""

from __future__ import annotations

import numpy as np
import torch

from occface_core.geometry.normals import vertex_normals
from occface_paper.shape.basis import JAW
from occface_paper.shape.point_term import landmark_rows


def test_vertices_are_the_models(basis, model, faces):
    shape = torch.cat([faces.identity, faces.expression], 1)
    whole = model.vertices(faces.identity, faces.expression)
    torch.testing.assert_close(basis.face(shape), whole[:, basis.face_vertices], atol=1e-3, rtol=0)
    torch.testing.assert_close(
        basis.landmarks(shape), model.landmark_positions(faces.identity, faces.expression), atol=1e-3, rtol=0
    )
    colours = model.albedo_colours(faces.albedo)[:, basis.skin_vertices]
    torch.testing.assert_close(basis.skin_albedo(faces.albedo), colours, atol=1e-4, rtol=0)


def test_the_face_is_covered_without_what_lies_inside(basis, model):
    assert 700 < len(basis.face_vertices) < 1400 and 200 < len(basis.skin_vertices) < 400
    for name in ("eyeballs", "interior", "lips"):
        assert not model.region(name)[basis.skin_vertices].any()
    assert model.region("face")[basis.face_vertices].all()


def test_normals_by_neighbours_are_near_those_of_the_mesh(basis, model, faces):
    shape = torch.cat([faces.identity, faces.expression], 1)
    whole = model.vertices(faces.identity, faces.expression)
    true = vertex_normals(whole, torch.tensor(model.triangles), weld=torch.tensor(model.weld))
    points, normals = basis.skin_surface(shape)
    angle = torch.rad2deg(torch.arccos((normals * true[:, basis.skin_vertices]).sum(-1).clamp(-1, 1)))
    assert float(angle.mean()) < 6 and float(angle.median()) < 4
    torch.testing.assert_close(points, whole[:, basis.skin_vertices], atol=1e-3, rtol=0)


def test_the_far_side_of_the_jaw_slides_outwards(basis, faces):
    shape, rotation = torch.cat([faces.identity, faces.expression], 1), faces.rotation()
    fixed, slid = basis.landmarks(shape), basis.outline(shape, rotation)
    far = basis.far(rotation)
    assert torch.equal(slid[:, JAW:], fixed[:, JAW:])
    assert torch.equal(slid[:, :JAW][~far], fixed[:, :JAW][~far])
    assert far[0].sum() == 8 and far[1].sum() == 8 and not far[3].any()  # turned far, turned far, ahead
    assert far[0].nonzero()[:, 0].tolist() != far[1].nonzero()[:, 0].tolist()
    across = lambda points: torch.einsum("bk,bjk->bj", rotation[:, 0], points[:, :JAW])  # noqa: E731
    side = torch.sign(torch.arange(JAW) - 8.0)
    assert (((across(slid) - across(fixed)) * side)[far] > -3).all()


def test_rows_are_those_of_the_outline(basis, faces):
    shape, rotation = torch.cat([faces.identity, faces.expression], 1), faces.rotation()
    rows = landmark_rows(basis, rotation)
    picked = basis.marks(shape).gather(1, rows[..., None].expand(-1, -1, 3))
    torch.testing.assert_close(picked, basis.outline(shape, rotation))
    assert np.asarray(rows[:, JAW:]).tolist() == [list(range(JAW, 68))] * 4
