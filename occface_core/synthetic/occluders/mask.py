"""Medical, cloth, cup and folded masks over nose and mouth, worn well or too low, with their loops."""

from __future__ import annotations

import attrs
import cv2
import numpy as np

from occface_core.synthetic.noise import random_colour, smooth_field
from occface_core.synthetic.occluders.canvas import Canvas
from occface_core.synthetic.occluders.textures import SIDE, cloth, plain
from occface_core.synthetic.seeds import between, chance, pick

ROWS, COLUMNS = 44, 45

MEDICAL = ((0.42, 0.66, 0.86), (0.55, 0.78, 0.9), (0.9, 0.92, 0.93), (0.5, 0.78, 0.74), (0.93, 0.74, 0.8),
           (0.1, 0.1, 0.11), (0.35, 0.5, 0.8))  # fmt: skip


def mask(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw a face mask: pleated medical, cloth, folded (KN95) or cup (N95); one in six sits too low."""
    kind = pick(rng, "medical", "medical", "medical", "cloth", "cloth", "folded", "cup")
    cut = _cut(rng, kind)
    points = _sheet(canvas, rng, cut)
    folds, texture = _material(rng, kind)
    placed = canvas.frame.place(points)
    canvas.surface(placed, texture, height_map=folds, gloss=0.03)
    _bands(canvas, rng, kind, points, placed, texture)
    if kind == "cup" and chance(rng, 0.4):
        _valve(canvas, rng, placed)


@attrs.define(frozen=True, kw_only=True)
class _Cut:
    """Cut of a mask: how far its edges reach, mm."""

    drop: float
    top_side: float
    bottom_side: float
    side: float
    ridge: float
    puff: float
    chin: float


def _cut(rng: np.random.Generator, kind: str) -> _Cut:
    drop = between(rng, -4, 5)
    if chance(rng, 1 / 6):
        drop = between(rng, 24, 48)
    puff = {"medical": between(rng, 4, 10), "cloth": between(rng, 4, 8), "folded": between(rng, 10, 16),
            "cup": between(rng, 14, 20)}[kind]  # fmt: skip
    return _Cut(
        drop=drop,
        top_side=between(rng, -12, 2),
        bottom_side=between(rng, 0, 12),
        side=between(rng, 0.9, 1.02) if kind != "cup" else between(rng, 0.72, 0.84),
        ridge=between(rng, 0.55, 0.75) if kind in ("folded", "cloth") else between(rng, 0.75, 1.05),
        puff=puff,
        chin=between(rng, 4, 16),
    )


def _sheet(canvas: Canvas, rng: np.random.Generator, cut: _Cut) -> np.ndarray:
    """Return (ROWS, COLUMNS, 3) mm in the face's frame: the mask's surface without folds."""
    face = canvas.frame.reference
    out = cut.puff
    drop = np.array([0, cut.drop, 0])
    middle = np.stack(
        [
            face[28] + [0, 1, 3],
            face[30] + [0, 0, 2 + 0.3 * out],
            (face[51] + face[57]) / 2 + [0, 0, 4 + out],
            face[8] + [0, 6, 3 + 0.8 * out],
            face[8] + [0, -cut.chin, -6 + 0.4 * out],
        ]
    ) - drop * np.array([[1], [1], [1], [0.55], [0.35]])
    at = np.array([0, 0.27, 0.58, 0.85, 1.0])
    v = np.linspace(0, 1, ROWS)
    spine = np.stack([_curve(at, middle[:, k], v) for k in range(3)], 1)
    jaw = np.array([[(face[15, 0] - face[1, 0]) / 2, face[2, 1] + 6 + cut.top_side, face[2, 2]],
                    [(face[12, 0] - face[4, 0]) / 2, face[4, 1] + cut.bottom_side, face[4, 2]]])  # fmt: skip
    jaw[:, 1] -= cut.drop * 0.75
    jaw[:, 0] = jaw[:, 0] * cut.side + 2.5
    jaw[:, 2] = jaw[:, 2] + (1 - cut.side) * 70
    edge = jaw[0] + (jaw[1] - jaw[0]) * v[:, None]
    u = np.linspace(-1, 1, COLUMNS)
    angle = u * np.pi / 2
    # across: an ellipse round the face, with a sharper ridge where the nose lifts the sheet
    lift = np.clip(1 - v / 0.5, 0, 1)[:, None]
    round_part = np.cos(angle)[None] ** cut.ridge
    tent = (1 - np.abs(u))[None] ** 1.35 * 0.45 + 0.55 * np.cos(angle)[None] ** 0.8
    profile = round_part * (1 - 0.8 * lift) + tent * 0.8 * lift
    x = edge[:, 0, None] * np.sin(angle)[None]
    sag = np.abs(u)[None] ** 1.6
    y = spine[:, 1, None] * (1 - sag) + edge[:, 1, None] * sag
    z = edge[:, 2, None] + (spine[:, 2] - edge[:, 2])[:, None] * profile
    shift = np.array([between(rng, -2, 2), 0, 0])
    return np.asarray(np.stack((x, y, z), -1) + shift)


def _curve(at: np.ndarray, value: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return a smooth curve through a few values."""
    from scipy.interpolate import PchipInterpolator

    return np.asarray(PchipInterpolator(at, value)(where))


def _material(rng: np.random.Generator, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return folds (ROWS, COLUMNS) mm and texture (SIDE, SIDE, 3)."""
    v = np.linspace(0, 1, ROWS)[:, None]
    u = np.linspace(-1, 1, COLUMNS)[None]
    creases = cv2.resize(smooth_field(rng, ROWS, COLUMNS, 9), (COLUMNS, ROWS)) * between(rng, 0.2, 0.9)
    folds = creases * (0.3 + np.abs(u))
    white = np.array([0.9, 0.91, 0.92], np.float32)
    if kind == "medical":
        colour = np.array(MEDICAL[int(rng.integers(len(MEDICAL)))], np.float32)
        texture = plain(rng, colour * np.float32(between(rng, 0.9, 1.08)), 0.02)
        amplitude, count = between(rng, 1.0, 2.8), int(rng.integers(3, 5))
        phase = np.clip((v - 0.2) / 0.68, 0, 1) * count
        saw = (phase % 1) * ((phase > 0) & (phase < count))
        open_ = np.clip(1.15 - 0.75 * np.abs(u) ** 2, 0, 1)
        folds = folds + amplitude * saw * open_
        lines = np.linspace(0, 1, SIDE)
        place = np.clip((lines - 0.2) / 0.68, 0, 1) * count
        dark = np.exp(-(((place % 1) - 0.97) ** 2) / 0.004) * ((place > 0) & (place < count))
        texture *= (1 - 0.28 * dark)[:, None, None].astype(np.float32)
        _seams(texture, rng, top=True)
    elif kind == "cloth":
        texture = cloth(rng) if chance(rng, 0.6) else plain(rng, random_colour(rng, value=(0.05, 0.9)), 0.05)
        texture = texture * (1 - 0.35 * _line(0.5, 0.006))[None, :, None]
        folds = folds - 0.6 * np.exp(-(u**2) / 0.002)
    else:
        black = chance(rng, 0.2)
        colour = np.full(3, 0.12, np.float32) if black else white * np.float32(between(rng, 0.85, 1.03))
        texture = plain(rng, colour, 0.015)
        if kind == "folded":
            folds = folds * 0.7 + 2.0 * np.exp(-(u**2) / 0.001)
            texture *= (1 - 0.25 * _line(0.5, 0.008))[None, :, None]
            for at in (0.08, 0.92):
                texture *= (1 - 0.12 * _line(at, between(rng, 0.006, 0.012)))[None, :, None]
        else:
            texture *= (1 - 0.25 * _line(0.55, 0.006))[:, None, None]
            folds = folds * 0.5
            _seams(texture, rng, top=False)
        if chance(rng, 0.5):
            _lettering(texture, rng)
    return folds, np.clip(texture, 0, 1).astype(np.float32)


def _line(at: float, width: float) -> np.ndarray:
    """Return (SIDE,) float32: a soft line at `at` in [0, 1]."""
    return np.exp(-(((np.linspace(0, 1, SIDE) - at) / width) ** 2)).astype(np.float32)


def _seams(texture: np.ndarray, rng: np.random.Generator, *, top: bool) -> None:
    """Draw hems along the edges, in place."""
    margin = int(SIDE * between(rng, 0.035, 0.06))
    dark = float(between(rng, 0.75, 0.9))
    dotted = (np.arange(SIDE) // 3) % 2
    shade = 1 - (1 - dark) * dotted[:, None].astype(np.float32)
    for offset in (margin, margin + 4):
        texture[:, offset] *= shade
        texture[:, -offset] *= shade
        texture[-offset] *= shade
        if top:
            texture[offset] *= shade
    texture[:2] *= 0.85
    texture[-2:] *= 0.85
    texture[:, :2] *= 0.85
    texture[:, -2:] *= 0.85


def _lettering(texture: np.ndarray, rng: np.random.Generator) -> None:
    """Print a few small marks to one side, in place."""
    x, y = int(between(rng, 0.2, 0.65) * SIDE), int(between(rng, 0.45, 0.75) * SIDE)
    ink = [float(v) for v in random_colour(rng, saturation=(0, 0.5), value=(0.05, 0.4))]
    for row in range(int(rng.integers(1, 4))):
        for k in range(int(rng.integers(2, 6))):
            cv2.rectangle(texture, (x + 8 * k, y + 11 * row), (x + 8 * k + 4, y + 11 * row + 6), ink, -1)


def _bands(
    canvas: Canvas,
    rng: np.random.Generator,
    kind: str,
    points: np.ndarray,
    placed: np.ndarray,
    texture: np.ndarray,
) -> None:
    """Draw ear loops, or the two head straps of a cup, and for medical masks the wire over the nose."""
    frame = canvas.frame
    white = np.array([0.9, 0.9, 0.9], np.float32) if chance(rng, 0.7) else texture[4, 4]
    width = between(rng, 0.8, 1.6) * frame.scale
    for column, sign in ((0, -1.0), (COLUMNS - 1, 1.0)):
        ends = points[[2, ROWS - 3], column]
        shift = placed[[2, ROWS - 3], column] - frame.rigid(ends)
        ear = np.array([[sign * 80, 26.0, -80.0], [sign * 78, -12.0, -76.0]])
        if kind == "cup":
            ear = np.array([[sign * 86, 62.0, -110.0], [sign * 70, -35.0, -110.0]])
            white = np.array([0.85, 0.75, 0.3], np.float32) if chance(rng, 0.3) else white
        t = np.linspace(0, 1, 12)[:, None]
        for start, end, move in zip(ends, ear, shift, strict=True):
            path = start + (end - start) * t
            path[:, 0] += sign * 6 * np.sin(np.pi * t[:, 0])
            canvas.tube(frame.rigid(path) + move * (1 - t), max(width, 0.6), white, gloss=0.05, flat=0.5,
                        behind_head=7.0)  # fmt: skip
    if kind == "medical" and chance(rng, 0.6):
        middle = COLUMNS // 2
        wire = placed[2, middle - 7 : middle + 8] + [0, 0, 0.6 * frame.scale]
        canvas.tube(wire, 1.1 * frame.scale, np.clip(texture[10, 128] * 1.05, 0, 1), gloss=0.1, flat=0.5)


def _valve(canvas: Canvas, rng: np.random.Generator, placed: np.ndarray) -> None:
    """Draw a round valve on the cup."""
    from occface_core.synthetic.occluders.shapes import turned

    at = placed[int(ROWS * between(rng, 0.5, 0.65)), COLUMNS // 2 + int(rng.integers(-7, 8))]
    profile = np.array([[0, 5], [9, 5], [11, 3], [12, 0], [12, -2]])
    shape = turned(profile) @ np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    turned_shape = (shape @ canvas.frame.rotation.T) * canvas.frame.scale
    canvas.surface(turned_shape + at, np.full(3, between(rng, 0.3, 0.9), np.float32), gloss=0.3)
