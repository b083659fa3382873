"""Procedural wrinkles: height maps in mm over the texture plane, blended anew for each face."""

# ruff: noqa: RUF005 (sums of vectors, not of lists)
from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch

from occface_core.facemodel import FaceModel
from occface_core.geometry.rasterise import interpolate, rasterise
from occface_core.synthetic.noise import octaves
from occface_core.synthetic.seeds import between, sample_generator

SIDE = 384
VARIANTS = 5
RELIEF = 24
"""Texels across the largest bumps of the relief, some 3 cm: shape that no coefficients of a model express."""
KINDS = ("forehead", "frown", "crows_feet", "nasolabial", "marionette", "under_eye", "pores", "lumps")


def wrinkle_map(
    model: FaceModel, rng: np.random.Generator, age: float, expression: dict[str, float]
) -> np.ndarray:
    """Return (SIDE, SIDE) float32 mm over the texture plane, row 0 is v = 1; 0 off the face's skin.

    Args:
        model: face model, for its texture layout and mean shape.
        rng: source of randomness.
        age: 0 to 1, depth of all lines.
        expression: weights by name; raised brows fold the forehead, a smile deepens the cheeks' folds.
    """
    gains, variants = wrinkle_gains(rng, age, expression)
    maps = basis(model)
    total = np.zeros((SIDE, SIDE), np.float32)
    for k in range(len(KINDS)):
        total += np.float32(gains[k]) * maps[k, variants[k]]
    relief = cv2.GaussianBlur(octaves(rng, SIDE, SIDE, RELIEF, count=2), (0, 0), 2)
    return np.asarray(total + np.float32(between(rng, 0, 0.7)) * relief * positions(model)[1])


def wrinkle_gains(
    rng: np.random.Generator, age: float, expression: dict[str, float]
) -> tuple[list[float], list[int]]:
    """Return how deep each of `KINDS` is in a face, mm, and which of the `VARIANTS` it has."""

    def most(*names: str) -> float:
        return max(
            (expression.get(name + side, 0.0) for name in names for side in ("", "Left", "Right")), default=0
        )

    smile = most("mouthSmile", "mouthUpperUp", "noseSneer")
    depth = {
        "forehead": 0.75 * age + 1.1 * most("browInnerUp", "browOuterUp"),
        "frown": 0.6 * age + 1.2 * most("browDown"),
        "crows_feet": 0.7 * age + 0.7 * max(most("cheekSquint", "eyeSquint"), 0.6 * smile),
        "nasolabial": 0.8 * age + 1.2 * smile,
        "marionette": 0.8 * age**2 + 0.3 * most("mouthFrown"),
        "under_eye": 0.7 * age,
        "pores": 0.02 + 0.05 * rng.random(),
        "lumps": 0.14 * rng.random(),
    }
    gains, variants = [], []
    for kind in KINDS:
        gains.append(depth[kind] * between(rng, 0.4, 1.3))
        variants.append(int(rng.integers(VARIANTS)))
    return gains, variants


@lru_cache(maxsize=2)
def basis(model: FaceModel) -> np.ndarray:
    """Return (kinds, VARIANTS, SIDE, SIDE) float32 mm of unit strength."""
    place, skin = positions(model)
    points = model.mean[model.landmarks68]
    maps = np.zeros((len(KINDS), VARIANTS, SIDE, SIDE), np.float32)
    for variant in range(VARIANTS):
        for k, kind in enumerate(KINDS):
            rng = sample_generator(7, variant, kind)
            maps[k, variant] = _draw(kind, place, points, rng) * skin
    return maps


@lru_cache(maxsize=2)
def positions(model: FaceModel) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean face's position (SIDE, SIDE, 3) at each texel and a soft mask of the face's skin."""
    uv = torch.tensor(model.uv) * torch.tensor([SIDE - 1.0, -(SIDE - 1.0)]) + torch.tensor([0.0, SIDE - 1.0])
    flat = torch.cat((uv, torch.ones(len(uv), 1)), 1)[None].float()
    part = model.regions
    skin = (
        part["face"]
        & ~part.get("eyeballs", part["eyes"])
        & ~part.get("interior", np.zeros_like(part["eyes"]))
    )
    keep = skin[model.triangles].all(1)
    triangles = torch.as_tensor(model.triangles[keep])
    fragments = rasterise(flat, torch.eye(3), triangles, SIDE, SIDE, near=0.1)
    attributes = torch.as_tensor(np.concatenate((model.mean, part["lips"][:, None]), 1), dtype=torch.float32)
    spread = interpolate(fragments, triangles, attributes[None])[0].numpy()
    mask = fragments.mask[0].numpy().astype(np.uint8)
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 5) / 8
    soft = np.clip(inside, 0, 1) * (1 - np.clip(spread[3], 0, 1))
    return spread[:3].transpose(1, 2, 0), soft.astype(np.float32)


def _groove(distance: np.ndarray, width: float) -> np.ndarray:
    """Return a furrow's height (mm, unit depth) at a distance in mm: a dip with raised banks."""
    d = distance / width
    return -np.exp(-d * d) + 0.45 * np.exp(-((np.abs(d) - 1.8) ** 2))


