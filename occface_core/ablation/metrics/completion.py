"""The completed face against the unoccluded one, inside the true hole."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from occface_core.ablation.metrics.crop import TruthInCrop
from occface_core.ablation.metrics.lpips import Lpips
from occface_core.ablation.metrics.matte import LEAST

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def completion_figures(truth: TruthInCrop, clean: Tensor, lpips: Lpips | None = None) -> dict[str, float]:
    """Return PSNR and SSIM of a completed face (3, S, S) over the pixels that the occluder hid.

    The hole is the true one: an occluder that the matte missed and that was left in place counts as an error.

    Args:
        truth: unoccluded face and hole.
        clean: completed face, RGB in [0, 1].
        lpips: perceptual distance of the whole crop with everything but the hole from the truth; None without.
    """
    if truth.clean is None or truth.hidden is None or int(truth.hidden.sum()) < LEAST:
        return {}
    square = float(((clean - truth.clean) ** 2)[:, truth.hidden].mean())
    figures = {
        "hole_psnr": -10 * float(torch.log10(torch.tensor(max(square, 1e-6)))),
        "hole_ssim": float(ssim_map(_grey(clean), _grey(truth.clean))[truth.hidden].mean()),
    }
    if lpips is not None:
        pasted = torch.where(truth.hidden, clean, truth.clean)
        figures["hole_lpips"] = lpips(pasted, truth.clean)
    return figures


def ssim_map(a: Tensor, b: Tensor) -> Tensor:
    """Return the structural similarity (S, S) of two pictures (S, S) in [0, 1] (Wang et al. 2004, σ = 1.5)."""
    at = torch.arange(_WINDOW, dtype=a.dtype) - _WINDOW // 2
    line = torch.exp(-(at**2) / (2 * _SIGMA**2))
    line = line / line.sum()

    def blur(pictures: Tensor) -> Tensor:
        half = _WINDOW // 2
        padded = F.pad(pictures[:, None], (half, half, half, half), mode="replicate")
        return F.conv2d(F.conv2d(padded, line.reshape(1, 1, 1, -1)), line.reshape(1, 1, -1, 1))[:, 0]

    mean_a, mean_b, aa, bb, ab = blur(torch.stack((a, b, a * a, b * b, a * b)))
    top = (2 * mean_a * mean_b + _C1) * (2 * (ab - mean_a * mean_b) + _C2)
    spread = (aa - mean_a**2) + (bb - mean_b**2)
    similarity: Tensor = top / ((mean_a**2 + mean_b**2 + _C1) * (spread + _C2))
    return similarity


def _grey(picture: Tensor) -> Tensor:
    """Return the luma (S, S) of RGB (3, S, S), ITU-R BT.601."""
    return torch.einsum("c,cyx->yx", picture.new_tensor([0.299, 0.587, 0.114]), picture)
