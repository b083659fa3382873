"""The perspective camera (MATHS section 4): intrinsics, rotations, projection and its inverse."""

from __future__ import annotations

import torch
from torch import Tensor

from occface_core.errors import RecordError

FOCAL_224 = 1015.0
"""Focal length in pixels of a crop of 224 pixels; it grows in proportion to the crop."""

NOMINAL_DISTANCE = 1000.0
"""Distance in mm at which the mean face fills the crop as the alignment wants it."""


def intrinsics(size: int = 256, *, device: torch.device | str | None = None) -> Tensor:
    """Return the camera matrix K (3, 3) of a square crop, its axis through the middle of the picture.

    Args:
        size: crop size in pixels.
        device: where the result lies.
    """
    focal, centre = FOCAL_224 * size / 224, (size - 1) / 2
    return torch.tensor([[focal, 0, centre], [0, focal, centre], [0, 0, 1]], device=device)


def scale_intrinsics(matrix: Tensor, scale: float) -> Tensor:
    """Return the camera matrix (..., 3, 3) of the same view drawn `scale` times as large.

    Pixel (0, 0) is the centre of the top-left pixel in both pictures, hence the shift by half a pixel.
    """
    shift = (scale - 1) / 2
    resize = torch.tensor([[scale, 0, shift], [0, scale, shift], [0, 0, 1]])
    return resize.to(matrix) @ matrix


def frontal_rotation(like: Tensor) -> Tensor:
    """Return diag(1, -1, -1), the rotation (3, 3) of an upright face that looks into the camera."""
    return torch.diag(torch.tensor([1.0, -1.0, -1.0])).to(like)


def rotation_from_angles(angles: Tensor) -> Tensor:
    """Return the rotations of Euler angles.

    Args:
        angles: (..., 3) radians: pitch (about x), yaw (about y), roll (about z), in the face's axes.

    Returns:
        (..., 3, 3): diag(1, -1, -1) @ Rz(roll) @ Ry(yaw) @ Rx(pitch), so that zeros are a frontal face.
    """
    (sp, sy, sr), (cp, cy, cr) = angles.sin().unbind(-1), angles.cos().unbind(-1)
    rows = (
        torch.stack((cr * cy, cr * sy * sp - sr * cp, cr * sy * cp + sr * sp), -1),
        -torch.stack((sr * cy, sr * sy * sp + cr * cp, sr * sy * cp - cr * sp), -1),
        -torch.stack((-sy, cy * sp, cy * cp), -1),
    )
    return torch.stack(rows, -2)


def angles_from_rotation(rotation: Tensor) -> Tensor:
    """Return (..., 3) pitch, yaw, roll of rotations (..., 3, 3); inverse of `rotation_from_angles`.

    Yaw comes back in [-π/2, π/2]. At exactly ±π/2, where pitch and roll turn about the same axis, the whole
    turn is given as pitch and roll is 0.
    """
    r = frontal_rotation(rotation) @ rotation
    cos_yaw = torch.hypot(r[..., 0, 0], r[..., 1, 0])
    locked = cos_yaw < 16 * torch.finfo(rotation.dtype).eps
    pitch = torch.where(
        locked, torch.atan2(-r[..., 1, 2], r[..., 1, 1]), torch.atan2(r[..., 2, 1], r[..., 2, 2])
    )
    yaw = torch.atan2(-r[..., 2, 0], cos_yaw)
    roll = torch.where(locked, torch.zeros_like(yaw), torch.atan2(r[..., 1, 0], r[..., 0, 0]))
    return torch.stack((pitch, yaw, roll), -1)


def to_camera(vertices: Tensor, rotation: Tensor, translation: Tensor) -> Tensor:
    """Move points from the face's frame to the camera's.

    Args:
        vertices: (B, N, 3) mm.
        rotation: (B, 3, 3).
        translation: (B, 3) mm.

    Returns:
        (B, N, 3) mm: vertices · rotationᵀ + translation.
    """
    return vertices @ rotation.transpose(-1, -2) + translation[..., None, :]


def to_face(points: Tensor, rotation: Tensor, translation: Tensor) -> Tensor:
    """Move points (B, N, 3) mm from the camera's frame to the face's; inverse of `to_camera`."""
    return (points - translation[..., None, :]) @ rotation


def project(points: Tensor, matrix: Tensor) -> Tensor:
    """Project camera points to pixels.

    Args:
        points: (B, N, 3) mm in camera space.
        matrix: camera matrix, (B, 3, 3) or (3, 3).

    Returns:
        (B, N, 2) pixels, x right and y down. Points on or behind the camera's plane have no picture: nan.

    Raises:
        RecordError: the last dimension of `points` is not 3.
    """
    if points.shape[-1] != 3:
        raise RecordError(f"project: points must have shape (B, N, 3), got {tuple(points.shape)}")
    homogeneous = points @ matrix.transpose(-1, -2)
    depth = homogeneous[..., 2:]
    return homogeneous[..., :2] / torch.where(depth > 0, depth, torch.nan)


def rays(pixels: Tensor, matrix: Tensor) -> Tensor:
    """Return the line of sight through pixels (B, N, 2) as (B, N, 3) with z = 1, in camera space."""
    homogeneous = torch.cat((pixels, torch.ones_like(pixels[..., :1])), -1)
    inverse: Tensor = torch.linalg.inv(matrix)
    return homogeneous @ inverse.transpose(-1, -2)


def unproject(pixels: Tensor, depth: Tensor, matrix: Tensor) -> Tensor:
    """Return the camera points seen at pixels; inverse of `project`.

    Args:
        pixels: (B, N, 2) pixels.
        depth: (B, N) mm along z.
        matrix: camera matrix, (B, 3, 3) or (3, 3).

    Returns:
        (B, N, 3) mm.
    """
    return rays(pixels, matrix) * depth[..., None]


def pixel_grid(height: int, width: int, like: Tensor) -> Tensor:
    """Return (height * width, 2) pixel centres (x, y) row by row, with the dtype and device of `like`."""
    y, x = torch.meshgrid(
        torch.arange(height, dtype=like.dtype, device=like.device),
        torch.arange(width, dtype=like.dtype, device=like.device),
        indexing="ij",
    )
    return torch.stack((x, y), -1).reshape(-1, 2)
