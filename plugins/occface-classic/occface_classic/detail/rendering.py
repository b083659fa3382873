"""What the base shape looks like at each pixel: normals, albedo, and where bare skin is."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from occface_core.geometry.normals import facing, to_viewer, unit, vertex_normals
from occface_core.geometry.rasterise import interpolate, rasterise
from occface_core.types import FaceShape

_NOT_SKIN = ("eyes", "eyeballs", "brows", "lips", "mouth", "ears", "interior", "scalp", "neck")


@attrs.define(frozen=True, kw_only=True, eq=False)
class BaseRendering:
    """The base shape drawn into the crop.

    Attributes:
        normals: (B, 3, S, S) unit normals in viewer axes, 0 off the face.
        albedo: (B, 3, S, S) RGB.
        skin: (B, 1, S, S) in [0, 1], where the model has bare skin that faces the camera.
        face: (B, 1, S, S) 1 where there is any surface of the model's face.
        pitch: (B, 1, S, S) mm of the surface's plane a pixel, 0 off the face.
    """

    normals: Tensor
    albedo: Tensor
    skin: Tensor
    face: Tensor
    pitch: Tensor


def render_base(shape: FaceShape, size: int) -> BaseRendering:
    """Draw the base shape at `size` pixels.

    Args:
        shape: with pose and albedo coefficients.
        size: side of the crop, pixels.
    """
    model, device = shape.model, shape.vertices.device
    triangles = model.tensor("triangles", device)
    camera = shape.camera_vertices()
    normals = vertex_normals(camera, triangles, weld=model.tensor("weld", device))
    face = torch.as_tensor(model.region("face"), device=device)
    skin = face.clone()
    for name in _NOT_SKIN:
        if name in model.regions:
            skin &= ~torch.as_tensor(model.regions[name], device=device)
    colours = model.albedo_colours(shape.coefficients["albedo"].contiguous()).clamp(0.02, 1)
    turned = facing(camera, normals)
    # skin fades out towards the outline, where a pixel spans much surface
    trust = skin * ((turned - 0.2) / 0.3).clamp(0, 1)
    whole = face[None, :, None].expand(len(shape), -1, 1).float()
    matrix = shape.scaled_intrinsics(size)
    fragments = rasterise(camera, matrix, triangles, size, size)
    values = interpolate(
        fragments, triangles, torch.cat((to_viewer(normals), colours, trust[..., None], whole), -1)
    )
    depth = torch.nan_to_num(fragments.depth, nan=0.0)[:, None]
    return BaseRendering(
        normals=unit(values[:, :3].permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
        albedo=values[:, 3:6],
        skin=values[:, 6:7],
        face=(values[:, 7:8] > 0.5).float(),
        pitch=depth / matrix[:, :1, :1, None],
    )
