"""Pictures of a mesh from a side: clay, or with its texture. For people, not for measuring."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from occface_core.geometry.camera import rotation_from_angles
from occface_core.geometry.normals import unit, vertex_normals
from occface_core.geometry.rasterise import Fragments, interpolate, rasterise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occface_core.geometry.mesh import Mesh

Surface = Literal["clay", "texture", "colours"]

SIDES = {"from the left": 40.0, "from the front": 0.0, "from the right": -40.0}
"""Where the viewer stands → yaw of the head, degrees."""

_DISTANCE = 1500.0
_CENTRE, _REACH = (0.0, 4.0, -40.0), 148.0
# Every face is framed alike, about the middle of its landmarks, so that pictures can be compared.
_BACKGROUND = (0.97, 0.97, 0.97)
_CLAY = (0.74, 0.74, 0.76)
# Direction to each light (viewer axes: y up, z to the viewer) and its strength.
_LIGHTS = (((-0.5, 0.6, 0.65), 0.70), ((0.8, 0.1, 0.5), 0.22), ((0.0, -0.5, 0.6), 0.10))
_AMBIENT = 0.16


def render(
    mesh: Mesh, *, yaw: float = 0.0, pitch: float = 0.0, size: int = 256, surface: Surface = "clay"
) -> NDArray[np.uint8]:
    """Draw a mesh on a light ground.

    Args:
        mesh: vertices in mm in the face model's frame.
        yaw: degrees by which the head turns; positive turns it to the viewer's right.
        pitch: degrees by which the head nods; positive looks down.
        size: side of the picture, pixels.
        surface: "clay" shades plain grey; "texture" shows the texture without light; "colours" shades the
            vertex colours.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    double = 2 * size
    vertices = torch.from_numpy(mesh.vertices)[None]
    triangles = torch.from_numpy(mesh.triangles)
    centre = torch.tensor(_CENTRE)
    rotation = rotation_from_angles(torch.tensor([[math.radians(pitch), math.radians(yaw), 0.0]]))
    camera = (vertices - centre) @ rotation.transpose(1, 2) + torch.tensor([0.0, 0.0, _DISTANCE])
    focal = double / 2 * _DISTANCE / _REACH
    middle = (double - 1) / 2
    matrix = torch.tensor([[focal, 0.0, middle], [0.0, focal, middle], [0.0, 0.0, 1.0]])
    fragments = rasterise(camera, matrix, triangles, double, double)
    colours = _surface_colours(mesh, fragments, triangles, surface)
    if surface != "texture":
        colours = colours * _light(_normals(mesh, vertices, triangles), rotation, fragments, triangles)
    return _finish(colours, fragments.triangle >= 0)


def _surface_colours(mesh: Mesh, fragments: Fragments, triangles: Tensor, surface: Surface) -> Tensor:
    """Return (1, 3, H, W) colours without light."""
    if surface == "texture" and mesh.texture is not None and mesh.uv is not None:
        return sample_texture(mesh, fragments, triangles)
    if surface in ("colours", "texture") and mesh.colours is not None:
        return interpolate(fragments, triangles, torch.from_numpy(mesh.colours)[None])
    clay = torch.tensor(_CLAY).reshape(1, 3, 1, 1)
    return clay.expand(1, 3, *fragments.triangle.shape[1:])


def sample_texture(mesh: Mesh, fragments: Fragments, triangles: Tensor) -> Tensor:
    """Return (1, 3, H, W) in [0, 1]: the texture at every pixel that sees the mesh, bilinear."""
    if mesh.uv is None or mesh.texture is None:
        raise ValueError("the mesh has no texture")
    uv = torch.from_numpy(mesh.uv)
    if uv.ndim == 3:
        corners = uv[fragments.triangle[0].clamp_min(0)]
        place = (corners * fragments.barycentric[0][..., None]).sum(-2)[None]
    else:
        place = interpolate(fragments, triangles, uv[None]).permute(0, 2, 3, 1)
    grid = torch.stack((place[..., 0] * 2 - 1, 1 - place[..., 1] * 2), -1)
    texture = torch.from_numpy(mesh.texture.astype(np.float32) / 255).permute(2, 0, 1)[None]
    return F.grid_sample(texture, grid, align_corners=False, padding_mode="border")


def _normals(mesh: Mesh, vertices: Tensor, triangles: Tensor) -> Tensor:
    if mesh.normals is not None:
        return torch.from_numpy(mesh.normals)[None]
    return vertex_normals(vertices, triangles)


def _light(normals: Tensor, rotation: Tensor, fragments: Fragments, triangles: Tensor) -> Tensor:
    """Return (1, 1, H, W) light of three lamps and a little from everywhere."""
    turned = normals @ rotation.transpose(1, 2) * torch.tensor([1.0, -1.0, -1.0])
    pixel = interpolate(fragments, triangles, turned).permute(0, 2, 3, 1)
    pixel = pixel * (pixel * pixel).sum(-1, keepdim=True).clamp_min(1e-12).rsqrt()
    pixel = torch.where(pixel[..., 2:] < 0, -pixel, pixel)  # the inside of an open mesh is lit too
    light = torch.full(pixel.shape[:-1], _AMBIENT)
    for direction, strength in _LIGHTS:
        light = light + strength * (pixel @ unit(torch.tensor(direction))).clamp_min(0)
    return light[:, None]


def _finish(colours: Tensor, covered: Tensor) -> NDArray[np.uint8]:
    """Lay the picture over the ground and halve its size."""
    ground = torch.tensor(_BACKGROUND).reshape(1, 3, 1, 1)
    picture = torch.where(covered[:, None], colours.clamp(0, 1), ground)
    picture = F.avg_pool2d(picture, 2)
    return (picture[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
