"""A small data folder of drawn faces."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="session")
def clean_pack(tmp_path_factory: pytest.TempPathFactory, face_points: np.ndarray) -> Path:
    """Eight drawn faces of 128 px with points; the last two are for validation, the right edge is no photo."""
    root = tmp_path_factory.mktemp("clean")
    folder = root / "faces68"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    count, names = 8, [f"f{i}" for i in range(8)]
    points = np.stack([face_points + rng.normal(0, 2, 2) for _ in range(count)])
    for name, shape in zip(names, points, strict=True):
        image = np.full((128, 128, 3), 60, np.uint8)
        colour = tuple(int(c) for c in rng.integers(90, 230, 3))
        cv2.ellipse(image, (64, 70), (42, 52), 0, 0, 360, colour, -1)
        for x, y in shape:
            cv2.circle(image, (int(x), int(y)), 1, (30, 30, 60), -1)
        cv2.imwrite(str(folder / "images" / f"{name}.jpg"), image)
    np.savez(
        folder / "landmarks.npz",
        names=names,
        points=points.astype(np.float32),
        valid_rect=np.tile(np.float32([0, 0, 120, 128]), (count, 1)),
        is_val=np.arange(count) >= 6,
    )
    return root
