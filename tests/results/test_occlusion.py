from __future__ import annotations

import attrs
import pytest
import torch

from occface_core.errors import RecordError
from occface_core.face_region import face_halves, face_region
from occface_core.geometry.align import nominal_landmarks
from occface_core.occlusion import LANDMARK_STATES, occlusion_report, report
from occface_core.occlusion_words import in_words, ranges
from occface_core.types import Landmarks, Matte

HIDDEN_FROM_ROW = 150  # of the crop, as conftest.py's matting does


def with_matte(face, alpha):
    matte = Matte(alpha=alpha, face=face.matte.face)
    return attrs.evolve(face, matte=matte)


def test_nothing_hidden(result):
    face = result.faces[0]
    report = with_matte(face, torch.zeros_like(face.matte.alpha)).occlusion_report(0)
    assert report["fraction"] == 0
    assert set(report["parts"].values()) == {0}
    assert report["summary"] == ["Nothing hides the face."]


def test_all_hidden(result):
    face = result.faces[0]
    report = with_matte(face, torch.ones_like(face.matte.alpha)).occlusion_report(0)
    assert report["fraction"] == 1
    assert set(report["parts"].values()) == {1}


def test_the_persons_left_is_the_viewers_right(result):
    face = result.faces[0]
    alpha = torch.zeros_like(face.matte.alpha)
    alpha[..., 128:] = 1
    parts = with_matte(face, alpha).occlusion_report(0)["parts"]
    for name in ("eye", "brow", "cheek"):
        assert parts[f"left_{name}"] > 0.95
        assert parts[f"right_{name}"] < 0.05
    assert parts["nose"] == pytest.approx(0.5, abs=0.1)


def test_the_lower_face(result):
    report = result.faces.occlusion_report(0)
    assert report["parts"]["mouth"] > 0.75
    assert report["parts"]["forehead"] == 0
    assert 0.2 < report["fraction"] < 0.6
    assert "hidden: mouth" in report["summary"][0]
    assert "forehead" in report["summary"][1]
    assert "guessed" in report["summary"][2]
    assert report["landmarks_hidden"] == sum(value < 0.5 for value in report["landmarks_visible"])
    assert report["landmarks_visible"][57] == 0
    assert report["halves"]["left_half"] == pytest.approx(report["halves"]["right_half"], abs=0.02)


def test_halves_are_the_persons(result):
    face = result.faces[0]
    alpha = torch.zeros_like(face.matte.alpha)
    alpha[..., :128] = 1
    halves = with_matte(face, alpha).occlusion_report(0)["halves"]
    assert halves["right_half"] > 0.97
    assert halves["left_half"] < 0.03


def test_the_report_of_all_faces_is_that_of_each(result):
    report = result.faces.occlusion()
    assert len(report) == 2
    for i in range(2):
        assert report.as_dict(i) == result.faces.occlusion_report(i)
        assert sorted(k for state in LANDMARK_STATES for k in report.landmarks(i, state)) == list(range(68))
    with pytest.raises(RecordError, match="not 'hidden'"):
        report.landmarks(0, "hidden")


def test_no_face_is_a_report_too(result):
    report = result.faces[:0].occlusion()
    assert len(report) == 0
    assert report.visible.shape == (0, 68)


def test_the_records_need_the_same_faces(result):
    with pytest.raises(RecordError, match="got 1 and 2"):
        report(result.faces[0].matte, result.faces.landmarks)


def test_beyond_the_edge_of_the_photo(result):
    # the same crop, of a photo that ends below the nose
    cut = attrs.evolve(result.faces[0], photo_size=(HIDDEN_FROM_ROW, 256))
    found = cut.occlusion_report(0)
    rows = cut.photo_landmarks()[0, :, 1]
    outside = [k for k in range(68) if rows[k] > HIDDEN_FROM_ROW - 0.5]
    assert found["landmarks"]["outside"] == outside
    assert found["landmarks"]["guessed"] == []
    assert all(found["landmarks_visible"][k] == 0 for k in outside)
    assert found["parts"]["mouth"] is None
    assert found["fraction"] == pytest.approx(0, abs=0.01)
    assert found["beyond_photo"] == pytest.approx(float(result.faces.matte.fraction()[0]), abs=0.02)
    assert any("beyond the photo's edge" in sentence for sentence in found["summary"])
    gone = attrs.evolve(cut, photo_size=(2, 2)).occlusion_report(0)
    assert gone["fraction"] is None
    assert gone["summary"][0] == "No part of the face is in the photo."


