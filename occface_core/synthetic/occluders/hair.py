"""Hair across the face: a fringe, locks from the side, loose strands."""

# ruff: noqa: RUF005 (sums of vectors, not of lists)
from __future__ import annotations

import numpy as np

from occface_core.synthetic.noise import octaves, smooth_field
from occface_core.synthetic.occluders.canvas import Canvas
from occface_core.synthetic.seeds import between, chance, pick

HAIR_TONES = np.array(
    [[0.05, 0.04, 0.04], [0.1, 0.07, 0.05], [0.2, 0.12, 0.07], [0.34, 0.21, 0.12], [0.55, 0.38, 0.2],
     [0.74, 0.58, 0.36], [0.42, 0.17, 0.08], [0.62, 0.6, 0.58], [0.82, 0.8, 0.77]], np.float32)  # fmt: skip


def hair_tone(rng: np.random.Generator) -> np.ndarray:
    """Return (3,) RGB of natural hair, rarely dyed."""
    if chance(rng, 0.05):
        from occface_core.synthetic.noise import random_colour

        return random_colour(rng, saturation=(0.3, 0.8), value=(0.3, 0.8))
    odds = np.array([4, 4, 4, 3, 2, 2, 1, 1, 0.6])
    tone = HAIR_TONES[int(rng.choice(len(odds), p=odds / odds.sum()))]
    return np.asarray(
        np.clip(tone * rng.uniform(0.85, 1.2, 3) ** np.array([1, 0.6, 0.6]), 0.02, 0.95).astype(np.float32)
    )


