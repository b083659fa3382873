"""Where each pixel of a face has its mirror image, from the landmarks of both halves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

_BROWS_TO_NOSE = [*range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31]
_EYES = [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
_MOUTH = [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
MIRROR_68 = np.array([*range(16, -1, -1), *_BROWS_TO_NOSE, *_EYES, *_MOUTH])
"""Index of the landmark on the other side of the face, iBUG-68 order."""

_STEP = 4  # the warp is smooth: it is computed at every 4th pixel and interpolated


def mirror_map(points: NDArray[np.float64], size: int, smoothing: float = 2.0) -> NDArray[np.float32]:
    """Return for each pixel the position of its mirror image on the face.

    A smoothed thin-plate spline takes every landmark to its counterpart, so it follows yaw and roll:
    on a turned face the two halves have different widths.

    Args:
        points: (68, 2) pixels.
        size: side S of the crop, pixels.
        smoothing: of the spline, relative; more lets it miss single points further.

    Returns:
        (S, S, 2) float32, x and y of the counterpart.
    """
    import cv2

    centre, spread = points.mean(0), max(float(points.std()), 1e-3)
    unit = (points - centre) / spread
    # points that coincide (a degenerate detection) would make the system singular
    unit = unit + 1e-5 * np.random.default_rng(0).standard_normal(unit.shape)
    spline = RBFInterpolator(unit, unit[MIRROR_68], kernel="thin_plate_spline", smoothing=smoothing * 1e-2)
    nodes = max(2, -(-size // _STEP) + 1)
    axis = np.linspace(0, size - 1, nodes)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    there = spline((grid - centre) / spread) * spread + centre
    coarse = np.clip(there, -2 * size, 3 * size).reshape(nodes, nodes, 2).astype(np.float32)
    pixel = np.linspace(0, nodes - 1, size, dtype=np.float32)
    return np.asarray(cv2.remap(coarse, *np.meshgrid(pixel, pixel), cv2.INTER_LINEAR), dtype=np.float32)
