from __future__ import annotations

import attrs
import pytest
import torch

from occface_core.errors import RecordError
from occface_core.types import Matte


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
    assert "mouth" in report["summary"][1]
    assert "forehead" in report["summary"][-1]
    assert report["landmarks_hidden"] == sum(value < 0.5 for value in report["landmarks_visible"])
    assert report["landmarks_visible"][57] == 0


def test_it_takes_one_face_with_a_matte(result):
    from occface_core.occlusion import occlusion_report

    with pytest.raises(RecordError, match="one face, got 2"):
        occlusion_report(result.faces)
    with pytest.raises(RecordError, match="needs a matte"):
        occlusion_report(attrs.evolve(result.faces[0], matte=None))
