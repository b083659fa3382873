"""The detailed surface against the true one: the angle between their normals."""

from __future__ import annotations

import torch

from occface_core.ablation.metrics.crop import TruthInCrop
from occface_core.geometry.normals import depth_normals
from occface_core.types import FaceDetail

LEAST = 64
"""Fewer pixels than this make no figure."""


def detail_figures(truth: TruthInCrop, detail: FaceDetail) -> dict[str, float]:
    """Return the mean angle, degrees, over the true face; visible and hidden apart.

    Pixels where the estimate has no surface are left out.

    Args:
        truth: normals, face region and hole in crop pixels.
        detail: one face.
    """
    if truth.normals is None:
        return {}
    size = truth.normals.shape[-1]
    depth = detail.depth(size)
    found = depth_normals(depth, detail.shape.scaled_intrinsics(size))[0].cpu()
    both = truth.region & (found.norm(dim=0) > 0.5) & (truth.normals.norm(dim=0) > 0.5)
    angle = torch.rad2deg(torch.acos((found * truth.normals).sum(0).clamp(-1, 1)))
    regions = {"normal_deg": both}
    if truth.hidden is not None:
        regions |= {"normal_deg_visible": both & ~truth.hidden, "normal_deg_hidden": both & truth.hidden}
    return {name: float(angle[mask].mean()) for name, mask in regions.items() if int(mask.sum()) >= LEAST}
