"""What the picture itself says about its hole: the mirrored half and the likely texture, as input of the network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from occface_paper.inpainting.prior import TEXTURE, TexturePrior
from occface_paper.inpainting.warps import face_maps, grid, pulled, spread

#: Channels of `hints`: prefilled picture, hole, landmark map, mirrored picture, where that is seen.
CHANNELS = 9


def landmark_map(points: Tensor, size: int) -> Tensor:
    """(B, 1, size, size): 1 at the pixel of each point (B, 68, 2) in crop units, 0 elsewhere."""
    place = (points * size).floor().long()
    inside = ((place >= 0) & (place < size)).all(-1)
    index = (place[..., 1] * size + place[..., 0]).clamp(0, size * size - 1)
    drawn = points.new_zeros(len(points), size * size)
    drawn.scatter_reduce_(1, index, inside.to(drawn), "amax")
    return drawn.reshape(-1, 1, size, size)


def hints(image: Tensor, hole: Tensor, seen: Tensor, points: Tensor, prior: TexturePrior) -> Tensor:
    """Everything that is known about the faces.

    Args:
        image: (B, 3, S, S) in [0, 1]; its hole is not looked at.
        hole: (B, 1, S, S), 1 = to be completed.
        seen: (B, 1, S, S), 1 = a pixel of the photo that may be trusted.
        points: (B, 68, 2) crop units.
        prior: the linear model.

    Returns:
        (B, CHANNELS, S, S).
    """
    size = image.shape[-1]
    mirror, to_mean, from_mean = face_maps(points, prior.mean_shape)
    face = pulled(prior.face.expand(len(image), -1, -1, -1), to_mean, size)
    clear = seen * (1 - hole)
    texture = pulled(image, from_mean, TEXTURE, "border")
    likely = prior(texture, (pulled(clear, from_mean, TEXTURE) > 0.9).to(image))
    likely = pulled(likely, to_mean, size, "border")
    # the part of the picture that the linear model misses is continued smoothly into the hole
    small = min(size, TEXTURE)
    missed, sure = (
        F.interpolate(x, size=(small, small), mode="area") for x in (image - likely, clear * face)
    )
    sure = (sure > 0.9).to(image)
    likely = likely + F.interpolate(
        spread(missed, sure), size=(size, size), mode="bilinear", align_corners=False
    )
    prefilled = torch.where(hole > 0.5, likely.clamp(0, 1), image)
    other = pulled(torch.cat((image * clear * face, clear * face), 1), mirror, size)
    other_seen = (other[:, 3:] > 0.9).to(image)
    facing = (pulled_gap(mirror, size) > 0.02).to(image)  # next to the middle the mirror says nothing new
    other_seen = other_seen * facing
    return torch.cat((prefilled, hole, landmark_map(points, size), other[:, :3] * other_seen, other_seen), 1)


def pulled_gap(mirror: Tensor, size: int) -> Tensor:
    """(B, 1, size, size): how far each place is from its mirror image, crop units."""
    nodes = grid(mirror.shape[-1], mirror).permute(2, 0, 1)
    gap = (mirror - nodes).square().sum(1, keepdim=True).sqrt()
    return F.interpolate(gap, size=(size, size), mode="bilinear", align_corners=False)
