"""From shape to surface: depth maps, meshes of depth maps, and meshes displaced by a bump map."""

from __future__ import annotations

import torch
from torch import Tensor

from occface_core.errors import RecordError
from occface_core.geometry.camera import pixel_grid, project, to_face, unproject
from occface_core.geometry.mesh import Mesh
from occface_core.geometry.normals import vertex_normals
from occface_core.geometry.rasterise import rasterise
from occface_core.geometry.resample import sample_pixels
from occface_core.geometry.visibility import visible_vertices


def depth_map(vertices: Tensor, triangles: Tensor, intrinsics: Tensor, size: int = 256) -> Tensor:
    """Return (B, 1, size, size) mm along z of a mesh in camera space, nan where there is no surface."""
    return rasterise(vertices, intrinsics, triangles, size, size).depth[:, None]


def displace(
    vertices: Tensor,
    triangles: Tensor,
    bump: Tensor,
    intrinsics: Tensor,
    *,
    weights: Tensor | None = None,
    weld: Tensor | None = None,
) -> Tensor:
    """Move vertices along the line of sight by the height that a bump map gives them (paper eq. 7).

    Args:
        vertices: (B, V, 3) mm in camera space.
        triangles: (T, 3) int64.
        bump: (B, 1, S, S) mm, positive towards the camera.
        intrinsics: camera matrix of `bump`, (B, 3, 3) or (3, 3).
        weights: (B, V) in [0, 1] share of the displacement; if None, 1 for visible vertices and 0 for others.
        weld: (V,) int64 the first vertex at the same place.

    Returns:
        (B, V, 3) mm in camera space.
    """
    height, width = bump.shape[-2:]
    if weights is None:
        visible = visible_vertices(vertices, triangles, intrinsics, height, width, weld=weld)
        weights = visible.to(vertices.dtype)
    place = torch.nan_to_num(project(vertices, intrinsics))
    raised = sample_pixels(bump.to(vertices), place[:, :, None])[:, 0, :, 0] * weights
    distance: Tensor = vertices.norm(dim=-1).clamp_min(1e-6)
    return vertices * (1 - raised / distance)[..., None]


def depth_mesh(
    depth: Tensor,
    intrinsics: Tensor,
    rotation: Tensor,
    translation: Tensor,
    *,
    colours: Tensor | None = None,
    max_jump: float = 10.0,
) -> Mesh:
    """Return the mesh of one depth map: two triangles for every four neighbouring pixels.

    Args:
        depth: (1, 1, H, W) mm along z, nan where there is no surface.
        intrinsics: camera matrix (1, 3, 3) or (3, 3).
        rotation: (1, 3, 3) pose of the face, to bring the mesh into the face's frame.
        translation: (1, 3) mm.
        colours: (1, 3, H, W) RGB in [0, 1].
        max_jump: triangles are left out where depth changes by more than this, mm.

    Raises:
        RecordError: `depth` is not one depth map.
    """
    if depth.ndim != 4 or depth.shape[:2] != (1, 1):
        raise RecordError(f"depth_mesh: depth must have shape (1, 1, H, W), got {tuple(depth.shape)}")
    height, width = depth.shape[-2:]
    flat = depth.reshape(-1)
    points = unproject(pixel_grid(height, width, depth)[None], flat[None], intrinsics.to(depth))
    number = torch.arange(height * width, device=depth.device).reshape(height, width)
    a, b = number[:-1, :-1].reshape(-1), number[:-1, 1:].reshape(-1)
    c, d = number[1:, :-1].reshape(-1), number[1:, 1:].reshape(-1)
    # counter-clockwise for the viewer, who sees rows run downwards
    triangles = torch.cat((torch.stack((a, c, b), -1), torch.stack((b, c, d), -1)))
    corner = flat[triangles]
    triangles = triangles[corner.amax(1) - corner.amin(1) <= max_jump]  # false for nan as well
    used, triangles = torch.unique(triangles, return_inverse=True)
    vertices = to_face(points, rotation, translation)[:, used]
    return Mesh(
        vertices=vertices[0],
        triangles=triangles,
        normals=vertex_normals(vertices, triangles)[0],
        colours=None if colours is None else colours.reshape(3, -1).T[used],
    )
