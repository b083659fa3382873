"""Completion of the hidden side of a face from the other side."""

from __future__ import annotations

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from occface_classic.inpainting.diffusion import inpaint_array
from occface_classic.inpainting.hole import background_ring, hole_mask, sure_face
from occface_classic.inpainting.mirror import mirror_map
from occface_classic.inpainting.poisson import poisson_fill
from occface_classic.pixels import planes, points_array, rgb_arrays, to_rgb
from occface_core.compositing import composite
from occface_core.face_region import face_region
from occface_core.stages import FaceInpainter
from occface_core.types import Landmarks, Matte


@attrs.define(kw_only=True)
class Symmetry(FaceInpainter):
    """Copy the mirrored half by its gradients; fill by Telea's method where both halves are hidden.

    The mirror is a spline between the landmarks of both halves, so a turned head is no obstacle. Gradients
    are copied rather than colours, so light from one side stays on its side.

    Attributes:
        radius: neighbourhood for Telea's method, pixels at crop size 256; positive.
        margin: pixels about the matte not trusted as a source, at crop size 256; 0 and more.
        smoothing: how far the mirror may miss single landmarks; 0 passes through all of them.
    """

    licence = "Apache-2.0; no weights"

    radius: float = attrs.field(default=5.0, converter=float, validator=attrs.validators.gt(0))
    margin: float = attrs.field(default=3.0, converter=float, validator=attrs.validators.ge(0))
    smoothing: float = attrs.field(default=2.0, converter=float, validator=attrs.validators.ge(0))

    def run(self, image: Tensor, matte: Matte, landmarks: Landmarks) -> Tensor:
        """Complete what the matte hides; see `FaceInpainter.run`."""
        faces = planes(face_region(landmarks.points, image.shape[-1]))
        batch = zip(
            rgb_arrays(image), planes(matte.alpha), faces, points_array(landmarks.points), strict=True
        )
        return composite(image, to_rgb([self._complete(*face) for face in batch], image), matte.alpha)

    def _complete(
        self,
        image: NDArray[np.float32],
        alpha: NDArray[np.float32],
        face: NDArray[np.float32],
        points: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        hole = hole_mask(alpha, self.margin)
        if not hole.any():
            return image
        inner = sure_face(face)
        ring = background_ring(hole, inner)
        diffused = inpaint_array(image, hole | ring, self.radius, cv2.INPAINT_TELEA)
        there = mirror_map(points, len(image), self.smoothing)
        mirrored = cv2.remap(image, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        usable = inner & ~hole
        seen_there = cv2.remap(usable.astype(np.float32), there, None, cv2.INTER_LINEAR, borderValue=0.0)
        from_mirror = hole & (seen_there > 0.99)
        # two steps: the mirrored part meets the visible skin, then the rest meets both
        result = poisson_fill(image, from_mirror, mirrored, usable)
        rest = hole & ~from_mirror
        return poisson_fill(result, rest, diffused, (usable) | from_mirror)
