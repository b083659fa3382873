"""Refinement by colours: true shapes are approached, what is hidden says little, bounds and estimates hold."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
import torch

from occface_core.facemodel import FaceModel
from occface_core.geometry.camera import angles_from_rotation, project, to_camera
from occface_core.synthetic import SynthOptions, generate
from occface_paper.shape.coefficients import GROUPS, Estimate, spread_vector
from occface_paper.shape.photometric import Photometric
from occface_paper.shape.point_term import PointTerm

MODEL = FaceModel.embedded()
OPTIONS = SynthOptions(yaw=0.5, occluded=0.0, distance=(1000, 1000))


@pytest.fixture(scope="module")
def tool() -> Photometric:
    return Photometric.of(MODEL)


@pytest.fixture(scope="module")
def drawn() -> tuple[Estimate, torch.Tensor, torch.Tensor]:
    """True estimates of three faces, their pictures and their landmarks."""
    faces = [generate(91, index, OPTIONS) for index in range(3)]

    def stack(name: str) -> torch.Tensor:
        values = [face.coefficients.get(name, getattr(face, name, None)) for face in faces]
        return torch.stack([torch.as_tensor(np.asarray(value)).float() for value in values])

    truth = Estimate(
        identity=stack("identity"),
        expression=stack("expression"),
        albedo=stack("albedo"),
        angles=angles_from_rotation(stack("rotation")),
        translation=stack("translation"),
        illumination=stack("illumination"),
        log_variance=torch.zeros(3, len(GROUPS)),
    )
    return truth, stack("clean"), stack("outline")


def error(found: Estimate, truth: Estimate) -> float:
    """Mean distance in mm of the faces' vertices."""
    a, b = (MODEL.vertices(x.identity, x.expression) for x in (found, truth))
    return float((a - b).norm(dim=-1).mean())


def refined(tool: Photometric, start: Estimate, image, points, visible=None, steps: int = 8) -> Estimate:
    variance = 0.4 * spread_vector().square().repeat(len(start), 1)
    trust = torch.full(points.shape[:2], 0.9)
    return tool.refined(start, variance, image, points, trust, visible, noise=2.0, steps=steps)


def test_colours_and_points_lead_towards_the_true_shape(tool, drawn):
    truth, image, points = drawn
    start = attrs.evolve(truth, identity=0.2 * truth.identity, albedo=0 * truth.albedo)
    found = refined(tool, start, image, points)
    blind = refined(tool, start, torch.full_like(image, 0.5), points)
    assert error(found, truth) < 0.85 * error(start, truth)
    assert error(found, truth) < 0.9 * error(blind, truth)


def test_without_steps_or_faces_nothing_happens(tool, drawn):
    truth, image, points = drawn
    assert refined(tool, truth, image, points, steps=0) is truth
    none = truth.rows(slice(0, 0))
    assert refined(tool, none, image[:0], points[:0]) is none


def test_hidden_skin_says_less(tool, drawn):
    truth, image, points = drawn
    start = attrs.evolve(truth, identity=0.2 * truth.identity)
    moved = [
        error(refined(tool, start, image, points, visible), start)
        for visible in (torch.ones(3, 68), torch.zeros(3, 68))
    ]
    assert moved[1] < 0.9 * moved[0]


def test_bounds_hold_and_gaze_stays(tool, drawn):
    truth, image, points = drawn
    found = refined(tool, truth, 1 - image, points + 12)
    assert float(found.expression.min()) >= 0 and float(found.expression.max()) <= 1
    assert float(found.identity.abs().max()) <= max(3, float(truth.identity.abs().max()))
    gaze = [k for k, name in enumerate(MODEL.expression_names) if name.startswith("eyeLook")]
    torch.testing.assert_close(found.expression[:, gaze], truth.expression[:, gaze])


def test_a_step_into_nowhere_is_taken_back(tool, drawn):
    truth, image, points = drawn
    broken = points.clone()
    broken[1] = torch.nan
    found = refined(tool, truth, image, broken)
    assert torch.equal(found.identity[1], truth.identity[1])
    assert torch.isfinite(found.vector()).all() and not torch.equal(found.identity[0], truth.identity[0])


def test_point_equations_are_the_slope_of_the_distances(tool, drawn):
    """The gradient is that of half the weighted squared distances, by differences."""
    truth, _, points = drawn
    rotation, translation = truth.rotation().double(), truth.translation.double()
    shape = torch.cat([truth.identity, truth.expression], 1).double()

    def pixels(term: PointTerm, at: torch.Tensor) -> torch.Tensor:
        place = term.rest + (term.parts @ at[:, None, :, None])[..., 0]
        return project(to_camera(place, rotation, translation), term.matrix)

    trust = torch.full((3, 68), 0.5)
    near = pixels(PointTerm.of(tool.basis, rotation, points, trust, 2.0), shape) + 1.0
    term = PointTerm.of(tool.basis, rotation, near, trust, 2.0)

    def half(at: torch.Tensor) -> torch.Tensor:
        error = term.points - pixels(term, at)
        error = (term.metric @ error[..., None])[..., 0] / term.noise
        return (term.trust * error.square().sum(-1)).sum(1) / 2

    _, gradient = term.equations(rotation, translation, shape)
    step = torch.zeros_like(shape)
    step[:, 3] = 1e-4
    slope = (half(shape + step) - half(shape - step)) / 2e-4
    torch.testing.assert_close(gradient[:, 6 + 3], -slope, atol=1e-4, rtol=1e-4)
