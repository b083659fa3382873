"""Which teacher is believed about which pixel."""

from __future__ import annotations

import numpy as np
import pytest

from occface_core.synthetic.labels import LABELS
from occface_paper.parsing.teachers import BODY, FACE, HAIR, OTHERS, SOME_FACE, UNKNOWN, merged_labels

SIDE = 128


@pytest.fixture
def crop(face_points: np.ndarray) -> dict[str, np.ndarray]:
    """A face of skin, about which both teachers agree."""
    face = np.zeros((SIDE, SIDE), bool)
    face[20:112, 24:104] = True
    return {
        "image": np.full((SIDE, SIDE, 3), 180, np.uint8),
        "parts": np.where(face, LABELS["skin"], 0).astype(np.uint8),
        "selfie": np.where(face, FACE, 0).astype(np.uint8),
        "face": face,
        "points": face_points,
    }


def test_agreement_stays(crop):
    labels = merged_labels(**crop, masked=False)
    assert (labels == crop["parts"]).all()


def test_a_mask_that_only_one_sees_is_a_thing_in_front(crop):
    crop["selfie"][70:110, 30:98] = OTHERS
    labels = merged_labels(**crop, masked=True)
    assert (labels[80:110, 40:90] == LABELS["other"]).all()
    assert (labels[25:40, 40:90] == LABELS["skin"]).all()


def test_the_rest_of_a_masked_lower_face_is_not_learned_as_skin(crop):
    crop["selfie"][70:95, 30:98] = OTHERS
    labels = merged_labels(**crop, masked=True)
    assert (labels[98:110, 40:90] == UNKNOWN).all()


def test_elsewhere_an_object_over_skin_is_unknown(crop):
    crop["selfie"][70:90, 50:80] = OTHERS
    labels = merged_labels(**crop, masked=False)
    assert (labels[70:90, 50:80] == UNKNOWN).all()


def test_body_skin_in_the_face_may_be_a_hand(crop):
    crop["selfie"][70:90, 50:80] = BODY
    assert (merged_labels(**crop, masked=False)[70:90, 50:80] == UNKNOWN).all()


def test_hair_needs_both(crop):
    crop["selfie"][30:40, 40:60] = HAIR
    crop["parts"][45:50, 40:60] = LABELS["hair"]
    labels = merged_labels(**crop, masked=False)
    assert (labels[30:40, 40:60] == UNKNOWN).all() and (labels[45:50, 40:60] == UNKNOWN).all()


@pytest.mark.parametrize(
    ("light", "label"), [(20, LABELS["eyeglasses"]), (180, SOME_FACE)], ids=["dark", "clear"]
)
def test_only_dark_glasses_hide_the_eyes(crop, light: int, label: int):
    crop["parts"][50:60, 36:92] = LABELS["eyeglasses"]
    crop["image"][50:60, 36:92] = light
    assert (merged_labels(**crop, masked=False)[50:60, 36:92] == label).all()


def test_the_rim_of_clear_glasses_is_what_the_segmenter_sees(crop):
    crop["parts"][50:60, 36:92] = LABELS["eyeglasses"]
    crop["selfie"][50:52, 36:92] = OTHERS
    assert (merged_labels(**crop, masked=False)[50:52, 36:92] == LABELS["eyeglasses"]).all()


def test_nothing_is_known_outside_the_photo(crop):
    crop["selfie"][:, :30] = 255
    assert (merged_labels(**crop, masked=False)[:, :30] == UNKNOWN).all()
