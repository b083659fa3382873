"""Matte by the colours of the face's own skin, inside the hull of its landmarks."""

from __future__ import annotations

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from occface_classic.matting.regions import occluder_regions
from occface_classic.matting.scene import Scene
from occface_classic.matting.skin import features
from occface_classic.pixels import planes, points_array, rgb_arrays, scaled, to_planes
from occface_core.face_region import face_region
from occface_core.stages import OcclusionMatting
from occface_core.types import Landmarks, Matte

_WORK = 128  # regions are found at this size: enough for them, and four times as fast


@attrs.define(kw_only=True)
class LandmarkHull(OcclusionMatting):
    """Mark what is unlike the skin of the same face.

    The face region is the hull of the 68 points with its top raised. A robust colour model of the own skin
    (log ratios of channels, smooth over the face) is fitted to the places that agree best. If the lips are
    not in sight, the face is split into two colours. Otherwise, and beyond that, connected regions unlike
    skin are judged by their border, colour, size and place: brows, eyes, lips, nostrils, beards and shadows
    are not occluders. Hands of the face's own tone are beyond colours and are mostly missed.

    Attributes:
        caution: log odds of being an occluder from which a region is marked; less marks more.
        least_area: smallest region that counts, share of the face region in [0, 1].
        grow: pixels added around each region, at crop size 256; 0 and more.
        feather: softness of the border, standard deviation in pixels at crop size 256; 0 and more.
    """

    licence = "Apache-2.0; a few numbers fitted on portraits, no weights file"

    caution: float = attrs.field(default=-0.7, converter=float)
    least_area: float = attrs.field(
        default=0.01, converter=float, validator=[attrs.validators.ge(0), attrs.validators.le(1)]
    )
    grow: float = attrs.field(default=2.0, converter=float, validator=attrs.validators.ge(0))
    feather: float = attrs.field(default=1.0, converter=float, validator=attrs.validators.ge(0))

    def run(self, image: Tensor, landmarks: Landmarks) -> Matte:
        """Say which pixels of the face region are hidden; see `OcclusionMatting.run`."""
        region = face_region(landmarks.points, image.shape[-1])
        batch = zip(rgb_arrays(image), planes(region), points_array(landmarks.points), strict=True)
        hard = [self.regions(*face) for face in batch]
        soft = [soften(mask, self.grow, self.feather) for mask in hard]
        return Matte(alpha=to_planes(soft, image) * region, face=region)

    def regions(
        self, image: NDArray[np.float32], face: NDArray[np.float32], points: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Return (S, S), the occluders of one face, with hard borders.

        Args:
            image: (S, S, 3) in [0, 1].
            face: (S, S) in [0, 1], the face region.
            points: (68, 2) pixels.
        """
        size = len(image)
        work = min(size, _WORK)
        image = cv2.resize(image, (work, work), interpolation=cv2.INTER_AREA)
        inside = cv2.resize(face, (work, work), interpolation=cv2.INTER_AREA) > 0.5
        points = (points + 0.5) * work / size - 0.5
        f = features(cv2.GaussianBlur(image, (0, 0), max(0.7 * work / _WORK, 0.3)))
        scene = Scene.of(f, inside, points)
        if scene is None:
            return np.zeros(face.shape, bool)
        cover = occluder_regions(scene, least_area=self.least_area, least_score=self.caution)
        if work == size:
            return cover
        return np.asarray(
            cv2.resize(cover.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC) > 0.5
        )


def soften(mask: NDArray[np.bool_], grow: float, feather: float) -> NDArray[np.float32]:
    """Return (S, S) in [0, 1]: the mask grown and feathered, lengths in pixels at crop size 256."""
    size = len(mask)
    alpha = mask.astype(np.float32)
    if not mask.any():
        return alpha
    if grow > 0:
        reach = scaled(grow, size)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        alpha = cv2.dilate(alpha, disc)
    if feather > 0:
        alpha = cv2.GaussianBlur(alpha, (0, 0), max(feather * size / 256, 0.3))
    return np.asarray(alpha, dtype=np.float32)
