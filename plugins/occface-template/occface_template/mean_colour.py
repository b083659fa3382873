"""Fill what is hidden with the mean colour of the pixels around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from occface_core import FaceInpainter, Landmarks, Matte

if TYPE_CHECKING:
    from torch import Tensor


@attrs.define(kw_only=True)
class MeanColour(FaceInpainter):
    """One colour a face: the mean of a band about the hidden region.

    Attributes:
        width: width of the band, pixels; at least 1.
    """

    licence = "Apache-2.0; no weights"

    width: int = attrs.field(default=8, validator=attrs.validators.ge(1))

    def run(self, image: Tensor, matte: Matte, landmarks: Landmarks) -> Tensor:
        """Complete the faces; (B, 3, S, S) in, (B, 3, S, S) out."""
        from torch.nn.functional import max_pool2d

        hidden = matte.alpha
        near = max_pool2d((hidden > 0).to(image), 2 * self.width + 1, stride=1, padding=self.width)
        band = near * (1 - hidden)  # (B, 1, S, S): beside the hole, and seen
        if_no_band = (band.sum((1, 2, 3), keepdim=True) == 0).to(image)
        band = band + if_no_band  # nothing hidden, or everything: the whole crop's mean
        colour = (image * band).sum((2, 3), keepdim=True) / band.sum((2, 3), keepdim=True)
        return image * (1 - hidden) + colour * hidden
