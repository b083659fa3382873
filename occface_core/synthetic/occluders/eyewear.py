"""Glasses and sunglasses: swept rims, bridge, temples and lenses in front of the eyes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from occface_core.synthetic.noise import random_colour
from occface_core.synthetic.occluders.canvas import Canvas
from occface_core.synthetic.occluders.textures import SIDE, camouflage
from occface_core.synthetic.seeds import between, chance, pick

POINTS = 40


def glasses(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw clear glasses: thin or thick frames, faint reflections on the lenses."""
    _draw(canvas, rng, dark=False)


def sunglasses(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw sunglasses: dark, graded, tinted or mirrored lenses."""
    _draw(canvas, rng, dark=True)


def _contour(rng: np.random.Generator, style: str, dark: bool) -> np.ndarray:
    """Return (POINTS, 2) mm: the rim of the lens at the viewer's right, about its middle."""
    grow = 1.12 if dark else 1.0
    width, height = between(rng, 46, 56) * grow, between(rng, 30, 44) * grow
    power = {"round": 2.0, "oval": 2.3, "square": between(rng, 3.2, 6), "aviator": 2.6, "cat": 3.0}[style]
    if style == "round":
        height = width * 0.95
    t = np.linspace(0, 2 * np.pi, POINTS)
    c, s = np.cos(t), np.sin(t)
    x = width / 2 * np.sign(c) * np.abs(c) ** (2 / power)
    y = height / 2 * np.sign(s) * np.abs(s) ** (2 / power)
    if style == "aviator":
        y = y * np.where(s < 0, 1.3, 0.9)
        x = x * np.where(s < 0, 0.85 + 0.15 * c, 1.0)
    if style == "cat":
        y = y + np.where(s > 0, 0.16 * np.maximum(c, 0) * height, 0)
    return np.stack((x, y), -1)


def _draw(canvas: Canvas, rng: np.random.Generator, *, dark: bool) -> None:
    frame = canvas.frame
    style = pick(rng, "round", "oval", "square", "square", "aviator", "cat")
    contour = _contour(rng, style, dark)
    eyes = frame.reference[36:48].reshape(2, 6, 3).mean(1)
    middle = eyes.mean(0)
    apart = abs(eyes[1, 0] - eyes[0, 0]) / 2 + between(rng, 0, 3)
    apart = max(apart, float(np.abs(contour[:, 0]).max()) + 7)
    forward = middle[2] + between(rng, 14, 19)
    drop = between(rng, -9, 2) if not chance(rng, 0.1) else between(rng, -24, -12)
    bend = between(rng, 0.05, 0.12)
    metal = chance(rng, 0.4)
    thick = between(rng, 0.55, 1.0) if metal else between(rng, 1.1, 3.2 if dark else 2.4)
    colour = _frame_colour(rng, metal)
    gloss = 0.7 if metal else between(rng, 0.15, 0.6)
    rimless = (not dark) and chance(rng, 0.1)
    scale = frame.scale

    def bent(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        z = forward - bend * np.abs(x) ** 1.5 * 0.1 - 0.0022 * x * x
        return frame.place(np.stack((x, y + middle[1] + drop, z), -1))

    glass, shine = _glass(rng, dark)
    for sign in (-1.0, 1.0):
        x, y = sign * (contour[:, 0] + apart), contour[:, 1]
        _lens(
            canvas,
            glass if sign > 0 else _mirrored(glass),
            shine,
            bent,
            sign * apart,
            sign * contour[:, 0],
            y,
        )
        if rimless:
            continue
        half = metal and chance(rng, 0.1)
        keep = slice(0, POINTS // 2 + 1) if half else slice(None)
        radius = thick * scale * (1 + (0 if metal else 0.45) * np.clip(y / max(y.max(), 1), 0, 1))
        canvas.tube(bent(x, y)[keep], np.maximum(radius[keep], 0.45), colour, gloss=gloss)
    inner = apart - np.abs(contour[:, 0]).max()
    x = np.linspace(-inner - 1, inner + 1, 12)
    lift = 4 + 3 * np.cos(np.linspace(-1.4, 1.4, 12))
    canvas.tube(bent(x, lift), max(thick * scale, 0.6), colour, gloss=gloss)
    if style == "aviator" and metal:
        canvas.tube(bent(x * 1.6, lift + 9), max(thick * scale, 0.5), colour, gloss=gloss)
    outer = apart + np.abs(contour[:, 0]).max()
    for sign in (-1.0, 1.0):
        hinge = np.array(
            [
                sign * outer,
                middle[1] + drop + contour[:, 1].max() * 0.45,
                forward - 0.0022 * outer**2 - bend * outer**1.5 * 0.1,
            ]
        )
        ear = np.array([sign * 80.0, middle[1] + 2, -78.0])
        t = np.linspace(0, 1, 14)[:, None]
        path = hinge + (ear - hinge) * t
        path[:, 0] = sign * (outer + (80 - outer) * np.sqrt(t[:, 0]))
        canvas.tube(
            frame.rigid(path)
            + (bent(np.array([sign * outer]), np.array([contour[:, 1].max() * 0.45])) - frame.rigid(hinge)),
            max(thick * scale * 0.9, 0.5),
            colour,
            gloss=gloss,
            behind_head=4.0,
        )


def _frame_colour(rng: np.random.Generator, metal: bool) -> np.ndarray:
    """Return a texture for the frame: metal, black, coloured or tortoise-shell."""
    if metal:
        tones = {"gold": (0.75, 0.58, 0.3), "silver": (0.7, 0.7, 0.72), "dark": (0.12, 0.12, 0.13)}
        return np.array(tones[pick(rng, "gold", "silver", "dark")], np.float32)
    kind = pick(rng, "black", "black", "brown", "colour", "shell")
    if kind == "black":
        return np.full(3, between(rng, 0.02, 0.09), np.float32)
    if kind == "brown":
        return np.array([0.25, 0.13, 0.06], np.float32) * np.float32(between(rng, 0.5, 1.3))
    if kind == "colour":
        return random_colour(rng, value=(0.15, 0.95))
    shell = camouflage(rng)[:, :, :1].repeat(3, 2)
    return np.asarray(np.clip(shell * np.array([0.9, 0.5, 0.2], np.float32), 0, 1))


def _mirrored(glass: np.ndarray) -> np.ndarray:
    """Return the texture for the other lens, whose angle runs the other way, so that both look alike."""
    return np.roll(glass[:, ::-1], SIDE // 2, 1)


def _lens(
    canvas: Canvas,
    glass: np.ndarray,
    shine: float,
    bent: Callable[[np.ndarray, np.ndarray], np.ndarray],
    middle: float,
    x: np.ndarray,
    y: np.ndarray,
) -> None:
    """Fill a rim with rings of points from the middle to the contour."""
    ring = np.linspace(0.02, 1, 8)[:, None]
    points = bent(middle + ring * x, ring * y)
    points[..., 2] += 0.2
    canvas.surface(points, glass, gloss=shine)


def _glass(rng: np.random.Generator, dark: bool) -> tuple[np.ndarray, float]:
    """Return a lens's RGBA over radius (rows) and angle (columns), and its gloss."""
    texture = np.zeros((SIDE, SIDE, 4), np.float32)
    angle = np.linspace(0, 2 * np.pi, SIDE)[None, :]
    radius = np.linspace(0, 1, SIDE)[:, None]
    up = radius * np.sin(angle)
    slant = radius * np.cos(angle - between(rng, 0.4, 1.1))
    streak = np.exp(-((slant - between(rng, -0.6, 0.6)) ** 2) / between(rng, 0.005, 0.08))
    streak = streak + 0.6 * np.exp(-((slant - between(rng, -0.8, 0.8)) ** 2) / 0.004)
    if not dark:
        texture[..., :3] = np.clip(0.8 + 0.2 * random_colour(rng), 0, 1)
        texture[..., 3] = np.clip(between(rng, 0.0, 0.45) * streak * chance(rng, 0.7), 0, 0.7)
        return texture, 0.0
    tint = random_colour(rng, saturation=(0, 0.8), value=(0.02, 0.22))
    opacity: float | np.ndarray = between(rng, 0.75, 1.0)
    if chance(rng, 0.2):  # mirrored
        sky, ground = random_colour(rng, value=(0.4, 1.0)), random_colour(rng, value=(0.1, 0.5))
        share = np.clip((up + between(rng, -0.3, 0.3)) * 2 + 0.5, 0, 1)[..., None]
        texture[..., :3] = ground * (1 - share) + sky * share
        opacity = 1.0
    else:
        graded = np.clip(0.6 + between(rng, 0, 0.6) * up, 0.3, 1)
        texture[..., :3] = tint + 0.05 * (1 - graded)[..., None]
        opacity = opacity * graded if chance(rng, 0.4) else opacity
    texture[..., :3] = np.clip(texture[..., :3] + between(rng, 0.03, 0.4) * streak[..., None], 0, 1)
    texture[..., 3] = opacity
    return texture, between(rng, 0.1, 0.5)
