"""From label chances to alpha, on pictures small enough to know the answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from occface_core.synthetic.labels import LABEL_NAMES, LABELS
from occface_paper.parsing.hidden import (
    OVERHANG,
    expected_face,
    face_of_labels,
    hidden_chance,
    overhang,
    soft_alpha,
    without_open_mouth,
)

SIDE = 256


def chances(labels: np.ndarray, sure: float = 1.0) -> torch.Tensor:
    """(1, C, S, S): the label's chance is `sure`, skin has the rest."""
    chance = torch.zeros(1, len(LABEL_NAMES), SIDE, SIDE)
    chance[:, LABELS["skin"]] = 1 - sure
    chance.scatter_add_(
        1, torch.as_tensor(labels, dtype=torch.int64)[None, None], torch.full((1, 1, SIDE, SIDE), sure)
    )
    return chance


@pytest.fixture
def region() -> torch.Tensor:
    face = torch.zeros(1, 1, SIDE, SIDE)
    face[..., 50:200, 60:190] = 1
    return face


@pytest.mark.parametrize("name", ["other", "hair", "hat", "eyeglasses"])
def test_things_in_front_are_hidden_inside_the_region_only(name: str, region: torch.Tensor):
    labels = np.full((SIDE, SIDE), LABELS["skin"])
    labels[150:230, 40:220] = LABELS[name]
    alpha = soft_alpha(hidden_chance(chances(labels), region), region, 2.0)
    assert (alpha[..., 150:200, 60:190] == 1).all()
    alpha[..., 150:200, 60:190] = 0
    assert not alpha.any()


@pytest.mark.parametrize("name", ["skin", "brows", "eyes", "nose", "mouth", "lips", "neck", "ears"])
def test_parts_of_a_person_hide_nothing(name: str, region: torch.Tensor):
    labels = np.full((SIDE, SIDE), LABELS[name])
    assert not hidden_chance(chances(labels), region).any()


def test_cloth_counts_in_the_midst_but_not_at_the_rim(region: torch.Tensor):
    labels = np.full((SIDE, SIDE), LABELS["cloth"])
    chance = hidden_chance(chances(labels), region)
    assert chance[0, 0, 125, 125] == 1 and chance[0, 0, 52, 125] == 0 and chance[0, 0, 10, 10] == 0


def test_specks_go_and_small_holes_close(region: torch.Tensor):
    labels = np.full((SIDE, SIDE), LABELS["skin"])
    labels[60:62, 70:72] = LABELS["other"]
    labels[120:180, 80:160] = LABELS["other"]
    labels[140:142, 100:102] = LABELS["skin"]
    alpha = soft_alpha(hidden_chance(chances(labels), region), region, 2.0)[0, 0]
    assert not alpha[:110].any()
    assert (alpha[120:180, 80:160] == 1).all()


def test_doubt_stays_soft(region: torch.Tensor):
    labels = np.full((SIDE, SIDE), LABELS["other"])
    alpha = soft_alpha(hidden_chance(chances(labels, 0.6), region), region, 2.0)
    assert alpha[0, 0, 100, 100] == pytest.approx(0.7, abs=1e-5)


def test_the_face_of_labels_spans_what_hides_it():
    labels = np.zeros((SIDE, SIDE), np.uint8)
    labels[60:110, 80:180] = LABELS["skin"]
    labels[110:150, 80:180] = LABELS["other"]
    labels[150:190, 100:160] = LABELS["skin"]
    face = face_of_labels(labels)
    assert face[130, 130] == 1 and face[20, 20] == 0
    assert not face_of_labels(np.zeros((SIDE, SIDE), np.uint8)).any()


def test_what_ends_the_face_belongs_to_it_where_a_face_is_expected():
    expected = expected_face(SIDE)
    rows, columns = np.nonzero(expected)
    assert 100 < columns.mean() < 156 and 0.15 < expected.mean() < 0.45
    labels = np.zeros((SIDE, SIDE), np.uint8)
    labels[60:130, 80:180] = LABELS["skin"]
    labels[130:250, 70:190] = LABELS["other"]
    chin = (int(rows.max()) - 2, 128)
    assert face_of_labels(labels)[chin] == 0
    assert face_of_labels(labels, expected)[chin] == 1
    assert face_of_labels(labels, expected)[250, 75] == 0


def test_what_an_open_mouth_shows_hides_nothing_and_what_is_held_before_it_does():
    points = torch.full((2, 68, 2), 10.0)
    turn = torch.linspace(0, 2 * np.pi, 13)[:12]
    points[:, 48:60] = torch.stack([128 + 30 * turn.cos(), 180 + 20 * turn.sin()], 1)
    alpha = torch.zeros(2, 1, SIDE, SIDE)
    alpha[0, 0, 170:192, 115:140] = 1  # a tongue
    alpha[1, 0, 170:240, 115:140] = 1  # a cone of ice
    alpha[:, 0, 60:80, 60:80] = 0.8  # something else
    settled = without_open_mouth(alpha, points)
    assert not settled[0, 0, 160:].any() and torch.equal(settled[0, 0, :160], alpha[0, 0, :160])
    assert torch.equal(settled[1], alpha[1])
    assert without_open_mouth(alpha[:0], points[:0]).shape == (0, 1, SIDE, SIDE)


def test_what_hides_the_face_is_followed_a_little_beyond_its_rim(region: torch.Tensor):
    """A mask over chin and neck goes on below the region; a bag beside the face hides nothing and does not."""
    side = region.shape[-1]
    rows, columns = np.nonzero(region[0, 0].numpy() > 0.5)
    low, middle = int(rows.max()), int(columns.mean())
    labels = np.full((side, side), LABELS["skin"], np.uint8)
    labels[low - 20 :, middle - 10 : middle + 10] = LABELS["other"]
    right = int(columns.max())
    labels[: side // 3, right + 2 :] = LABELS["other"]
    chance = chances(labels)
    beyond = overhang(chance, hidden_chance(chance, region), region)[0, 0]
    assert beyond[low + OVERHANG - 2, middle] == 1 and beyond[low + OVERHANG + 3, middle] == 0
    assert beyond[: side // 3, right + 2 :].max() == 0
    assert overhang(chance, torch.zeros_like(region), region).max() == 0
