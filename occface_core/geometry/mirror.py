"""Where the mirror image of what a pixel shows lies in the picture, and whether the camera sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from occface_core.geometry.rasterise import interpolate, rasterise
from occface_core.geometry.visibility import visible_vertices

if TYPE_CHECKING:
    from occface_core.types import FaceShape


def mirror_places(shape: FaceShape, size: int) -> tuple[Tensor, Tensor]:
    """Return where the mirror image of each pixel's surface point lies in the crop, and whether it is in sight.

    Args:
        shape: B faces of a model with a mirror map.
        size: side of the crop, px.

    Returns:
        (B, size, size, 2) px, and (B, 1, size, size) in [0, 1]; both 0 where a pixel sees no surface.
    """
    model, device = shape.model, shape.vertices.device
    triangles, twin, weld = (model.tensor(name, device) for name in ("triangles", "mirror", "weld"))
    camera, matrix = shape.camera_vertices(), shape.scaled_intrinsics(size)
    sight = visible_vertices(camera, triangles, matrix, size, size, weld=weld)[:, twin, None].to(camera)
    place = (torch.nan_to_num(shape.project()) + 0.5) * (size / shape.size) - 0.5
    fragments = rasterise(camera, matrix, triangles, size, size)
    values = interpolate(fragments, triangles, torch.cat((place[:, twin], sight), -1))
    return values[:, :2].permute(0, 2, 3, 1), values[:, 2:]
