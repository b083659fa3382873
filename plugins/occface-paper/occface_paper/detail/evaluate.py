"""How good a bump map is where the truth is known: normals, fine relief, spikes."""

from __future__ import annotations

import torch
from torch import Tensor

from occface_core.geometry.bump import detailed_depth
from occface_core.geometry.normals import depth_normals
from occface_paper.detail.inputs import blurred

#: Relief wider than this is not counted as fine, standard deviation in px.
FINE = 6.0


def normal_errors(bump: Tensor, truth: Tensor, depth: Tensor, intrinsics: Tensor, mask: Tensor) -> Tensor:
    """Mean angle between the normals of the detailed and the true surface, degrees: (B,).

    Args:
        bump: (B, 1, S, S) mm; zeros give the error of the base surface.
        truth: (B, 1, S, S) mm.
        depth: (B, 1, S, S) mm of the base surface, nan where there is none.
        intrinsics: (B, 3, 3).
        mask: (B, 1, S, S) bool, the pixels that count.
    """
    ours = depth_normals(detailed_depth(depth, bump, intrinsics), intrinsics)
    true = depth_normals(detailed_depth(depth, truth, intrinsics), intrinsics)
    angle = torch.rad2deg(torch.acos((ours * true).sum(1, keepdim=True).clamp(-1, 1)))
    return _mean(angle, mask)


def fine_relief(bump: Tensor, mask: Tensor) -> Tensor:
    """Bump (B, 1, S, S) less its mean nearby inside the mask; 0 outside."""
    inside = mask.to(bump)
    wide = blurred(bump * inside, FINE) / blurred(inside, FINE).clamp_min(1e-3)
    return (bump - wide) * inside


def fine_correlation(bump: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Correlation of the fine relief of two bump maps inside a mask: (B,); 0 where one of them is flat."""
    ours, true = fine_relief(bump, mask), fine_relief(truth, mask)
    ours = (ours - _mean(ours, mask)[:, None, None, None]) * mask
    true = (true - _mean(true, mask)[:, None, None, None]) * mask
    product = (ours * true).sum((1, 2, 3))
    return product / (ours.square().sum((1, 2, 3)) * true.square().sum((1, 2, 3))).sqrt().clamp_min(1e-6)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, values, 0).sum((1, 2, 3)) / mask.sum((1, 2, 3)).clamp_min(1)
