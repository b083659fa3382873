"""A few synthetic faces, drawn once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from occface_paper.detail.data import DetailSampler
from occface_paper.synthetic_bank import SyntheticBank, draw_bank


@pytest.fixture(scope="session")
def faces_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    draw_bank(folder, 4, seed=3, workers=1)
    return folder


@pytest.fixture(scope="session")
def bank(faces_folder: Path) -> SyntheticBank:
    return SyntheticBank.load(faces_folder)


@pytest.fixture(scope="session")
def sampler(bank: SyntheticBank) -> DetailSampler:
    return DetailSampler(bank=bank, indices=np.arange(len(bank)), size=96)
