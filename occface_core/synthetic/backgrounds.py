"""What stands behind a face: gradients, noise, blurred shapes, walls, or pictures of a folder."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from occface_core.errors import PhotoError
from occface_core.synthetic.noise import mix, octaves, random_colour, smooth_field
from occface_core.synthetic.seeds import between, chance, pick

SUFFIXES = (".jpg", ".jpeg", ".png")


@lru_cache(maxsize=8)
def picture_files(folder: str) -> tuple[Path, ...]:
    """Return the .jpg and .png files of a folder, by name.

    Raises:
        PhotoError: the folder is missing or holds none.
    """
    files = tuple(sorted(path for path in Path(folder).glob("*") if path.suffix.lower() in SUFFIXES))
    if not files:
        raise PhotoError(f"{folder}: no .jpg or .png pictures there; give a folder that holds some")
    return files


@lru_cache(maxsize=16)
def read_picture(path: Path) -> np.ndarray:
    """Return (H, W, 3) float32 RGB in [0, 1].

    Raises:
        PhotoError: the file cannot be read.
    """
    data = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if data is None:
        raise PhotoError(f"{path}: not a picture that can be read; take it out of the folder")
    return np.asarray(data[..., ::-1], np.float32) / 255


def background(rng: np.random.Generator, size: int, folder: str | None = None) -> np.ndarray:
    """Return (size, size, 3) float32 RGB in [0, 1].

    Args:
        rng: source of randomness.
        size: side in pixels.
        folder: pictures to cut from, in three of four cases; None draws all.
    """
    if folder is not None and chance(rng, 0.75):
        return _cut(rng, size, folder)
    kind = pick(
        rng, "plain", "gradient", "clouds", "shapes", "shapes", "wall", "stripes", "foliage", "lights"
    )
    image = _DRAW[kind](rng, size)
    if chance(rng, 0.5):
        image = cv2.GaussianBlur(image, (0, 0), between(rng, 0.5, 5) * size / 256)
    return np.asarray(np.clip(image, 0, 1).astype(np.float32))


def _cut(rng: np.random.Generator, size: int, folder: str) -> np.ndarray:
    files = picture_files(folder)
    picture = read_picture(files[int(rng.integers(len(files)))])
    side = max(int(min(picture.shape[:2]) * between(rng, 0.4, 1.0)), 1)
    y = int(rng.integers(0, picture.shape[0] - side + 1))
    x = int(rng.integers(0, picture.shape[1] - side + 1))
    cut = cv2.resize(picture[y : y + side, x : x + side], (size, size), interpolation=cv2.INTER_AREA)
    if chance(rng, 0.5):
        cut = cut[:, ::-1]
    if chance(rng, 0.5):
        cut = cv2.GaussianBlur(cut, (0, 0), between(rng, 0.5, 6) * size / 256)
    return np.ascontiguousarray(cut)


def _plain(rng: np.random.Generator, size: int) -> np.ndarray:
    return np.broadcast_to(random_colour(rng, saturation=(0, 0.6), value=(0, 1)), (size, size, 3)).astype(
        np.float32
    )


def _gradient(rng: np.random.Generator, size: int) -> np.ndarray:
    angle = between(rng, 0, 2 * np.pi)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    share = 0.5 + (x * np.cos(angle) + y * np.sin(angle)) * between(rng, 0.5, 1.5)
    if chance(rng, 0.4):
        share = 1 - np.hypot(x - between(rng, -0.3, 0.3), y - between(rng, -0.3, 0.3)) * between(rng, 1, 2)
    image = mix(
        random_colour(rng, saturation=(0, 0.7)), random_colour(rng, saturation=(0, 0.7), value=(0, 1)), share
    )
    return image + between(rng, 0, 0.04) * octaves(rng, size, size, 40)[..., None]


def _clouds(rng: np.random.Generator, size: int) -> np.ndarray:
    cell = between(rng, 10, 110) * size / 256
    field = octaves(rng, size, size, cell)
    return mix(
        random_colour(rng, saturation=(0, 0.7)), random_colour(rng, saturation=(0, 0.5)), field * 0.5 + 0.5
    )


def _shapes(rng: np.random.Generator, size: int) -> np.ndarray:
    image = np.ascontiguousarray(_gradient(rng, size))
    for _ in range(int(rng.integers(6, 26))):
        colour = [float(v) for v in random_colour(rng, saturation=(0, 0.8), value=(0, 1))]
        x, y = (int(v) for v in rng.integers(-size // 8, size + size // 8, 2))
        w, h = (int(v) for v in rng.integers(size // 32, size // 3, 2))
        kind = int(rng.integers(3))
        if kind == 0:
            cv2.rectangle(image, (x - w, y - h), (x + w, y + h), colour, -1)
        elif kind == 1:
            cv2.ellipse(image, (x, y), (w, h), between(rng, 0, 180), 0, 360, colour, -1, cv2.LINE_AA)
        else:
            corners = np.array([x, y]) + rng.integers(-size // 3, size // 3, (int(rng.integers(3, 6)), 2))
            cv2.fillPoly(image, [corners.astype(np.int32)], colour, cv2.LINE_AA)
    if chance(rng, 0.8):
        image = cv2.GaussianBlur(image, (0, 0), between(rng, 0.8, 9) * size / 256)
    return image


def _wall(rng: np.random.Generator, size: int) -> np.ndarray:
    brick = between(rng, 14, 60) * size / 256
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    row = np.floor(y / (0.5 * brick))
    u, v = (x / brick + 0.5 * (row % 2)) % 1, (y / (0.5 * brick)) % 1
    joint = (u < 0.05) | (v < 0.1)
    base = mix(random_colour(rng, saturation=(0, 0.5)), random_colour(rng, saturation=(0, 0.5)),
               octaves(rng, size, size, brick) * 0.4 + 0.4)  # fmt: skip
    image: np.ndarray = np.where(joint[..., None], base * between(rng, 0.5, 1.3), base)
    return image


def _stripes(rng: np.random.Generator, size: int) -> np.ndarray:
    angle, period = between(rng, 0, np.pi), between(rng, 8, 80) * size / 256
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    along = x * np.cos(angle) + y * np.sin(angle) + 3 * smooth_field(rng, size, size, 60)
    share = np.clip(np.sin(2 * np.pi * along / period) * between(rng, 0.6, 5) + 0.5, 0, 1)
    return mix(random_colour(rng), random_colour(rng), share)


def _foliage(rng: np.random.Generator, size: int) -> np.ndarray:
    green = np.array([between(rng, 0.2, 0.5), between(rng, 0.3, 0.55), between(rng, 0.12, 0.4)])
    field = octaves(rng, size, size, 30 * size / 256, count=5, decay=0.75)
    image = mix(green * 0.25, np.clip(green * 1.7, 0, 1), field * 0.35 + 0.45)
    sky = np.clip((octaves(rng, size, size, 60 * size / 256) - between(rng, 0.3, 1.5)) * 3, 0, 1)
    return mix(image, np.array([0.85, 0.9, 0.95]), sky)


def _lights(rng: np.random.Generator, size: int) -> np.ndarray:
    image = np.ascontiguousarray(_gradient(rng, size) * between(rng, 0.15, 0.5))
    for _ in range(int(rng.integers(8, 40))):
        spot = np.zeros((size, size), np.uint8)
        x, y = (int(v) for v in rng.integers(0, size, 2))
        cv2.circle(spot, (x, y), int(between(rng, 3, 22) * size / 256) + 1, 255, -1, cv2.LINE_AA)
        colour = random_colour(rng, saturation=(0, 0.8), value=(0.5, 1)) * between(rng, 0.2, 0.7)
        image += (spot.astype(np.float32) / 255)[..., None] * colour
    return image


_DRAW = {
    "plain": _plain, "gradient": _gradient, "clouds": _clouds, "shapes": _shapes, "wall": _wall,
    "stripes": _stripes, "foliage": _foliage, "lights": _lights,
}  # fmt: skip
