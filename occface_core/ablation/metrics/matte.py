"""The matte against the true one, inside the true face."""

from __future__ import annotations

from torch import Tensor

from occface_core.ablation.metrics.crop import TruthInCrop

LEAST = 64
"""Fewer hidden pixels of a crop than this are no occlusion that could be found."""


def matte_figures(truth: TruthInCrop, alpha: Tensor) -> dict[str, float]:
    """Return IoU and F1, percent, of alpha (S, S) > 0.5; for a bare face the share that is marked wrongly."""
    if truth.hidden is None or not bool(truth.region.any()):
        return {}
    found = (alpha > 0.5) & truth.region
    both, marked, hidden = (int(mask.sum()) for mask in (found & truth.hidden, found, truth.hidden))
    if hidden < LEAST:
        return {"bare_marked": 100 * marked / int(truth.region.sum())} if hidden == 0 else {}
    return {"matte_iou": 100 * both / (marked + hidden - both), "matte_f1": 200 * both / (marked + hidden)}
