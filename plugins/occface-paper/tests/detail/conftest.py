"""Samples of a few synthetic faces."""

from __future__ import annotations

import numpy as np
import pytest

from occface_paper.detail.data import DetailSampler
from occface_paper.synthetic_bank import SyntheticBank


@pytest.fixture(scope="session")
def sampler(bank: SyntheticBank) -> DetailSampler:
    return DetailSampler(bank=bank, indices=np.arange(len(bank)), size=96)
