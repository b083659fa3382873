"""Refinement: exact landmarks are met, the prior holds where nothing was measured, light is found again."""

from __future__ import annotations

import attrs
import pytest
import torch

from occface_core.geometry.camera import intrinsics, project, to_camera
from occface_core.geometry.illumination import shade
from occface_core.geometry.normals import to_viewer
from occface_paper.shape.basis import FaceBasis
from occface_paper.shape.coefficients import Estimate, centre_vector, split, spread_vector
from occface_paper.shape.evaluate import angle_between
from occface_paper.shape.refine import (
    closed_form,
    fitted_to_points,
    refined_by_colour,
    refined_by_points,
    turn_between,
)


def drawn(basis: FaceBasis, faces: Estimate) -> torch.Tensor:
    """(B, 68, 2) px: where the outline of the faces is."""
    rotation = faces.rotation()
    marks = basis.outline(torch.cat([faces.identity, faces.expression], 1), rotation)
    return project(to_camera(marks, rotation, faces.translation), intrinsics(256))


@pytest.fixture()
def points(basis, faces) -> torch.Tensor:
    return drawn(basis, faces)


def disturbed(faces: Estimate) -> Estimate:
    return attrs.evolve(
        faces,
        identity=faces.identity * 0.3,
        angles=faces.angles + torch.tensor([0.05, -0.06, 0.04]),
        translation=faces.translation + torch.tensor([4.0, -3.0, 25.0]),
    )


def test_exact_points_pull_pose_and_reprojection_to_the_truth(basis, faces, points):
    start = disturbed(faces)
    variance = spread_vector().square().repeat(4, 1)
    found = refined_by_points(start, variance, basis, points, torch.ones(4, 68), noise=0.7, steps=5)
    before = (drawn(basis, start) - points)[:, 17:].norm(dim=-1).mean()
    after = (drawn(basis, found) - points)[:, 17:].norm(dim=-1).mean()
    assert float(after) < 0.15 * float(before)
    assert float(angle_between(found.rotation(), faces.rotation()).max()) < 3


def test_points_that_nobody_trusts_change_nothing(basis, faces, points):
    variance = spread_vector().square().repeat(4, 1)
    found = refined_by_points(faces, variance, basis, points + 30, torch.zeros(4, 68), noise=2, steps=3)
    torch.testing.assert_close(found.identity, faces.identity, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.angles, faces.angles, atol=1e-4, rtol=0)


def test_a_sure_estimate_hardly_moves(basis, faces, points):
    start = disturbed(faces)
    sure = (spread_vector() * 1e-3).square().repeat(4, 1)
    found = refined_by_points(start, sure, basis, points, torch.ones(4, 68), noise=2, steps=2)
    assert float((found.vector() - start.vector()).abs().div(spread_vector()).max()) < 0.05


def test_no_steps_and_no_faces(basis, faces, points):
    variance = spread_vector().square().repeat(4, 1)
    assert refined_by_points(faces, variance, basis, points, torch.ones(4, 68), noise=2, steps=0) is faces
    none = faces.rows(slice(0, 0))
    assert (
        refined_by_points(none, variance[:0], basis, points[:0], torch.ones(0, 68), noise=2, steps=2) is none
    )
    assert refined_by_colour(none, variance[:0], basis, torch.zeros(0, 3, 64, 64)) is none


def test_one_wild_point_does_not_rule(basis, faces, points):
    wild = points.clone()
    wild[:, 30] += 80
    variance = (0.3 * spread_vector()).square().repeat(4, 1)
    found = refined_by_points(faces, variance, basis, wild, torch.ones(4, 68), noise=2, steps=4)
    assert float(angle_between(found.rotation(), faces.rotation()).max()) < 3


def test_the_start_finds_the_pose_from_points_alone(basis, faces, points):
    found = split(fitted_to_points(basis, points, torch.ones(4, 68)))
    assert float((found["angles"] - faces.angles).abs().max()) < 0.12
    assert float((found["translation"] - faces.translation)[:, :2].abs().max()) < 6


def test_the_start_without_points_is_the_mean_face(basis, points):
    found = fitted_to_points(basis, points, torch.zeros(4, 68))
    torch.testing.assert_close(found, centre_vector().repeat(4, 1))
    trust = torch.ones(4, 68)
    trust[1] = 0
    assert torch.equal(fitted_to_points(basis, points, trust)[1], centre_vector())


def test_light_is_found_again(basis, faces):
    """A picture is painted point by point: every skin point's pixels get its colour."""
    shape, rotation = torch.cat([faces.identity, faces.expression], 1), faces.rotation()
    here, normals = basis.skin_surface(shape)
    pixels = project(to_camera(here, rotation, faces.translation), intrinsics(256)).round().long()
    viewer = to_viewer(normals @ rotation.transpose(1, 2))
    colours = shade(basis.skin_albedo(faces.albedo).clamp(0.02, 1), viewer, faces.illumination)
    image = torch.full((4, 3, 256, 256), 0.3)
    front = viewer[..., 2] > 0.35
    for b in range(4):
        for (x, y), colour in zip(pixels[b][front[b]].tolist(), colours[b][front[b]], strict=True):
            image[b, :, max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3] = colour[:, None, None]
    dark = attrs.evolve(faces, albedo=faces.albedo * 0, illumination=faces.illumination * 0)
    variance = spread_vector().square().repeat(4, 1)
    found = refined_by_colour(dark, variance, basis, image)

    def error(estimate: Estimate) -> float:
        drawn_ = shade(basis.skin_albedo(estimate.albedo), viewer, estimate.illumination)
        return float((drawn_ - colours)[front].abs().mean())

    assert error(found) < 0.5 * error(dark)


def test_the_closed_form_keeps_the_points_fit(basis, points):
    image = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    whole = split(closed_form(basis, image, points, torch.ones(4, 68)))
    alone = split(fitted_to_points(basis, points, torch.ones(4, 68)))
    for name in ("identity", "expression", "angles", "translation"):
        torch.testing.assert_close(whole[name], alone[name])


def test_turn_between_is_the_axis_times_the_angle(faces):
    rotation = faces.rotation()
    turn = torch.tensor([0.02, -0.03, 0.01])
    skew = torch.tensor([[0, -0.01, -0.03], [0.01, 0, -0.02], [0.03, 0.02, 0]])
    moved = torch.linalg.matrix_exp(skew) @ rotation
    torch.testing.assert_close(turn_between(rotation, moved), turn.expand(4, 3), atol=1e-4, rtol=0)
