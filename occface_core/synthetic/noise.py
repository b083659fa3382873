"""Smooth random fields and random colours, the raw material of textures and backgrounds."""

from __future__ import annotations

import colorsys

import attrs
import cv2
import numpy as np


@attrs.define(frozen=True, kw_only=True, eq=False)
class Grid:
    """The random numbers behind a smooth field; `spread` makes the field of them.

    Attributes:
        values: (rows, columns, channels) float32.
        big: height and width to which they are spread before cutting.
        corner: row and column of the field's first pixel in that.
        shape: height and width of the field.
    """

    values: np.ndarray
    big: tuple[int, int]
    corner: tuple[int, int]
    shape: tuple[int, int]

    def spread(self) -> np.ndarray:
        """Return the field (height, width, channels) float32."""
        big = cv2.resize(self.values, self.big[::-1], interpolation=cv2.INTER_CUBIC)
        (y, x), (height, width) = self.corner, self.shape
        field = big.reshape(*self.big, -1)[y : y + height, x : x + width]
        return np.ascontiguousarray(field) * np.float32(1.25)


def draw_grid(rng: np.random.Generator, height: int, width: int, cell: float, *, channels: int = 1) -> Grid:
    """Return the random numbers of `smooth_field`, of the same arguments."""
    rows, columns = max(int(np.ceil(height / cell)), 1) + 2, max(int(np.ceil(width / cell)), 1) + 2
    values = rng.standard_normal((rows, columns, channels), dtype=np.float32)
    big = (max(round(rows * cell), height), max(round(columns * cell), width))
    y, x = (int(rng.integers(0, spare + 1)) for spare in (big[0] - height, big[1] - width))
    return Grid(values=values, big=big, corner=(y, x), shape=(height, width))


def smooth_field(
    rng: np.random.Generator, height: int, width: int, cell: float, *, channels: int = 1
) -> np.ndarray:
    """Return (height, width) or (height, width, channels) float32 noise, mean 0, spread about 1.

    Args:
        rng: source of randomness.
        height: rows.
        width: columns.
        cell: size of its blobs in pixels.
        channels: independent fields, last axis; 1 gives no axis.
    """
    field = draw_grid(rng, height, width, cell, channels=channels).spread()
    return np.ascontiguousarray(field[..., 0]) if channels == 1 else field


def octaves(
    rng: np.random.Generator, height: int, width: int, cell: float, *, count: int = 4, decay: float = 0.55
) -> np.ndarray:
    """Return (height, width) float32 noise of several cell sizes, each half the one before, spread about 1."""
    grids = draw_octaves(rng, height, width, cell, count=count)
    total, weight = np.zeros((height, width), np.float32), 0.0
    for k, grid in enumerate(grids):
        gain = decay**k
        total += gain * grid.spread()[..., 0]
        weight += gain * gain
    return total / np.float32(np.sqrt(weight))


def draw_octaves(
    rng: np.random.Generator, height: int, width: int, cell: float, *, count: int = 4
) -> list[Grid]:
    """Return the random numbers of `octaves`, of the same arguments."""
    return [draw_grid(rng, height, width, max(cell / 2**k, 1.0)) for k in range(count)]


def random_colour(
    rng: np.random.Generator,
    *,
    saturation: tuple[float, float] = (0.0, 0.9),
    value: tuple[float, float] = (0.1, 0.95),
) -> np.ndarray:
    """Return (3,) float32 RGB in [0, 1] of any hue."""
    low, high = saturation
    hsv = (
        rng.random(),
        low + (high - low) * rng.random() ** 1.7,
        value[0] + (value[1] - value[0]) * rng.random(),
    )
    return np.asarray(colorsys.hsv_to_rgb(*hsv), np.float32)


def mix(colour: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) float32: `colour` where share (H, W) is 0, `other` where it is 1."""
    weight = np.clip(share, 0, 1)[..., None].astype(np.float32)
    return np.asarray(np.asarray(colour, np.float32) * (1 - weight) + np.asarray(other, np.float32) * weight)
