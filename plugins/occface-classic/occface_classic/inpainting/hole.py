"""What every inpainter here shares: which pixels to compute, and how the result goes back into the crop."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from occface_classic.pixels import scaled

HIDDEN = 0.02
"""A pixel whose alpha exceeds this shows the occluder and may not be a source of colour."""

_RIM = 6.0  # pixels at the reference size
_RING = 96.0


def hole_mask(alpha: NDArray[np.float32], margin: float) -> NDArray[np.bool_]:
    """Return the pixels that may not be a source: hidden ones and a margin of bleeding colour about them.

    Args:
        alpha: (S, S) in [0, 1].
        margin: pixels at the reference size.
    """
    hole = (alpha > HIDDEN).astype(np.uint8)
    if margin <= 0 or not hole.any():
        return hole.astype(bool)
    reach = scaled(margin, len(alpha))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.dilate(hole, disc), dtype=bool)


def sure_face(face: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the face region without its rim, where hair, neck and shadow begin.

    Args:
        face: (S, S) in [0, 1], the face region.
    """
    reach = scaled(_RIM, len(face))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.erode(face, disc, borderType=cv2.BORDER_REPLICATE) > 0.5)


def background_ring(hole: NDArray[np.bool_], face: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels off the face that are near the hole.

    Filling them together with the hole keeps the background's colours from running into the face.

    Args:
        hole: (S, S).
        face: (S, S), see `sure_face`.
    """
    if not hole.any() or not (face & ~hole).any():
        return np.zeros_like(hole)
    distance = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(~face & (distance <= scaled(_RING, len(hole))) & ~hole)
