"""What goes into the network and how its answer goes back into the crop."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from occface_paper.inpainting.warps import spread

#: A pixel whose alpha exceeds this shows the occluder and may not be looked at.
HIDDEN = 0.02
#: Crop side to which pixel units refer.
REFERENCE = 256
#: Largest correction along the border of a hole: more is a piece of the occluder, not an error of tone.
_MOST = 0.08
#: Reach of that correction into the hole, px at the reference side.
_REACH = 12.0


def hole_of(alpha: Tensor, margin: float) -> Tensor:
    """(B, 1, S, S) of 0 and 1: what alpha (B, 1, S, S) hides and a margin in px at the reference side."""
    hole = (alpha > HIDDEN).to(alpha)
    for reach in range(round(margin * alpha.shape[-1] / REFERENCE)):
        # a square and a cross in turn grow a rounder shape than squares alone
        if reach % 2:
            hole = F.max_pool2d(hole, 3, 1, 1)
        else:
            hole = F.max_pool2d(hole, (3, 1), 1, (1, 0)).maximum(F.max_pool2d(hole, (1, 3), 1, (0, 1)))
    return hole


def matched(answer: Tensor, image: Tensor, hole: Tensor, alpha: Tensor) -> Tensor:
    """The answer with the tone of the picture along the border of the hole.

    The margin of the hole is in view: there the answer can be compared. The difference is continued into the
    hole, where it fades out.

    Args:
        answer: (B, 3, S, S), valid in the hole.
        image: (B, 3, S, S).
        hole: (B, 1, S, S), see `hole_of`.
        alpha: (B, 1, S, S).
    """
    rim = hole * (alpha <= 0)
    difference = ((image - answer) * rim).clamp(-_MOST, _MOST)
    size = image.shape[-1]
    small = max(size // 4, 1)
    weight = F.interpolate(rim, size=(small, small), mode="area")
    mean = F.interpolate(difference, size=(small, small), mode="area") / weight.clamp_min(1e-3)
    known = (weight > 0.2).to(image)
    correction = spread(mean * known, known)
    fade = _blurred(known, max(_REACH * size / REFERENCE / 4, 0.5)) * 2
    correction = correction * fade.clamp(0, 1)
    return answer + F.interpolate(correction, size=(size, size), mode="bilinear", align_corners=False)


def _blurred(values: Tensor, deviation: float) -> Tensor:
    """Gaussian blur of (B, 1, H, W) by three boxes."""
    side = 2 * max(round(deviation), 1) + 1
    for _ in range(3):
        values = F.avg_pool2d(values, side, 1, side // 2)
    return values


def composite(image: Tensor, answer: Tensor, alpha: Tensor) -> Tensor:
    """The image where alpha is 0, bit for bit, and the answer where it is 0.5 and more.

    Half-covered pixels hold the occluder's colour too, so the answer takes over before alpha reaches 1.

    Args:
        image: (B, 3, S, S) in [0, 1].
        answer: (B, 3, S, S).
        alpha: (B, 1, S, S) in [0, 1].
    """
    weight = (2 * alpha).clamp(0, 1).to(image)
    mixed = (image + weight * (answer.to(image) - image)).clamp(0, 1)
    return torch.where(alpha > 0, mixed, image)
