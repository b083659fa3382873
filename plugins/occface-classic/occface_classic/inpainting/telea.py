"""Fast marching inpainting after Telea (2004), by OpenCV."""

from __future__ import annotations

import attrs
import cv2
from torch import Tensor

from occface_classic.inpainting.diffusion import diffuse
from occface_core.stages import FaceInpainter
from occface_core.types import Landmarks, Matte


@attrs.define(kw_only=True)
class Telea(FaceInpainter):
    """Fill from the border inwards with weighted means of known neighbours.

    Attributes:
        radius: neighbourhood of a pixel, pixels at crop size 256; positive.
        margin: pixels about the matte not trusted as a source, at crop size 256; 0 and more.
    """

    licence = "Apache-2.0; no weights"

    radius: float = attrs.field(default=5.0, converter=float, validator=attrs.validators.gt(0))
    margin: float = attrs.field(default=3.0, converter=float, validator=attrs.validators.ge(0))

    def run(self, image: Tensor, matte: Matte, landmarks: Landmarks) -> Tensor:
        """Complete what the matte hides; see `FaceInpainter.run`."""
        return diffuse(
            image, matte, landmarks, radius=self.radius, margin=self.margin, method=cv2.INPAINT_TELEA
        )
