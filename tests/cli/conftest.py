from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

NOTHING = """
landmark_detector = "none"
occlusion_matting = "none"
face_inpainter = "none"
shape_regressor = "none"
detail_recoverer = "none"
"""
"""Every stage does nothing; the landmark detector's "none" sees one face in the middle of every photo."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "nothing.toml"
    path.write_text(NOTHING)
    return path


@pytest.fixture(scope="session")
def _portrait(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "portrait.jpg"
    Image.linear_gradient("L").convert("RGB").resize((90, 100)).save(path)
    return path


@pytest.fixture
def portrait(_portrait: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(_portrait, tmp_path / "portrait.jpg"))
