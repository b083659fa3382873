"""The stage `mobilenet_v3` on photos: one face, several, none, and photos of every size."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from occface_core.errors import StageError, WeightsMissing
from occface_core.testing import parametrize_checks
from occface_paper.landmarks.stage import MobileNetV3Landmarks
from occface_paper.landmarks.symmetry import MIRROR_68
from occface_paper.weights import FOLDER

PORTRAIT = Path(__file__).parents[3] / "examples" / "astronaut.jpg"
#: Read off the portrait by eye: right eye, left eye, mouth, chin.
KNOWN = {"right eye": (200, 101), "left eye": (248, 103), "mouth": (223, 145), "chin": (222, 180)}
GROUPS = {"right eye": range(36, 42), "left eye": range(42, 48), "mouth": range(48, 68), "chin": range(8, 9)}

needs_weights = pytest.mark.skipif(
    not all(
        (FOLDER / f"{name}.safetensors").exists() for name in ("faces", "verifier", "landmarks", "heatmap")
    ),
    reason="the trained weights are not in this checkout; `occface train` makes them",
)
needs_portrait = pytest.mark.skipif(not PORTRAIT.exists(), reason=f"no portrait at {PORTRAIT.name}")


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(PORTRAIT)), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def stage() -> MobileNetV3Landmarks:
    stage = MobileNetV3Landmarks()
    stage.setup("cpu")
    return stage


@needs_weights
@needs_portrait
def test_the_portraits_parts_are_where_a_person_sees_them(stage: MobileNetV3Landmarks, portrait: np.ndarray):
    landmarks = stage.run(tensor(portrait))
    assert landmarks.points.shape == (1, 68, 2) and landmarks.confidence.shape == (1, 68)
    for name, ids in GROUPS.items():
        middle = landmarks.points[0, list(ids)].mean(0).numpy()
        assert np.linalg.norm(middle - KNOWN[name]) < 7, f"{name} at {middle}"
    assert landmarks.confidence.min() >= 0 and landmarks.confidence.max() <= 1


@needs_weights
@needs_portrait
def test_a_mirror_mirrors_the_points(stage: MobileNetV3Landmarks, portrait: np.ndarray):
    points = stage.run(tensor(portrait)).points[0]
    mirrored = stage.run(tensor(portrait[:, ::-1])).points[0][list(MIRROR_68)]
    mirrored[:, 0] = portrait.shape[1] - 1 - mirrored[:, 0]
    eyes = (points[36] - points[45]).norm()
    assert ((points - mirrored).norm(dim=1).mean() / eyes).item() < 0.05


@needs_weights
@needs_portrait
@pytest.mark.parametrize("scale", [0.2, 3.0])
def test_the_answer_scales_with_the_photo(stage: MobileNetV3Landmarks, portrait: np.ndarray, scale: float):
    points = stage.run(tensor(portrait)).points[0]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    other = stage.run(tensor(cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=how)))
    assert len(other) >= 1
    back = (other.points[0] + 0.5) / scale - 0.5
    eyes = (points[36] - points[45]).norm()
    assert ((points - back).norm(dim=1).mean() / eyes).item() < (0.12 if scale < 1 else 0.05)


@needs_weights
@needs_portrait
def test_several_faces_are_all_found_each_once(stage: MobileNetV3Landmarks, portrait: np.ndarray):
    photo = np.full((700, 900, 3), 120, np.uint8)
    head = portrait[:230, 110:340]
    corners = [(20, 30, 1.0), (400, 40, 1.4), (120, 380, 0.7)]
    for x, y, scale in corners:
        drawn = cv2.resize(head, None, fx=scale, fy=scale)
        photo[y : y + drawn.shape[0], x : x + drawn.shape[1]] = drawn
    points = stage.run(tensor(photo)).points
    noses = points[:, 30].numpy()
    for x, y, scale in corners:
        want = np.array([x, y]) + scale * np.array([225 - 110, 124])
        assert (np.linalg.norm(noses - want, axis=1) < 12 * scale).sum() == 1
    sizes = np.ptp(points[:3].numpy(), axis=1).prod(1)
    assert len(points) == 3 and sizes.argmax() == 0, "the large face comes first"


@needs_weights
@needs_portrait
def test_hidden_points_are_less_confident(stage: MobileNetV3Landmarks, portrait: np.ndarray):
    hidden = portrait.copy()
    hidden[120:190, 180:270] = (40, 90, 160)
    seen = stage.run(tensor(portrait)).confidence[0, 48:].mean()
    blocked = stage.run(tensor(hidden))
    assert len(blocked) == 1
    assert blocked.confidence[0, 48:].mean() < seen


@needs_weights
@needs_portrait
def test_points_behind_something_stay_near_where_they_were(stage: MobileNetV3Landmarks, portrait: np.ndarray):
    hidden = portrait.copy()
    hidden[120:190, 180:270] = (40, 90, 160)
    bare = stage.run(tensor(portrait)).points[0]
    blocked = stage.run(tensor(hidden)).points
    eyes = (bare[36] - bare[45]).norm()
    away = (blocked[0] - bare).norm(dim=1) / eyes
    assert len(blocked) == 1 and away.mean() < 0.1 and away[36:48].mean() < 0.04


@needs_weights
@needs_portrait
def test_doubtful_faces_are_looked_at_until_their_points_stay(
    stage: MobileNetV3Landmarks, portrait: np.ndarray, monkeypatch
):
    from occface_paper.landmarks import predict

    looked: list[tuple[int, bool]] = []
    answers = predict.answers

    def counted(look, photo, crops, mirrored):
        looked.append((len(crops), mirrored))
        return answers(look, photo, crops, mirrored)

    monkeypatch.setattr(predict, "answers", counted)
    photo, bare = predict.Halvings(tensor(portrait)), stage.run(tensor(portrait)).points[0]
    pair = torch.stack([bare, bare + 0.2 * (bare[45] - bare[36])])

    def looks(doubtful: float, most: int) -> tuple[torch.Tensor, list[tuple[int, bool]]]:
        looked.clear()
        monkeypatch.setattr(predict, "DOUBTFUL", doubtful)
        points, _ = predict.last_looks(stage._looks[-1], photo, pair, looks=most, mirrored=True)
        return points, list(looked)

    assert looks(0.0, 8)[1] == [(2, False), (2, True)]  # sure faces: one look and that for the answer
    assert looks(1.1, 1)[1] == [(2, False), (2, True)]
    points, made = looks(1.1, 8)
    assert made[0] == (2, False) and made[-1] == (2, True)
    assert (1, False) in made and len(made) < 9  # the face that was right already is done first
    eyes = (bare[36] - bare[45]).norm()
    assert (points[0] - points[1]).norm(dim=1).mean() < 0.02 * eyes


def test_sides_are_scanned_from_the_largest_and_small_ones_refused():
    assert MobileNetV3Landmarks(scan_sides=(160, 640)).scan_sides == (640, 160)
    for wrong in ((0,), (640, 31), (), ("640",)):
        with pytest.raises((ValueError, TypeError)):
            MobileNetV3Landmarks(scan_sides=wrong)


@needs_weights
@pytest.mark.parametrize("size", [(1, 1), (1, 400), (8, 8), (37, 500), (300, 200)])
def test_a_photo_without_a_face_gives_no_landmarks(stage: MobileNetV3Landmarks, size: tuple[int, int]):
    ramp = torch.linspace(0.2, 0.8, size[1]).expand(1, 3, *size)
    landmarks = stage.run(ramp)
    assert landmarks.points.shape == (0, 68, 2) and landmarks.confidence.shape == (0, 68)


@needs_weights
@needs_portrait
def test_the_photo_is_left_as_it_is(stage: MobileNetV3Landmarks, portrait: np.ndarray):
    photo = tensor(portrait)
    copy = photo.clone()
    stage.run(photo)
    assert torch.equal(photo, copy)


@needs_weights
@needs_portrait
def test_max_faces_and_threshold_are_kept(portrait: np.ndarray):
    photo = np.concatenate([portrait, portrait], 1)
    one = MobileNetV3Landmarks(max_faces=1)
    one.setup("cpu")
    assert len(one.run(tensor(photo))) == 1
    none = MobileNetV3Landmarks(score_threshold=1.0)
    none.setup("cpu")
    assert len(none.run(tensor(photo))) == 0


def test_missing_weights_say_what_to_do(tmp_path: Path):
    stage = MobileNetV3Landmarks(weights=str(tmp_path))
    with pytest.raises(WeightsMissing, match=r"occface train faces"):
        stage.setup("cpu")


def test_damaged_weights_are_named(tmp_path: Path):
    (tmp_path / "faces.safetensors").write_bytes(b"not weights")
    with pytest.raises(WeightsMissing, match=r"faces\.safetensors is not a whole"):
        MobileNetV3Landmarks(weights=str(tmp_path)).setup("cpu")


def test_running_before_setup_is_a_clear_error():
    with pytest.raises(StageError, match="setup"):
        MobileNetV3Landmarks().run(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize(
    "options", [{"passes": 0}, {"max_faces": 0}, {"score_threshold": 1.5}, {"scan_sides": ()}], ids=str
)
def test_options_out_of_range_are_refused(options: dict[str, object]):
    with pytest.raises(ValueError):
        MobileNetV3Landmarks(**options)


@needs_weights
@parametrize_checks(MobileNetV3Landmarks)
def test_conformance(check):
    check()