def test_a_finer_matte_says_the_same(result):
    face = result.faces[0]
    fine = Matte(
        alpha=torch.nn.functional.interpolate(face.matte.alpha, scale_factor=2),
        face=torch.nn.functional.interpolate(face.matte.face, scale_factor=2),
    )
    cut = attrs.evolve(face, photo_size=(200, 200))
    one, other = cut.occlusion_report(0), attrs.evolve(cut, matte=fine).occlusion_report(0)
    assert one["fraction"] == pytest.approx(other["fraction"], abs=0.01)
    assert one["beyond_photo"] == pytest.approx(other["beyond_photo"], abs=0.01)
    assert one["landmarks"] == other["landmarks"]


def test_it_takes_one_face_with_a_matte(result):
    with pytest.raises(RecordError, match="one face, got 2"):
        occlusion_report(result.faces)
    with pytest.raises(RecordError, match="needs a matte"):
        occlusion_report(attrs.evolve(result.faces[0], matte=None))


def test_words():
    parts = {"right_eye": 0.9, "left_eye": 0.8, "nose": 0.4, "mouth": 0.0, "right_cheek": 0.1, "left_cheek": 0.3,
             "jaw": None, "right_brow": 1.0, "left_brow": 0.2}  # fmt: skip
    assert in_words(0.42, parts, guessed=[36, 37, 38, 42], outside=[8], beyond=0.1) == [
        "42% of the face is hidden: both eyes, right brow; partly nose (40%), "
        "both cheeks (right 10%, left 30%), left brow (20%).",
        "Free: mouth.",
        "Landmarks 36-38, 42 are hidden, so their places are guessed.",
        "10% of the face lies beyond the photo's edge.",
        "Landmark 8 is beyond the photo's edge.",
    ]
    assert in_words(0.0, {"nose": 0.0}) == ["Nothing hides the face."]
    assert in_words(1.0, {"nose": 1.0}, guessed=range(68))[-1].startswith("All 68 landmarks are hidden")
    assert ranges([67, 3, 1, 2]) == "1-3, 67"


def test_halves_are_judged_in_the_same_region_as_the_whole():
    """Hair at the forehead, which a matting takes out of the face region, is in neither half."""
    points = nominal_landmarks(256).float()[None]
    face = face_region(points, 256)
    face[:, :, :100] = 0
    alpha = torch.zeros_like(face)
    alpha[:, :, 150:] = 1
    found = report(Matte(alpha=alpha * face, face=face), Landmarks(points=points))
    halves = [float(value[0]) for value in found.halves.values()]
    assert min(halves) - 0.01 <= float(found.fraction[0]) <= max(halves) + 0.01


def test_halves_are_halves_of_the_whole_where_the_matte_reaches_beyond_the_landmarks_region():
    points = nominal_landmarks(256).float()[None]
    face = torch.nn.functional.max_pool2d(face_region(points, 256), 17, 1, 8)
    alpha = torch.zeros_like(face)
    alpha[..., :100] = 1
    found = report(Matte(alpha=alpha * face, face=face), Landmarks(points=points))
    parts = face_halves(points, 256, face)
    sizes = {name: float(part.sum() / face.sum()) for name, part in parts.items()}
    assert sum(sizes.values()) == pytest.approx(1, abs=1e-4)
    together = sum(sizes[name] * float(share[0]) for name, share in found.halves.items())
    assert together == pytest.approx(float(found.fraction[0]), abs=1e-4)
