"""The bank of synthetic faces: drawn by workers, read back, held-out faces apart."""

from __future__ import annotations

import numpy as np
import pytest

from occface_core.synthetic import SynthOptions, generate
from occface_paper.errors import DataMissing
from occface_paper.synthetic_bank import FIELDS, SyntheticBank


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return SyntheticBank.kept(tmp_path_factory.mktemp("bank"), 3, 5, workers=1)


def test_faces_are_those_of_the_generator(bank):
    face = generate(5, 2, SynthOptions(yaw=1.2, occluded=0.7))
    assert len(bank) == 3
    np.testing.assert_allclose(bank.clean[2] / 255, face.clean, atol=0.51 / 255)
    np.testing.assert_allclose(bank.occluder[2] / 255, face.occluder, atol=0.51 / 255)
    np.testing.assert_array_equal(bank.identity[2], face.coefficients["identity"])
    np.testing.assert_array_equal(bank.landmarks[2], face.landmarks)
    np.testing.assert_allclose(bank.bump[2], face.bump, atol=0.01)


def test_every_field_has_its_shape(bank):
    for name, (shape, kind) in FIELDS.items():
        value = getattr(bank, name)
        assert value.shape == (3, *shape) and value.dtype == np.dtype(kind), name


def test_a_bank_is_drawn_once(bank, tmp_path, monkeypatch):
    monkeypatch.setattr("occface_paper.synthetic_bank.draw_bank", None)
    for name in FIELDS:
        np.save(tmp_path / f"{name}.npy", getattr(bank, name))
    (tmp_path / "count").write_text("2")
    assert len(SyntheticBank.kept(tmp_path, 9, 0)) == 2  # only what is drawn by now


def test_held_out_faces_are_the_last(bank):
    train, held_out = bank.split(1)
    assert train.tolist() == [0, 1] and held_out.tolist() == [2]


def test_a_folder_without_faces_is_said(tmp_path):
    with pytest.raises(DataMissing, match="no synthetic faces"):
        SyntheticBank.load(tmp_path)
