"""Two more meshes of a detailed face: a light one that carries its folds as a picture, and the dense depth grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import torch

from occface_core.errors import RecordError
from occface_core.geometry.detail_maps import displacement_map, encode_normals, normal_map
from occface_core.geometry.surface import depth_mesh
from occface_core.reconstruction import build_mesh

if TYPE_CHECKING:
    from occface_core.geometry.mesh import Mesh
    from occface_core.types import FaceBatch, FaceDetail


def light_mesh(faces: FaceBatch, base: Mesh | None = None, *, size: int = 512) -> Mesh:
    """Return the base mesh of one face with its detail as a normal texture, which .glb files hold.

    Args:
        faces: a batch of one face with a detail.
        base: its base mesh, if it is made already.
        size: side of the normal texture in texels.

    Raises:
        RecordError: not exactly one face, or it has no detail.
    """
    detail = _detail_of(faces, "light_mesh")
    with torch.inference_mode():
        levels = encode_normals(normal_map(detail.shape, displacement_map(detail, size)))
    mesh = build_mesh(faces, detailed=False) if base is None else base
    return attrs.evolve(mesh, normal_texture=levels[0].permute(1, 2, 0).contiguous())


def grid_mesh(faces: FaceBatch, *, size: int = 256) -> Mesh:
    """Return the detailed surface of one face as a grid of `size` pixels, painted with the completed face.

    It has what the camera sees, finer than the face model's mesh, and nothing else.

    Args:
        faces: a batch of one face with a detail.
        size: side of the grid in pixels.

    Raises:
        RecordError: not exactly one face, or it has no detail.
    """
    detail = _detail_of(faces, "grid_mesh")
    shape = detail.shape
    picture = faces.image if faces.clean is None else faces.clean
    with torch.inference_mode():
        colours = torch.nn.functional.interpolate(
            picture, (size, size), mode="bilinear", align_corners=False, antialias=True
        )
        return depth_mesh(
            detail.depth(size),
            shape.scaled_intrinsics(size),
            shape.rotation,
            shape.translation,
            colours=colours,
        )


def _detail_of(faces: FaceBatch, asked: str) -> FaceDetail:
    if len(faces) != 1:
        raise RecordError(f"{asked} takes one face, got {len(faces)}; take one with faces[i]")
    if faces.detail is None:
        raise RecordError(f"{asked} needs a detail; run the detail_recoverer stage first")
    return faces.detail
