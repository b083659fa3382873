from __future__ import annotations

from functools import cache

import drawn_face
import numpy as np
import pytest
import torch

from occface_classic.inpainting.grain import grain_like
from occface_classic.inpainting.hidden_fit import fit_hidden
from occface_classic.inpainting.membrane import membrane_fill
from occface_classic.inpainting.model_texture import ModelTexture
from occface_classic.inpainting.poisson import poisson_fill
from occface_classic.inpainting.telea import Telea
from occface_classic.shape.landmark_basis import LandmarkBasis
from occface_core import FaceModel, Registry
from occface_core.face_region import face_parts, face_region
from occface_core.synthetic import SyntheticFace, SynthOptions, generate
from occface_core.testing import parametrize_checks
from occface_core.types import Landmarks, Matte

LANDMARKS = Landmarks(points=drawn_face.points())
CHEEK = drawn_face.polygon([(-70, -10), (-25, -10), (-25, 45), (-60, 45)])


@parametrize_checks(ModelTexture)
def test_model_texture(check) -> None:
    check()


def test_found_by_name() -> None:
    assert Registry().entry("face_inpainter", "model_texture").distribution == "occface-classic"


@cache
def rendered(index: int, size: int = 256) -> SyntheticFace:
    plain = SynthOptions(
        size=size,
        occluded=0.0,
        degrade=0.0,
        wrinkles=0.0,
        hard_light=0.0,
        yaw=0.3,
        pitch=0.15,
        expression=0.0,
    )
    return generate(5, index, plain)


def lower_half(face: SyntheticFace) -> tuple[torch.Tensor, torch.Tensor, Matte, Landmarks]:
    """Return truth, picture with a green lower face, its matte and the landmarks with their visibility."""
    truth = torch.from_numpy(face.clean)[None]
    points = torch.from_numpy(face.landmarks).float()[None]
    size = truth.shape[-1]
    below = torch.arange(size)[:, None].expand(size, size) > float(points[0, 29, 1])
    alpha = face_region(points, size) * below
    place = points[0].round().long().clamp(0, size - 1)
    visible = 1 - alpha[0, :, place[:, 1], place[:, 0]]
    occluded = drawn_face.paint(truth, alpha, (0.1, 0.7, 0.2))
    return truth, occluded, Matte(alpha=alpha), Landmarks(points=points, visible=visible)


def test_pixels_outside_the_matte_are_the_same_bits() -> None:
    image = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    alpha = torch.cat([CHEEK * 0.3, CHEEK])
    landmarks = Landmarks(points=drawn_face.points().repeat(2, 1, 1))
    filled = ModelTexture().run(image, Matte(alpha=alpha), landmarks)
    outside = (alpha == 0).expand_as(image)
    assert torch.equal(filled[outside], image[outside])
    assert not torch.equal(filled, image)


@pytest.mark.parametrize("skin", [(0.8, 0.6, 0.5), (0.35, 0.25, 0.2), (0.5, 0.5, 0.5)])
def test_one_colour_stays_one_colour(skin: tuple[float, float, float]) -> None:
    """A cheek has no features, so the model adds no more than a breath of shading."""
    image = torch.tensor(skin)[None, :, None, None].expand(1, 3, 256, 256).contiguous()
    filled = ModelTexture().run(drawn_face.paint(image, CHEEK, (0, 0, 1.0)), Matte(alpha=CHEEK), LANDMARKS)
    error = (filled - image).abs().amax(1, keepdim=True)[CHEEK > 0]
    assert error.mean() < 0.03
    assert error.max() < 0.1


def test_grey_stays_grey() -> None:
    """Lips of a grey photo are grey."""
    _, occluded, matte, landmarks = lower_half(rendered(0))
    grey = occluded.mean(1, keepdim=True).expand_as(occluded).contiguous()
    filled = ModelTexture(grain=0).run(grey, matte, landmarks)
    assert (filled.amax(1) - filled.amin(1)).max() < 0.04


@pytest.mark.parametrize("size", [64, 131, 256])
def test_hole_is_filled_at_any_size(size: int) -> None:
    _, occluded, matte, landmarks = lower_half(rendered(1, size))
    filled = ModelTexture().run(occluded, matte, landmarks)
    assert torch.isfinite(filled).all()
    assert filled.min() >= 0 and filled.max() <= 1
    green = (filled[:, 1] - filled[:, 0])[matte.alpha[:, 0] > 0.9]
    assert (green > 0.3).float().mean() < 0.01  # nothing of the occluder is left


