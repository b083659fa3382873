"""From points in a photo to the upright square crop that the landmark network sees, and back.

Crop coordinates are normalised: x and y run from -1 to 1 between the outer edges of the crop, so they do not
depend on its size in pixels. In pixels of a crop of size S, (0, 0) is the centre of the top-left pixel.
"""

from __future__ import annotations

import numpy as np

#: The iBUG-68 points whose means are the finder's five: eyes, nose tip, mouth corners (the person's right first).
FIVE = (tuple(range(36, 42)), tuple(range(42, 48)), (30,), (48,), (54,))
#: Half of the longer side of the mean shape's box, in crop units: the rest is the margin around the face.
MEAN_SHAPE_EXTENT = 0.72


def five_points(points: np.ndarray) -> np.ndarray:
    """(..., 68, 2) -> (..., 5, 2): right eye, left eye, nose tip, right and left mouth corner."""
    return np.stack([points[..., list(ids), :].mean(-2) for ids in FIVE], -2)


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least-squares rotation, scale and shift that take source (N, 2) to target (N, 2), as a (3, 3) matrix.

    Closed form of Umeyama (1991) in the plane, written with complex numbers; a source that is a single point
    gives a pure shift.
    """
    s, t = source @ np.array([1, 1j]), target @ np.array([1, 1j])
    s0, t0 = s.mean(), t.mean()
    spread = float((np.abs(s - s0) ** 2).sum())
    a = (np.conj(s - s0) * (t - t0)).sum() / spread if spread > 1e-12 else 1.0 + 0j
    b = t0 - a * s0
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag], [0.0, 0.0, 1.0]])


def to_pixels(size: int) -> np.ndarray:
    """(3, 3) matrix from normalised crop coordinates to pixels of a crop of this size."""
    return np.array([[size / 2, 0, (size - 1) / 2], [0, size / 2, (size - 1) / 2], [0, 0, 1.0]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Affine (3, 3) applied to points (..., 2)."""
    return points @ matrix[:2, :2].T + matrix[:2, 2]


def mean_of_shapes(shapes: np.ndarray, rounds: int = 5) -> np.ndarray:
    """Procrustes mean (68, 2) of shapes (N, 68, 2), upright, its box centred and scaled to ``MEAN_SHAPE_EXTENT``."""
    mean = framed(shapes[0])
    for _ in range(rounds):
        mean = framed(np.mean([apply(similarity(s, mean), s) for s in shapes], 0))
    return mean


def framed(shape: np.ndarray) -> np.ndarray:
    """A shape (68, 2) with level eyes, its box centred on zero, its longer half side ``MEAN_SHAPE_EXTENT``."""
    right, left = five_points(shape)[:2]
    turn = np.exp(-1j * np.angle((left - right) @ np.array([1, 1j])))
    z = (shape @ np.array([1, 1j])) * turn
    level = np.stack([z.real, z.imag], 1)
    low, high = level.min(0), level.max(0)
    return (level - (low + high) / 2) * (MEAN_SHAPE_EXTENT / ((high - low).max() / 2))
