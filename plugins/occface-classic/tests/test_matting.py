from __future__ import annotations

import cv2
import drawn_face
import numpy as np
import pytest
import torch

from occface_classic.matting.grabcut import GrabCut, guided_filter
from occface_classic.matting.landmark_hull import LandmarkHull
from occface_classic.matting.mouth import mouth_hidden
from occface_classic.matting.skin import features, fit_skin, skin_colour
from occface_core.face_region import face_region
from occface_core.types import Landmarks

POINTS = drawn_face.points()
LANDMARKS = Landmarks(points=POINTS)
REGION = face_region(POINTS, 256)
MASK = drawn_face.polygon([(-75, 10), (0, -5), (75, 10), (60, 75), (0, 100), (-60, 75)])
GLASSES = drawn_face.polygon([(-62, -42), (-12, -42), (-12, -12), (-62, -12)]).maximum(
    drawn_face.polygon([(62, -42), (12, -42), (12, -12), (62, -12)])
)


def grain(image: torch.Tensor) -> torch.Tensor:
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    return (image + 0.012 * noise).clamp(0, 1)


def overlap(alpha: torch.Tensor, truth: torch.Tensor) -> float:
    found, true = alpha > 0.5, (truth * REGION) > 0.5
    return float((found & true).sum() / (found | true).sum())


@pytest.mark.parametrize("stage", [LandmarkHull(), GrabCut()])
@pytest.mark.parametrize(
    "skin", [(0.80, 0.60, 0.50), (0.45, 0.30, 0.22), (0.93, 0.78, 0.70), (0.62, 0.46, 0.33)]
)
def test_a_bare_face_is_hardly_marked(stage, skin) -> None:
    matte = stage.run(grain(drawn_face.picture(skin=skin)), LANDMARKS)
    assert matte.fraction()[0] < 0.01


@pytest.mark.parametrize("stage", [LandmarkHull(), GrabCut()])
@pytest.mark.parametrize(
    "colour", [(0.93, 0.94, 0.95), (0.35, 0.55, 0.85), (0.08, 0.08, 0.08), (0.2, 0.6, 0.5)]
)
def test_a_mask_is_found(stage, colour) -> None:
    image = grain(drawn_face.paint(drawn_face.picture(), MASK, colour))
    assert overlap(stage.run(image, LANDMARKS).alpha, MASK) > 0.85


@pytest.mark.parametrize("stage", [LandmarkHull(), GrabCut()])
def test_sunglasses_are_found(stage) -> None:
    image = grain(drawn_face.paint(drawn_face.picture(), GLASSES, (0.06, 0.06, 0.07)))
    assert overlap(stage.run(image, LANDMARKS).alpha, GLASSES) > 0.75


def test_soft_shadow_and_lipstick_are_no_occluders() -> None:
    shadow = torch.linspace(1.0, 0.45, 256)[None, None, None]
    assert LandmarkHull().run(grain(drawn_face.picture() * shadow), LANDMARKS).fraction()[0] < 0.01
    p = POINTS[0].numpy()
    lips = np.zeros((256, 256), np.uint8)
    cv2.fillPoly(lips, [np.round(p[48:60]).astype(np.int32)], 1)
    lipstick = drawn_face.paint(
        drawn_face.picture(), torch.from_numpy(lips.astype(np.float32))[None, None], (0.8, 0.05, 0.15)
    )
    assert LandmarkHull().run(grain(lipstick), LANDMARKS).fraction()[0] < 0.01


def test_caution_marks_less() -> None:
    block = drawn_face.polygon([(20, 0), (60, 0), (60, 40), (20, 40)])
    image = grain(drawn_face.paint(drawn_face.picture(), block, (0.2, 0.5, 0.7)))
    assert overlap(LandmarkHull().run(image, LANDMARKS).alpha, block) > 0.7
    assert LandmarkHull(caution=100).run(image, LANDMARKS).alpha.sum() == 0


def test_alpha_stays_inside_the_face_region() -> None:
    image = grain(drawn_face.paint(drawn_face.picture(), MASK, (0.3, 0.5, 0.9)))
    for stage in (LandmarkHull(), GrabCut()):
        matte = stage.run(image, LANDMARKS)
        assert (matte.alpha <= matte.face + 1e-6).all()
        assert torch.equal(matte.face, REGION)


def test_mouth_in_sight_or_not() -> None:
    def odds(image: torch.Tensor) -> float:
        f = features(image[0].permute(1, 2, 0).numpy().copy())
        return mouth_hidden(f, POINTS[0].double().numpy())

    assert odds(grain(drawn_face.picture())) < 0
    assert odds(grain(drawn_face.paint(drawn_face.picture(), MASK, (0.9, 0.9, 0.92)))) > 0


def test_log_chroma_does_not_see_the_light() -> None:
    """Halving the light of a bright pixel moves log brightness by about log 2 and colour hardly."""
    image = np.full((1, 1, 3), [0.9, 0.7, 0.6], np.float32)
    change = features(image) - features(image / 2)
    assert np.abs(change[..., :2]).max() < 0.03
    assert change[0, 0, 2] == pytest.approx(np.log(2), abs=0.07)


def test_skin_model_finds_the_skin_under_a_large_cover() -> None:
    image = drawn_face.paint(drawn_face.picture(), MASK, (0.3, 0.5, 0.9))
    f = features(image[0].permute(1, 2, 0).numpy().copy())
    inside = REGION[0, 0].numpy() > 0.5
    start = skin_colour(f, inside, POINTS[0].double().numpy())
    expected = features(np.array(drawn_face.SKIN, np.float32)[None, None])[0, 0]
    assert np.abs(start - expected).max() < 0.05
    skin = fit_skin(f, inside, start)
    assert skin is not None
    unlike = skin.unlikeness(f)
    assert np.median(unlike[(MASK[0, 0].numpy() > 0) & inside]) > 4
    assert np.median(unlike[(MASK[0, 0].numpy() == 0) & inside]) < 0.5


def test_guided_filter_limits() -> None:
    """A flat guide gives the box mean twice; a guide equal to the values keeps them."""
    rng = np.random.default_rng(0)
    values = rng.uniform(size=(32, 32))
    flat = guided_filter(np.zeros((32, 32)), values, 2, 1e-3)
    once = cv2.blur(values, (5, 5), borderType=cv2.BORDER_REFLECT)
    twice = cv2.blur(once, (5, 5), borderType=cv2.BORDER_REFLECT)
    assert np.abs(flat - twice).max() < 1e-5
    assert np.abs(guided_filter(values, values, 2, 1e-9) - values).max() < 1e-4
