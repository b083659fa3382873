"""The stage on a photo: iBUG order, subpixel, the same whatever the size; and the conformance kit."""

from pathlib import Path

import numpy as np
import pytest
import torch

from occface_core.errors import PackageMissing, StageError, WeightsMissing
from occface_core.photo import read_photo, to_tensor
from occface_core.testing import parametrize_checks
from occface_dlib.landmarks import DlibLandmarks
from occface_dlib.model_file import load_dlib, model_path
from occface_dlib.predict import confidence

ASTRONAUT = Path(__file__).resolve().parents[3] / "examples" / "astronaut.jpg"


def eager():
    """Return a stage that takes the kit's drawn face for one, so that its points are checked too."""
    return DlibLandmarks(score_threshold=-0.5)


def test_what_the_kit_draws_is_found(detector):
    from occface_core.testing import inputs

    stage = eager()
    stage.setup("cpu")
    assert len(stage.run(inputs.photo(480, 640))) == 1


@parametrize_checks(DlibLandmarks)
def test_conformance(check):
    _needs_dlib()
    check()


@parametrize_checks(eager)
def test_conformance_with_a_face(check):
    _needs_dlib()
    check()


def _needs_dlib():
    try:
        load_dlib(), model_path(None)
    except PackageMissing as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def photo():
    return to_tensor(read_photo(ASTRONAUT))


def test_points_are_in_ibug_order(detector, photo):
    """Eyes, nose tip, mouth and chin lie to each other as the order says."""
    faces = detector.run(photo)
    assert len(faces) >= 1
    p = faces.points[0].numpy()
    right_eye, left_eye = p[36:42].mean(0), p[42:48].mean(0)
    assert right_eye[0] < p[30, 0] < left_eye[0]  # the person's right eye is on the left of the picture
    assert right_eye[1] < p[30, 1] < p[51, 1] < p[57, 1] < p[8, 1]
    assert p[0, 0] < p[36, 0] and p[16, 0] > p[45, 0]
    assert p[19, 1] < p[37, 1] and p[24, 1] < p[44, 1]


def test_the_answer_moves_with_the_photo(detector, photo):
    """Half the size gives the same points within 2 % of the distance of the eyes, and not whole pixels."""
    large = detector.run(photo).points[0]
    half = torch.nn.functional.avg_pool2d(photo, 2)
    small = detector.run(half).points[0]
    eyes = float((large[36] - large[45]).norm())
    assert float(((small + 0.5) * 2 - 0.5 - large).norm(dim=-1).mean()) < 0.02 * eyes
    assert float((small - small.round()).abs().mean()) > 0.1


def test_confidence_is_the_agreement_of_the_starts(photo):
    _needs_dlib()
    one, five = DlibLandmarks(starts=1), DlibLandmarks(starts=5)
    one.setup("cpu"), five.setup("cpu")
    assert bool((one.run(photo).confidence == 1).all())
    sure = five.run(photo).confidence
    assert float(sure.min()) > 0 and float(sure.max()) <= 1 and float(sure.std()) > 0
    np.testing.assert_allclose(confidence(np.array([0.0, 0.02, 0.04])), [1.0, 0.5, 0.25])


def test_small_faces_are_found_when_asked_for(photo):
    """The face of the photo is about 100 px wide; at a third of the size only a small `min_face` sees it."""
    _needs_dlib()
    small = torch.nn.functional.interpolate(photo, scale_factor=0.3, mode="area")
    found = {}
    for size in (80, 24):
        stage = DlibLandmarks(min_face=size)
        stage.setup("cpu")
        found[size] = len(stage.run(small))
    assert found[80] == 0 and found[24] >= 1


def test_run_before_setup_and_a_broken_model_are_said(photo, tmp_path):
    with pytest.raises(StageError, match="before setup"):
        DlibLandmarks().run(photo)
    _needs_dlib()
    broken = tmp_path / "broken.dat"
    broken.write_bytes(b"not a model")
    with pytest.raises(WeightsMissing, match="no dlib shape predictor"):
        DlibLandmarks(model=str(broken)).setup("cpu")


def test_a_model_of_five_points_is_refused(photo):
    _needs_dlib()
    five = model_path(None).with_name("shape_predictor_5_face_landmarks.dat")
    if not five.is_file():
        pytest.skip("the package with the models has no 5-point model")
    stage = DlibLandmarks(model=str(five))
    stage.setup("cpu")
    with pytest.raises(StageError, match="5 points, not 68"):
        stage.run(photo)
