"""The base surface as the bump network sees it: normals, depth and face region at every pixel."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor
from torch.nn import functional as F

from occface_core.facemodel import FaceModel
from occface_core.geometry.camera import to_camera
from occface_core.geometry.normals import to_viewer, vertex_normals
from occface_core.geometry.rasterise import interpolate, rasterise


@attrs.define(frozen=True, kw_only=True, eq=False)
class BaseSurface:
    """The base surface drawn into the crop.

    Attributes:
        normals: (B, 3, H, W) unit normals in viewer axes, 0 where there is no surface.
        depth: (B, 1, H, W) mm along z, nan where there is no surface.
        face: (B, 1, H, W) 1 on the model's face, 0 elsewhere.
    """

    normals: Tensor
    depth: Tensor
    face: Tensor


def draw_base(
    model: FaceModel,
    vertices: Tensor,
    rotation: Tensor,
    translation: Tensor,
    intrinsics: Tensor,
    size: int,
    *,
    normals: Tensor | None = None,
) -> BaseSurface:
    """Draw the base surface.

    Args:
        model: whose mesh it is.
        vertices: (B, V, 3) mm in the model's frame.
        rotation: (B, 3, 3).
        translation: (B, 3) mm.
        intrinsics: (B, 3, 3) of the crop at `size`.
        size: side of the crop, px.
        normals: (B, V, 3) of the vertices in camera axes, where they are known already.
    """
    device = vertices.device
    triangles = model.tensor("triangles", device)
    camera = to_camera(vertices, rotation, translation)
    if normals is None:
        normals = vertex_normals(camera, triangles, weld=model.tensor("weld", device))
    face = torch.as_tensor(model.region("face"), device=device, dtype=vertices.dtype)
    fragments = rasterise(camera, intrinsics, triangles, size, size)
    spread = torch.cat((to_viewer(normals), face[None, :, None].expand(len(vertices), -1, 1)), -1)
    values = interpolate(fragments, triangles, spread)
    return BaseSurface(
        normals=F.normalize(values[:, :3], dim=1),
        depth=fragments.depth[:, None],
        face=(values[:, 3:] > 0.5).to(vertices.dtype),
    )
