"""Losses of the synthesis network: eq. 2-4, and the two smaller terms of the work that the paper follows."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

#: Layers of VGG16 for the style loss and the perceptual loss; the later blocks hold three layers each.
STYLE_LAYERS = ("2_2", "3_3", "4_3", "5_2")
PERCEPTUAL_LAYERS = ("1_1", "2_1", "3_1", "4_1", "5_1")


def pixel_loss(found: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Eq. 2: sum of absolute differences in the mask over the mask's size, mean of faces and colours.

    Args:
        found: (B, C, H, W).
        truth: (B, C, H, W).
        mask: (B, 1, H, W) in [0, 1], 1 = counted.
    """
    size = mask.sum((1, 2, 3)).clamp_min(1)
    return ((found - truth).abs() * mask).mean(1).sum((1, 2)).div(size).mean()


def gram(features: Tensor) -> Tensor:
    """Gram matrices (B, C, C) of features (B, C, H, W): inner products of channels, summed over places."""
    flat = features.flatten(2)
    return flat @ flat.mT


def style_loss(found: Mapping[str, Tensor], truth: Mapping[str, Tensor]) -> Tensor:
    """Eq. 3: for each layer of C channels, the L1 norm of the difference of Gram matrices / (C H W), over C².

    Args:
        found: layer name -> (B, C, H, W), features of the masked answer.
        truth: the same of the masked truth.
    """
    total = torch.zeros(())
    for name, features in found.items():
        channels, height, width = features.shape[1:]
        difference = (gram(features) - gram(truth[name])) / (channels * height * width)
        total = total.to(features) + difference.abs().sum((1, 2)).mean() / channels**2
    return total


def perceptual_loss(found: Mapping[str, Tensor], truth: Mapping[str, Tensor]) -> Tensor:
    """Mean absolute difference of features (Johnson et al. 2016), summed over layers."""
    return torch.stack([F.l1_loss(features, truth[name]) for name, features in found.items()]).sum()


def total_variation(image: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference of neighbours of which one is in the mask, both directions.

    Args:
        image: (B, C, H, W).
        mask: (B, 1, H, W) of 0 and 1.
    """
    beside = mask[..., 1:].maximum(mask[..., :-1])
    below = mask[..., 1:, :].maximum(mask[..., :-1, :])
    across = (image[..., 1:] - image[..., :-1]).abs().mean(1, keepdim=True) * beside
    down = (image[..., 1:, :] - image[..., :-1, :]).abs().mean(1, keepdim=True) * below
    return across.sum() / beside.sum().clamp_min(1) + down.sum() / below.sum().clamp_min(1)


def adversarial_loss(judged: Tensor) -> Tensor:
    """Least-squares loss of the generator: mean (D(found) - 1)² over patches."""
    return (judged - 1).square().mean()


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Least-squares loss of the discriminator: half of mean (D(real) - 1)² + mean D(found)²."""
    return 0.5 * ((real - 1).square().mean() + fake.square().mean())


def synthesis_loss(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Eq. 4: the weighted sum of the terms; a term without a weight counts once."""
    return torch.stack([weights.get(name, 1.0) * term for name, term in terms.items()]).sum()
