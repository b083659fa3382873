"""Faces that are drawn, for tests without photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from occface_paper.synthetic_bank import SyntheticBank, draw_bank


@pytest.fixture(scope="session")
def face_points() -> np.ndarray:
    angles = np.linspace(0, np.pi, 17)
    points = np.zeros((68, 2))
    points[:17] = np.stack([64 - 40 * np.cos(angles), 60 + 50 * np.sin(angles)], 1)
    points[17:27] = np.stack([np.linspace(30, 98, 10), np.full(10, 45)], 1)
    points[27:36] = np.stack([np.full(9, 64), np.linspace(55, 80, 9)], 1)
    points[36:42], points[42:48] = (48, 55), (80, 55)
    points[36:48] += np.random.default_rng(0).normal(0, 2, (12, 2))
    points[48:] = (64, 92)
    points[48:] += np.random.default_rng(1).normal(0, 4, (20, 2))
    return points


@pytest.fixture(scope="session")
def faces_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    draw_bank(folder, 4, seed=3, workers=1)
    return folder


@pytest.fixture(scope="session")
def bank(faces_folder: Path) -> SyntheticBank:
    return SyntheticBank.load(faces_folder)
