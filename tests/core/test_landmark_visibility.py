from __future__ import annotations

import numpy as np
import pytest
import torch

from occface_core.face_region import face_region
from occface_core.geometry.align import mean_landmarks
from occface_core.landmark_visibility import inside_photo, landmark_visibility
from occface_core.pipeline import Pipeline
from occface_core.stages import STAGES
from occface_core.types import Matte

SIZE = 256


def frontal() -> torch.Tensor:
    from occface_core.geometry.camera import intrinsics

    points = mean_landmarks().float() * torch.tensor([1.0, -1.0, -1.0]) + torch.tensor([0, 0, 1000.0])
    projected = points @ intrinsics(SIZE).T
    return (projected[:, :2] / projected[:, 2:])[None]


def matte_of(occluder: torch.Tensor, points: torch.Tensor) -> Matte:
    region = face_region(points, SIZE)
    return Matte(alpha=occluder * region, face=region)


def f1(found: torch.Tensor, truth: torch.Tensor) -> float:
    hit = int((found & truth).sum())
    return 2 * hit / max(2 * hit + int((found ^ truth).sum()), 1)


def test_nothing_and_everything():
    points = frontal()
    for level, seen in ((0.0, 1.0), (1.0, 0.0)):
        visible = landmark_visibility(matte_of(torch.full((1, 1, SIZE, SIZE), level), points), points)
        assert visible.shape == (1, 68)
        # the jaw too, although half of what lies around its points is no face
        torch.testing.assert_close(visible, torch.full((1, 68), seen), atol=0.02, rtol=0)


def test_no_face():
    empty = torch.zeros(0, 1, SIZE, SIZE)
    assert landmark_visibility(Matte(alpha=empty, face=empty), torch.zeros(0, 68, 2)).shape == (0, 68)


@pytest.mark.parametrize("blur", [0, 4])
@pytest.mark.parametrize("seed", range(4))
def test_it_follows_a_known_occluder(seed, blur):
    random = np.random.default_rng(seed)
    points = frontal()
    rows, columns = np.mgrid[:SIZE, :SIZE]
    angle, (x, y) = random.uniform(0, np.pi), random.uniform(80, 180, 2)
    across = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    along = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    hidden = (across / random.uniform(25, 70)) ** 2 + (along / random.uniform(25, 70)) ** 2 < 1
    occluder = torch.from_numpy(hidden.astype(np.float32))[None, None]
    place = points[0].round().long()
    truth = occluder[0, 0, place[:, 1], place[:, 0]] > 0.5
    if blur:
        occluder = torch.nn.functional.avg_pool2d(occluder, 2 * blur + 1, 1, blur)
    visible = landmark_visibility(matte_of(occluder, points), points)[0]
    assert f1(visible < 0.5, truth) >= 0.93
    assert f1(visible >= 0.5, ~truth) >= 0.93


def test_one_wrong_pixel_hides_no_point():
    points = frontal()
    occluder = torch.zeros(1, 1, SIZE, SIZE)
    place = points[0, 30].round().long()
    occluder[0, 0, place[1], place[0]] = 1
    assert landmark_visibility(matte_of(occluder, points), points)[0, 30] > 0.7


def test_points_off_the_crop_and_not_finite():
    points = frontal()
    away = points.clone()
    away[0, 8] = torch.tensor([128.0, 300.0])
    away[0, 0] = float("nan")
    occluder = torch.zeros(1, 1, SIZE, SIZE)
    occluder[..., 200:, :] = 1
    visible = landmark_visibility(Matte(alpha=occluder), away)
    assert torch.isfinite(visible).all()
    assert visible[0, 8] == 0


def test_which_points_lie_in_the_photo():
    points = torch.tensor([[[0.0, 0.0], [-0.4, 9.4], [-0.6, 0.0], [19.4, 9.0], [19.6, 9.0], [3.0, 9.6]]])
    inside = inside_photo(points, torch.eye(3)[None], (10, 20))
    assert inside.tolist() == [[True, True, False, True, False, False]]
    assert inside_photo(points, torch.eye(3)[None], None).all()


def test_the_pipeline_sees_no_point_beyond_the_edge_of_the_photo():
    points = frontal()[0].numpy() - np.float32([0, 60])
    photo = np.full((150, 256, 3), 128, np.uint8)
    pipeline = Pipeline.from_config(dict.fromkeys(STAGES, "none"))
    faces = pipeline(photo, given={"landmarks": points})
    outside = torch.from_numpy((points[:, 1] < -0.5) | (points[:, 1] > 149.5))
    assert outside.any()
    assert torch.equal(faces.landmarks.visible[0], (~outside).float())


def test_map_sees_the_same_as_single_calls():
    photos = [np.full((150, 256, 3), 128, np.uint8), np.full((90, 60, 3), 7, np.uint8)]
    config = dict.fromkeys(STAGES, "none") | {"landmark_detector": {"plugin": "none", "face_size": 1.4}}
    pipeline = Pipeline.from_config(config)
    for photo, faces in zip(photos, pipeline.map(photos), strict=True):
        single = pipeline(photo)
        torch.testing.assert_close(faces.landmarks.visible, single.landmarks.visible)
        assert faces.occlusion_report(0) == single.occlusion_report(0)
        assert faces.occlusion_report(0)["landmarks"]["outside"]
