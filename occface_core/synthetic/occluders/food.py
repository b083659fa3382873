"""Things that are eaten before the mouth: fruit, ring cakes, ice cream, bananas, lollipops, sandwiches."""

# ruff: noqa: RUF005 (sums of vectors, not of lists)
from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from occface_core.synthetic.noise import octaves, random_colour
from occface_core.synthetic.occluders.canvas import Canvas, sweep
from occface_core.synthetic.occluders.hand import draw_hand
from occface_core.synthetic.occluders.shapes import ball, random_turn, ring, turn_x, turn_z, turned
from occface_core.synthetic.occluders.textures import SIDE, plain
from occface_core.synthetic.seeds import between, chance, pick

Put = Callable[[np.ndarray], np.ndarray]


def food(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw food at the mouth, often with the hand that holds it."""
    frame = canvas.frame
    kind = pick(rng, "apple", "orange", "ring", "ice", "banana", "lollipop", "sandwich")
    spot = frame.reference[62] + np.array([rng.normal(0, 14), rng.normal(-6, 14), between(rng, 25, 42)])
    at = frame.place(spot)
    size = between(rng, 0.9, 1.25)
    upright = kind in ("ice", "lollipop")
    turn = turn_z(rng.normal(0, 0.3)) @ turn_x(between(rng, -0.4, 0.4)) if upright else random_turn(rng, 0.7)

    def put(points: np.ndarray) -> np.ndarray:
        return frame.local((points * size) @ turn.T, at)

    if kind in ("apple", "orange"):
        _fruit(canvas, rng, put, kind)
    elif kind == "ring":
        _ring_cake(canvas, rng, put)
    elif kind == "ice":
        _ice(canvas, rng, put)
    elif kind == "banana":
        _banana(canvas, rng, put)
    elif kind == "lollipop":
        _lollipop(canvas, rng, put)
    else:
        _sandwich(canvas, rng, put)
    if chance(rng, 0.5):
        low = np.array([[between(rng, -25, 25), -60.0 if upright else -38.0, 6.0]])
        below = frame.local(low * size, at)[0]
        draw_hand(canvas, rng, at=below, pose=pick(rng, "curled", "relaxed"), depth=4.0)


def _fruit(canvas: Canvas, rng: np.random.Generator, put: Put, kind: str) -> None:
    field = octaves(rng, SIDE, SIDE, 60)[..., None]
    if kind == "apple":
        tones = ((0.7, 0.1, 0.1), (0.75, 0.6, 0.15), (0.45, 0.65, 0.2), (0.8, 0.35, 0.2))
        base, other = (np.array(tones[int(k)]) for k in rng.integers(0, len(tones), 2))
        share = np.clip(field + 0.5, 0, 1)
        texture = base * (1 - share) + other * share
        profile = [[0, 26], [8, 31], [20, 33], [34, 22], [38, 4], [34, -18], [22, -33], [8, -35], [0, -31]]
        canvas.surface(put(turned(np.array(profile, float))), texture, gloss=0.55)
        stalk = np.array([[0, 24, 0], [1, 34, 1], [4, 42, 3]], float)
        canvas.surface(put(sweep(stalk, 1.6)), np.array([0.3, 0.2, 0.1]))
    else:
        hue = np.array([0.93, 0.52, 0.1]) if chance(rng, 0.6) else np.array([0.9, 0.82, 0.25])
        grain = 1 + 0.08 * octaves(rng, SIDE, SIDE, 4, count=2)[..., None] + 0.04 * field
        canvas.surface(put(ball([37, 35, 37])), np.clip(hue * grain, 0, 1), gloss=0.3)


def _ring_cake(canvas: Canvas, rng: np.random.Generator, put: Put) -> None:
    dough = plain(rng, np.array([0.72, 0.5, 0.27], np.float32), 0.08)
    canvas.surface(put(ring(28, 15)), dough, gloss=0.1)
    icing = plain(rng, random_colour(rng, saturation=(0.1, 0.7), value=(0.3, 0.98)), 0.03)
    for _ in range(int(rng.integers(0, 150))):
        x, y = (int(v) for v in rng.integers(2, SIDE - 2, 2))
        dx, dy = (int(v) for v in rng.integers(-4, 5, 2))
        cv2.line(icing, (x, y), (x + dx, y + dy), [float(v) for v in random_colour(rng)], 2, cv2.LINE_AA)
    top = ring(28, 16.2)[:, :10] if chance(rng, 0.5) else ring(28, 16.2)
    top = top + np.array([0, 0, 1.2])
    canvas.surface(put(top), icing, gloss=0.5)


def _ice(canvas: Canvas, rng: np.random.Generator, put: Put) -> None:
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / 22
    grid = np.minimum(np.abs((x + y) % 1 - 0.5), np.abs((x - y) % 1 - 0.5))
    waffle = np.array([0.8, 0.57, 0.3], np.float32) * (0.65 + 0.6 * np.clip(grid * 3, 0, 0.6))[..., None]
    canvas.surface(put(turned(np.array([[26.0, -18], [0, -120]]))), waffle)
    for k in range(int(rng.integers(1, 3))):
        tone = random_colour(rng, saturation=(0.05, 0.5), value=(0.4, 0.98))
        scoop = ball([31 - 4 * k, 29 - 3 * k, 31 - 4 * k]) + [0, 34 * k, 0]
        scoop = scoop * (1 + 0.02 * octaves(rng, 20, 32, 5)[..., None])
        canvas.surface(put(scoop), plain(rng, tone, 0.06), gloss=0.25)


def _banana(canvas: Canvas, rng: np.random.Generator, put: Put) -> None:
    angle = np.linspace(-0.95, 0.95, 24)
    path = np.stack((95 * np.sin(angle), 95 * np.cos(angle) - 80, 0 * angle), 1)
    radius = 17 * np.clip(1 - np.abs(angle / 0.97) ** 5, 0.2, 1)
    skin = plain(rng, np.array([0.93, 0.8, 0.25], np.float32), 0.06)
    skin = skin * (1 - 0.5 * np.clip(octaves(rng, SIDE, SIDE, 12) - 1.2, 0, 1))[..., None]
    skin[:14], skin[-14:] = [0.3, 0.22, 0.1], [0.5, 0.45, 0.2]
    canvas.surface(put(sweep(path, radius, sides=14)), skin, gloss=0.15)


def _lollipop(canvas: Canvas, rng: np.random.Generator, put: Put) -> None:
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    swirl = np.sin(np.arctan2(y, x) * int(rng.integers(2, 6)) + np.hypot(x, y) * between(rng, 4, 14)) > 0
    one, two = random_colour(rng, value=(0.5, 1)), random_colour(rng, value=(0.5, 1))
    radius = between(rng, 20, 42)
    rows, columns = 20, 32
    disc = ball([radius, radius, 8], rows=rows, columns=columns)
    place_x = np.clip(((disc[..., 0] / radius + 1) / 2 * (SIDE - 1)), 0, SIDE - 1).astype(int)
    place_y = np.clip(((1 - disc[..., 1] / radius) / 2 * (SIDE - 1)), 0, SIDE - 1).astype(int)
    texture = np.where(swirl[place_y, place_x][..., None], one, two).astype(np.float32)
    canvas.surface(put(disc), np.asarray(cv2.resize(texture, (SIDE, SIDE))), gloss=0.8)
    stick = np.array([[0, -radius + 4, 0], [0, -130.0, 0]])
    canvas.surface(put(sweep(stick, 2.2)), np.full(3, 0.9))


def _sandwich(canvas: Canvas, rng: np.random.Generator, put: Put) -> None:
    layers = [
        ((0.8, 0.58, 0.33), 15.0, 46.0),
        ((0.4, 0.62, 0.2), 4.0, 50.0),
        ((0.78, 0.2, 0.15), 5.0, 45.0),
        ((0.93, 0.75, 0.25), 3.0, 49.0),
        ((0.42, 0.24, 0.14), 9.0, 47.0),
        ((0.8, 0.58, 0.33), 13.0, 46.0),
    ]
    y = 26.0
    for tone, thick, wide in layers:
        edge = wide * (1 + 0.03 * rng.standard_normal())
        profile = np.array(
            [[0, y], [edge * 0.9, y], [edge, y - thick / 2], [edge * 0.93, y - thick], [0, y - thick]]
        )
        if y == 26.0:
            profile[:2, 1] += [12, 4]
        shape = turned(profile)
        shape = shape * (1 + 0.02 * octaves(rng, 5, 32, 4)[..., None])
        canvas.surface(put(shape), plain(rng, np.array(tone, np.float32), 0.12), gloss=0.15)
        y -= thick * 0.92
