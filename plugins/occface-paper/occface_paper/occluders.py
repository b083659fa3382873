"""Things pasted over faces when training and measuring: blocks, strokes, hands, glasses, masks, other photos.

The paper trains on crops half of which are hidden by random blocks and half by irregular masks (3.1); the other
kinds here are what really hides faces. Every function draws into an RGB uint8 picture and takes its randomness
from the generator that it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

#: All kinds that `occlude` knows; "mask" needs cut-outs and is drawn as a polygon without them.
KINDS = ("block", "irregular", "hand", "glasses", "mask", "patch")


def load_cutouts(folder: Path) -> list[np.ndarray]:
    """Mask cut-outs (H, W, 4) RGBA uint8 of a folder, cropped to what is opaque, at most 256 px wide."""
    cutouts = []
    for path in sorted(folder.glob("*.png")):
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if image is None or image.ndim != 3 or image.shape[2] != 4:
            continue
        x, y, w, h = cv2.boundingRect((image[..., 3] > 32).astype(np.uint8))
        image = image[y : y + h, x : x + w]
        scale = min(1.0, 256 / w)
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        cutouts.append(cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA))
    return cutouts


def occlude(
    image: np.ndarray,
    points: np.ndarray,
    kind: str,
    rng: np.random.Generator,
    *,
    severity: float = 0.5,
    cutouts: Sequence[np.ndarray] = (),
    others: Sequence[np.ndarray] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Hide a part of one face.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        points: (68, 2) landmarks in its pixels.
        kind: one of `KINDS`.
        severity: 0 to 1; about the hidden share of the face for blocks, strokes, patches and hands.
        cutouts: RGBA pictures for the kind "mask".
        others: RGB pictures for the kind "patch".

    Returns:
        The occluded picture and its alpha (H, W) float32 in [0, 1], 1 = hidden.
    """
    alpha, colour = _DRAW[kind](image, points, rng, severity, cutouts, others)
    if rng.random() < 0.7:
        blur = float(rng.uniform(0.4, 1.2))
        alpha = np.clip(cv2.GaussianBlur(alpha, (0, 0), blur), 0, 1)
    weight = alpha[..., None]
    mixed = image * (1 - weight) + colour * weight
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8), alpha


def _extent(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre of the landmark box and the root of its area."""
    low, high = points.min(0), points.max(0)
    return (low + high) / 2, float(np.sqrt(np.prod(np.maximum(high - low, 1.0))))


def _paint(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A colour, a gradient, stripes or noise over the whole picture: (H, W, 3) float32."""
    height, width = shape[:2]
    first, second = rng.uniform(0, 255, (2, 3)).astype(np.float32)
    pick = rng.random()
    if pick < 0.45:
        return np.broadcast_to(first, (height, width, 3)).astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.arange(width)[None] * np.cos(angle) + np.arange(height)[:, None] * np.sin(angle)
    if pick < 0.65:
        t = (ramp - ramp.min()) / max(np.ptp(ramp), 1.0)
    elif pick < 0.8:
        t = 0.5 + 0.5 * np.sin(ramp * rng.uniform(0.1, 0.9))
    else:
        cells = rng.random((rng.integers(2, 12), rng.integers(2, 12))).astype(np.float32)
        t = cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR)
    return first + (second - first) * t[..., None].astype(np.float32)


def _block(image, points, rng, severity, cutouts, others):
    centre, side = _extent(points)
    area = max(severity, 0.02) * side**2 * rng.uniform(0.6, 1.2)
    ratio = np.exp(rng.uniform(-0.9, 0.9))
    half = np.sqrt([area * ratio, area / ratio]) / 2
    middle = centre + rng.uniform(-0.5, 0.5, 2) * side
    box = cv2.boxPoints(
        ((middle[0], middle[1]), tuple(2 * half), float(rng.uniform(0, 90) * (rng.random() < 0.4)))
    )
    alpha = np.zeros(image.shape[:2], np.float32)
    cv2.fillConvexPoly(alpha, np.round(box).astype(np.int32), 1.0)
    return alpha, _paint(image.shape, rng)


