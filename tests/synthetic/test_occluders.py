"""Every kind of occluder, on any picture, for any landmarks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from occface_core.errors import PhotoError, RecordError
from occface_core.geometry.align import mean_landmarks
from occface_core.geometry.camera import intrinsics, project, rotation_from_angles, to_camera
from occface_core.synthetic import OCCLUDERS, add_occluder, occlude

WANTED = ("glasses", "sunglasses", "mask", "hand", "hair", "scarf", "microphone", "object", "noise_block")


def landmarks(pitch: float = 0.0, yaw: float = 0.0, roll: float = 0.0, size: int = 256) -> np.ndarray:
    angles = torch.tensor([[pitch, yaw, roll]], dtype=torch.float64)
    moved = to_camera(
        mean_landmarks()[None], rotation_from_angles(angles), torch.tensor([[0, 0, 1000.0]]).double()
    )
    return project(moved, intrinsics(size).double())[0].numpy()


def picture(size: int = 256) -> np.ndarray:
    y, x = np.mgrid[0:size, 0:size] / size
    return np.stack((0.7 - 0.2 * x, 0.55 - 0.1 * y, 0.45 + 0 * x), -1).astype(np.float32)


def test_the_kinds_that_must_be_there():
    assert set(WANTED) <= set(OCCLUDERS)
    assert len(OCCLUDERS) >= 8


@pytest.mark.parametrize("kind", OCCLUDERS)
@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.0), (0.1, 1.2, 0.3), (-0.3, -0.8, -0.5)])
def test_every_kind_hides_something_and_only_where_alpha_says(kind, angles):
    image, points = picture(), landmarks(*angles)
    for seed in range(3):
        done = occlude(image, points, kind, np.random.default_rng(seed))
        assert done.kind == kind and done.alpha.shape == (256, 256) and done.alpha.dtype == np.float32
        assert done.alpha.min() >= 0 and done.alpha.max() <= 1
        assert done.alpha.sum() > 100, "px hidden"
        assert np.isfinite(done.image).all() and done.image.min() >= 0 and done.image.max() <= 1
        untouched = (done.alpha == 0) & (done.shadow == 1)
        assert np.array_equal(done.image[untouched], image[untouched])
        assert np.abs(done.image - image)[done.alpha > 0.5].mean() > 0.01
        low, high = points.min(0), points.max(0)
        box = done.alpha[max(int(low[1]), 0) : int(high[1]), max(int(low[0]), 0) : int(high[0])]
        assert box.sum() > 50, "in front of the face, not beside it"


@pytest.mark.parametrize("kind", OCCLUDERS)
def test_the_same_generator_state_gives_the_same_picture(kind):
    image, points = picture(), landmarks(0.1, 0.3)
    a, alpha = add_occluder(image, points, kind, np.random.default_rng(5))
    b, beta = add_occluder(image, points, kind, np.random.default_rng(5))
    assert np.array_equal(a, b) and np.array_equal(alpha, beta)


@pytest.mark.parametrize("kind", OCCLUDERS)
def test_eight_bit_pictures_stay_eight_bit_and_inputs_unchanged(kind):
    image = (picture() * 255).astype(np.uint8)
    points = landmarks()
    before, points_before = image.copy(), points.copy()
    out, alpha = add_occluder(image, points, kind, np.random.default_rng(2))
    assert out.dtype == np.uint8 and out.shape == image.shape and alpha.shape == image.shape[:2]
    assert np.array_equal(image, before) and np.array_equal(points, points_before)
    assert not np.array_equal(out, image)


@pytest.mark.parametrize("kind", OCCLUDERS)
@pytest.mark.parametrize("shift", [(-110, 0), (90, 120), (0, -120)])
def test_a_face_partly_outside_the_picture(kind, shift):
    done = occlude(picture(), landmarks(0.0, 0.2) + shift, kind, np.random.default_rng(1))
    assert np.isfinite(done.image).all()
    assert done.alpha.sum() > 0


@pytest.mark.parametrize("kind", ["glasses", "mask", "hand", "hair", "noise_block"])
@pytest.mark.parametrize("scale", [0.05, 0.3, 3.0])
def test_tiny_and_huge_faces(kind, scale):
    side = max(int(256 * scale), 16)
    done = occlude(picture(side), landmarks() * scale, kind, np.random.default_rng(1))
    assert done.alpha.shape == (side, side) and done.alpha.sum() > 0


def test_the_share_that_is_hidden_does_not_depend_on_the_resolution():
    small, large = (
        occlude(picture(side), landmarks(size=side), "mask", np.random.default_rng(3)).alpha.mean()
        for side in (256, 512)
    )
    assert small == pytest.approx(large, rel=0.05)


def test_a_face_wholly_outside_is_left_alone():
    image = picture(64)
    out, alpha = add_occluder(image, landmarks() + 5000, "mask", np.random.default_rng(0))
    assert np.array_equal(out, image) and (alpha == 0).all()
    out, alpha = add_occluder(np.zeros((1, 1, 3), np.uint8), landmarks(), "hand", np.random.default_rng(0))
    assert out.shape == (1, 1, 3) and alpha.shape == (1, 1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "glases"}, "glasses"),
        ({"kind": "cutout"}, "folder="),
        ({"image": np.zeros((8, 8), np.uint8)}, "H, W, 3"),
        ({"image": np.zeros((8, 8, 3), np.int32)}, "uint8"),
        ({"landmarks": np.zeros((5, 2))}, "68, 2"),
        ({"landmarks": np.full((68, 2), np.nan)}, "finite"),
    ],
)
def test_wrong_arguments_are_refused(change, says):
    arguments = {
        "image": picture(64),
        "landmarks": landmarks() / 4,
        "kind": "mask",
        "rng": np.random.default_rng(0),
    }
    with pytest.raises(RecordError, match=says):
        add_occluder(**(arguments | change))


def test_cutouts_from_a_folder(tmp_path):
    with pytest.raises(PhotoError, match=r"no \.png"):
        add_occluder(picture(), landmarks(), "cutout", np.random.default_rng(0), folder=str(tmp_path))
    sticker = np.zeros((60, 80, 4), np.uint8)
    cv2.ellipse(sticker, (40, 30), (35, 25), 0, 0, 360, (200, 120, 30, 255), -1)
    cv2.imwrite(str(tmp_path / "sticker.png"), sticker)
    done = occlude(picture(), landmarks(), "cutout", np.random.default_rng(0), folder=str(tmp_path))
    assert done.alpha.max() > 0.9 and done.label == "other"


def test_light_from_the_left_is_noticed():
    from occface_core.synthetic.occluders.light import estimate_light

    image = picture()
    image *= np.linspace(1.2, 0.4, 256, dtype=np.float32)[None, :, None]
    light = estimate_light(image, landmarks())
    assert light.direction[0] < -0.15 and light.direction[2] > 0
    assert np.linalg.norm(light.direction) == pytest.approx(1)
