"""What is known about many figures: landmarks, outline, what is hidden, depth, normals, bumps."""

from __future__ import annotations

import torch
from torch import Tensor

from occface_core.geometry.fragments import Fragments
from occface_core.synthetic import shading
from occface_core.synthetic.batched.camera import project
from occface_core.synthetic.batched.constants import Constants
from occface_core.synthetic.batched.figure import Bodies
from occface_core.synthetic.batched.shade import look_up, spread


def landmarks(body: Bodies, fixed: Constants) -> Tensor:
    """Return (B, 68, 2) float64 pixels of the model's landmark vertices."""
    return _project(body.vertices[:, fixed.landmarks], body)


def outline(points: Tensor, body: Bodies, fixed: Constants) -> Tensor:
    """Return landmarks (B, 68, 2) with the jaw's moved to the outermost of their candidates."""
    if fixed.contour is None:
        return points
    batch = len(points)
    places = _project(body.vertices[:, fixed.contour.reshape(-1)], body).reshape(batch, 17, -1, 2)
    chin = points[:, 8] - points[:, 27]
    down = chin / (chin.norm(dim=-1, keepdim=True) + 1e-9)
    normal = torch.stack((-down[:, 1], down[:, 0]), -1)
    right = body.rotation[:, :2, 0]
    number = torch.arange(17, device=points.device)
    sign = torch.where(number > 8, 1.0, -1.0).to(points)
    agrees = (normal * right).sum(-1, keepdim=True) * sign >= 0
    side = torch.where(agrees[..., None], 1.0, -1.0).to(points) * normal[:, None]
    low = ((number >= 6) & (number <= 10))[None, :, None]
    side = torch.where(low, down[:, None], side)
    best = (places * side[:, :, None]).sum(-1).argmax(-1)
    moved = places.gather(2, best[..., None, None].expand(-1, -1, 1, 2))[:, :, 0]
    return torch.cat((moved, points[:, 17:]), 1)


def seen(
    points: Tensor, body: Bodies, fixed: Constants, depth: Tensor, finer: int, tolerance: float = 4.0
) -> Tensor:
    """Return (B, 68) bool: no other surface lies more than `tolerance` mm before the landmark.

    Args:
        points: (B, 68, 2) pixels of the picture.
        body: figures.
        fixed: of the model.
        depth: (B, H, W) mm of the fine drawing.
        finer: how many times as fine it is as the picture.
        tolerance: mm.
    """
    size = depth.shape[-1]
    moved = body.camera(body.vertices[:, fixed.landmarks])
    pixel = ((points + 0.5) * finer - 0.5).round().long()
    farthest = torch.zeros_like(moved[..., 2])
    flat = torch.nan_to_num(depth, nan=torch.inf).flatten(1).double()
    for dy in range(-finer, finer + 1):
        for dx in range(-finer, finer + 1):
            x, y = pixel[..., 0] + dx, pixel[..., 1] + dy
            inside = (x >= 0) & (y >= 0) & (x < size) & (y < size)
            here = flat.gather(1, y.clamp(0, size - 1) * size + x.clamp(0, size - 1))
            farthest = torch.maximum(farthest, torch.where(inside, here, torch.inf))
    return moved[..., 2] <= farthest + tolerance


def visible(points: Tensor, seen: Tensor, alpha: Tensor, hidden: float) -> Tensor:
    """Return (B, 68) float32, 1 where a landmark can be seen in the photo whose occluders are alpha (B, H, W)."""
    height, width = alpha.shape[1:]
    x, y = points.unbind(-1)
    inside = (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)
    left, top = x.floor(), y.floor()
    total = torch.zeros_like(x)
    flat = alpha.flatten(1).to(x.dtype)
    for dy in (0, 1):
        for dx in (0, 1):
            weight = (1 - (x - left - dx).abs()) * (1 - (y - top - dy).abs())
            row, column = (top + dy).clamp(0, height - 1).long(), (left + dx).clamp(0, width - 1).long()
            total = total + weight * flat.gather(1, row * width + column)
    return (inside & seen & (total < hidden)).float()


def surface_truth(
    fragments: Fragments, body: Bodies, fixed: Constants, heights: Tensor
) -> tuple[Tensor, Tensor]:
    """Return unit normals (B, 3, S, S) in viewer axes, and bumps (B, S, S) mm, of the bare model; 0 beside it."""
    count = len(fixed.mean)
    uv = fixed.table[:, [shading.U, shading.V]].expand(len(body.vertices), count, 2)
    each = spread(fragments, fixed.triangles, torch.cat((body.viewer(body.normals), uv), -1))
    normal = each[..., :3] / (each[..., :3].norm(dim=-1, keepdim=True) + 1e-9)
    normal = torch.where(fragments.mask[..., None], normal, 0).permute(0, 3, 1, 2).contiguous()
    return normal, look_up(heights, each[..., 3], each[..., 4], fragments.mask)


def _project(points: Tensor, body: Bodies) -> Tensor:
    return project(points.double(), body.rotation, body.translation, body.intrinsics)
