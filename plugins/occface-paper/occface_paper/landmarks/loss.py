"""Losses of the landmark network."""

from __future__ import annotations

import torch
from torch import Tensor


def landmark_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """Eq. 1: the squared L2 norm of the difference of two landmark sets (B, 68, 2), averaged over the batch."""
    return (predicted - truth).square().sum((1, 2)).mean()


def point_distances(predicted: Tensor, truth: Tensor) -> Tensor:
    """Distance of every point from the truth: (B, P, 2), (B, P, 2) -> (B, P); its gradient is finite at zero."""
    return ((predicted - truth).square().sum(2) + 1e-8).sqrt()


def confidence_loss(log_scale: Tensor, distances: Tensor) -> Tensor:
    """Negative log likelihood of distances (B, P) under exponential laws of mean exp(log_scale) (B, P).

    The distances are taken as given (no gradient), so that the scale head cannot trade accuracy for confidence.
    """
    return (log_scale + distances.detach() * torch.exp(-log_scale)).mean()
