"""OpenCV's two inpainting methods on a batch of crops."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from occface_classic.inpainting.hole import background_ring, hole_mask, sure_face
from occface_classic.pixels import planes, rgb8, rgb_arrays, scaled, to_rgb
from occface_core.compositing import composite
from occface_core.face_region import face_region
from occface_core.types import Landmarks, Matte


def inpaint_array(
    image: NDArray[np.float32], hole: NDArray[np.bool_], radius: float, method: int
) -> NDArray[np.float32]:
    """Return (S, S, 3) with the hole filled by `cv2.inpaint`; a hole without surroundings becomes its mean.

    Args:
        image: (S, S, 3) in [0, 1].
        hole: (S, S).
        radius: neighbourhood, pixels at the reference size.
        method: cv2.INPAINT_TELEA or cv2.INPAINT_NS.
    """
    if not hole.any():
        return image
    if hole.all() or len(image) < 3:
        return np.broadcast_to(image.mean((0, 1)), image.shape).astype(np.float32)
    pixels = scaled(radius, len(image))
    filled = cv2.inpaint(rgb8(image), hole.astype(np.uint8), pixels, method)
    return np.asarray(filled, dtype=np.float32) / 255


def diffuse(
    image: Tensor, matte: Matte, landmarks: Landmarks, *, radius: float, margin: float, method: int
) -> Tensor:
    """Fill what each matte hides from the visible face around it.

    Args:
        image: (B, 3, S, S) in [0, 1].
        matte: of the same faces.
        landmarks: of the same faces; they say which pixels are background, which is not spread over the face.
        radius: neighbourhood of `cv2.inpaint`, pixels at the reference size.
        margin: extra pixels about the matte that are not used as a source, at the reference size.
        method: cv2.INPAINT_TELEA or cv2.INPAINT_NS.

    Returns:
        (B, 3, S, S); pixels with alpha 0 are those of `image`.
    """
    faces = planes(face_region(landmarks.points, image.shape[-1]))
    filled = []
    for pixels, alpha, face in zip(rgb_arrays(image), planes(matte.alpha), faces, strict=True):
        hole = hole_mask(alpha, margin)
        hole |= background_ring(hole, sure_face(face))
        filled.append(inpaint_array(pixels, hole, radius, method))
    return composite(image, to_rgb(filled, image), matte.alpha)
