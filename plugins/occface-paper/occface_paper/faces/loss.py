"""Loss of the face finder."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def focal_loss(logits: Tensor, labels: Tensor, gamma: float = 2.0, alpha: float = 0.4) -> Tensor:
    """Sum of the focal loss (Lin et al. 2017) over cells; labels 1, 0, and -1 for cells that are not asked."""
    positive = (labels > 0.5).to(logits.dtype)
    probability = logits.sigmoid()
    right = torch.where(positive > 0, probability, 1 - probability)
    weight = torch.where(positive > 0, alpha, 1 - alpha) * (1 - right) ** gamma
    cross = F.binary_cross_entropy_with_logits(logits, positive, reduction="none")
    return (weight * cross * (labels >= 0)).sum()


def finder_loss(maps: list[Tensor], labels: list[Tensor], values: list[Tensor]) -> Tensor:
    """Focal loss of the scores, plus smooth L1 of boxes and points in the cells with a face.

    Offsets are divided by the face's size in strides, so that an error counts relative to the face.

    Args:
        maps: raw maps (B, 15, h, w) of each stride.
        labels: (B, h, w) of each stride.
        values: (B, 14, h, w) of each stride.
    """
    scores = boxes = maps[0].new_zeros(())
    count = maps[0].new_zeros(())
    for raw, label, value in zip(maps, labels, values, strict=True):
        scores = scores + focal_loss(raw[:, 0], label)
        face = label > 0.5
        count = count + face.sum()
        got, want = raw[:, 1:].permute(0, 2, 3, 1)[face], value.permute(0, 2, 3, 1)[face]
        size = want[:, 2:4].mean(1, keepdim=True).exp()
        place = torch.cat([got[:, :2], got[:, 4:]], 1) / size, torch.cat([want[:, :2], want[:, 4:]], 1) / size
        boxes = boxes + F.smooth_l1_loss(*place, beta=0.05, reduction="sum") / 4
        boxes = boxes + F.smooth_l1_loss(got[:, 2:4], want[:, 2:4], beta=0.05, reduction="sum")
    return (scores + 1.5 * boxes) / count.clamp_min(1)
