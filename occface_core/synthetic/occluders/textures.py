"""Procedural textures for cloth, print, fruit and the like: (256, 256, 3) float32 RGB in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from occface_core.synthetic.noise import mix, octaves, random_colour, smooth_field
from occface_core.synthetic.seeds import between, chance

SIDE = 256

Texture = Callable[[np.random.Generator], np.ndarray]


def plain(rng: np.random.Generator, colour: np.ndarray | None = None, mottle: float = 0.04) -> np.ndarray:
    """Return one colour with faint mottling."""
    base = random_colour(rng) if colour is None else colour
    shade = 1 + mottle * octaves(rng, SIDE, SIDE, 40)
    return np.clip(np.asarray(base, np.float32) * shade[..., None], 0, 1)


def stripes(rng: np.random.Generator) -> np.ndarray:
    """Return stripes of two or three colours, straight or slightly wavy."""
    x = np.arange(SIDE, dtype=np.float32)
    across = x[None, :] + between(rng, 0, 6) * smooth_field(rng, SIDE, SIDE, 90)
    if chance(rng, 0.5):
        across = np.ascontiguousarray(across.T)
    period = between(rng, 10, 60)
    wave = (across / period) % 1
    image = mix(random_colour(rng), random_colour(rng), ((wave < 0.5) * 1.0))
    if chance(rng, 0.5):
        image = mix_into(image, random_colour(rng), (wave > 0.8) * 1.0)
    return weave(rng, image)


def checks(rng: np.random.Generator) -> np.ndarray:
    """Return a plaid of crossing translucent bands."""
    image = np.broadcast_to(random_colour(rng), (SIDE, SIDE, 3)).astype(np.float32)
    x = np.arange(SIDE, dtype=np.float32)
    for _ in range(int(rng.integers(2, 5))):
        period, width, phase = between(rng, 24, 80), between(rng, 0.1, 0.5), rng.random()
        band = (((x / period) + phase) % 1 < width).astype(np.float32) * between(rng, 0.3, 0.7)
        colour = random_colour(rng)
        image = mix_into(image, colour, np.broadcast_to(band[None, :], (SIDE, SIDE)))
        image = mix_into(image, colour, np.broadcast_to(band[:, None], (SIDE, SIDE)))
    return weave(rng, image)


def dots(rng: np.random.Generator) -> np.ndarray:
    """Return regular dots on a plain ground."""
    image = np.broadcast_to(random_colour(rng), (SIDE, SIDE, 3)).astype(np.float32)
    period, radius = between(rng, 16, 48), between(rng, 0.15, 0.4)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / period
    x = x + 0.5 * (np.floor(y) % 2)
    distance = np.hypot(x % 1 - 0.5, y % 1 - 0.5)
    return weave(rng, mix_into(image, random_colour(rng), np.clip((radius - distance) * period, 0, 1)))


def blobs(rng: np.random.Generator) -> np.ndarray:
    """Return overlapping random flowers and blotches, as printed on cloth."""
    image = np.broadcast_to(random_colour(rng), (SIDE, SIDE, 3)).astype(np.float32).copy()
    palette = [random_colour(rng) for _ in range(int(rng.integers(2, 5)))]
    for _ in range(int(rng.integers(15, 50))):
        centre = rng.integers(0, SIDE, 2)
        colour = tuple(float(c) for c in palette[int(rng.integers(len(palette)))])
        radius, petals = between(rng, 4, 20), int(rng.integers(0, 7))
        for k in range(max(petals, 1)):
            angle = 2 * np.pi * k / max(petals, 1)
            at = centre + (0.8 * radius * np.array([np.cos(angle), np.sin(angle)]) if petals > 2 else 0)
            cv2.circle(image, tuple(int(v) for v in at), int(radius * 0.6), colour, -1, cv2.LINE_AA)
    return weave(rng, image)


def print_page(rng: np.random.Generator) -> np.ndarray:
    """Return a light page with lines that look like text, and perhaps a picture or a headline."""
    paper = np.array([0.93, 0.92, 0.88], np.float32) * between(rng, 0.85, 1.05)
    image = np.broadcast_to(np.clip(paper, 0, 1), (SIDE, SIDE, 3)).astype(np.float32).copy()
    ink = tuple(float(v) for v in random_colour(rng, saturation=(0, 0.4), value=(0.05, 0.3)))
    row = int(rng.integers(10, 24))
    if chance(rng, 0.5):
        picture = tuple(float(v) for v in random_colour(rng))
        height = int(rng.integers(40, 110))
        cv2.rectangle(image, (16, row), (SIDE - 16, row + height), picture, -1)
        row += height + 14
    if chance(rng, 0.6):
        cv2.rectangle(image, (16, row), (int(rng.integers(100, 240)), row + 14), ink, -1)
        row += 28
    while row < SIDE - 14:
        column = 16
        while column < SIDE - 30:
            length = int(rng.integers(4, 26))
            cv2.line(image, (column, row), (min(column + length, SIDE - 16), row), ink, 3)
            column += length + 6
        row += 11
    return image


def cover(rng: np.random.Generator) -> np.ndarray:
    """Return a book cover or packet: a coloured ground with shapes and bars of writing."""
    image = mix(random_colour(rng), random_colour(rng), np.linspace(0, 1, SIDE)[:, None] * np.ones((1, SIDE)))
    for _ in range(int(rng.integers(1, 5))):
        colour = tuple(float(v) for v in random_colour(rng))
        x, y = (int(v) for v in rng.integers(20, SIDE - 20, 2))
        if chance(rng, 0.5):
            cv2.circle(image, (x, y), int(rng.integers(10, 70)), colour, -1, cv2.LINE_AA)
        else:
            w, h = (int(v) for v in rng.integers(10, 110, 2))
            cv2.rectangle(image, (x - w, y - h), (x + w, y + h), colour, -1)
    ink = tuple(float(v) for v in random_colour(rng, saturation=(0, 0.3), value=(0.0, 1.0)))
    for row in range(int(rng.integers(20, 60)), SIDE - 20, int(rng.integers(30, 70))):
        for column in range(30, int(rng.integers(80, 230)), 18):
            cv2.rectangle(image, (column, row), (column + int(rng.integers(6, 14)), row + 14), ink, -1)
    return image


def screen(rng: np.random.Generator) -> np.ndarray:
    """Return the face of a phone or tablet: dark rim, a glowing or black picture."""
    image = np.full((SIDE, SIDE, 3), between(rng, 0.02, 0.08), np.float32)
    inner = cover(rng) if chance(rng, 0.5) else np.full((SIDE, SIDE, 3), between(rng, 0.02, 0.12), np.float32)
    image[12:-12, 12:-12] = inner[12:-12, 12:-12]
    return image


def camouflage(rng: np.random.Generator) -> np.ndarray:
    """Return blotches of three related colours."""
    hue = random_colour(rng, saturation=(0.1, 0.6), value=(0.2, 0.7))
    field = octaves(rng, SIDE, SIDE, 50)
    image = np.broadcast_to(hue, (SIDE, SIDE, 3)).astype(np.float32)
    image = mix_into(image, np.clip(hue * 1.5, 0, 1), (field > 0.4) * 1.0)
    return weave(rng, mix_into(image, hue * 0.5, (field < -0.5) * 1.0))


def knit(rng: np.random.Generator, colour: np.ndarray | None = None) -> np.ndarray:
    """Return knitted stitches."""
    base = random_colour(rng) if colour is None else colour
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    size = between(rng, 6, 11)
    lean = np.abs((x / size) % 2 - 1)
    stitch = 0.72 + 0.28 * np.abs(np.sin(np.pi * (y / size + lean * 0.8)))
    rib = 0.85 + 0.15 * np.sin(np.pi * lean)
    image = np.asarray(base, np.float32) * (stitch * rib)[..., None]
    if chance(rng, 0.4):
        band = ((y / between(rng, 30, 90)) % 1 < between(rng, 0.2, 0.6)).astype(np.float32)
        image = mix_into(image, random_colour(rng) * (stitch * rib)[..., None], band)
    return np.asarray(np.clip(image, 0, 1).astype(np.float32))


def weave(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Return `image` with the fine grain of cloth."""
    grain = rng.standard_normal((SIDE, SIDE), dtype=np.float32) * np.float32(0.03)
    shade = 1 + grain + np.float32(0.03) * smooth_field(rng, SIDE, SIDE, 30)
    return np.clip(image * shade[..., None], 0, 1).astype(np.float32)


def mix_into(image: np.ndarray, colour: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return `image` (H, W, 3) with `colour` laid over it by share (H, W)."""
    return mix(image, colour, share)


CLOTH: tuple[Texture, ...] = (plain, stripes, checks, dots, blobs, camouflage, knit, plain)


def cloth(rng: np.random.Generator) -> np.ndarray:
    """Return some cloth's texture."""
    return CLOTH[int(rng.integers(len(CLOTH)))](rng)