def _irregular(image, points, rng, severity, cutouts, others):
    centre, side = _extent(points)
    alpha = np.zeros(image.shape[:2], np.float32)
    if rng.random() < 0.5:
        thickness = max(1, int(side * rng.uniform(0.06, 0.16)))
        for _ in range(1 + int(severity * 8)):
            steps = rng.normal(0, side * 0.22, (rng.integers(3, 7), 2)).cumsum(0)
            line = centre + rng.uniform(-0.5, 0.5, 2) * side + steps
            cv2.polylines(alpha, [np.round(line).astype(np.int32)], False, 1.0, thickness)
    else:
        count = int(rng.integers(5, 11))
        angles = np.sort(rng.uniform(0, 2 * np.pi, count))
        radius = side * np.sqrt(max(severity, 0.03) / np.pi) * rng.uniform(0.5, 1.4, count)
        ring = centre + rng.uniform(-0.45, 0.45, 2) * side
        ring = ring + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        cv2.fillPoly(alpha, [np.round(ring).astype(np.int32)], 1.0)
    return alpha, _paint(image.shape, rng)


def _skin(rng: np.random.Generator, image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A skin colour: this face's own cheeks, or somebody else's."""
    if rng.random() < 0.6:
        x, y = np.clip(np.round(points[[1, 15, 30, 33]]).astype(int), 0, np.array(image.shape[1::-1]) - 1).T
        base = image[y, x].mean(0) * rng.uniform(0.8, 1.15)
    else:
        base = np.array([225, 172, 143]) * rng.uniform(0.3, 1.1) + rng.normal(0, 8, 3)
    return np.clip(base, 0, 255).astype(np.float32)


def _hand(image, points, rng, severity, cutouts, others):
    centre, side = _extent(points)
    alpha = np.zeros(image.shape[:2], np.float32)
    colour = np.empty(image.shape, np.float32)
    colour[:] = _skin(rng, image, points)
    inward = rng.uniform(0, 2 * np.pi)
    axis = np.array([np.cos(inward), np.sin(inward)])
    across = np.array([-axis[1], axis[0]])
    unit = side * rng.uniform(0.16, 0.24) * (0.7 + 0.9 * severity)
    palm = centre - axis * side * rng.uniform(0.25, 0.75) + across * rng.normal(0, 0.2) * side
    angle = float(np.degrees(inward))
    size = (int(unit * 1.5), int(unit * 1.35))
    cv2.ellipse(alpha, tuple(np.round(palm).astype(int).tolist()), size, angle, 0, 360, 1.0, -1)
    wrist = palm - axis * side * 1.5
    cv2.line(alpha, _at(palm), _at(wrist), 1.0, max(1, int(unit * 2)))
    shade = _skin_shade(image.shape, rng)
    colour *= shade
    for finger in range(int(rng.integers(2, 6))):
        offset = (finger - 2) * 0.55
        start = palm + across * unit * offset + axis * unit
        tip = start + (axis + across * (0.12 * offset + rng.normal(0, 0.08))) * unit * rng.uniform(1.2, 2.4)
        thickness = max(1, int(unit * rng.uniform(0.4, 0.52)))
        cv2.line(alpha, _at(start), _at(tip), 1.0, thickness)
        edge = across * thickness * 0.5
        cv2.line(
            colour,
            _at(start + edge),
            _at(tip + edge),
            (colour.mean((0, 1)) * 0.65).tolist(),
            max(1, thickness // 6),
        )
    return alpha, colour


def _skin_shade(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    cells = rng.uniform(0.75, 1.15, (3, 3)).astype(np.float32)
    return cv2.resize(cells, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)[..., None]


def _at(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _glasses(image, points, rng, severity, cutouts, others):
    alpha = np.zeros(image.shape[:2], np.float32)
    right, left = points[36:42].mean(0), points[42:48].mean(0)
    span = float(np.linalg.norm(left - right)) + 1e-3
    angle = float(np.degrees(np.arctan2(left[1] - right[1], left[0] - right[0])))
    size = (int(span * rng.uniform(0.34, 0.46)), int(span * rng.uniform(0.22, 0.42)))
    rim = max(1, int(span * rng.uniform(0.03, 0.1)))
    opacity = float(rng.choice([0.15, 0.6, 0.95, 1.0]))
    box = rng.random() < 0.4
    for eye in (right, left):
        middle = eye + np.array([0, rng.uniform(-0.02, 0.08) * span])
        if box:
            ring = cv2.boxPoints(((middle[0], middle[1]), (2.0 * size[0], 2.0 * size[1]), angle)).astype(
                np.int32
            )
            cv2.fillConvexPoly(alpha, ring, opacity)
            cv2.polylines(alpha, [ring], True, 1.0, rim)
        else:
            cv2.ellipse(alpha, _at(middle), size, angle, 0, 360, opacity, -1)
            cv2.ellipse(alpha, _at(middle), size, angle, 0, 360, 1.0, rim)
    cv2.line(alpha, _at(right + (left - right) * 0.35), _at(left - (left - right) * 0.35), 1.0, rim)
    cv2.line(alpha, _at(points[0]), _at(right - (left - right) * 0.3), 1.0, rim)
    cv2.line(alpha, _at(points[16]), _at(left + (left - right) * 0.3), 1.0, rim)
    paint = _paint(image.shape, rng)
    return alpha, paint * 0.35 if rng.random() < 0.75 else paint


def _mask(image, points, rng, severity, cutouts, others):
    """A face mask from the nose to under the chin; a cut-out warped on the face, or a polygon."""
    top = points[27] + (points[30] - points[27]) * rng.uniform(0.2, 0.9)
    chin = points[8] + (points[8] - points[33]) * rng.uniform(0.02, 0.2)
    side_top, side_low = rng.uniform(0, 1, 2)
    right = points[1] + (points[3] - points[1]) * side_top
    left = points[15] + (points[13] - points[15]) * side_top
    low_right = points[4] + (points[6] - points[4]) * side_low
    low_left = points[12] + (points[10] - points[12]) * side_low
    height, width = image.shape[:2]
    if len(cutouts) and rng.random() < 0.7:
        cut = cutouts[int(rng.integers(len(cutouts)))]
        h, w = cut.shape[:2]
        source = np.float32([[w / 2, 0], [0, h * 0.25], [w, h * 0.25], [w / 2, h]])
        target = np.float32([top, right, left, chin])
        warp = cv2.getPerspectiveTransform(source, target) if _is_convex(target) else None
        if warp is not None:
            drawn = cv2.warpPerspective(cut, warp, (width, height), flags=cv2.INTER_LINEAR).astype(np.float32)
            tint = rng.uniform(0.6, 1.2) * (1 + rng.normal(0, 0.12, 3))
            return drawn[..., 3] / 255, np.clip(drawn[..., :3] * tint, 0, 255)
    alpha = np.zeros((height, width), np.float32)
    ring = np.stack([top, (top + left) / 2, left, low_left, chin, low_right, right, (top + right) / 2])
    cv2.fillPoly(alpha, [np.round(ring).astype(np.int32)], 1.0)
    return alpha, _paint(image.shape, rng)


def _is_convex(ring: np.ndarray) -> bool:
    """Whether top, right, left, chin can be the images of a mask's four anchor points."""
    order = ring[[0, 2, 3, 1]]
    edges = np.roll(order, -1, 0) - order
    after = np.roll(edges, -1, 0)
    cross = edges[:, 0] * after[:, 1] - edges[:, 1] * after[:, 0]
    return bool(np.all(cross > 1.0) or np.all(cross < -1.0))


def _patch(image, points, rng, severity, cutouts, others):
    """A piece of another picture, or of this one, in a block or a polygon."""
    draw = _block if rng.random() < 0.5 else _irregular
    alpha, _ = draw(image, points, rng, severity, cutouts, others)
    source = others[int(rng.integers(len(others)))] if len(others) else image[::-1]
    height, width = image.shape[:2]
    y = int(rng.integers(0, max(1, source.shape[0] - height + 1)))
    x = int(rng.integers(0, max(1, source.shape[1] - width + 1)))
    piece = source[y : y + height, x : x + width]
    if piece.shape[:2] != (height, width):
        piece = cv2.resize(piece, (width, height))
    return alpha, piece.astype(np.float32)


_DRAW = {
    "block": _block,
    "irregular": _irregular,
    "hand": _hand,
    "glasses": _glasses,
    "mask": _mask,
    "patch": _patch,
}
