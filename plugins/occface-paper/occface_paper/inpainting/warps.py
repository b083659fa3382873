"""Smooth maps between a face, its mirror image and the mean face, from the 68 landmarks alone.

All positions are in crop units: x and y run from 0 to 1 between the outer edges of the crop, whatever its size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from occface_paper.landmarks.symmetry import MIRROR_68

#: Nodes along a side at which splines are evaluated; they are smooth, so the rest is interpolated.
NODES = 32
#: How far the spline may miss single landmarks, in the units of the system below.
SMOOTHING = 0.02
#: Crop units are scaled so that a face has about unit spread.
_SPREAD = 4.0


def to_units(points: Tensor, size: int) -> Tensor:
    """Points (B, 68, 2) in pixels of a crop of `size` -> crop units; what is not finite goes to the middle."""
    return ((points.float() + 0.5) / size).nan_to_num(0.5, 0.5, 0.5).clamp(-1, 2)


def grid(size: int, like: Tensor) -> Tensor:
    """(size, size, 2) crop units of the pixel centres."""
    axis = (torch.arange(size, device=like.device, dtype=like.dtype) + 0.5) / size
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack((x, y), -1)


def _kernel(at: Tensor, knots: Tensor) -> Tensor:
    """(B, M, N) r² log r² between positions (B, M, 2) and knots (B, N, 2)."""
    squared = (at[:, :, None] - knots[:, None]).square().sum(-1)
    return squared * squared.clamp_min(1e-9).log()


def spline(source: Tensor, target: Tensor, at: Tensor, smoothing: float = SMOOTHING) -> Tensor:
    """Thin-plate spline that takes source points to targets (Bookstein 1989), smoothed.

    Args:
        source: (B, N, 2) crop units.
        target: (B, N, D) any values.
        at: (M, 2) crop units, where the spline is evaluated.
        smoothing: 0 passes through all targets.

    Returns:
        (B, M, D).
    """
    count = source.shape[1]
    knots = (source - 0.5) * _SPREAD
    # points that coincide would make the system singular
    jitter = torch.linspace(0, 997, 2 * count, device=source.device).sin().reshape(1, count, 2)
    knots = (knots + 1e-4 * jitter).double()
    affine = torch.cat((torch.ones_like(knots[..., :1]), knots), -1)
    eye = torch.eye(count, dtype=knots.dtype, device=knots.device)
    top = torch.cat((_kernel(knots, knots) + smoothing * eye, affine), -1)
    corner = -1e-9 * torch.eye(3, dtype=knots.dtype, device=knots.device).expand(len(knots), 3, 3)
    system = torch.cat((top, torch.cat((affine.mT, corner), -1)), 1)
    right = torch.cat((target.double(), torch.zeros_like(target[:, :3]).double()), 1)
    weights = torch.linalg.solve(system, right).float()
    place = ((at - 0.5) * _SPREAD).expand(len(knots), -1, -1)
    knots = knots.float()
    return (
        _kernel(place, knots) @ weights[:, :count]
        + weights[:, count : count + 1]
        + place @ weights[:, count + 1 :]
    )


def face_maps(points: Tensor, mean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The three maps of a face.

    Args:
        points: (B, 68, 2) crop units.
        mean: (68, 2) crop units, the mean face.

    Returns:
        Three (B, 2, NODES, NODES) in crop units: for each place of the crop its mirror image on the face, for
        each place of the crop its place on the mean face, for each place of the mean face its place in the crop.
    """
    batch = len(points)
    mean = mean.expand(batch, -1, -1)
    at = grid(NODES, points).reshape(-1, 2)
    both = spline(points, torch.cat((points[:, list(MIRROR_68)], mean), -1), at)
    back = spline(mean, points, at)
    shape = (batch, NODES, NODES, 2)
    mirrored, to_mean, from_mean = (
        m.reshape(shape).permute(0, 3, 1, 2) for m in (both[..., :2], both[..., 2:], back)
    )
    return mirrored.clamp(-1, 2), to_mean.clamp(-1, 2), from_mean.clamp(-1, 2)


def pulled(values: Tensor, places: Tensor, size: int, outside: str = "zeros") -> Tensor:
    """Look values (B, C, H, W) up at places (B, 2, n, n) in crop units, giving (B, C, size, size)."""
    dense = F.interpolate(places, size=(size, size), mode="bilinear", align_corners=False)
    return F.grid_sample(
        values,
        (2 * dense - 1).permute(0, 2, 3, 1),
        mode="bilinear",
        padding_mode=outside,
        align_corners=False,
    )


def spread(values: Tensor, weight: Tensor, levels: int = 6) -> Tensor:
    """Continue values smoothly to where nothing is known, coarse to fine (push and pull).

    Args:
        values: (B, C, S, S).
        weight: (B, 1, S, S) in [0, 1], how far each value is known.
        levels: halvings of the size.

    Returns:
        (B, C, S, S); the values themselves where the weight is 1.
    """
    pyramid = [(values * weight, weight)]
    for _ in range(levels):
        if min(pyramid[-1][0].shape[-2:]) < 2:
            break
        pyramid.append(tuple(F.avg_pool2d(x, 2, ceil_mode=True) for x in pyramid[-1]))  # type: ignore[arg-type]
    total, known = pyramid[-1]
    result = total.mean((2, 3), keepdim=True) / known.mean((2, 3), keepdim=True).clamp_min(1e-4)
    result = result.expand_as(total)
    for total, known in reversed(pyramid):
        if result.shape[-1] != total.shape[-1]:
            result = F.interpolate(result, size=total.shape[-2:], mode="bilinear", align_corners=False)
        result = total + (1 - known) * result
    return result
