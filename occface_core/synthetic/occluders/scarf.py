"""Scarves, snoods and bandanas drawn up over the lower face."""

from __future__ import annotations

import numpy as np

from occface_core.synthetic.noise import smooth_field
from occface_core.synthetic.occluders.canvas import Canvas
from occface_core.synthetic.occluders.textures import cloth, knit
from occface_core.synthetic.seeds import between, chance, pick

ROWS, COLUMNS = 56, 72


def scarf(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw cloth wrapped round the head from the nose, lips or chin down over the neck."""
    kind = pick(rng, "wrap", "wrap", "snood", "bandana")
    face = canvas.frame.reference
    top = {"nose": face[29, 1], "tip": face[30, 1] + 4, "lips": face[51, 1] + 4, "mouth": face[57, 1] + 2}[
        pick(rng, "nose", "tip", "tip", "lips", "mouth")
    ] + between(rng, -4, 4)
    texture = knit(rng) if kind == "wrap" and chance(rng, 0.4) else cloth(rng)
    u = np.linspace(-1, 1, COLUMNS)
    angle = u * np.pi * 0.8
    bottom = -190.0 if kind != "bandana" else -135.0
    v = np.linspace(0, 1, ROWS)[:, None]
    ear = between(rng, -15, 15)
    edge = (
        top * np.cos(angle / 2) ** 2
        + (ear if kind == "bandana" else top - between(rng, -6, 22)) * np.sin(angle / 2) ** 2
    )
    low = np.full(COLUMNS, bottom)
    if kind == "bandana":
        low = ear - 30 + (bottom - ear + 30) * np.clip(1 - np.abs(u) * 1.9, 0, 1)
    y = edge[None] + (low - edge)[None] * v
    wide, deep = _radius(y)
    thick = {"wrap": between(rng, 8, 20), "snood": between(rng, 4, 9), "bandana": between(rng, 3, 6)}[kind]
    rim = np.clip(v * 7, 0, 1) ** 0.5
    nose = 22 * np.exp(-(((y - face[30, 1]) / 22) ** 2)) * np.exp(-((angle[None] / 0.3) ** 2))
    chin = 8 * np.exp(-(((y - face[8, 1]) / 26) ** 2)) * np.exp(-((angle[None] / 0.5) ** 2))
    radius = (wide + thick * rim, deep + thick * rim + nose + chin)
    points = np.stack((radius[0] * np.sin(angle)[None], y, radius[1] * np.cos(angle)[None] - 70), -1)
    # folds run round the neck, dip in the middle, and grow towards the lower end
    dip = y + between(rng, -30, 30) * np.cos(angle)[None] + 9 * smooth_field(rng, ROWS, COLUMNS, 16)
    period = between(rng, 16, 42) if kind == "wrap" else between(rng, 24, 60)
    amplitude = between(rng, 2.5, 7) if kind == "wrap" else between(rng, 0.8, 3)
    folds = amplitude * np.abs(np.sin(np.pi * dip / period)) ** 0.7 * np.clip(v * 3, 0.15, 1)
    folds = folds * np.clip(v * 8, 0, 1) + 0.8 * smooth_field(rng, ROWS, COLUMNS, 7) * np.clip(v * 5, 0, 1)
    upper = y[..., None] > -70
    soft = (canvas.frame.place(points) + canvas.frame.rigid(points)) / 2
    placed = np.where(upper, soft, canvas.frame.rigid(points) + _chin_shift(canvas))
    size = between(rng, 2, 4)
    canvas.surface(placed, texture, tiles=(size * 0.8, size * 1.6), height_map=folds, gloss=0.02)


def _chin_shift(canvas: Canvas) -> np.ndarray:
    """Return (3,) pixels by which the chin of this face departs from the mean's."""
    at = canvas.frame.reference[8] - [0, 4, 0]
    return np.asarray(canvas.frame.place(at) - canvas.frame.rigid(at)) / 2


def _radius(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return half width and reach forward (mm from z = -70) of head and neck at height `y`."""
    wide = np.interp(y.ravel(), [-190, -150, -110, -80, -30, 40], [115, 82, 68, 66, 72, 78]).reshape(y.shape)
    deep = np.interp(y.ravel(), [-190, -150, -110, -86, -60, -30, 10], [80, 62, 58, 74, 78, 80, 78])
    return wide, deep.reshape(y.shape)
