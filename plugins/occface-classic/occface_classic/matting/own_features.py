"""What makes a bare face unlike its own skin: brows, eyes, nostrils and lips."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from occface_core.face_region import face_axes

Mask = NDArray[np.bool_]


def own_features(points: NDArray[np.float64], size: int) -> tuple[Mask, Mask]:
    """Return (S, S) masks of where brows and eyes, and nostrils and lips, make a bare face unlike skin.

    Args:
        points: (68, 2) pixels.
        size: side S of the crop, pixels.
    """
    up, _, height = face_axes(points)
    eyes, mouth = np.zeros((size, size), np.uint8), np.zeros((size, size), np.uint8)
    for start in (17, 22):
        _stroke(eyes, points[start : start + 5], 0.24 * height)
    for canvas, start, stop, width in ((eyes, 36, 42, 0.22), (eyes, 42, 48, 0.22), (mouth, 48, 60, 0.14)):
        ring = np.concatenate([points[start:stop], points[start : start + 1]])
        cv2.fillPoly(canvas, [np.round(ring).astype(np.int32)], 1)
        _stroke(canvas, ring, width * height)
    _stroke(mouth, points[31:36] + 0.02 * height * up, 0.14 * height)
    # a shadow lies between brow and eye
    for brow, eye in ((slice(17, 22), slice(36, 40)), (slice(22, 27), slice(42, 46))):
        lid = np.concatenate([points[brow], points[eye][::-1]])
        cv2.fillPoly(eyes, [np.round(lid).astype(np.int32)], 1)
    return eyes.astype(bool), mouth.astype(bool)


def _stroke(canvas: NDArray[np.uint8], line: NDArray[np.float64], width: float) -> None:
    cv2.polylines(canvas, [np.round(line).astype(np.int32)], False, 1, max(1, round(width)))
