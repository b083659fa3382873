"""Blocks and free shapes of noise, colour or foreign texture: occluders that mean nothing."""

from __future__ import annotations

import cv2
import numpy as np

from occface_core.synthetic.noise import octaves, random_colour, smooth_field
from occface_core.synthetic.occluders.canvas import Canvas
from occface_core.synthetic.occluders.textures import cloth, cover
from occface_core.synthetic.seeds import between, chance, pick


def noise_block(canvas: Canvas, rng: np.random.Generator) -> None:
    """Cover part of the face with one to three blocks of noise, flat colour, cloth or print."""
    frame = canvas.frame
    for _ in range(1 if chance(rng, 0.7) else int(rng.integers(2, 4))):
        spot = np.array([rng.normal(0, 32), rng.normal(-8, 40), 10.0])
        centre = frame.place(spot)[:2]
        half = np.array([between(rng, 15, 62), between(rng, 15, 62)]) * frame.scale
        alpha = _shape(canvas, rng, centre, half)
        fill = _fill(canvas, rng)
        canvas.paint(fill, alpha * (1.0 if chance(rng, 0.85) else between(rng, 0.6, 1.0)))


def _shape(canvas: Canvas, rng: np.random.Generator, centre: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Return alpha (H, W) of a rectangle, an ellipse, a polygon, brush strokes or a blotch."""
    alpha = np.zeros((canvas.height, canvas.width), np.uint8)
    kind = pick(rng, "block", "block", "ellipse", "polygon", "brush", "blotch")
    tilt = 0.0 if chance(rng, 0.5) else between(rng, -180, 180)
    if kind == "block":
        corners = cv2.boxPoints((tuple(map(float, centre)), tuple(map(float, 2 * half)), tilt))
        cv2.fillPoly(alpha, [np.round(corners * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    elif kind == "ellipse":
        cv2.ellipse(alpha, tuple(int(v) for v in centre), tuple(int(v) + 1 for v in half), tilt, 0, 360, 255, -1,
                    cv2.LINE_AA)  # fmt: skip
    elif kind == "polygon":
        angle = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 9))))
        reach = rng.uniform(0.6, 1.2, len(angle))[:, None]
        corners = centre + reach * half * np.stack((np.cos(angle), np.sin(angle)), 1)
        cv2.fillPoly(alpha, [np.round(corners * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    elif kind == "brush":
        at = centre - half * rng.uniform(-1, 1, 2)
        for _ in range(int(rng.integers(3, 9))):
            to = centre + half * rng.uniform(-1.3, 1.3, 2)
            ends = [tuple(int(v) for v in np.clip(p, -2000, 4000)) for p in (at, to)]
            cv2.line(
                alpha,
                ends[0],
                ends[1],
                255,
                max(int(between(rng, 6, 20) * canvas.frame.scale), 1),
                cv2.LINE_AA,
            )
            at = to
    else:
        y, x = np.mgrid[0 : canvas.height, 0 : canvas.width].astype(np.float32)
        away = ((x - centre[0]) / half[0]) ** 2 + ((y - centre[1]) / half[1]) ** 2
        rough = 0.35 * octaves(rng, canvas.height, canvas.width, float(half.mean()), count=3)
        return np.asarray(np.clip((1 - away + rough) * 12, 0, 1), np.float32)
    return alpha.astype(np.float32) / 255


def _fill(canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Return colours (H, W, 3) for a block."""
    height, width = canvas.height, canvas.width
    kind = pick(rng, "noise", "colour", "coarse", "gradient", "cloth", "print", "grey")
    if kind == "noise":
        return rng.random((height, width, 3), dtype=np.float32)
    if kind == "grey":
        return np.asarray(
            np.clip(0.5 + 0.25 * rng.standard_normal((height, width, 1), dtype=np.float32), 0, 1).repeat(3, 2)
        )
    if kind == "colour":
        flat = random_colour(rng, value=(0, 1))
        return np.broadcast_to(flat, (height, width, 3)).astype(np.float32)
    if kind == "coarse":
        field = smooth_field(rng, height, width, between(rng, 3, 30) * canvas.frame.scale, channels=3)
        return np.clip(0.5 + 0.3 * field, 0, 1)
    if kind == "gradient":
        share = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
        return (
            random_colour(rng) * (1 - share)
            + random_colour(rng) * share
            + np.zeros((height, 1, 1), np.float32)
        )
    texture = cloth(rng) if kind == "cloth" else cover(rng)
    step = 256 / (between(rng, 60, 180) * canvas.frame.scale)
    rows = (np.arange(height) * step).astype(int) % 256
    columns = (np.arange(width) * step).astype(int) % 256
    return np.asarray(texture[rows][:, columns] * canvas.lit(np.ones(3), 0.85))
