"""Small pieces of every Gauss-Newton fit of a posed face: projection and its change, turns as vectors."""

from __future__ import annotations

import torch
from torch import Tensor

#: Landmarks of the jaw, the first ones.
JAW = 17
#: How much a jaw point's error along the outline counts beside that across it.
ALONG_JAW = 0.15


def projection(position: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return pixels (..., 2) of camera points (..., 3) mm, and their change (..., 2, 3) in pixels per mm."""
    depth = position[..., 2].clamp_min(1.0)
    pixel = position[..., :2] / depth[..., None] * matrix.diagonal()[:2] + matrix[:2, 2]
    none = torch.zeros_like(depth)
    across = torch.stack((matrix[0, 0] / depth, none, -matrix[0, 0] * position[..., 0] / depth**2), -1)
    down = torch.stack((none, matrix[1, 1] / depth, -matrix[1, 1] * position[..., 1] / depth**2), -1)
    return pixel, torch.stack((across, down), -2)


def cross_matrix(v: Tensor) -> Tensor:
    """Return (..., 3, 3) with [v]× w = v × w."""
    x, y, z = v.unbind(-1)
    none = torch.zeros_like(x)
    return torch.stack((none, -z, y, z, none, -x, -y, x, none), -1).reshape(*v.shape, 3)


def moved(rotation: Tensor, translation: Tensor, change: Tensor) -> tuple[Tensor, Tensor]:
    """Return pose after a step (B, 6 or more): a turn about the camera's axes, rad, and a shift, mm."""
    rotation = _rotation(change[:, :3].clamp(-0.4, 0.4)) @ rotation
    translation = translation + change[:, 3:6]
    return rotation, torch.cat((translation[:, :2], translation[:, 2:].clamp(200.0, 5000.0)), -1)


def turn_between(start: Tensor, end: Tensor) -> Tensor:
    """Return (B, 3) the turn, as axis times angle in rad, that takes rotations `start` to `end`; small ones."""
    change = end @ start.transpose(1, 2)
    skew = (change - change.transpose(1, 2)) / 2
    return torch.stack((skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]), -1)


def jaw_metric(points: Tensor) -> Tensor:
    """Return (B, 68, 2, 2): identity, but for jaw points one that counts little along the jaw."""
    metric = torch.eye(2).to(points).expand(len(points), 68, 2, 2).clone()
    jaw = points[:, :JAW]
    along = torch.cat((jaw[:, 1:2] - jaw[:, :1], jaw[:, 2:] - jaw[:, :-2], jaw[:, -1:] - jaw[:, -2:-1]), 1)
    along = along / along.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    outer = along[..., :, None] * along[..., None, :]
    metric[:, :JAW] = metric[:, :JAW] - (1 - ALONG_JAW) * outer
    return metric


def _rotation(vector: Tensor) -> Tensor:
    """Return the rotations (B, 3, 3) about vectors (B, 3), by their length in radians."""
    turned: Tensor = torch.linalg.matrix_exp(cross_matrix(vector))
    return turned
