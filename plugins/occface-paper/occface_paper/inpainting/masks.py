"""Holes for training: irregular strokes, blocks, halves of the face, and the shapes of real occluders."""

from __future__ import annotations

import cv2
import numpy as np
from attrs import frozen

from occface_paper.pasting import OccluderBank

#: How often each kind is drawn.
SHARE = {"bank": 0.62, "strokes": 0.12, "block": 0.1, "half": 0.08, "lower": 0.08}


@frozen(kw_only=True, eq=False)
class Covered:
    """A face with something in front of it.

    Attributes:
        image: (S, S, 3) uint8 RGB.
        hole: (S, S) bool, to be completed: what the matte says, widened.
        kind: of the occluder or of the mask.
    """

    image: np.ndarray
    hole: np.ndarray
    kind: str


def strokes(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Broken lines of varying width through the face region (S, S) bool, -> (S, S) bool."""
    size = len(face)
    drawn = np.zeros(face.shape, np.uint8)
    y, x = np.nonzero(face)
    if not len(y):
        return drawn.astype(bool)
    for _ in range(int(rng.integers(1, 4))):
        start = int(rng.integers(len(y)))
        place, angle = np.array([x[start], y[start]], float), rng.uniform(0, 2 * np.pi)
        width = int(rng.uniform(0.03, 0.12) * size)
        for _ in range(int(rng.integers(2, 7))):
            angle += rng.normal(0, 1.0)
            to = place + rng.uniform(0.06, 0.25) * size * np.array([np.cos(angle), np.sin(angle)])
            ends = [tuple(round(float(v)) for v in p) for p in (place, to)]
            cv2.line(drawn, *ends, 1, width)
            place = to
    return drawn.astype(bool)


def block(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A turned rectangle or ellipse somewhere on the face region (S, S) bool, -> (S, S) bool."""
    drawn = np.zeros(face.shape, np.uint8)
    y, x = np.nonzero(face)
    if not len(y):
        return drawn.astype(bool)
    at = int(rng.integers(len(y)))
    extent = np.sqrt(face.sum())
    sides = tuple(float(s) for s in rng.uniform(0.25, 0.85, 2) * extent)
    box = ((float(x[at]), float(y[at])), sides, float(rng.uniform(0, 180)))
    if rng.random() < 0.4:
        cv2.ellipse(drawn, box, 1, -1)
    else:
        cv2.fillPoly(drawn, [np.round(cv2.boxPoints(box)).astype(np.int32)], 1)
    return drawn.astype(bool)


def half(points: np.ndarray, size: int, rng: np.random.Generator, lower: bool) -> np.ndarray:
    """One side of a line through the face: left or right half, or what lies below the nose's bridge."""
    top, chin = points[27], points[8]
    axis = chin - top
    across = np.array([-axis[1], axis[0]])
    normal, through = (axis, points[29]) if lower else (across, points[30])
    if not lower and rng.random() < 0.5:
        normal = -normal
    unit = normal / max(float(np.hypot(*normal)), 1e-6)
    turn = rng.normal(0, 0.12)
    unit = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ unit
    shift = rng.normal(0, 0.08) * float(np.hypot(*axis))
    y, x = np.mgrid[:size, :size]
    return (x - through[0]) * unit[0] + (y - through[1]) * unit[1] > shift


def widened(hole: np.ndarray, reach: int) -> np.ndarray:
    """(S, S) bool grown by `reach` pixels, shrunk if that is negative."""
    if reach == 0:
        return hole
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(reach) + 1,) * 2)
    change = cv2.dilate if reach > 0 else cv2.erode
    return change(hole.astype(np.uint8), disc) > 0


def cover(
    image: np.ndarray,
    points: np.ndarray,
    face: np.ndarray,
    rng: np.random.Generator,
    bank: OccluderBank | None,
    attempts: int = 4,
) -> Covered:
    """Hide a part of a face.

    Occluders are pasted whole, also beside the face, as in a photo; the hole is their part in the face region,
    widened by some pixels as inference does, sometimes with a matting's mistakes.

    Args:
        image: (S, S, 3) uint8 RGB; it stays as it is.
        points: (68, 2) px.
        face: (S, S) bool, the face region.
        rng: source of randomness.
        bank: drawn occluders; None: only drawn masks.
        attempts: to find a hole of at least 3 % of the face.
    """
    kinds, share = list(SHARE), np.array(list(SHARE.values()))
    size, area = len(image), max(int(face.sum()), 1)
    result = Covered(image=image, hole=np.zeros_like(face), kind="none")
    for _ in range(attempts):
        kind = kinds[int(rng.choice(len(kinds), p=share))]
        picture = image
        if kind == "bank" and bank is not None and len(bank):
            picture, alpha, kind = bank.paste(image, points, rng)
            hidden = alpha > 0.02
        elif kind in ("half", "lower"):
            hidden = half(points, size, rng, kind == "lower")
        else:
            hidden = block(face, rng) if kind == "block" else strokes(face, rng)
        hidden = hidden & face
        share_hidden = hidden.sum() / area
        if share_hidden > 0.03:
            reach = size / 256
            hole = widened(hidden, round(rng.uniform(1, 6) * reach))
            if (
                rng.random() < 0.12
            ):  # a careless matting: skin taken for the occluder, or a piece of it left over
                extra = widened(block(face, rng), -round(10 * reach))
                hole = hole | extra if rng.random() < 0.7 else hole & ~extra
            result = Covered(image=picture, hole=hole, kind=kind)
            if share_hidden < 0.8:
                break
    return result
