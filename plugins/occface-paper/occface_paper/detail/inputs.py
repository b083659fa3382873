"""What the bump network is given: the picture, its fine shading, the base surface, and what is hidden."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from occface_paper.detail.shading import shading_cues

#: Standard deviation of what counts as fine shading, px.
FINE = 6.0
#: Depth from the face's centre that counts as 1, mm.
DEPTH = 60.0


def network_input(
    picture: Tensor, matte: Tensor, normals: Tensor, depth: Tensor, face: Tensor, centre: Tensor
) -> Tensor:
    """Put the channels together: (B, 13, H, W).

    Log luminance less its mean nearby does not change with exposure, gain or gamma (but for its scale): it
    holds the shading of creases whatever the light. Its mean is taken over the seen face alone, lest hair
    and occluders have haloes. Three more channels are those of `shading_cues`.

    Args:
        picture: (B, 3, H, W) RGB in [0, 1], completed.
        matte: (B, 1, H, W) in [0, 1], 1 = completed, not seen.
        normals: (B, 3, H, W) of the base surface, viewer axes.
        depth: (B, 1, H, W) mm along z, nan where there is no surface.
        face: (B, 1, H, W) 1 on the model's face.
        centre: (B,) mm, depth of the face's origin.
    """
    brightness = picture.mean(1, keepdim=True)
    cues = shading_cues(brightness, normals, face * (1 - matte))
    brightness = brightness.clamp_min(0.02).log()
    seen = face * (1 - matte) + 1e-3
    fine = brightness - blurred(brightness * seen, FINE) / blurred(seen, FINE)
    nearer = (centre[:, None, None, None] - depth) / DEPTH
    nearer = torch.nan_to_num(nearer, nan=-2.0).clamp(-2, 2)
    return torch.cat((2 * picture - 1, 3 * fine.clamp(-0.8, 0.8), normals, nearer, face, matte, cues), 1)


def blurred(planes: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (B, 1, H, W), zeros about the border."""
    reach = int(3 * sigma)
    offsets = torch.arange(-reach, reach + 1, device=planes.device, dtype=planes.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    planes = F.conv2d(planes, kernel[None, None, None, :], padding=(0, reach))
    return F.conv2d(planes, kernel[None, None, :, None], padding=(reach, 0))
