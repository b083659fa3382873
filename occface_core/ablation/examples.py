"""Example faces: the steps of one reconstruction side by side, as one small picture."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from occface_core.ablation.metrics.crop import TruthInCrop
from occface_core.geometry.normals import depth_normals
from occface_core.results.writing import encode_picture, to_uint8, write_bytes
from occface_core.types import FaceBatch

SIDE = 128
"""Side of a tile, pixels."""

STEPS = ("photo", "matte", "completed", "shape", "detail")
"""What the tiles show."""

_LIGHT = (0.35, 0.45, 0.82)


def write_example(path: Path, face: FaceBatch, truth: TruthInCrop) -> None:
    """Write the five steps of one face; the border of the true hole is drawn on the matte."""
    photo = face.image[0].cpu()
    tiles = [photo, photo, photo * 0, photo * 0, photo * 0]
    if face.matte is not None:
        alpha = face.matte.alpha[0].cpu()
        tiles[1] = (
            photo * (1 - 0.75 * alpha) + photo.new_tensor([0.86, 0.2, 0.18])[:, None, None] * 0.75 * alpha
        )
        if truth.hidden is not None:
            tiles[1] = torch.where(
                _border(truth.hidden), photo.new_tensor([1.0, 0.9, 0.1])[:, None, None], tiles[1]
            )
    if face.clean is not None:
        tiles[2] = face.clean[0].cpu()
    if face.shape is not None:
        tiles[3] = _shaded(face.shape.depth(photo.shape[-1]), face.shape.intrinsics, photo)
    if face.detail is not None:
        tiles[4] = _shaded(face.detail.depth(photo.shape[-1]), face.detail.shape.intrinsics, photo)
    strip = F.interpolate(torch.stack(tiles), (SIDE, SIDE), mode="area").permute(2, 0, 3, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = to_uint8(strip.reshape(SIDE, len(tiles) * SIDE, 3).numpy())
    write_bytes(path, encode_picture(pixels, "JPEG", quality=84))


def _border(mask: Tensor) -> Tensor:
    inner = -F.max_pool2d(-mask[None, None].float(), 5, 1, 2)[0, 0]
    return mask & (inner < 0.5)


def _shaded(depth: Tensor, intrinsics: Tensor, photo: Tensor) -> Tensor:
    """Return a depth map (1, 1, S, S) as grey clay before the darkened photo (3, S, S)."""
    normals = depth_normals(depth, intrinsics)[0].cpu()
    light = F.normalize(normals.new_tensor(_LIGHT), dim=0)
    clay = 0.18 + 0.75 * torch.einsum("cyx,c->yx", normals, light).clamp_min(0)
    there = normals.norm(dim=0) > 0.5
    return torch.where(there, clay.expand(3, -1, -1), 0.25 * photo)
