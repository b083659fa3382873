"""Samples of the landmark network and the finder that show drawn faces."""

from __future__ import annotations

import numpy as np
import pytest

from occface_paper.faces.data import Photo, drawn_crops
from occface_paper.landmarks import augment
from occface_paper.landmarks.augment import Sampler
from occface_paper.landmarks.crop import mean_of_shapes, similarity
from occface_paper.landmarks.data import FaceCrops
from occface_paper.synthetic_bank import SyntheticBank


@pytest.fixture
def crops(face_points: np.ndarray) -> FaceCrops:
    return FaceCrops(
        images=np.full((1, 128, 128, 3), 90, np.uint8),
        points=face_points[None].astype(np.float32),
        valid=np.float32([[0, 0, 128, 128]]),
        weight=np.ones(1),
        is_val=np.zeros(1, bool),
    )


def test_drawn_faces_keep_their_points_up_to_a_similarity(
    crops: FaceCrops, bank: SyntheticBank, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(augment, "DRAWN_SHARE", 1.0)
    monkeypatch.setattr(augment, "JITTER", ((20.0, 0.1, 0.05, 0.0),) * 3)
    mean = mean_of_shapes(bank.outline.astype(np.float64))
    sampler = Sampler(crops=crops, mean_shape=mean, size=96, drawn=bank)
    training = bank.for_landmarks()
    for seed in range(6):
        image, points = sampler.draw(np.random.default_rng(seed))
        assert image.shape == (96, 96, 3) and np.ptp(image) > 0
        residuals = []
        for index in training:
            for shape in (bank.outline[index], mirrored(bank.outline[index])):
                matrix = similarity(points.astype(np.float64), shape.astype(np.float64))
                moved = points @ matrix[:2, :2].T + matrix[:2, 2]
                residuals.append(np.abs(moved - shape).max())
        assert min(residuals) < 0.05, "the points are those of no training face"


def mirrored(points: np.ndarray) -> np.ndarray:
    return points[list(augment.MIRROR_68)] * np.array([-1, 1])


def test_boxes_of_drawn_crops_lie_about_the_points_as_those_of_photos(bank: SyntheticBank):
    points = bank.outline[0].astype(np.float64)
    low, span = points.min(0), np.ptp(points, axis=0)
    real = Photo(
        image=np.zeros((8, 8, 3), np.uint8),
        boxes=np.concatenate([low - 0.1 * span, low + span * [1.1, 1.2]])[None],
        points=np.zeros((1, 5, 2)),
        ignored=np.zeros(1, bool),
        landmarks=points[None],
        valid=np.zeros(4),
    )
    drawn = drawn_crops(bank, [real])
    assert len(drawn) == len(bank.for_landmarks())
    for crop in drawn:
        index = int(crop.name.split("/")[1])
        shape = bank.outline[index].astype(np.float64)
        low, span = shape.min(0), np.ptp(shape, axis=0)
        assert crop.boxes[0] == pytest.approx(np.concatenate([low - 0.1 * span, low + span * [1.1, 1.2]]))
        hidden = crop.landmarks is None
        assert np.array_equal(crop.image.transpose(2, 0, 1), (bank.photo if hidden else bank.clean)[index])