def hair(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw hair that hangs over the face."""
    tone = _matching_tone(canvas, rng)
    kind = pick(rng, "fringe", "fringe", "side", "side", "curtain", "strands", "wind")
    if kind == "fringe":
        _locks(canvas, rng, tone, _fringe(rng), density=1.0)
    elif kind == "side":
        _locks(canvas, rng, tone, _side(rng, 1.0 if chance(rng, 0.5) else -1.0), density=1.0)
    elif kind == "curtain":
        for sign in (-1.0, 1.0):
            _locks(canvas, rng, tone, _side(rng, sign, inner=between(rng, 30, 52)), density=1.0)
    else:
        roots = _fringe(rng) if kind == "strands" else _wind(rng)
        _locks(canvas, rng, tone, roots, density=between(rng, 0.25, 0.6))


def _matching_tone(canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Return hair's own colour: in most cases that above the forehead, if it can be hair and not skin or sky."""
    tone, light = hair_tone(rng), canvas.light
    if light.skin.mean() < 0.35:  # dark skin seldom goes with fair hair
        tone = np.minimum(tone, HAIR_TONES[2])
    if light.crown is None or not chance(rng, 0.8):
        return tone
    if np.abs(light.crown - light.skin).mean() < 0.06 or light.crown.mean() > 1.25 * light.skin.mean():
        return tone
    found = light.crown / np.clip(light.ambient + 0.75 * light.diffuse, 0.15, None)
    return np.clip(found * between(rng, 0.85, 1.15), 0.02, 0.95).astype(np.float32)


Locks = list[tuple[np.ndarray, float]]


def _fringe(rng: np.random.Generator) -> Locks:
    """Return locks (control points (4, 3) mm, width mm) from the hairline down to the brows or eyes."""
    end = between(rng, 10, 48)
    sweep = between(rng, -45, 45) if chance(rng, 0.6) else 0.0
    left, right = (between(rng, -74, -50), between(rng, 50, 74)) if chance(rng, 0.8) else (-70.0, 5.0)
    parting = between(rng, -30, 30) if chance(rng, 0.35) else None
    locks = []
    for _ in range(int(rng.integers(44, 74))):
        x = between(rng, left, right)
        root = np.array([x * 1.02, 134 - 0.006 * x * x, -58 - 0.004 * x * x])
        lean = sweep * (0.4 + 0.6 * rng.random()) + rng.normal(0, 5)
        if parting is not None:
            lean = np.sign(x - parting) * between(rng, 15, 40)
            root[0] = parting * 0.5 + 0.6 * x
        bottom = end + rng.normal(0, 9) + 0.006 * x * x * rng.random()
        tip = np.array([x + lean, bottom, 10 - 0.0045 * (x + lean) ** 2])
        bulge = root * 0.4 + tip * 0.6 + np.array([lean * 0.1, 10, 14])
        locks.append((np.stack((root, root + [lean * 0.1, -4, 34], bulge, tip)), between(rng, 4, 13)))
    return locks


def _side(rng: np.random.Generator, sign: float, inner: float | None = None) -> Locks:
    """Return locks that fall from a parting over one side of the face."""
    parting = -sign * between(rng, 0, 35)
    reach = between(rng, 8, 50) if inner is None else inner
    bottom = between(rng, -190, -20)
    locks = []
    for _ in range(int(rng.integers(40, 70))):
        k = rng.random()
        inside = sign * (reach + (88 - reach) * k)
        root = np.array([parting + sign * 40 * k, 122 - 6 * k, -45 - 30 * k])
        brow = np.array([inside * 0.75 + sign * 6, 62.0 + rng.normal(0, 4), 6 - 55 * k])
        cheek = np.array([inside + rng.normal(0, 3), -10.0, 16 - 75 * k])
        tip = np.array([inside * 1.02 + rng.normal(0, 8), bottom + rng.normal(0, 14), 10 - 70 * k])
        locks.append((np.stack((root, brow, cheek, tip)), between(rng, 5, 11)))
    return locks


def _wind(rng: np.random.Generator) -> Locks:
    """Return locks blown across the face from one side."""
    sign = 1.0 if chance(rng, 0.5) else -1.0
    height, rise = between(rng, -30, 70), between(rng, -60, 60)
    locks = []
    for _ in range(int(rng.integers(10, 24))):
        y = height + rng.normal(0, 22)
        root = np.array([sign * 88, y + 25, -50.0])
        tip = np.array([-sign * between(rng, -20, 70), y - rise + rng.normal(0, 14), 22.0])
        mid = root * 0.5 + tip * 0.5 + np.array([0, between(rng, -25, 15), 18])
        locks.append((np.stack((root, root * 0.7 + mid * 0.3, mid, tip)), between(rng, 4, 10)))
    return locks


def _locks(
    canvas: Canvas, rng: np.random.Generator, tone: np.ndarray, locks: Locks, *, density: float
) -> None:
    """Paint locks of strands from back to front."""
    scale = canvas.frame.scale
    wave, curl = between(rng, 0, 5), between(rng, 0.5, 2.5)
    t = np.linspace(0, 1, 12)
    basis = np.stack(((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3), 1)
    paths, tones, widths = [], [], []
    strand = max(0.55 * scale, 1.0)
    count = max(int(density * 8), 2)
    for control, width in sorted(locks, key=lambda lock: lock[0][2, 2]):
        placed = canvas.frame.rigid(control)[:, :2]
        shade = np.clip(rng.normal(1, 0.13), 0.6, 1.5)
        across = canvas.frame.rotation[:2, 0] * scale
        phase = between(rng, 0, 6.28)
        for k in range(count):
            spread = width * (k / max(count - 1, 1) - 0.5) * rng.uniform(0.7, 1.3)
            taper = 1 - 0.65 * t**2
            swing = wave * np.sin(phase + 2 * np.pi * curl * t + 0.2 * spread) * t
            path = basis @ placed + ((spread * taper + swing)[:, None] * across)
            path += np.cumsum(rng.normal(0, 0.25 * scale, (12, 2)), 0) * t[:, None]
            full = strand * (rng.uniform(1.5, 3.0) if density > 0.6 else rng.uniform(0.7, 1.5))
            hue = tone * shade * np.clip(rng.normal(1, 0.16), 0.5, 1.7)
            for part, share in (
                (slice(0, 8), 1.0),
                (slice(7, 10), 0.7),
                (slice(9, 12), 0.4),
            ):  # thinner to the tip
                paths.append(path[part])
                tones.append(hue)
                widths.append(full * share)
    colour, alpha = canvas.strokes(paths, widths, np.clip(np.array(tones), 0.01, 1))
    band = np.exp(-(octaves(rng, canvas.height, canvas.width, 60 * scale, count=2) ** 2) / 0.25)
    lit = canvas.lit(np.ones(3), 0.75)
    gloss = 0.22 * band[..., None] * canvas.light.diffuse * (0.3 + colour)
    shade = 1 + 0.12 * smooth_field(rng, canvas.height, canvas.width, 25 * scale)
    canvas.paint(
        np.clip(colour * lit * shade[..., None] + gloss * colour.max(-1, keepdims=True) ** 0.5, 0, 1), alpha
    )