def _near_curve(x: np.ndarray, y: np.ndarray, curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return distance (mm) to a polyline (N, 2) and the place along it, 0 to 1."""
    best, place = np.full(x.shape, 1e9), np.zeros(x.shape)
    for k in range(len(curve) - 1):
        a, b = curve[k], curve[k + 1]
        d = b - a
        t = np.clip(((x - a[0]) * d[0] + (y - a[1]) * d[1]) / (d @ d), 0, 1)
        away = np.hypot(x - a[0] - t * d[0], y - a[1] - t * d[1])
        nearer = away < best
        best, place = np.where(nearer, away, best), np.where(nearer, (k + t) / (len(curve) - 1), place)
    return best, place


def _draw(kind: str, place: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return (SIDE, SIDE) mm of one variant of one kind."""
    x, y = place[..., 0], place[..., 1]
    total: np.ndarray = np.zeros(x.shape)
    if kind == "forehead":
        for level in np.arange(14.0, 58.0, between(rng, 8, 13)):
            wave = (
                points[19, 1]
                + level
                + 3 * np.sin(x / between(rng, 14, 25) + between(rng, 0, 6))
                - 0.002 * x * x
            )
            reach = between(rng, 28, 52)
            fade = np.exp(-((x / reach) ** 4)) * between(rng, 0.4, 1.0)
            total += fade * _groove(y - wave - rng.normal(0, 1.5), between(rng, 1.3, 2.2))
    elif kind == "frown":
        for side in (-1, 1):
            line = side * between(rng, 4, 9)
            height = np.exp(-(((y - points[27, 1] - 9) / between(rng, 8, 13)) ** 4))
            total += height * _groove(x - line - 0.08 * (y - points[27, 1]) * side, between(rng, 1.2, 1.9))
    elif kind == "crows_feet":
        for corner, side in ((36, -1), (45, 1)):
            for angle in np.linspace(-0.6, 0.75, int(rng.integers(3, 6))):
                start = points[corner, :2] + [side * 5, 5 * angle]
                way = np.array([side * np.cos(angle), np.sin(angle)])
                end = start + way * between(rng, 9, 19)
                bend = (start + end) / 2 + [0, -2 * angle]
                away, along = _near_curve(x, y, np.stack((start, bend, end)))
                total += np.sin(np.pi * np.clip(along, 0.02, 1) ** 0.6) * _groove(away, 1.15) * (away < 6)
    elif kind in ("nasolabial", "marionette"):
        for wing, mouth, side in ((31, 48, -1), (35, 54, 1)):
            nose, lip = points[wing, :2], points[mouth, :2]
            if kind == "nasolabial":
                curve = np.stack((nose + [side * 5, 5], nose + [side * 14, -7], lip + [side * 10, 4],
                                  lip + [side * 12, -between(rng, 2, 11)]))  # fmt: skip
                width = between(rng, 2.0, 3.2)
            else:
                curve = np.stack((lip + [side * 3, -3], lip + [side * 7, -12], lip + [side * 8, -23]))
                width = between(rng, 1.7, 2.6)
            away, along = _near_curve(x, y, curve)
            total += (
                1.2 * np.sin(np.pi * np.clip(along, 0.03, 0.99)) ** 0.7 * _groove(away, width) * (away < 12)
            )
    elif kind == "under_eye":
        for inner, outer in ((39, 36), (42, 45)):
            for drop, gain in ((7.0, 1.0), (11.0, 0.6)):
                a, b = points[inner, :2] - [0, drop - 2], points[outer, :2] - [0, drop - 1]
                middle = (a + b) / 2 - [0, 3.5]
                away, along = _near_curve(x, y, np.stack((a, middle, b)))
                total += gain * np.sin(np.pi * np.clip(along, 0.02, 0.98)) * _groove(away, 1.6) * (away < 7)
    elif kind == "pores":
        total = octaves(rng, SIDE, SIDE, 3, count=2)
    else:
        total = np.asarray(cv2.GaussianBlur(octaves(rng, SIDE, SIDE, 14, count=2), (0, 0), 1.5))
    return total.astype(np.float32)
