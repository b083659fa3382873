"""Detail laid out in the texture: displacement along the normal, and a tangent-space normal map.

With the normal map a renderer shows the folds of the detailed surface on the light base mesh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from occface_core.geometry.camera import project
from occface_core.geometry.normals import unit, vertex_normals
from occface_core.geometry.rasterise import interpolate
from occface_core.geometry.resample import sample_pixels
from occface_core.geometry.texture import repeated, texel_fragments
from occface_core.geometry.visibility import seen_weights

if TYPE_CHECKING:
    from occface_core.types import FaceDetail, FaceShape

STEEPEST = 1.5
"""Slope beyond which a normal map is cut, lest single texels glitter."""


def displacement_map(detail: FaceDetail, size: int = 512) -> Tensor:
    """Return how far the detailed surface lies in front of the base, along the base's normals.

    The bump map moves points along the line of sight; on a surface that is seen at an angle the same
    movement along the normal is less by the cosine of that angle. Unseen surface is not moved.

    Args:
        detail: bump map and base shape of B faces.
        size: side of the maps in texels.

    Returns:
        (B, 1, size, size) mm, outwards positive, the top row first; 0 outside the texture's charts.
    """
    shape = detail.shape
    model, device = shape.model, shape.vertices.device
    triangles, weld = model.tensor("triangles", device), model.tensor("weld", device)
    camera = shape.camera_vertices()
    normals = vertex_normals(camera, triangles, weld=weld)
    weights = seen_weights(camera, triangles, shape.intrinsics, shape.size, shape.size, weld=weld)
    layers = torch.cat((camera, normals, weights[..., None]), -1)
    place, normal, weight = torch.split(_spread(shape, layers, size), [3, 3, 1], -1)
    pixels = torch.nan_to_num(project(place, shape.scaled_intrinsics(int(detail.bump.shape[-1]))))
    bump = sample_pixels(detail.bump.to(camera), pixels[:, :, None])[:, 0]
    cosine = -(unit(place) * unit(normal)).sum(-1, keepdim=True).clamp(-1, 0)
    moved: Tensor = (bump * weight * cosine).reshape(len(shape), 1, size, size)
    return moved


def normal_map(shape: FaceShape, displacement: Tensor) -> Tensor:
    """Return the normals of the displaced surface in the tangent frame of the base surface.

    x runs along the texture's u, y along its v (upwards in the picture), z along the base's normal, as glTF
    wants it.

    Args:
        shape: base shape of B faces.
        displacement: (B, 1, N, N) mm along the normals, as `displacement_map` gives it.

    Returns:
        (B, 3, N, N) unit vectors; (0, 0, 1) where nothing is displaced and outside the charts.
    """
    size = int(displacement.shape[-1])
    model, device = shape.model, shape.vertices.device
    triangles, weld = model.tensor("triangles", device), model.tensor("weld", device)
    normals = vertex_normals(shape.vertices, triangles, weld=weld)
    inside = texel_fragments(model.tensor("uv", device), triangles, size).mask[:, None]
    spread = _spread(shape, torch.cat((shape.vertices, normals), -1), size)
    parts = torch.split(spread, [3, 3], -1)
    place, normal = (x.transpose(1, 2).reshape(len(shape), 3, size, size) for x in parts)
    normal = F.normalize(normal, dim=1)
    (place_u, place_v), (height_u, height_v) = _slopes(place, inside), _slopes(displacement, inside)
    place_u, place_v = (p - (p * normal).sum(1, keepdim=True) * normal for p in (place_u, place_v))
    # the gradient on the surface, from its products with both tangents
    uu, vv, uv = (
        (a * b).sum(1, keepdim=True) for a, b in ((place_u,) * 2, (place_v,) * 2, (place_u, place_v))
    )
    area = (uu * vv - uv * uv).clamp_min(1e-9)
    gradient = ((vv * height_u - uv * height_v) * place_u + (uu * height_v - uv * height_u) * place_v) / area
    length = gradient.norm(dim=1, keepdim=True)
    gradient = gradient * (STEEPEST / length.clamp_min(STEEPEST))
    along = F.normalize(place_u, dim=1)
    across = torch.linalg.cross(normal, along, dim=1)
    across = across * torch.sign((across * place_v).sum(1, keepdim=True))
    x, y = (-(gradient * axis).sum(1, keepdim=True) for axis in (along, across))
    flat = displacement.new_tensor([0.0, 0.0, 1.0])[:, None, None]
    return torch.where(inside, F.normalize(torch.cat((x, y, torch.ones_like(x)), 1), dim=1), flat)


def encode_normals(normals: Tensor) -> Tensor:
    """Return a normal map (B, 3, N, N) as uint8 levels: -1 to 1 becomes 0 to 255."""
    return ((normals * 0.5 + 0.5) * 255).round().clamp(0, 255).to(torch.uint8)


def _spread(shape: FaceShape, layers: Tensor, size: int) -> Tensor:
    """Return values at vertices (B, V, C) at every texel: (B, size * size, C)."""
    triangles = shape.model.tensor("triangles", layers.device)
    texels = texel_fragments(shape.model.tensor("uv", layers.device), triangles, size)
    spread: Tensor = interpolate(repeated(texels, len(layers)), triangles, layers)
    return spread.flatten(2).transpose(1, 2)


def _slopes(values: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Return central differences a texel to the right and upwards, 0 where a neighbour is outside the charts."""
    right, up = torch.zeros_like(values), torch.zeros_like(values)
    right[..., 1:-1] = (values[..., 2:] - values[..., :-2]) / 2
    up[..., 1:-1, :] = (values[..., :-2, :] - values[..., 2:, :]) / 2
    known = inside.to(values)
    across, along = torch.zeros_like(known), torch.zeros_like(known)
    across[..., 1:-1] = known[..., 2:] * known[..., :-2]
    along[..., 1:-1, :] = known[..., :-2, :] * known[..., 2:, :]
    return right * across, up * along
