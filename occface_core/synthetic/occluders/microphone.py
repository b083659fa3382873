"""Microphones before the mouth: hand-held with grille, with a foam ball, or on a stand."""

# ruff: noqa: RUF005 (sums of vectors, not of lists)
from __future__ import annotations

import numpy as np

from occface_core.synthetic.noise import random_colour
from occface_core.synthetic.occluders.canvas import Canvas
from occface_core.synthetic.occluders.hand import draw_hand
from occface_core.synthetic.occluders.shapes import ball, box, turn_x, turn_y, turn_z, turned
from occface_core.synthetic.occluders.textures import SIDE, cover
from occface_core.synthetic.seeds import between, chance, pick


def microphone(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw a microphone near the mouth, its body pointing down; often with a hand that holds it."""
    frame = canvas.frame
    spot = frame.reference[57] + np.array(
        [between(rng, -22, 22), between(rng, -16, 16), between(rng, 18, 40)]
    )
    at = frame.place(spot)
    kind = pick(rng, "grille", "grille", "foam", "cube")
    size = between(rng, 0.95, 1.35)
    turn = turn_z(between(rng, -0.8, 0.8)) @ turn_x(between(rng, -1.0, 0.1)) @ turn_y(between(rng, -0.4, 0.4))

    def put(points: np.ndarray) -> np.ndarray:
        return frame.local((points * size) @ turn.T, at)

    dark = np.full(3, between(rng, 0.03, 0.2), np.float32)
    metal = dark if chance(rng, 0.6) else random_colour(rng, value=(0.2, 0.8))
    if kind == "foam":
        colour = random_colour(rng, value=(0.05, 0.8)) if chance(rng, 0.5) else dark
        grain = colour * (1 + 0.25 * rng.standard_normal((SIDE, SIDE, 1), dtype=np.float32))
        canvas.surface(put(ball([30, 36, 30])), np.clip(grain, 0, 1), gloss=0.0)
    else:
        canvas.surface(put(ball([25, 28, 25])), _grille(rng), gloss=0.5)
        canvas.surface(put(turned(np.array([[26, -8], [27, -10], [27, -13], [25, -15]]))), metal, gloss=0.7)
    profile = np.array([[23.0, -18], [19, -40], [15, -90], [13.5, -160], [13, -230]])
    canvas.surface(put(turned(profile)), metal, gloss=0.45)
    if kind == "cube":
        logo = cover(rng)
        for k, side in enumerate(box(58, 46, 58)):
            canvas.surface(put(side + [0, -55, 0]), logo if k != 4 else dark, gloss=0.1)
    if chance(rng, 0.55):
        grip = put(np.array([[0.0, -115.0, 8.0]]))[0]
        draw_hand(canvas, rng, at=grip, pose="curled", spin=float(rng.choice([-1.0, 1.0])) * between(rng, 0.6, 1.4),
                  depth=6.0)  # fmt: skip


def _grille(rng: np.random.Generator) -> np.ndarray:
    """Return the texture of woven wire."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    period = between(rng, 4, 7)
    wire = np.maximum(np.sin(2 * np.pi * (x + y) / period), np.sin(2 * np.pi * (x - y) / period))
    tone = between(rng, 0.25, 0.75)
    return np.repeat((tone * (0.35 + 0.65 * np.clip(wire, 0, 1)))[..., None], 3, 2).astype(np.float32)
