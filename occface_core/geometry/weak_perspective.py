"""Fit scale, rotation and offset of known 3D points to their 2D pictures, forgiving some wrong points."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

TOLERANCE_MM = 4.0
"""Distance up to which a point counts fully; beyond it its pull stays constant (Huber's rule)."""

ITERATIONS = 12


@attrs.define(frozen=True, kw_only=True, eq=False)
class WeakPerspective:
    """A scaled orthographic view: pixel = scale · (rotation · point)[x, y] + offset.

    Attributes:
        scale: (B,) pixels per mm.
        rotation: (B, 3, 3), from the face's frame to the camera's axes.
        offset: (B, 2) pixels of the origin.
    """

    scale: Tensor
    rotation: Tensor
    offset: Tensor


def fit_weak_perspective(points: Tensor, reference: Tensor, weights: Tensor) -> WeakPerspective:
    """Fit scaled orthographic views by damped Gauss-Newton steps with Huber weights.

    Starts from the scaled rotation nearest to the affine fit.

    Args:
        points: (B, N, 2) pixels.
        reference: (N, 3) mm.
        weights: (B, N) trust in each point, at least 0.
    """
    scale, rotation, offset = _affine_start(points, reference, weights)
    for _ in range(ITERATIONS):
        turned = (rotation[:, None] * reference[:, None]).sum(-1)
        planar = scale[:, None, None] * turned[..., :2]
        residual = points - planar - offset[:, None]
        limit = TOLERANCE_MM * scale[:, None]
        pull = weights * (limit / residual.norm(dim=-1).clamp_min(1e-12)).clamp_max(1)
        x, y, z = (scale[:, None, None] * turned).unbind(-1)
        none, one = torch.zeros_like(x), torch.ones_like(x)
        # columns: a small turn about x, y, z, relative growth, shift right, shift down
        jacobian = torch.stack(
            (
                torch.stack((none, z, -y, x, one, none), -1),
                torch.stack((-z, none, x, y, none, one), -1),
            ),
            -2,
        )
        weighted = jacobian * pull[..., None, None]
        # sums of products: at this size a matrix product costs more in starting threads than in work
        normal = (weighted[..., :, None] * jacobian[..., None, :]).sum((1, 2))
        gradient = (weighted * residual[..., None]).sum((1, 2))
        damping = torch.diag_embed(normal.diagonal(dim1=-2, dim2=-1) * 1e-3 + 1e-9)
        step = torch.linalg.solve(normal + damping, gradient)
        rotation = _turn(step[:, :3].clamp(-0.5, 0.5)) @ rotation
        scale = scale * step[:, 3].clamp(-0.5, 0.5).exp()
        offset = offset + step[:, 4:]
    return WeakPerspective(scale=scale, rotation=rotation, offset=offset)


def _affine_start(points: Tensor, reference: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return scale (B,), rotation (B, 3, 3) and offset (B, 2) from the weighted affine fit."""
    share = weights / weights.sum(1, keepdim=True).clamp_min(1e-12)
    centre = share @ reference
    middle = (share[..., None] * points).sum(1)
    shape = reference - centre[:, None]
    spread = (share[..., None, None] * shape[..., :, None] * shape[..., None, :]).sum(1)
    spread = (
        spread
        + torch.eye(3).to(spread) * (1e-6 * spread.diagonal(dim1=1, dim2=2).sum(-1) + 1e-12)[:, None, None]
    )
    moment = (share[..., None, None] * shape[..., :, None] * (points - middle[:, None])[..., None, :]).sum(1)
    affine = torch.linalg.solve(spread, moment).transpose(1, 2)
    left, values, right = torch.linalg.svd(affine, full_matrices=False)
    rows = left @ right
    rotation = torch.cat((rows, torch.linalg.cross(rows[:, 0], rows[:, 1])[:, None]), 1)
    scale = values.mean(-1).clamp_min(1e-6)
    offset = middle - scale[:, None] * (rows @ centre[..., None])[..., 0]
    return scale, rotation, offset


def _turn(vector: Tensor) -> Tensor:
    """Return the rotations (B, 3, 3) about vectors (B, 3) by their length (Rodrigues)."""
    x, y, z = vector.unbind(-1)
    none = torch.zeros_like(x)
    skew = torch.stack((none, -z, y, z, none, -x, -y, x, none), -1).reshape(-1, 3, 3)
    angle = vector.norm(dim=-1)[:, None, None]
    first = torch.sinc(angle / torch.pi)
    second = torch.sinc(angle / (2 * torch.pi)).square() / 2
    return torch.eye(3).to(skew) + first * skew + second * (skew @ skew)
