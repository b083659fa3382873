"""The light on a face as an occluder needs it: one direction, one ambient term."""

from __future__ import annotations

import attrs
import cv2
import numpy as np


@attrs.define(frozen=True, kw_only=True, eq=False)
class Light:
    """Light in picture axes (x right, y down, z towards the viewer).

    Attributes:
        direction: (3,) unit vector towards the light.
        diffuse: (3,) RGB strength of the directed light.
        ambient: (3,) RGB strength from all sides.
        skin: (3,) RGB mean colour of the lit skin.
        crown: (3,) RGB colour above the forehead, as lit; None where the picture ends below it.
    """

    direction: np.ndarray
    diffuse: np.ndarray
    ambient: np.ndarray
    skin: np.ndarray
    crown: np.ndarray | None = None


def estimate_light(image: np.ndarray, landmarks: np.ndarray) -> Light:
    """Guess the light from how brightness changes over the face.

    Args:
        image: (H, W, 3) float32 RGB in [0, 1].
        landmarks: (68, 2) pixels.
    """
    height, width = image.shape[:2]
    low, high = landmarks.min(0), landmarks.max(0)
    side = float(max((high - low).max(), 2.0))
    window = 48
    turn = np.array(
        [[window / side, 0, -low[0] * window / side], [0, window / side, -low[1] * window / side]]
    )
    small = cv2.warpAffine(
        image, turn, (window, window), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    inside = cv2.warpAffine(
        np.ones((height, width), np.float32), turn, (window, window), flags=cv2.INTER_NEAREST
    )
    outline = landmarks[np.r_[0:17, 26:16:-1]] @ turn[:, :2].T + turn[:, 2]
    mask = np.zeros((window, window), np.uint8)
    cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
    for part in (slice(36, 42), slice(42, 48), slice(48, 60), slice(17, 22), slice(22, 27)):
        hole = np.round(landmarks[part] @ turn[:, :2].T + turn[:, 2]).astype(np.int32)
        cv2.fillConvexPoly(mask, cv2.convexHull(hole), 0)
    used = (mask > 0) & (inside > 0.5)
    if used.sum() < 20:
        used = inside > 0.5 if (inside > 0.5).sum() >= 20 else np.ones_like(used)
    colour = np.median(small[used], 0).astype(np.float32)
    rows, columns = np.nonzero(used)
    u, v = columns / window * 2 - 1, rows / window * 2 - 1
    luminance = small[used] @ np.array([0.3, 0.59, 0.11], np.float32)
    return light_of(colour, luminance, u, v)


def light_of(colour: np.ndarray, luminance: np.ndarray, u: np.ndarray, v: np.ndarray) -> Light:
    """Guess the light from places on a face.

    Args:
        colour: (3,) RGB, the skin's as lit.
        luminance: (N,) brightness at the places.
        u: (N,) how far to the right they lie in the landmarks' square box, -1 to 1.
        v: (N,) how far down.
    """
    base = np.stack((np.ones_like(u), u, v), 1)
    flat, right, down = np.linalg.lstsq(base, luminance, rcond=None)[0]
    strength = float(np.hypot(right, down))
    tilt = min(strength / max(float(flat), 0.05) * 1.6, 0.9)
    direction = np.array([right, down - 0.35 * max(strength, 0.02), 0.0])
    direction *= tilt / max(float(np.linalg.norm(direction)), 1e-6)
    direction[2] = np.sqrt(max(1 - direction[0] ** 2 - direction[1] ** 2, 0.05))
    exposure = float(np.clip(colour.mean() / 0.5, 0.35, 1.25))
    # skin is reddish: half of what departs from the usual skin hue is put down to the light's colour
    usual = np.array([1.22, 0.96, 0.82], np.float32)
    tint = np.clip(colour / max(float(colour.mean()), 0.02) / usual, 0.5, 1.6) ** 0.5
    directed = float(np.clip(0.3 + tilt * 0.5, 0.3, 0.75))
    return Light(
        direction=direction / np.linalg.norm(direction),
        diffuse=(tint * exposure * directed * 1.25).astype(np.float32),
        ambient=(tint * exposure * (1 - directed) * 1.15).astype(np.float32),
        skin=np.clip(colour, 0.03, 1.0),
    )
