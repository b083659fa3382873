from __future__ import annotations

import attrs
import numpy as np
import pytest
import torch

from occface_core.errors import RecordError
from occface_core.results.colours import HIDDEN, SURE, UNSURE
from occface_core.results.occlusion_picture import confidence_colour, occlusion_picture

SCALE = 3


def at(picture: np.ndarray, face, landmark: int, offset: float = 0.0) -> np.ndarray:
    """Return the colour at a landmark, `offset` pixels to the right of its middle."""
    x, y = (face.landmarks.points[0, landmark].numpy() + 0.5) * SCALE - 0.5
    return picture[round(float(y)), round(float(x) + offset)].astype(int)


def test_the_hidden_area_is_tinted_and_nothing_else(result):
    face = attrs.evolve(result.faces[0], photo_size=None)
    picture = occlusion_picture(face, legend=False).astype(int)
    assert picture.shape == (768, 768, 3)
    plain = attrs.evolve(face, matte=attrs.evolve(face.matte, alpha=torch.zeros_like(face.matte.alpha)))
    free = occlusion_picture(plain, legend=False).astype(int)
    changed = np.abs(picture - free).max(-1) > 2
    inside = torch.nn.functional.interpolate(face.matte.alpha, scale_factor=SCALE)[0, 0].numpy() > 0.5
    rim = 8  # outline and marks
    assert not changed[: 150 * SCALE - rim].any()
    assert changed[inside].mean() > 0.97
    middle = picture[170 * SCALE, 100 * SCALE], free[170 * SCALE, 100 * SCALE]
    np.testing.assert_allclose(middle[0], 0.5 * middle[1] + 0.5 * np.array(HIDDEN), atol=2)


def test_marks_tell_seen_guessed_and_beyond_the_edge(result):
    face = attrs.evolve(result.faces[0], photo_size=(200, 256))
    picture = occlusion_picture(face, legend=False)
    assert 8 in face.occlusion().landmarks(0, "outside")
    assert np.abs(at(picture, face, 27) - SURE).max() <= 2  # seen: filled
    assert at(picture, face, 57).min() >= 250  # guessed: a white core in a ring
    assert np.abs(at(picture, face, 57, offset=4.5) - SURE).max() <= 2
    assert np.abs(at(picture, face, 8) - SURE).max() <= 2  # a cross: free to its left and right
    assert np.abs(at(picture, face, 8, offset=4.5) - SURE).max() > 20


def test_colours_go_by_confidence(result):
    face = result.faces[0]
    unsure = attrs.evolve(face.landmarks, confidence=torch.zeros_like(face.landmarks.confidence))
    picture = occlusion_picture(attrs.evolve(face, landmarks=unsure), legend=False)
    assert np.abs(at(picture, face, 27) - UNSURE).max() <= 2
    assert confidence_colour(-1) == UNSURE
    assert confidence_colour(2) == SURE


def test_beyond_the_edge_is_dark(result):
    face = result.faces[0]
    whole = occlusion_picture(face, legend=False).astype(int)
    cut = occlusion_picture(attrs.evolve(face, photo_size=(256, 200)), legend=False).astype(int)
    assert (cut[20, 620:] < 0.5 * whole[20, 620:]).all()
    np.testing.assert_array_equal(cut[20, :590], whole[20, :590])


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_the_key_stands_below_and_hides_nothing(result, scale):
    bare = occlusion_picture(result.faces[0], scale=scale, legend=False)
    keyed = occlusion_picture(result.faces[0], scale=scale)
    np.testing.assert_array_equal(keyed[: bare.shape[0]], bare)
    key = keyed[bare.shape[0] :]
    assert key.shape[0] > 15 * scale
    assert (key[:, -4 * scale :] == 255).all()  # the words end before the edge


def test_points_far_away_do_no_harm(result):
    face = result.faces[0]
    points = face.landmarks.points.clone()
    points[0, 0] = torch.tensor([-1e6, 1e6])
    occlusion_picture(attrs.evolve(face, landmarks=attrs.evolve(face.landmarks, points=points)))


def test_it_needs_a_matte(result):
    with pytest.raises(RecordError, match="needs a matte"):
        occlusion_picture(attrs.evolve(result.faces[0], matte=None))
