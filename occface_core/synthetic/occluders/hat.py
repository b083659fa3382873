"""Hats whose brim or edge comes down over forehead and eyes: caps, wide brims, knitted hats, hoods."""

from __future__ import annotations

import numpy as np

from occface_core.synthetic.noise import smooth_field
from occface_core.synthetic.occluders.canvas import Canvas
from occface_core.synthetic.occluders.textures import cloth, knit, plain
from occface_core.synthetic.seeds import between, chance, pick

# Outline of the head at the height of the hat band, mm in the face's frame.
CENTRE_Z, HALF_WIDTH, HALF_DEPTH = -92.0, 84.0, 108.0


def hat(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw a hat: crown, and brim, peak or cuff."""
    kind = pick(rng, "cap", "cap", "wide", "knitted", "hood")
    low = between(rng, 42, 66)
    texture = knit(rng) if kind == "knitted" else cloth(rng) if chance(rng, 0.5) else plain(rng)
    if kind == "hood":
        _hood(canvas, rng, texture)
        return
    tall = {"cap": 62.0, "wide": between(rng, 60, 95), "knitted": between(rng, 75, 110)}[kind]
    _crown(canvas, rng, texture, low, tall, kind)
    if kind == "cap":
        _brim(canvas, rng, texture, low, reach=between(rng, 58, 80), open_angle=between(rng, 0.95, 1.15))
    elif kind == "wide":
        _brim(canvas, rng, texture, low, reach=between(rng, 40, 95), open_angle=np.pi)
        band = plain(rng)
        _cuff(canvas, rng, band, low + 1, low + between(rng, 14, 28), 1.5)
    else:
        _cuff(
            canvas, rng, knit(rng) if chance(rng, 0.3) else texture, low - 4, low + between(rng, 28, 44), 7.0
        )


def _oval(angle: np.ndarray, grow: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Return x and z (mm) on the head's outline, `grow` mm outside; angle 0 is the front."""
    return (HALF_WIDTH + grow) * np.sin(angle), CENTRE_Z + (HALF_DEPTH + grow) * np.cos(angle)


def _slope(z: np.ndarray) -> np.ndarray:
    """Return how much (mm) the band sinks towards the back of the head."""
    return -0.16 * (60 - z) * 0.35


def _crown(
    canvas: Canvas, rng: np.random.Generator, texture: np.ndarray, low: float, tall: float, kind: str
) -> None:
    angle = np.linspace(-np.pi, np.pi, 64)[None]
    t = np.linspace(0, 1, 24)[:, None]
    flat = {"cap": 2.4, "wide": 4.0, "knitted": 2.2}[kind]
    shrink = (1 - t**flat) ** (1 / flat)
    x = (HALF_WIDTH + 6) * np.sin(angle) * shrink
    z = CENTRE_Z + (HALF_DEPTH + 6) * np.cos(angle) * shrink
    y = low + tall * t + 40 * t + _slope(z)
    folds = 0.9 * smooth_field(rng, 24, 64, 9)
    canvas.surface(canvas.frame.rigid(np.stack((x, y + 0 * x, z), -1)), texture[::-1], tiles=(1, 4), height_map=folds,
                   gloss=0.03, behind_head=5.0)  # fmt: skip


def _cuff(
    canvas: Canvas, rng: np.random.Generator, texture: np.ndarray, low: float, high: float, thick: float
) -> None:
    angle = np.linspace(-np.pi, np.pi, 64)[None]
    t = np.linspace(0, 1, 8)[:, None]
    grow = 6 + thick * np.sin(np.pi * np.clip(t * 0.9 + 0.05, 0, 1)) ** 0.4
    x, z = _oval(angle + 0 * t, grow)
    y = high + (low - high) * t + _slope(z)
    canvas.surface(
        canvas.frame.rigid(np.stack((x, y, z), -1)), texture, tiles=(0.5, 4), gloss=0.02, behind_head=5.0
    )


def _brim(
    canvas: Canvas,
    rng: np.random.Generator,
    texture: np.ndarray,
    low: float,
    *,
    reach: float,
    open_angle: float,
) -> None:
    angle = np.linspace(-open_angle, open_angle, 40)[None]
    t = np.linspace(0, 1, 12)[:, None]
    droop, curve = between(rng, 0.05, 0.55), between(rng, 4, 22)
    part = angle / open_angle
    profile = np.sqrt(np.clip(1 - part**2, 0, 1)) if open_angle < 3 else 1.0 + 0 * part
    grow = 5 + reach * t * profile
    x, z = _oval(angle + 0 * t, grow)
    y = low + _slope(z) - droop * reach * t * profile - curve * (part**2) * t * (1 if open_angle < 3 else 0.3)
    y = y + (2.5 * smooth_field(rng, 12, 40, 10) * t if open_angle > 3 else 0)
    points = canvas.frame.rigid(np.stack((x, y, z), -1))
    canvas.surface(
        points, texture if chance(rng, 0.7) else plain(rng), tiles=(1, 3), gloss=0.03, behind_head=5.0
    )
    if chance(rng, 0.6):  # the under side is darker
        canvas.surface(points - [0, 0, 1.0], texture.mean((0, 1)) * 0.5, behind_head=5.0)


def _hood(canvas: Canvas, rng: np.random.Generator, texture: np.ndarray) -> None:
    """Draw a hood or head scarf: a ring of cloth round the face that covers its edge."""
    frame = canvas.frame
    angle = np.linspace(-np.pi * 0.93, np.pi * 0.93, 60)[None]
    t = np.linspace(0, 1, 16)[:, None]
    narrow = between(rng, 0.8, 1.02)
    wide = narrow * (62 + 34 * t)
    high = narrow * (88 + 42 * t)
    x = wide * np.sin(angle)
    y = 4 + high * np.cos(angle)
    z = 4 - 52 * np.abs(np.sin(angle)) + 14 * np.sin(np.pi * np.clip(t * 1.3, 0, 1)) - 85 * t**2
    folds = 1.8 * smooth_field(rng, 16, 60, 7) + 1.5 * np.sin(
        6 * np.pi * t + 2 * smooth_field(rng, 16, 60, 20)
    )
    shape = np.stack((x, y + 0 * z, z), -1)
    points = frame.rigid(shape) if abs(frame.yaw) > 0.45 else frame.place(shape)
    canvas.surface(points, texture, tiles=(1, 5), height_map=folds, gloss=0.02)
