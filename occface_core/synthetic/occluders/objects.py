"""Things held before a face: phones, books, cards, cups, cans, bottles, balls, and hands holding them."""

# ruff: noqa: RUF005 (sums of vectors, not of lists)
from __future__ import annotations

import numpy as np

from occface_core.synthetic.noise import random_colour
from occface_core.synthetic.occluders.canvas import Canvas
from occface_core.synthetic.occluders.hand import draw_hand
from occface_core.synthetic.occluders.shapes import (
    ball,
    box,
    random_turn,
    ring,
    sheet,
    turn_x,
    turn_z,
    turned,
)
from occface_core.synthetic.occluders.textures import cloth, cover, plain, print_page, screen
from occface_core.synthetic.seeds import between, chance, pick


def random_object(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw a random object somewhere before the face, now and then with a hand that holds it."""
    frame = canvas.frame
    kind = pick(rng, "phone", "book", "paper", "card", "cup", "can", "bottle", "ball", "camera")
    spot = np.array([rng.normal(0, 34), rng.normal(-18, 38), between(rng, 20, 45)])
    at = frame.place(spot)
    put = _Placer(canvas, rng, kind, at)
    reach = _DRAW[kind](canvas, rng, put)
    if chance(rng, 0.35):
        below = put(np.array([[between(rng, -0.4, 0.4) * reach[0], -reach[1], 4.0]]))[0]
        draw_hand(canvas, rng, at=below, pose=pick(rng, "curled", "relaxed"), depth=4.0)


class _Placer:
    """Maps an object's own mm to the canvas."""

    def __init__(self, canvas: Canvas, rng: np.random.Generator, kind: str, at: np.ndarray) -> None:
        upright = kind in ("cup", "can", "bottle")
        self.turn = (
            turn_z(rng.normal(0, 0.35)) @ turn_x(between(rng, -0.5, 0.5))
            if upright
            else random_turn(rng, 0.5, 0.6 if kind in ("book", "paper", "camera") else np.pi)
        )
        self.size = between(rng, 0.8, 1.25)
        self.canvas, self.at = canvas, at

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return self.canvas.frame.local((points * self.size) @ self.turn.T, self.at)


Reach = tuple[float, float]


def _phone(canvas: Canvas, rng: np.random.Generator, put: _Placer) -> Reach:
    width, height = between(rng, 66, 80), between(rng, 135, 165)
    dark = random_colour(rng, saturation=(0, 0.4), value=(0.03, 0.8))
    sides = box(width, height, 9)
    canvas.surface(put(sides[0]), screen(rng) if chance(rng, 0.3) else plain(rng, dark, 0.01), gloss=0.5)
    for side in sides[1:]:
        canvas.surface(put(side), dark * 0.8, gloss=0.5)
    if chance(rng, 0.6):  # the back's camera
        patch = sheet(26, 30, depth=4.8) + [-width / 2 + 20, height / 2 - 24, 0]
        canvas.surface(put(patch), dark * 0.5, gloss=0.3)
        for k in (-7, 7):
            lens = turned(np.array([[0, 1], [6, 1], [6.5, 0]])) @ np.array(
                [[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]
            )
            canvas.surface(put(lens + [-width / 2 + 20 + k * 0.5, height / 2 - 24 + k, 5]), np.full(3, 0.04),
                           gloss=0.9)  # fmt: skip
    return width / 2, height / 2


def _book(canvas: Canvas, rng: np.random.Generator, put: _Placer) -> Reach:
    width, height, thick = between(rng, 105, 160), between(rng, 140, 210), between(rng, 10, 35)
    front = cover(rng) if chance(rng, 0.7) else cloth(rng)
    sides = box(width, height, thick)
    canvas.surface(put(sides[0]), front, gloss=0.15)
    canvas.surface(put(sides[2]), front.mean((0, 1)) * 0.8, gloss=0.1)
    for side in sides[3:]:
        canvas.surface(put(side), np.array([0.88, 0.85, 0.77]), gloss=0.0)
    return width / 2, height / 2


def _paper(canvas: Canvas, rng: np.random.Generator, put: _Placer) -> Reach:
    width, height = between(rng, 90, 210), between(rng, 90, 230)
    page = sheet(width, height, rows=12, columns=12)
    page[..., 2] += between(rng, -20, 20) * (page[..., 0] / width * 2) ** 2 + 6 * np.sin(page[..., 1] / 40)
    canvas.surface(put(page), print_page(rng), gloss=0.02)
    return width / 2, height / 2


def _card(canvas: Canvas, rng: np.random.Generator, put: _Placer) -> Reach:
    width, height = between(rng, 60, 110), between(rng, 40, 70)
    canvas.surface(put(sheet(width, height)), cover(rng), gloss=0.2)
    return width / 2, height / 2


def _cup(canvas: Canvas, rng: np.random.Generator, put: _Placer) -> Reach:
    top, bottom, tall = between(rng, 36, 46), between(rng, 26, 42), between(rng, 80, 115)
    skin = cover(rng) if chance(rng, 0.3) else cloth(rng) if chance(rng, 0.2) else plain(rng, mottle=0.01)
    outer = np.array([[top, tall / 2], [(top + bottom) / 2, 0], [bottom, -tall / 2], [0, -tall / 2]])
    canvas.surface(put(turned(outer)), skin, gloss=0.45)
    drink = np.array([[top * 0.93, tall / 2], [top * 0.9, tall / 2 - 12], [0, tall / 2 - 12]])
    canvas.surface(put(turned(drink)), np.array([0.25, 0.14, 0.07]), gloss=0.2)
    if chance(rng, 0.6):
        handle = ring(24, 5.5) * [0.8, 1.1, 1] + [top + 10 if chance(rng, 0.5) else -top - 10, 0, 0]
        canvas.surface(put(handle), skin.mean((0, 1)), gloss=0.45)
    return top, tall * 0.3


def _can(canvas: Canvas, rng: np.random.Generator, put: _Placer) -> Reach:
    tall = between(rng, 100, 160)
    canvas.surface(put(turned(np.array([[28, tall / 2], [33, tall / 2 - 8], [33, -tall / 2 + 8], [27, -tall / 2],
                                        [0, -tall / 2]]))), cover(rng), gloss=0.6)  # fmt: skip
    canvas.surface(put(turned(np.array([[0, tall / 2 - 2], [27, tall / 2 - 2], [28, tall / 2]]))),
                   np.full(3, 0.7), gloss=0.8)  # fmt: skip
    return 33.0, tall * 0.3


def _bottle(canvas: Canvas, rng: np.random.Generator, put: _Placer) -> Reach:
    colour = random_colour(rng, saturation=(0.1, 0.8), value=(0.15, 0.8))
    body = turned(np.array([[0, 118], [13, 118], [13, 96], [14, 80], [31, 50], [33, 30], [33, -90], [30, -98],
                            [0, -98]]))  # fmt: skip
    canvas.surface(put(body), plain(rng, colour, 0.05), gloss=0.85)
    canvas.surface(put(turned(np.array([[33.5, 25], [33.5, -50]]))), cover(rng), gloss=0.2)
    canvas.surface(put(turned(np.array([[0, 121], [15, 121], [15, 102]]))), random_colour(rng), gloss=0.3)
    return 33.0, 40.0


def _ball(canvas: Canvas, rng: np.random.Generator, put: _Placer) -> Reach:
    radius = between(rng, 25, 62)
    canvas.surface(put(ball(radius * rng.uniform(0.85, 1.1, 3))), cloth(rng), gloss=between(rng, 0, 0.6))
    return radius, radius


def _camera(canvas: Canvas, rng: np.random.Generator, put: _Placer) -> Reach:
    dark = np.full(3, between(rng, 0.03, 0.15), np.float32)
    for side in box(130, 85, 35):
        canvas.surface(put(side), plain(rng, dark, 0.15), gloss=0.1)
    for side in box(50, 22, 30):
        canvas.surface(put(side + [0, 50, 0]), dark, gloss=0.15)
    forward = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    tube = turned(np.array([[0, 55], [20, 56], [27, 62], [32, 62], [34, 40], [33, 10]])) @ forward
    canvas.surface(put(tube), dark * 0.8, gloss=0.4)
    canvas.surface(
        put(turned(np.array([[0, 60], [19, 57]])) @ forward), np.array([0.06, 0.04, 0.1]), gloss=0.95
    )
    return 65.0, 40.0


_DRAW = {
    "phone": _phone, "book": _book, "paper": _paper, "card": _card, "cup": _cup, "can": _can, "bottle": _bottle,
    "ball": _ball, "camera": _camera,
}  # fmt: skip
