"""What is worked out once for a face before its regions are judged one by one."""

from __future__ import annotations

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray

from occface_classic.matting.mouth import mouth_hidden
from occface_classic.matting.own_features import own_features
from occface_classic.matting.skin import fit_skin, skin_colour
from occface_classic.matting.two_colours import covered_part
from occface_core.face_region import face_axes

Mask = NDArray[np.bool_]
Plane = NDArray[np.floating]


@attrs.define(frozen=True, kw_only=True, eq=False)
class Scene:
    """One face, its skin, and where its features lie.

    Attributes:
        features: (S, S, 3), see `skin.features`.
        residual: (S, S, 3), features less those of bare skin at the same place.
        unlikeness: (S, S) standard deviations from own skin.
        inside: (S, S), the face region.
        depth: (S, S) pixels from the face region's border.
        radius: of a disc as large as the face region, pixels.
        eyes: (S, S), brows and eyes.
        mouth: (S, S), nostrils and lips.
        level: (S, S) heights above the nose's middle, in heights from nose to brows.
        mouth_odds: log odds that the mouth is covered.
        cover: (S, S), the part of the face in the colours of what lies about the mouth.
    """

    features: NDArray[np.float32]
    residual: Plane
    unlikeness: Plane
    inside: Mask
    depth: Plane
    radius: float
    eyes: Mask
    mouth: Mask
    level: Plane
    mouth_odds: float
    cover: Mask

    @classmethod
    def of(cls, f: NDArray[np.float32], inside: Mask, points: NDArray[np.float64]) -> Scene | None:
        """Work a face out; None if the face region is (nearly) empty.

        Args:
            f: (S, S, 3), see `skin.features`.
            inside: (S, S), the face region.
            points: (68, 2) pixels.
        """
        odds = mouth_hidden(f, points)
        cover = covered_part(f, inside, points)
        bare = inside & ~cover if odds > 0 else inside
        skin = fit_skin(f, bare, skin_colour(f, bare, points))
        if skin is None:
            return None
        up, _, height = face_axes(points)
        rows, columns = np.indices(inside.shape)
        eyes, mouth = own_features(points, len(f))
        return cls(
            features=f,
            residual=f - skin.expected(len(f)),
            unlikeness=skin.unlikeness(f),
            inside=inside,
            depth=cv2.distanceTransform(np.pad(inside, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1],
            radius=float(np.sqrt(inside.sum() / np.pi)),
            eyes=eyes,
            mouth=mouth,
            level=(columns * up[0] + rows * up[1] - points[29] @ up) / height,
            mouth_odds=odds,
            cover=cover,
        )