@pytest.mark.parametrize("index", [0, 1, 2])
def test_mouth_behind_a_mask_is_drawn(index: int) -> None:
    """The mouth is redder than the cheeks, as it is in the truth, and nearer the truth than a diffusion."""
    truth, occluded, matte, landmarks = lower_half(rendered(index))
    filled = ModelTexture(grain=0).run(occluded, matte, landmarks)
    parts = face_parts(landmarks.points, 256)
    lips = (parts["mouth"] * matte.alpha > 0.99)[0, 0]
    cheeks = ((parts["left_cheek"] + parts["right_cheek"]) * matte.alpha > 0.99)[0, 0]

    def redness(picture: torch.Tensor, where: torch.Tensor) -> float:
        colour = picture[0][:, where].mean(1)
        return float((colour[0] / colour[1:].mean()).log())

    assert redness(filled, lips) > redness(filled, cheeks) + 0.03
    hidden = (matte.alpha > 0.5).expand_as(truth)

    def error(picture: torch.Tensor) -> float:
        return float(((picture - truth)[hidden] ** 2).mean().sqrt())

    assert error(filled) < error(Telea().run(occluded, matte, landmarks))


def test_answers_do_not_depend_on_the_batch_or_the_call() -> None:
    first, second = (lower_half(rendered(index)) for index in (0, 1))
    stage = ModelTexture()
    image = torch.cat([first[1], second[1]])
    matte = Matte(alpha=torch.cat([first[2].alpha, second[2].alpha]))
    landmarks = Landmarks(
        points=torch.cat([first[3].points, second[3].points]),
        visible=torch.cat([first[3].visible, second[3].visible]),
    )
    both = stage.run(image, matte, landmarks)
    assert torch.equal(both, stage.run(image, matte, landmarks))
    assert torch.equal(both[1:], stage.run(*second[1:]))


def test_hidden_mouth_is_symmetric_and_closed() -> None:
    """Wild guesses of hidden points do not open or twist the mouth."""
    model = FaceModel.embedded()
    _, _, _, landmarks = lower_half(rendered(0))
    points = landmarks.points.clone()
    points[:, 57:60, 1] += 25
    points[:, 48, 0] -= 10
    shape = fit_hidden(model, LandmarkBasis.of(model), points, landmarks.weights(), 256, 2.0)
    mouth = [i for i, name in enumerate(model.expression_names) if name.startswith(("mouth", "jaw"))]
    assert not shape.coefficients["expression"][0, mouth].any()


def test_half_hidden_mouth_takes_the_other_half() -> None:
    model = FaceModel.embedded()
    points = torch.from_numpy(rendered(0).landmarks).float()[None]
    trust = torch.ones(1, 68)
    trust[:, [52, 53, 54, 55, 56, 63, 64, 65]] = 0
    points[:, [48, 60], 1] -= 6  # a smile of the half in view
    shape = fit_hidden(model, LandmarkBasis.of(model), points, trust, 256, 2.0)
    found = dict(zip(model.expression_names, shape.coefficients["expression"][0].tolist(), strict=True))
    assert found["mouthSmileRight"] > 0.05
    for name, value in found.items():
        if name.startswith("mouth") and name.endswith("Left") and name != "mouthLeft":
            assert value == found[name[:-4] + "Right"]


def test_membrane_agrees_with_the_poisson_solution() -> None:
    rows, columns = np.indices((40, 40)).astype(np.float32) / 40
    image = np.stack([0.3 + 0.2 * rows, 0.4 + 0.1 * columns, 0.5 + 0 * rows], -1)
    source = np.clip(image + 0.1 * np.sin(6 * columns)[..., None] - 0.05, 0, 1).astype(np.float32)
    hole = np.zeros((40, 40), bool)
    hole[8:30, 6:33] = True
    everywhere = np.ones_like(hole)
    fast = membrane_fill(image, hole, source, everywhere)
    assert np.abs(fast - poisson_fill(image, hole, source, everywhere)).max() < 0.02
    assert np.array_equal(fast[~hole], image[~hole])


@pytest.mark.parametrize("size", [31, 32])
def test_membrane_restores_a_shifted_picture(size: int) -> None:
    rng = np.random.default_rng(0)
    image = rng.uniform(0.2, 0.7, (size, size, 3)).astype(np.float32)
    hole = np.zeros((size, size), bool)
    hole[5:20, 7:25] = True
    found = membrane_fill(image, hole, image + np.float32(0.1), np.ones_like(hole))
    assert np.abs(found - image).max() < 1e-4


def test_grain_is_as_strong_as_in_the_photo() -> None:
    """White noise of a known deviation comes back with that deviation; a smooth picture has none."""
    rng = np.random.default_rng(3)
    smooth = np.full((128, 128, 3), 0.5, np.float32)
    everywhere = np.ones((128, 128), bool)
    assert not grain_like(smooth, everywhere, np.random.default_rng(0)).any()
    noisy = smooth + 0.008 * rng.standard_normal(smooth.shape).astype(np.float32)
    found = grain_like(noisy, everywhere, np.random.default_rng(0))
    assert abs(float(found.mean())) < 1e-3
    assert 0.006 < found.std() < 0.01


@pytest.mark.parametrize("wrong", [{"margin": -1}, {"noise": 0}, {"grain": -0.1}, {"radius": 0}])
def test_wrong_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        ModelTexture(**wrong)
