"""A second look at what the finder found: is the aligned crop a face? The last word in the manner of a cascade.

The finder sees a photo at a coarse scale and has to be quick everywhere; hands, ears, letters and badges look like
faces to it now and then. The verifier sees each candidate alone, upright, at the photo's own resolution.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from occface_paper.faces.find import FoundFaces
from occface_paper.faces.network import ConvolutionBlock

#: Side of the crops that the verifier sees, px.
SIZE = 40
#: The five points' places in its crop (crop units): eyes, nose tip, mouth corners. They leave room for the chin
#: and the forehead, whose absence gives a false face away.
FIVE_PLACES = ((-0.33, -0.25), (0.33, -0.25), (0.0, 0.12), (-0.27, 0.46), (0.27, 0.46))


class FaceVerifier(nn.Module):
    """Aligned crop (B, 3, 40, 40), RGB in [0, 1] -> logit of being a face (B,). About 70 thousand parameters."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.width = width
        self.body = nn.Sequential(
            ConvolutionBlock(3, width),
            ConvolutionBlock(width, width, 2),
            ConvolutionBlock(width, 2 * width, 2),
            ConvolutionBlock(2 * width, 2 * width),
            ConvolutionBlock(2 * width, 3 * width, 2),
        )
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(3 * width * (SIZE // 8) ** 2, 32),
            nn.ReLU(),
            nn.Linear(32, 1),
        )

    def forward(self, crop: Tensor) -> Tensor:
        """(B, 3, 40, 40) -> (B,)."""
        return self.head(self.body(crop * 2 - 1))[:, 0]


@torch.inference_mode()
def opinions(verifier: nn.Module, photo: Tensor, faces: FoundFaces) -> Tensor:
    """The verifier's logit (F,) of each candidate being a face.

    Args:
        verifier: trained, in evaluation mode, on the photo's device.
        photo: (1, 3, H, W) float32 RGB in [0, 1].
        faces: the finder's candidates.
    """
    from occface_paper.landmarks.predict import cut_out

    logits = [photo.new_zeros(0)]
    for begin in range(0, len(faces), 64):
        part = faces[begin : begin + 64]
        crops = alignments(part.boxes, part.points)
        logits.append(verifier(torch.stack([cut_out(photo, crop, SIZE) for crop in crops])))
    return torch.cat(logits)


def alignments(boxes: Tensor, points: Tensor) -> list[np.ndarray]:
    """(3, 3) matrices from photo pixels to the verifier's crop units, from boxes (F, 4) and points (F, 5, 2)."""
    from occface_paper.landmarks.predict import sane_similarity

    five, box = points.cpu().double().numpy(), boxes.cpu().double().numpy()
    return [sane_similarity(b, p, FIVE_PLACES) for b, p in zip(box, five, strict=True)]
