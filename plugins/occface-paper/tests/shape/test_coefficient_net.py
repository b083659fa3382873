"""The stage `coefficient_net`: every promise of its interface, with weights made here; and the trained ones' worth."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from occface_core.errors import StageError, WeightsMissing
from occface_core.synthetic import SynthOptions, generate
from occface_core.testing import parametrize_checks
from occface_core.types import Landmarks
from occface_paper.shape.basis import FaceBasis
from occface_paper.shape.coefficients import GROUPS
from occface_paper.shape.evaluate import angle_between, shape_errors
from occface_paper.shape.network import CoefficientNetwork
from occface_paper.shape.stage import CoefficientNet
from occface_paper.training import export_half
from occface_paper.weights import FOLDER

needs_weights = pytest.mark.skipif(
    not (FOLDER / "coefficient_net.safetensors").exists(),
    reason="the trained weights are not in this checkout; `occface train shape` makes them",
)
MADE = tempfile.TemporaryDirectory()


@cache
def weights() -> str:
    torch.manual_seed(0)
    network = CoefficientNetwork(width=0.5)
    network.usual.fill_(0.3)
    metadata = {"trunk": "mobilenet_v3", "width": "0.5", "size": "128"}
    export_half(Path(MADE.name) / "coefficient_net.safetensors", network.state_dict(), metadata)
    return MADE.name


def make() -> CoefficientNet:
    return CoefficientNet(weights=weights())


def alone() -> CoefficientNet:
    return CoefficientNet(weights=weights(), refine_steps=0)


@parametrize_checks(make)
def test_the_contract(check) -> None:
    check()


@parametrize_checks(alone)
def test_the_contract_without_refinement(check) -> None:
    check()


def ready(**options) -> CoefficientNet:
    stage = CoefficientNet(**options)
    stage.setup("cpu")
    return stage


@pytest.fixture(scope="module")
def faces():
    return [generate(77, index, SynthOptions(yaw=0.8, occluded=0.0)) for index in range(3)]


def given(faces) -> tuple[torch.Tensor, Landmarks]:
    clean = torch.stack([torch.as_tensor(face.clean) for face in faces])
    return clean, Landmarks(points=torch.stack([torch.as_tensor(face.outline) for face in faces]))


def test_uncertainty_comes_with_the_coefficients(faces) -> None:
    shape = ready(weights=weights()).run(*given(faces))
    assert shape.coefficients["uncertainty"].shape == (3, len(GROUPS))
    assert (shape.coefficients["uncertainty"] > 0).all()


def test_coefficients_are_the_vertices(faces) -> None:
    shape = ready(weights=weights()).run(*given(faces))
    c = shape.coefficients
    torch.testing.assert_close(shape.vertices, shape.model.vertices(c["identity"], c["expression"]))
    assert float(c["expression"].min()) >= 0 and float(c["expression"].max()) <= 1


def test_refinement_brings_the_points_together(faces) -> None:
    clean, landmarks = given(faces)
    errors = []
    for steps in (0, 3):
        shape = ready(weights=weights(), refine_steps=steps, noise=2.0).run(clean, landmarks)
        errors.append(float((shape.landmarks() - landmarks.points)[:, 17:].norm(dim=-1).mean()))
    assert errors[1] < errors[0]


def test_found_points_pull_less_than_points_placed_by_hand(faces) -> None:
    clean, landmarks = given(faces)
    moved = []
    for trust in (0.9, 1.0):
        points = Landmarks(points=landmarks.points, confidence=torch.full((3, 68), trust))
        a, b = (ready(weights=weights(), refine_steps=n, colour=False).run(clean, points) for n in (0, 1))
        moved.append(float((a.vertices - b.vertices).norm(dim=-1).mean()))
    assert moved[0] < 0.5 * moved[1]


def test_crops_of_another_size_give_the_same_face(faces) -> None:
    clean, landmarks = given(faces)
    small = torch.nn.functional.interpolate(clean, (192, 192), mode="area")
    points = (landmarks.points + 0.5) * 0.75 - 0.5
    stage = ready(weights=weights())
    a, b = stage.run(clean, landmarks), stage.run(small, Landmarks(points=points))
    assert b.size == 192 and float((a.vertices - b.vertices).norm(dim=-1).mean()) < 0.6
    torch.testing.assert_close((b.landmarks() + 0.5) / 0.75 - 0.5, a.landmarks(), atol=0.8, rtol=0)


def test_points_that_nobody_trusts_are_survived(faces) -> None:
    clean, landmarks = given(faces)
    none = Landmarks(points=landmarks.points, confidence=torch.zeros(3, 68))
    shape = ready(weights=weights()).run(clean, none)
    assert torch.isfinite(shape.vertices).all() and torch.isfinite(shape.translation).all()


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="occface train"):
        CoefficientNet(weights=str(tmp_path)).setup("cpu")
    with pytest.raises(StageError, match="before setup"):
        CoefficientNet(weights=weights()).run(
            torch.zeros(0, 3, 64, 64), Landmarks(points=torch.zeros(0, 68, 2))
        )
    with pytest.raises(ValueError, match="size"):
        CoefficientNet(size=8)


@needs_weights
def test_the_trained_network_beats_the_mean_face() -> None:
    faces = [generate(78, index, SynthOptions(yaw=0.6, occluded=0.0)) for index in range(8)]
    shape = ready().run(*given(faces))
    truth = torch.stack(
        [
            torch.as_tensor(np.concatenate([f.coefficients["identity"], f.coefficients["expression"]]))
            for f in faces
        ]
    )
    found = torch.cat([shape.coefficients["identity"], shape.coefficients["expression"]], 1)
    basis = FaceBasis.of(shape.model)
    error = shape_errors(found, truth, basis)["seven"].mean()
    nothing = shape_errors(torch.zeros_like(truth), truth, basis)["seven"].mean()
    assert float(error) < 0.65 * float(nothing)
    turn = angle_between(shape.rotation, torch.stack([torch.as_tensor(f.rotation) for f in faces]))
    assert float(turn.mean()) < 3.5
