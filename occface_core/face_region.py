"""Which pixels belong to the face, and to which part of it, from the 68 landmarks alone.

Left and right are the person's own: the left brow is landmarks 22-26, on the viewer's right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from occface_core.errors import RecordError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Array = NDArray[np.float64]

PARTS = (
    "right_brow",
    "left_brow",
    "right_eye",
    "left_eye",
    "nose",
    "mouth",
    "right_cheek",
    "left_cheek",
    "jaw",
    "forehead",
)
"""Names of the face parts; left and right are the person's."""

_FOREHEAD_RAISE = 0.64  # of the brow-to-nose-base height; the thirds of a face would be 1, at the hairline
_SUBPIXEL_BITS = 5


def face_region(points: Tensor, size: int) -> Tensor:
    """Return the face region: the hull of the 68 points with its top raised to the forehead.

    Args:
        points: (B, 68, 2) crop pixels, iBUG order.
        size: side S of the crop, pixels.

    Returns:
        (B, 1, S, S) float32 in [0, 1] on the device of `points`, soft over about a pixel at the border.

    Raises:
        RecordError: if `points` is not (B, 68, 2) or `size` is not positive.
    """
    return _draw([[_outline(face)] for face in _checked(points, size)], points, size)


def face_parts(points: Tensor, size: int) -> dict[str, Tensor]:
    """Return the region of each part of the face; the parts cover the face region but for thin seams.

    Args:
        points: (B, 68, 2) crop pixels, iBUG order.
        size: side S of the crop, pixels.

    Returns:
        For every name of `PARTS` (B, 1, S, S) float32 in [0, 1], inside `face_region`. Cheeks and forehead
        leave out eyes, brows, nose and mouth.

    Raises:
        RecordError: if `points` is not (B, 68, 2) or `size` is not positive.
    """
    faces = _checked(points, size)
    polygons = [_part_polygons(face) for face in faces]
    region = face_region(points, size)
    parts: dict[str, Tensor] = {}
    taken = region.new_zeros(region.shape)
    for name in PARTS:
        drawn = _draw([face[name] for face in polygons], points, size)
        parts[name] = drawn.minimum(region).minimum(1 - taken)
        taken = taken.maximum(drawn)
    return parts


def face_halves(points: Tensor, size: int, region: Tensor | None = None) -> dict[str, Tensor]:
    """Return the halves of the face region on either side of the line from the forehead over nose to chin.

    Args:
        points: (B, 68, 2) crop pixels, iBUG order.
        size: side S of the crop, pixels.
        region: (B, 1, S, S) in [0, 1], what is to be halved; `face_region` if None.

    Returns:
        "right_half" and "left_half" (the person's), (B, 1, S, S) float32 in [0, 1]; together the region.

    Raises:
        RecordError: if `points` is not (B, 68, 2) or `size` is not positive.
    """
    faces = _checked(points, size)
    region = face_region(points, size) if region is None else region
    right = region.minimum(_draw([[_right_of_midline(face)] for face in faces], points, size))
    return {"right_half": right, "left_half": region - right}


def face_axes(points: Array) -> tuple[Array, Array, float]:
    """Return the face's upward unit vector, its rightward (viewer's) one, and its scale, in the image.

    Args:
        points: (68, 2) pixels.

    Returns:
        up (2,), across (2,), and the distance in pixels from the brows' middle to the nose's base along `up`.
    """
    eyes = points[36:48].mean(0)
    mouth = points[48:60].mean(0)
    up = eyes - mouth
    length = float(np.linalg.norm(up))
    up = up / length if length > 1e-6 else np.array([0.0, -1.0])
    across = np.array([-up[1], up[0]])
    height = max(float((points[17:27].mean(0) - points[33]) @ up), 0.6 * length, 1e-3)
    return up, across, height


def _checked(points: Tensor, size: int) -> Array:
    if points.ndim != 3 or tuple(points.shape[1:]) != (68, 2):
        raise RecordError(f"face_region: points must have shape (B, 68, 2), got {tuple(points.shape)}")
    if size < 1:
        raise RecordError(f"face_region: size must be at least 1 pixel, got {size}")
    array = points.detach().cpu().numpy().astype(np.float64)
    return np.clip(np.nan_to_num(array, nan=size / 2), -4.0 * size, 5.0 * size)


