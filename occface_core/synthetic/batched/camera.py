"""Cameras of many faces at once: what `render` does for one face, in tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from occface_core.geometry.align import crop_to_photo
from occface_core.geometry.camera import FOCAL_224, rotation_from_angles


def cameras(
    landmarks: Tensor, angles: Tensor, distance: Tensor, zoom: Tensor, shift: Tensor, size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return rotation (B, 3, 3), translation (B, 3) mm and intrinsics (B, 3, 3), float64.

    Args:
        landmarks: (B, 68, 3) float64 mm in the face's frame.
        angles: (B, 3) pitch, yaw, roll, radians; the roll turns the crop.
        distance: (B,) mm.
        zoom: (B,) factor by which the crop's scale strays.
        shift: (B, 2) share of the size by which the crop strays.
        size: side of the picture in pixels.
    """
    focal = FOCAL_224 * size / 224 * distance / 1000
    middle = (size - 1) / 2
    zero, one = torch.zeros_like(focal), torch.ones_like(focal)
    matrix = torch.stack(
        (focal, zero, zero + middle, zero, focal, zero + middle, zero, zero, one), -1
    ).reshape(-1, 3, 3)
    upright = torch.stack((angles[:, 0], angles[:, 1], zero), -1)
    rotation = rotation_from_angles(upright)
    first = torch.stack((zero, zero, distance), -1)
    crop = crop_to_photo(project(landmarks, rotation, first, matrix), size)
    scale = torch.hypot(crop[:, 0, 0], crop[:, 1, 0])
    turn = -torch.atan2(crop[:, 1, 0], crop[:, 0, 0]) + angles[:, 2]
    spin = torch.zeros_like(rotation)
    spin[:, 0, 0] = spin[:, 1, 1] = turn.cos()
    spin[:, 1, 0], spin[:, 0, 1], spin[:, 2, 2] = turn.sin(), -turn.sin(), one
    depth = distance * scale / zoom
    centre = matrix.new_tensor([middle, middle])
    away = centre - (crop[:, :2, :2] @ centre) - crop[:, :2, 2]
    place = (zoom / scale)[:, None] * (spin[:, :2, :2] @ away[..., None])[..., 0] + shift * size
    translation = torch.cat((place * (depth / focal)[:, None], depth[:, None]), 1)
    return spin @ rotation, translation, matrix


def project(points: Tensor, rotation: Tensor, translation: Tensor, matrix: Tensor) -> Tensor:
    """Return (B, N, 2) pixels of points (B, N, 3) mm in the faces' frames."""
    flat = (points @ rotation.mT + translation[:, None]) @ matrix.mT
    return flat[..., :2] / flat[..., 2:]
