"""The loss of the bump network (paper eq. 8)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from occface_core.geometry.bump import encode

#: Weight of the valid mask's loss.
VALID = 0.1


def level_loss(bump: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """First term of eq. 8, the mean of |Φ - Φ*|, in levels of the encoding.

    Args:
        bump: (B, 1, H, W) mm.
        truth: (B, 1, H, W) mm.
        weight: (B, 1, H, W) in [0, 1] of every pixel.
    """
    return _mean((encode(bump) - encode(truth)).abs(), weight)


def slope_loss(bump: Tensor, truth: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Second and third term of eq. 8: the means of |∂xΦ - ∂xΦ*| and |∂yΦ - ∂yΦ*|, forward differences.

    A difference counts as much as the lesser of its two pixels. Arguments: as `level_loss`.
    """
    difference = encode(bump) - encode(truth)
    across = _mean(difference.diff(dim=3).abs(), weight[..., 1:].minimum(weight[..., :-1]))
    down = _mean(difference.diff(dim=2).abs(), weight[..., 1:, :].minimum(weight[..., :-1, :]))
    return across, down


def valid_loss(logits: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Binary cross-entropy of the valid mask; (B, 1, H, W) each."""
    return _mean(F.binary_cross_entropy_with_logits(logits, truth, reduction="none"), weight)


def bump_loss(
    bump: Tensor, logits: Tensor, truth: Tensor, valid: Tensor, weight: Tensor, slope: float = 1.0
) -> Tensor:
    """L_geo of eq. 8 plus 0.1 times the valid mask's loss.

    Args:
        bump: (B, 1, H, W) mm.
        logits: (B, 1, H, W) of the valid mask.
        truth: (B, 1, H, W) mm.
        valid: (B, 1, H, W), 1 where there is bare skin.
        weight: (B, 1, H, W) of every pixel in the terms of the bump.
        slope: weight of the two slope terms; 1 in the paper.
    """
    across, down = slope_loss(bump, truth, weight)
    everywhere = valid.new_ones(valid.shape)
    return (
        level_loss(bump, truth, weight)
        + slope * (across + down)
        + VALID * valid_loss(logits, valid, everywhere)
    )


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp_min(1.0)
