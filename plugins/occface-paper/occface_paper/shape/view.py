"""A face seen by another camera, as the crop's nominal camera would have to see it; and moved crops."""

from __future__ import annotations

import numpy as np

from occface_core.geometry.camera import FOCAL_224


def to_nominal(
    rotation: np.ndarray, translation: np.ndarray, matrix: np.ndarray, size: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """Pose under the crop's nominal intrinsics that shows a face as another camera does.

    Focal length and distance grow together; what remains is the weaker or stronger perspective, which a crop
    hardly tells. Where the principal points differ, the face keeps the side that it turns to the camera.

    Args:
        rotation: (3, 3), face to camera.
        translation: (3,) mm.
        matrix: (3, 3) of the camera that took the picture, px.
        size: side of the crop, px.

    Returns:
        Rotation (3, 3) and translation (3,).
    """
    focal, centre = FOCAL_224 * size / 224, (size - 1) / 2
    x, y, z = translation
    shift = (matrix[:2, 2] - centre) * z / matrix[0, 0]
    moved = np.array([x + shift[0], y + shift[1], z * focal / matrix[0, 0]])
    seen = np.array([x, y, moved[2]])  # the same with the principal point where it was
    return between(seen, moved) @ rotation, moved


def between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Smallest rotation (3, 3) that takes direction ``start`` (3,) to ``end`` (3,); not for opposite ones."""
    a, b = start / np.linalg.norm(start), end / np.linalg.norm(end)
    axis, cosine = np.cross(a, b), float(a @ b)
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + cosine)


def moved_crop(
    rotation: np.ndarray, translation: np.ndarray, matrix: np.ndarray, change: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pose and camera after the crop's pixels were moved by a similarity.

    Args:
        rotation: (3, 3), face to camera.
        translation: (3,) mm.
        matrix: (3, 3) camera matrix with square pixels.
        change: (3, 3) similarity from old to new crop pixels, without a mirror.

    Returns:
        Rotation, translation and camera matrix of the moved picture: a turn of the picture turns the camera
        about its axis, a zoom lengthens its focus, a shift moves its principal point.
    """
    zoom = np.hypot(change[0, 0], change[1, 0])
    turn = np.eye(3)
    turn[:2, :2] = change[:2, :2] / zoom
    camera = np.eye(3)
    camera[0, 0] = camera[1, 1] = matrix[0, 0] * zoom
    camera[:2, 2] = change[:2, :2] @ matrix[:2, 2] + change[:2, 2]
    return turn @ rotation, turn @ translation, camera
