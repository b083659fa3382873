"""Cut-outs from a folder of RGBA pictures, laid over the lower face or anywhere on it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from occface_core.errors import PhotoError
from occface_core.synthetic.occluders.canvas import Canvas
from occface_core.synthetic.seeds import between, chance


@lru_cache(maxsize=8)
def cutout_files(folder: str) -> tuple[Path, ...]:
    """Return the .png files of a folder, by name.

    Raises:
        PhotoError: the folder is missing or holds no .png file.
    """
    files = tuple(sorted(Path(folder).glob("*.png")))
    if not files:
        raise PhotoError(f"{folder}: no .png cut-outs there; give a folder of RGBA pictures")
    return files


@lru_cache(maxsize=64)
def _read(path: Path) -> np.ndarray:
    data = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if data is None or data.ndim != 3 or data.shape[2] != 4:
        raise PhotoError(f"{path}: not a picture with transparency; save it as an RGBA .png")
    rgba = np.asarray(data[..., [2, 1, 0, 3]], np.float32) / 255
    rows, columns = np.nonzero(rgba[..., 3] > 0.05)
    if len(rows) == 0:
        raise PhotoError(f"{path}: wholly transparent; take it out of the folder")
    return rgba[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def cutout(canvas: Canvas, rng: np.random.Generator, folder: str) -> None:
    """Lay a random cut-out on the face.

    Files whose name ends in "_left" or "_right" are turned views: they go on faces that look that way.
    """
    files = cutout_files(folder)
    yaw = canvas.frame.yaw
    way = "_left" if yaw < -0.3 else "_right" if yaw > 0.3 else ""
    fitting = [
        f for f in files if (f.stem.endswith(way) if way else not f.stem.endswith(("_left", "_right")))
    ]
    rgba = _read((fitting or files)[int(rng.integers(len(fitting or files)))])
    height, width = rgba.shape[:2]
    frame = canvas.frame
    face = frame.reference
    # corners on the face: from the nose's bridge to below the chin, across the cheeks
    top, bottom = face[28, 1] - between(rng, 0, 14), face[8, 1] - between(rng, 2, 12)
    reach = (top - bottom) * width / height / 2
    reach = min(max(reach, 55.0), 78.0)
    corners = np.array([[-reach, top, 0], [reach, top, 0], [reach, bottom, 0], [-reach, bottom, 0]])
    if way:
        corners[:, 0] *= 0.9
    placed = frame.place(corners)[:, :2] if not way else frame.rigid(corners)[:, :2]
    if way:
        centre = (frame.landmarks[30] + frame.landmarks[8]) / 2
        placed = centre + (placed - placed.mean(0)) * np.array([1 / max(np.sqrt(1 - yaw**2), 0.55), 1]) * 0.95
    if chance(rng, 0.15):
        placed = placed + frame.scale * rng.normal(0, 14, 2)
    source = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, placed.astype(np.float32))
    flat = np.dstack((rgba[..., :3] * rgba[..., 3:], rgba[..., 3]))
    shrink = frame.scale * 2 * reach / width
    if shrink < 0.7:
        flat = cv2.GaussianBlur(flat, (0, 0), 0.4 / shrink)
    layer = cv2.warpPerspective(flat, matrix, (canvas.width, canvas.height), flags=cv2.INTER_LINEAR)
    alpha = np.clip(layer[..., 3], 0, 1)
    colour = layer[..., :3] / np.maximum(alpha, 1e-3)[..., None]
    canvas.paint(np.clip(colour * canvas.lit(np.ones(3), 0.85) * between(rng, 0.9, 1.1), 0, 1), alpha)
