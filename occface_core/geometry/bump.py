"""Bump maps: displacement along the line of sight, and its encoding (paper eq. 7)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from occface_core.errors import RecordError
from occface_core.geometry.camera import pixel_grid, rays

MIDDLE = 127.0
"""Level of the encoding that stands for no displacement."""

LEVELS_PER_MM = 12 / 1.25
"""9.6 levels a mm: a level is 0.104 mm."""


def encode(bump: Tensor) -> Tensor:
    """Return Φ = φ(δ) = clip(127 + 9.6 δ, 0, 255) of displacements in mm, not rounded (eq. 7)."""
    return (MIDDLE + LEVELS_PER_MM * bump).clamp(0, 255)


def decode(encoded: Tensor) -> Tensor:
    """Return φ⁻¹(Φ) = (Φ - 127) / 9.6, mm; inverse of `encode` between -13.2 and 13.3 mm."""
    return (encoded - MIDDLE) / LEVELS_PER_MM


def ray_lengths(intrinsics: Tensor, height: int, width: int) -> Tensor:
    """Return (B, 1, height, width) mm along the line of sight that go with 1 mm of depth."""
    directions = rays(pixel_grid(height, width, intrinsics), intrinsics)
    lengths: Tensor = directions.norm(dim=-1)
    return lengths.reshape(-1, 1, height, width)


def resize_bump(bump: Tensor, height: int, width: int) -> Tensor:
    """Return a bump map (B, 1, S, S) drawn at another size; heights in mm stay."""
    if tuple(bump.shape[-2:]) == (height, width):
        return bump
    return F.interpolate(bump, (height, width), mode="bilinear", align_corners=False, antialias=True)


def detailed_depth(depth: Tensor, bump: Tensor, intrinsics: Tensor) -> Tensor:
    """Return d', the depth of the surface that the bump map makes of the base surface d.

    Args:
        depth: (B, 1, H, W) mm along z of the base surface, nan where there is none.
        bump: (B, 1, S, S) mm along the line of sight, positive towards the camera; resized to `depth`.
        intrinsics: camera matrix of `depth`, (B, 3, 3) or (3, 3).

    Returns:
        (B, 1, H, W) mm along z, nan where there is no surface.
    """
    _check_map("detailed_depth: depth", depth)
    height, width = depth.shape[-2:]
    return depth - resize_bump(bump, height, width) / ray_lengths(intrinsics.to(depth), height, width)


def bump_from_depths(base: Tensor, detailed: Tensor, intrinsics: Tensor) -> Tensor:
    """Return the bump map (B, 1, H, W) mm between two depth maps, 0 where one of them has no surface.

    Inverse of `detailed_depth`.
    """
    _check_map("bump_from_depths: base", base)
    if base.shape != detailed.shape:
        raise RecordError(
            f"bump_from_depths: detailed must have the shape of base {tuple(base.shape)}, "
            f"got {tuple(detailed.shape)}"
        )
    bump = (base - detailed) * ray_lengths(intrinsics.to(base), *base.shape[-2:])
    return torch.where(torch.isfinite(bump), bump, 0)


def _check_map(name: str, depth: Tensor) -> None:
    if depth.ndim != 4 or depth.shape[1] != 1:
        raise RecordError(f"{name} must have shape (B, 1, H, W), got {tuple(depth.shape)}")
