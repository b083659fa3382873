"""Lines, folds and unevenness of skin, one drawing a kind, in mm over points of the mean face."""

# ruff: noqa: RUF005 (sums of vectors, not of lists)
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from occface_core.synthetic.seeds import between

BLUNT = 0.3
"""How far from its middle a crease stops being sharp, mm."""

Draw = Callable[[np.ndarray, np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def crease(distance: np.ndarray, width: float, bank: float = 0.4) -> np.ndarray:
    """Return a line's height (mm, unit depth) at a distance in mm: a V-shaped furrow with raised banks."""
    d = np.abs(distance) / width
    sharp = np.sqrt(d * d + (BLUNT / width) ** 2)
    return np.asarray(-np.exp(-sharp) + bank * np.exp(-(((d - 2.4) / 1.3) ** 2)))


def near_curve(x: np.ndarray, y: np.ndarray, curve: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return distance (mm) to a polyline (N, 2), the place along it, 0 to 1, and how far to the right of it."""
    best, place, right = np.full(x.shape, 1e9), np.zeros(x.shape), np.zeros(x.shape)
    for k in range(len(curve) - 1):
        a, b = curve[k], curve[k + 1]
        d = b - a
        t = np.clip(((x - a[0]) * d[0] + (y - a[1]) * d[1]) / (d @ d), 0, 1)
        dx, dy = x - a[0] - t * d[0], y - a[1] - t * d[1]
        away = np.hypot(dx, dy)
        nearer = away < best
        best, right = np.where(nearer, away, best), np.where(nearer, dx, right)
        place = np.where(nearer, (k + t) / (len(curve) - 1), place)
    return best, place, right


def smooth(curve: np.ndarray, steps: int = 12) -> np.ndarray:
    """Return a polyline (steps + 1, 2) near the corners of another (N, 2): their Bézier curve."""
    t = np.linspace(0, 1, steps + 1)[:, None, None]
    points = np.repeat(np.asarray(curve, float)[None], steps + 1, 0)
    while points.shape[1] > 1:
        points = points[:, :-1] * (1 - t) + points[:, 1:] * t
    return np.asarray(points[:, 0])


def taper(place: np.ndarray, power: float = 0.7) -> np.ndarray:
    """Return a line's strength along it: 0 at both ends, 1 in the middle."""
    return np.asarray(np.sin(np.pi * np.clip(place, 0.02, 0.98)) ** power)


def forehead(x: np.ndarray, y: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lines across the forehead."""
    total = np.zeros(x.shape)
    bend = between(rng, -0.004, 0.002)
    for level in np.arange(12.0, 58.0, between(rng, 7, 13)):
        wave = 2.5 * np.sin(x / between(rng, 14, 25) + between(rng, 0, 6)) + bend * x * x
        middle = between(rng, -9, 9)
        fade = np.exp(-(((x - middle) / between(rng, 22, 50)) ** 4)) * between(rng, 0.4, 1.0)
        away = y - points[19, 1] - level - wave - rng.normal(0, 1.5)
        total += fade * crease(away, between(rng, 0.8, 1.7))
    return total


def frown(x: np.ndarray, y: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One to three upright lines between the brows, and one across the root of the nose."""
    total = np.zeros(x.shape)
    up = y - points[27, 1]
    lines = ((-1, 1), (0,), (-1, 0, 1))[int(rng.integers(3))]
    for side in lines:
        line = side * between(rng, 5, 9) + rng.normal(0, 0.7)
        height = np.exp(-(((up - 8 - rng.normal(0, 2)) / between(rng, 7, 12)) ** 4)) * between(rng, 0.6, 1)
        total += height * crease(x - line - 0.1 * side * up, between(rng, 0.8, 1.4))
    across = np.exp(-((x / between(rng, 6, 9)) ** 4))
    total += 0.7 * rng.random() * across * crease(up + between(rng, 0, 4) - 0.02 * x * x, 1.0)
    return total


def crows_feet(x: np.ndarray, y: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rays beside the outer corners of the eyes."""
    total = np.zeros(x.shape)
    for corner, side in ((36, -1), (45, 1)):
        for angle in np.linspace(-0.75, 0.8, int(rng.integers(3, 6))) + rng.normal(0, 0.08):
            start = points[corner, :2] + [side * between(rng, 3, 6), 5 * angle]
            way = np.array([side * np.cos(angle), np.sin(angle)])
            reach = between(rng, 9, 22)
            curve = smooth(np.stack((start, start + 0.5 * reach * way - [0, 2 * angle], start + reach * way)))
            away, along, _ = near_curve(x, y, curve)
            total += between(rng, 0.5, 1) * taper(along, 0.6) * crease(away, 0.8) * (away < 5)
    return total


def nasolabial(x: np.ndarray, y: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The fold from nose to mouth: a crease under a cheek that bulges over it."""
    total = np.zeros(x.shape)
    for wing, mouth, side in ((31, 48, -1), (35, 54, 1)):
        nose, lip = points[wing, :2], points[mouth, :2]
        out = between(rng, 6, 12)
        curve = smooth(np.stack((nose + [side * 5, 5], nose + [side * 13, -4], lip + [side * (out + 1), 7],
                                 lip + [side * out, -between(rng, 1, 12)])))  # fmt: skip
        away, along, right = near_curve(x, y, curve)
        outward = away * np.sign(right) * side
        cheek = 0.7 * np.exp(-(((outward - 5.5) / 4.5) ** 2)) * (outward > -2)
        furrow = crease(away, between(rng, 1.1, 2.3), 0.15)
        total += taper(along, 0.6) * (furrow + cheek * np.clip(away, 0, 1)) * (away < 16)
    return total


def marionette(x: np.ndarray, y: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The fold from the corner of the mouth down."""
    total = np.zeros(x.shape)
    for mouth, side in ((48, -1), (54, 1)):
        lip = points[mouth, :2]
        curve = smooth(np.stack((lip + [side * 2, -2], lip + [side * 6, -11],
                                 lip + [side * between(rng, 5, 10), -between(rng, 17, 27)])))  # fmt: skip
        away, along, _ = near_curve(x, y, curve)
        total += taper(along) * crease(away, between(rng, 1.0, 1.9)) * (away < 12)
    return total


def under_eye(x: np.ndarray, y: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One to three lines under each eye."""
    total = np.zeros(x.shape)
    drops = ((6.0, 1.0), (9.5, 0.7), (13.0, 0.5))[: int(rng.integers(1, 4))]
    for inner, outer in ((39, 36), (42, 45)):
        for drop, gain in drops:
            a, b = points[inner, :2] - [0, drop - 2], points[outer, :2] - [0, drop - 1]
            curve = smooth(np.stack((a, (a + b) / 2 - [0, between(rng, 4, 9)], b)))
            away, along, _ = near_curve(x, y, curve)
            total += gain * taper(along, 1) * crease(away, between(rng, 0.8, 1.3)) * (away < 6)
    return total


def eye_bag(x: np.ndarray, y: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A cushion under each eye with the furrow below it, deepest towards the nose."""
    total = np.zeros(x.shape)
    drop, deep = between(rng, 11, 16), between(rng, 4, 6)
    for inner, outer in ((39, 36), (42, 45)):
        a, b = points[inner, :2] - [0, 3], points[outer, :2] - [0, drop - 5]
        middle = (a + b) / 2
        curve = smooth(np.stack((a, middle - [0, drop], b)))
        away, along, _ = near_curve(x, y, curve)
        furrow = crease(away, between(rng, 1.5, 2.6), 0.0) * np.clip(1.25 - along, 0.2, 1)
        cushion = np.exp(-(((x - middle[0]) / 11) ** 2) - (((y - middle[1] + 0.55 * drop) / deep) ** 2))
        total += taper(along, 0.8) * furrow * (away < 12) + 0.6 * cushion
    return total


def lid(x: np.ndarray, y: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The crease of each upper eyelid."""
    total = np.zeros(x.shape)
    rise = between(rng, 3, 6)
    for a, b, c, d in ((36, 37, 38, 39), (42, 43, 44, 45)):
        curve = points[[a, b, c, d], :2] + [[0, 0.5 * rise], [0, rise], [0, rise], [0, 0.5 * rise]]
        away, along, _ = near_curve(x, y, smooth(curve))
        total += taper(along, 0.5) * crease(away, between(rng, 0.8, 1.3), 0.5) * (away < 5)
    return total


def chin(x: np.ndarray, y: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The crease between lower lip and chin, and the chin's dimples."""
    middle = points[57, :2] - [0, between(rng, 7, 11)]
    across = x - middle[0]
    bow = y - middle[1] + 0.012 * across**2 * between(rng, 0.3, 1.2)
    line = np.exp(-((across / between(rng, 11, 17)) ** 4)) * crease(bow, between(rng, 1.2, 2.4))
    cleft = np.exp(-(((y - points[8, 1] - 9) / 8) ** 4)) * crease(across, between(rng, 1.0, 1.8))
    return np.asarray(line + max(rng.uniform(-0.7, 0.6), 0) * cleft)


def cheek(x: np.ndarray, y: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lines that follow a broad smile, beside the fold from nose to mouth."""
    total = np.zeros(x.shape)
    for mouth, side in ((48, -1), (54, 1)):
        lip = points[mouth, :2]
        for out in np.arange(between(rng, 12, 16), 30, between(rng, 5, 8)):
            tall = between(rng, 9, 17)
            curve = smooth(np.stack((lip + [side * (out - 4), tall], lip + [side * (out + 4), 2],
                                     lip + [side * (out - 2), -tall])))  # fmt: skip
            away, along, _ = near_curve(x, y, curve)
            total += between(rng, 0.4, 1) * taper(along) * crease(away, between(rng, 0.9, 1.5)) * (away < 7)
    return total


def lip_lines(x: np.ndarray, y: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fine upright lines above the upper lip and under the lower one."""
    total = np.zeros(x.shape)
    for middle in np.arange(-17.0, 18.0, between(rng, 3.5, 5.5)):
        place, lean = middle + rng.normal(0, 0.8), 0.02 * middle
        top = points[51, 1] + between(rng, 2, 5)
        height = np.exp(-(((y - top) / between(rng, 4, 6)) ** 4))
        low = 0.6 * np.exp(-(((y - points[57, 1] + 5) / 3.5) ** 4))
        away = x - points[51, 0] - place - lean * (y - top)
        total += between(rng, 0.3, 1) * (height + low) * crease(away, 0.7, 0.2) * (np.abs(away) < 4)
    return total


FOLDS: dict[str, Draw] = {
    "forehead": forehead,
    "frown": frown,
    "crows_feet": crows_feet,
    "nasolabial": nasolabial,
    "marionette": marionette,
    "under_eye": under_eye,
    "eye_bag": eye_bag,
    "lid": lid,
    "chin": chin,
    "cheek": cheek,
    "lip_lines": lip_lines,
}
"""Drawings by kind: of x, y (N,) mm, landmarks (68, 3) of the mean face and a generator; heights (N,) of unit depth."""
