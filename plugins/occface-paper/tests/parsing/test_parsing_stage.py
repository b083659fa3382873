"""The stages `landmark_parsing` and `parsing`: the conformance kit, and faces with a known matte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from occface_core.errors import WeightsMissing
from occface_core.synthetic import SynthOptions, generate
from occface_core.testing import parametrize_checks
from occface_core.types import Landmarks
from occface_paper.parsing.bisenet import BiSeNet
from occface_paper.parsing.stage import LandmarkParsing, Parsing
from occface_paper.weights import FOLDER

needs_weights = pytest.mark.skipif(
    not (FOLDER / "parsing.safetensors").exists(),
    reason="the trained weights are not in this checkout; `occface train parsing` makes them",
)


@needs_weights
@parametrize_checks(LandmarkParsing)
def test_landmark_parsing_keeps_the_contract(check):
    check()


@needs_weights
@parametrize_checks(Parsing)
def test_parsing_keeps_the_contract(check):
    check()


def ready(stage: Parsing) -> Parsing:
    stage.setup("cpu")
    return stage


@needs_weights
@pytest.mark.parametrize("kind", ["mask", "sunglasses", "scarf"])
def test_what_covers_a_synthetic_face_is_found(kind: str):
    stage = ready(LandmarkParsing())
    options = SynthOptions(occluders=(kind,), occluded=1.0, yaw=0.3, degrade=0.0)
    shares = []
    for index in range(4):
        face = generate(11, index, options)
        image, points = torch.as_tensor(face.photo)[None], torch.as_tensor(face.outline)[None]
        found = stage.run(image, Landmarks(points=points)).alpha[0, 0].numpy() > 0.5
        truth = face.matte > 0.5
        if truth.sum() > 100:
            shares.append((found & truth).sum() / (found | truth)[face.face > 0.5].sum())
    assert np.mean(shares) > 0.6, shares


@needs_weights
def test_a_bare_synthetic_face_is_left_alone():
    stage = ready(LandmarkParsing())
    marked = []
    for index in range(4):
        face = generate(12, index, SynthOptions(occluded=0.0, yaw=0.3, degrade=0.0))
        landmarks = Landmarks(points=torch.as_tensor(face.outline)[None])
        marked.append(float(stage.run(torch.as_tensor(face.photo)[None], landmarks).fraction()))
    assert np.mean(marked) < 0.08, marked


@needs_weights
def test_the_parser_needs_no_landmarks():
    face = generate(13, 0, SynthOptions(occluders=("mask",), occluded=1.0, yaw=0.2, degrade=0.0))
    image = torch.as_tensor(face.photo)[None]
    stage = ready(Parsing())
    one = stage.run(image, Landmarks(points=torch.zeros(1, 68, 2)))
    other = stage.run(image, Landmarks(points=torch.full((1, 68, 2), 128.0)))
    assert torch.equal(one.alpha, other.alpha) and one.face.any()


@needs_weights
def test_half_the_size_gives_nearly_the_same(tmp_path: Path):
    face = generate(14, 0, SynthOptions(occluders=("mask",), occluded=1.0, yaw=0.2, degrade=0.0))
    image, points = torch.as_tensor(face.photo)[None], torch.as_tensor(face.outline)[None]
    whole, large = (ready(LandmarkParsing(size=s)).run(image, Landmarks(points=points)) for s in (256, 320))
    assert whole.alpha.shape == large.alpha.shape
    assert (whole.alpha - large.alpha).abs().mean() < 0.05


def test_sizes_are_steps_of_32():
    with pytest.raises(ValueError, match="multiple of 32"):
        LandmarkParsing(size=250)


def test_missing_weights_are_a_clear_error(tmp_path: Path):
    with pytest.raises(WeightsMissing, match="occface train parsing"):
        LandmarkParsing(weights=str(tmp_path)).setup("cpu")


def test_a_public_checkpoint_takes_the_networks_place(tmp_path: Path):
    torch.manual_seed(0)
    torch.save(BiSeNet().state_dict(), tmp_path / "bisenet.pth")
    stage = ready(LandmarkParsing(bisenet=str(tmp_path / "bisenet.pth"), size=64))
    chance = stage.chances(torch.rand(1, 3, 64, 64))
    assert chance.shape[1] == 14 and torch.allclose(chance.sum(1), torch.ones(1, 64, 64), atol=1e-5)
    matte = stage.run(torch.rand(1, 3, 64, 64), Landmarks(points=torch.rand(1, 68, 2) * 40 + 10))
    assert matte.labels is not None and matte.labels.dtype == torch.uint8
