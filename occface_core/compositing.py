"""How an answer for the hidden part of a picture goes back into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

REPLACED = 0.05
"""A pixel whose alpha reaches this is replaced altogether."""


def composite(image: Tensor, answer: Tensor, alpha: Tensor) -> Tensor:
    """Return the image where alpha is 0, bit for bit, and the answer where it is `REPLACED` and more.

    Pixels that are covered in part hold the occluder's colour too: mixed in by their alpha, it would stay as a rim.

    Args:
        image: (B, 3, S, S) in [0, 1].
        answer: (B, 3, S, S).
        alpha: (B, 1, S, S) in [0, 1].
    """
    import torch

    weight = (alpha / REPLACED).clamp(0, 1).to(image)
    mixed = (image + weight * (answer.to(image) - image)).clamp(0, 1)
    return torch.where(alpha > 0, mixed, image)
