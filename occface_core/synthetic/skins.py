"""Skin textures from a folder, in the MakeHuman base mesh's layout, on the embedded model."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from occface_core.facemodel import FaceModel
from occface_core.synthetic.backgrounds import picture_files, read_picture
from occface_core.synthetic.seeds import between

SIDE = 768

# The embedded model turns the head's island upright, enlarges the face about the nose and stretches the
# island over the plane above a strip: these are the constants of that layout (tools/face_model_build/cage.py).
NOSE = np.array([0.48316800, -0.87147544])
REACH = 0.36584730
LOW, HIGH = np.array([0.14060423, -1.09417299]), np.array([0.82572491, -0.61598875])
STRIP, POWER = 0.12, 0.7


def makehuman_coordinates(uv: np.ndarray) -> np.ndarray:
    """Return (N, 2) coordinates, v up, in the MakeHuman layout for the embedded model's head, (N, 2)."""
    place = (uv - [0, STRIP]) / [1, 1 - STRIP] * (HIGH - LOW) + LOW - NOSE
    radius = np.linalg.norm(place, axis=1, keepdims=True)
    place = NOSE + place * (np.maximum(radius, 1e-12) / REACH) ** (1 / POWER - 1)
    return np.stack((-place[:, 1], place[:, 0]), 1)


@lru_cache(maxsize=32)
def _read(path: Path) -> np.ndarray:
    return np.asarray(cv2.resize(read_picture(path), (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32)


def draw_skin(rng: np.random.Generator, folder: str) -> np.ndarray:
    """Return (SIDE, SIDE, 3) float32 RGB of a random texture of the folder, a little recoloured.

    Raises:
        PhotoError: the folder holds no pictures, or one cannot be read.
    """
    number, gain = pick_skin(rng, folder)
    return np.ascontiguousarray(np.clip(skin_picture(folder, number) * gain, 0, 1), np.float32)


def pick_skin(rng: np.random.Generator, folder: str) -> tuple[int, np.ndarray]:
    """Return the number of a random texture of the folder, and factors (3,) that recolour it a little."""
    number = int(rng.integers(len(picture_files(folder))))
    return number, between(rng, 0.85, 1.15) + 0.04 * rng.standard_normal(3)


def skin_picture(folder: str, number: int) -> np.ndarray:
    """Return (SIDE, SIDE, 3) float32 RGB, the texture of this number in the folder."""
    return _read(picture_files(folder)[number])


def painted_vertices(model: FaceModel) -> np.ndarray:
    """Return (V,) bool: vertices whose colour the texture holds; not eyes, teeth, tongue, neck, mouth."""
    bare = np.zeros(len(model.mean), bool)
    for region in ("eyeballs", "teeth", "tongue", "neck", "interior", "mouth_cavity"):
        bare |= model.regions.get(region, False)
    return ~bare & (model.uv[:, 1] > STRIP)


def colours_at(texture: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """Return (N, 3) colours of the texture at coordinates (N, 2)."""
    column = np.clip(coordinates[:, 0] * (SIDE - 1), 0, SIDE - 1).astype(int)
    row = np.clip((1 - coordinates[:, 1]) * (SIDE - 1), 0, SIDE - 1).astype(int)
    return np.asarray(texture[row, column])
