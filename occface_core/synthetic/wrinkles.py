"""Procedural wrinkles: height maps in mm over the texture plane, blended anew for each face."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch

from occface_core.facemodel import FaceModel
from occface_core.geometry.rasterise import interpolate, rasterise
from occface_core.synthetic.folds import FOLDS
from occface_core.synthetic.noise import octaves
from occface_core.synthetic.seeds import between, chance, sample_generator

SIDE = 640
"""Texels across the texture plane; on the face one is some 0.77 mm wide."""
VARIANTS = 4
RELIEF, RELIEF_BLUR = 40, 3.3
"""Texels across the largest bumps of the relief, some 3 cm: shape that no coefficients of a model express."""
PORES, LUMPS = 3, 23
"""Texels across the grain of skin and across lumps under it."""
EDGE = 13
"""Texels within which all fades at the rim of the skin."""
KINDS = (*FOLDS, "pores", "lumps")
SMOOTH = 0.35
"""Share of the faces that are as good as free of lines, as children are, whatever they do: who learns from drawn
faces must not take folds for granted."""


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
    relief = cv2.GaussianBlur(octaves(rng, SIDE, SIDE, RELIEF, count=2), (0, 0), RELIEF_BLUR)
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
    squint = max(most("cheekSquint", "eyeSquint"), 0.6 * smile)
    depth = {
        "forehead": 0.9 * age + 1.4 * most("browInnerUp", "browOuterUp"),
        "frown": 0.9 * age + 1.6 * most("browDown"),
        "crows_feet": 0.9 * age + 0.9 * squint,
        "nasolabial": 0.3 + 2.2 * age + 1.8 * smile,
        "marionette": 1.8 * age**2 + 0.7 * most("mouthFrown"),
        "under_eye": 0.15 + 0.8 * age + 0.5 * squint,
        "eye_bag": 0.2 + 1.6 * age,
        "lid": 0.9,
        "chin": 0.4 + 0.7 * age + 0.8 * most("mouthShrugLower", "mouthPress"),
        "cheek": 0.5 * age**2 + 0.9 * age * smile,
        "lip_lines": 0.4 * age**2,
        "pores": 0.004 + 0.012 * rng.random(),
        "lumps": 0.14 * rng.random(),
    }
    lines = 0.25 * rng.random() if chance(rng, SMOOTH) else 1.0
    gains, variants = [], []
    for kind in KINDS:
        depth[kind] *= lines if kind in FOLDS and kind != "lid" else 1.0
        gains.append(depth[kind] * between(rng, 0.3, 1.4))
        variants.append(int(rng.integers(VARIANTS)))
    return gains, variants


@lru_cache(maxsize=2)
def basis(model: FaceModel) -> np.ndarray:
    """Return (kinds, VARIANTS, SIDE, SIDE) float32 mm of unit strength."""
    place, skin = positions(model)
    points = model.mean[model.landmarks68]
    there = skin > 0
    x, y, share = place[there, 0], place[there, 1], skin[there]
    maps = np.zeros((len(KINDS), VARIANTS, SIDE, SIDE), np.float32)
    for variant in range(VARIANTS):
        for k, kind in enumerate(KINDS):
            rng = sample_generator(7, variant, kind)
            if kind in FOLDS:
                maps[k, variant][there] = FOLDS[kind](x, y, points, rng) * share
            elif kind == "pores":
                maps[k, variant] = octaves(rng, SIDE, SIDE, PORES, count=2) * skin
            else:
                maps[k, variant] = (
                    cv2.GaussianBlur(octaves(rng, SIDE, SIDE, LUMPS, count=2), (0, 0), 2.5) * skin
                )
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
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 5) / EDGE
    soft = np.clip(inside, 0, 1) * (1 - np.clip(spread[3], 0, 1))
    return spread[:3].transpose(1, 2, 0), soft.astype(np.float32)
