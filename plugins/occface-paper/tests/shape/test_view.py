"""The same face through another camera, and in a moved crop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from occface_core.geometry.camera import intrinsics, rotation_from_angles
from occface_paper.shape.augment import moved
from occface_paper.shape.view import between, moved_crop, to_nominal


def seen(points: np.ndarray, rotation: np.ndarray, translation: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    camera = points @ rotation.T + translation
    pixels = camera @ matrix.T
    return pixels[:, :2] / pixels[:, 2:]


@pytest.fixture()
def head() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    rotation = rotation_from_angles(torch.tensor([[0.2, 0.6, -0.1]], dtype=torch.float64))[0].numpy()
    camera = intrinsics(256).double().numpy()
    camera[:2, :2] *= 1.4
    return {
        "points": rng.uniform(-1, 1, (60, 3)) * (60, 80, 50),
        "rotation": rotation,
        "translation": np.array([6.0, -9.0, 1400.0]),
        "matrix": camera,
    }


def test_a_longer_lens_becomes_a_nearer_face(head):
    rotation, translation = to_nominal(head["rotation"], head["translation"], head["matrix"])
    np.testing.assert_allclose(rotation, head["rotation"], atol=1e-12)
    assert translation[2] == pytest.approx(1000)
    before = seen(*head.values())
    after = seen(head["points"], rotation, translation, intrinsics(256).double().numpy())
    assert np.abs(after - before).max() < 4  # perspective alone differs
    middle = seen(np.zeros((1, 3)), rotation, translation, intrinsics(256).double().numpy())
    np.testing.assert_allclose(middle, seen(np.zeros((1, 3)), *list(head.values())[1:]), atol=1e-9)


def test_the_nominal_camera_changes_nothing(head):
    matrix = intrinsics(256).double().numpy()
    rotation, translation = to_nominal(head["rotation"], head["translation"], matrix)
    np.testing.assert_allclose(rotation, head["rotation"])
    np.testing.assert_allclose(translation, head["translation"])


def test_a_moved_crop_shows_the_moved_pixels(head):
    change = moved(np.random.default_rng(0))
    after = seen(head["points"], *moved_crop(*list(head.values())[1:], change))
    before = seen(*head.values())
    np.testing.assert_allclose(after, before @ change[:2, :2].T + change[:2, 2], atol=1e-9)


def test_a_shifted_crop_keeps_the_face_within_a_pixel(head):
    change = np.eye(3)
    change[:2, 2] = 9, -6
    rotation, translation = to_nominal(*moved_crop(*list(head.values())[1:], change))
    there = to_nominal(*list(head.values())[1:])
    expected = seen(head["points"], *there, intrinsics(256).double().numpy()) + np.array([9, -6])
    found = seen(head["points"], rotation, translation, intrinsics(256).double().numpy())
    assert np.abs(found - expected).max() < 1


def test_the_smallest_turn_between_directions():
    a, b = np.array([0.0, 0.0, 2.0]), np.array([0.3, -0.2, 1.0])
    turn = between(a, b)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(turn @ a / 2, b / np.linalg.norm(b), atol=1e-12)