def _hull(points: Array) -> Array:
    import cv2

    return np.asarray(cv2.convexHull(points.astype(np.float32)), dtype=np.float64)[:, 0]


def _forehead_line(points: Array) -> Array:
    """Return 10 points above landmarks 17-26: an arch, lower over the temples."""
    up, _, height = face_axes(points)
    brows = points[17:27]
    along = np.linspace(-1, 1, len(brows))
    level = (brows @ up).max() - brows @ up  # lifts low brow ends up to the level of the highest point
    lift = _FOREHEAD_RAISE * height * np.sqrt(1 - 0.72 * along**2) + 0.5 * level
    return np.asarray(brows + lift[:, None] * up)


def _outline(points: Array) -> Array:
    return _hull(np.concatenate([points, _forehead_line(points)]))


def _widened(polygon: Array, factor: float, up: Array, margin: float) -> Array:
    """Return the hull of `polygon` widened about its centre, with a margin in height."""
    centre = polygon.mean(0)
    across = np.array([-up[1], up[0]])
    offset = polygon - centre
    x = offset @ across * factor
    y = offset @ up
    y = y + np.sign(y) * margin
    return _hull(centre + x[:, None] * across + y[:, None] * up)


def _part_polygons(p: Array) -> dict[str, list[Array]]:
    up, across, height = face_axes(p)
    line = _forehead_line(p)
    brow = 0.055 * height
    alar = 0.12 * height
    wing = 1.6 * alar * up
    root = 0.5 * alar * across
    right, left = p[31] - alar * across, p[35] + alar * across
    nose = np.stack([*p[27:36], p[27] - root, p[27] + root, right, right + wing, left, left + wing])

    def brow_polygon(start: int) -> Array:
        stroke = p[start : start + 5]
        return np.concatenate([stroke + brow * up, (stroke - 1.4 * brow * up)[::-1]])

    mouth = p[48:60]
    lower_right = p[[0, 1, 2, 3, 4]]
    lower_left = p[[16, 15, 14, 13, 12]]
    right_cheek = np.concatenate([p[[17]], lower_right, p[[5, 48, 31, 27, 39, 40, 41, 36]]])
    left_cheek = np.concatenate([p[[26]], lower_left, p[[11, 54, 35, 27, 42, 47, 46, 45]]])
    return {
        "right_brow": [brow_polygon(17)],
        "left_brow": [brow_polygon(22)],
        "right_eye": [_widened(p[36:42], 1.15, up, 0.05 * height)],
        "left_eye": [_widened(p[42:48], 1.15, up, 0.05 * height)],
        "nose": [_hull(nose)],
        "mouth": [_widened(mouth, 1.06, up, 0.02 * height)],
        "right_cheek": [right_cheek, _hull(p[[17, 18, 19, 20, 21, 27, 39, 36, 0]])],
        "left_cheek": [left_cheek, _hull(p[[26, 25, 24, 23, 22, 27, 42, 45, 16]])],
        "jaw": [_hull(np.concatenate([p[4:13], mouth, p[31:36]]))],
        "forehead": [_hull(np.concatenate([p[17:28], line, p[[0, 16]]]))],
    }


def _right_of_midline(p: Array) -> Array:
    """Return the corners of what lies on the person's right of the line from forehead to chin."""
    up, across, height = face_axes(p)
    line = np.concatenate([p[27:31], p[[33, 51, 62, 57, 8]]])
    line = np.concatenate([line[:1] + 3 * height * up, line, line[-1:] - height * up])
    return np.concatenate([line, (line[[-1, 0]] - 8 * height * across)])


def _draw(polygons: list[list[Array]], like: Tensor, size: int) -> Tensor:
    """Fill each face's polygons: (B, 1, size, size) float32 on the device of `like`."""
    import cv2
    import torch

    canvas = np.zeros((len(polygons), size, size), np.uint8)
    for image, shapes in zip(canvas, polygons, strict=True):
        for shape in shapes:
            corners: Any = np.round(shape * (1 << _SUBPIXEL_BITS)).astype(np.int32)
            cv2.fillPoly(image, [corners], 255, lineType=cv2.LINE_AA, shift=_SUBPIXEL_BITS)
    return torch.from_numpy(canvas.astype(np.float32) / 255)[:, None].to(like.device)
