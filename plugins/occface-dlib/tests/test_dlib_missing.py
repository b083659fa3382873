"""Without dlib or its model the plugin is still listed, made and configured; running it says what to install."""

import importlib

import pytest

from occface_core import Pipeline, Registry
from occface_core.errors import PackageMissing, WeightsMissing
from occface_dlib import model_file
from occface_dlib.landmarks import DlibLandmarks


def test_it_is_listed():
    entry = Registry().entry("landmark_detector", "dlib")
    assert entry.distribution == "occface-dlib" and not entry.problem
    assert Registry().get("landmark_detector", "dlib") is DlibLandmarks


def test_without_dlib_setup_says_what_to_install(monkeypatch):
    def fail(name):
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(PackageMissing, match="pip install dlib-bin") as error:
        DlibLandmarks().setup("cpu")
    assert "No module named 'dlib'" in str(error.value)


def test_without_the_model_setup_says_where_it_is(monkeypatch):
    monkeypatch.setattr(model_file, "find_spec", lambda name: None)
    with pytest.raises(PackageMissing, match="face-recognition-models") as error:
        model_file.model_path(None)
    assert "dlib.net/files" in str(error.value) and "research only" in str(error.value)


def test_a_model_that_is_not_there_is_named(tmp_path):
    with pytest.raises(WeightsMissing, match=r"gone\.dat"):
        model_file.model_path(str(tmp_path / "gone.dat"))


def test_a_model_that_is_given_goes_first(tmp_path):
    own = tmp_path / "own.dat"
    own.write_bytes(b"")
    assert model_file.model_path(str(own)) == own


def test_weights_are_hashed_when_there_are_any(tmp_path):
    assert DlibLandmarks(model=str(tmp_path / "gone.dat")).weights_sha256() is None
    own = tmp_path / "own.dat"
    own.write_bytes(b"")
    assert DlibLandmarks(model=str(own)).weights_sha256() == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )


def test_options_come_from_a_configuration():
    pipeline = Pipeline.from_config(
        {"preset": "classic", "landmark_detector": {"plugin": "dlib", "min_face": 60, "starts": 1}}
    )
    spec = pipeline.to_config()["landmark_detector"]
    assert (spec["min_face"], spec["starts"], spec["model"]) == (60, 1, None)


@pytest.mark.parametrize("wrong", [{"min_face": 5}, {"starts": 0}, {"starts": 10}, {"max_faces": 0}])
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DlibLandmarks(**wrong)
