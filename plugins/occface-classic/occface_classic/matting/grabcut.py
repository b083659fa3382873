"""Matte by graph cuts (Rother et al. 2004), started from the regions of `landmark_hull`."""

from __future__ import annotations

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from occface_classic.matting.landmark_hull import LandmarkHull
from occface_classic.pixels import Array, planes, points_array, rgb8, rgb_arrays, scaled, to_planes
from occface_core.face_region import face_region
from occface_core.stages import OcclusionMatting
from occface_core.types import Landmarks, Matte

_SEED = 20


@attrs.define(kw_only=True)
class GrabCut(OcclusionMatting):
    """Move the borders of `landmark_hull`'s regions to the photo's edges, and make them soft.

    Attributes:
        iterations: of `cv2.grabCut`; at least 1.
        band: how far a border may move, pixels at crop size 256; positive.
        softness: radius of the guided filter that makes alpha soft, pixels at crop size 256; 0 and more.
        caution: as in `landmark_hull`: log odds from which a region is marked; less marks more.
    """

    licence = "Apache-2.0; a few numbers fitted on portraits, no weights file"

    iterations: int = attrs.field(
        default=3, validator=[attrs.validators.instance_of(int), attrs.validators.ge(1)]
    )
    band: float = attrs.field(default=10.0, converter=float, validator=attrs.validators.gt(0))
    softness: float = attrs.field(default=3.0, converter=float, validator=attrs.validators.ge(0))
    caution: float = attrs.field(default=-0.7, converter=float)

    def run(self, image: Tensor, landmarks: Landmarks) -> Matte:
        """Say which pixels of the face region are hidden; see `OcclusionMatting.run`."""
        region = face_region(landmarks.points, image.shape[-1])
        start = LandmarkHull(caution=self.caution)
        alphas = []
        for pixels, face, points in zip(
            rgb_arrays(image), planes(region), points_array(landmarks.points), strict=True
        ):
            alphas.append(self._refine(pixels, face, start.regions(pixels, face, points)))
        return Matte(alpha=to_planes(alphas, image) * region, face=region)

    def _refine(
        self, image: NDArray[np.float32], face: NDArray[np.float32], start: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        inside = face > 0.5
        bare = inside & ~start
        if not (start & inside).any() or bare.sum() < 16:
            return (start & inside).astype(np.float32)
        reach = scaled(self.band, len(image))
        grown, core = _moved(start, reach), _moved(start, -reach)
        labels = np.where(start, cv2.GC_PR_FGD, np.where(grown, cv2.GC_PR_BGD, cv2.GC_BGD)).astype(np.uint8)
        labels[core] = cv2.GC_FGD
        # beyond the face region lies background of any colour: painted as skin, it teaches nothing false
        labels[~inside] = cv2.GC_BGD
        painted = np.where(inside[..., None], image, np.median(image[bare], axis=0)).astype(np.float32)
        cv2.setRNGSeed(_SEED)  # its colour models start from k-means, whose draws are OpenCV's own
        try:
            cv2.grabCut(
                rgb8(painted)[..., ::-1].copy(),
                labels,
                None,
                np.zeros((1, 65)),
                np.zeros((1, 65)),
                self.iterations,
                cv2.GC_INIT_WITH_MASK,
            )
            cut = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
        except cv2.error:  # too few samples of one side for its colour model
            cut = start & inside
        if not cut.any():
            cut = start & inside
        # off the face the mask goes on, so that filtering does not fade it at the region's border
        spread = np.where(
            inside, cut, cv2.dilate(cut.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=reach)
        )
        alpha = spread.astype(np.float32)
        if self.softness > 0:
            alpha = guided_filter(image.mean(-1), alpha, scaled(self.softness, len(image)), 1e-3)
        # bits of colour that only look like the occluder, and faint haze, are none
        alpha = np.clip((alpha - 0.1) / 0.8, 0, 1)
        return np.asarray(np.where(_moved(grown, reach), alpha, 0), dtype=np.float32)


def _moved(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    """Return the mask grown by `pixels`, or shrunk if negative."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(pixels) + 1,) * 2)
    change = cv2.dilate if pixels > 0 else cv2.erode
    return np.asarray(change(mask.astype(np.uint8), disc), dtype=bool)


def guided_filter(guide: Array, values: Array, radius: int, epsilon: float) -> NDArray[np.float32]:
    """Return `values` smoothed but for the edges of `guide` (He et al. 2010).

    In every window the output is the straight line of the guide that fits the values best.

    Args:
        guide: (S, S) grey.
        values: (S, S).
        radius: of the window, pixels.
        epsilon: variance of the guide under which a window counts as flat.
    """
    window = (2 * radius + 1, 2 * radius + 1)

    def mean(x: Array) -> NDArray[np.float64]:
        return np.asarray(cv2.blur(x.astype(np.float64), window, borderType=cv2.BORDER_REFLECT))

    guide_mean, values_mean = mean(guide), mean(values)
    slope = (mean(guide * values) - guide_mean * values_mean) / (
        mean(guide * guide) - guide_mean**2 + epsilon
    )
    return (mean(slope) * guide + mean(values_mean - slope * guide_mean)).astype(np.float32)
