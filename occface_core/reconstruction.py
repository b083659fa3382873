"""One face's records → the mesh that a user takes away: base or detailed surface, painted.

The texture shows the photo where the camera saw skin, the completed face where an occluder was in front,
and elsewhere the mirrored side or the model's own colour (`geometry.texture`). The detailed mesh is the base
mesh, split to edges of about a millimetre where the camera sees it, curved as its normals say, and moved by the
bump map along the lines of sight (paper eq. 7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
import torch
from torch import Tensor

from occface_core.errors import RecordError
from occface_core.geometry.align import photo_cover
from occface_core.geometry.camera import to_camera, to_face
from occface_core.geometry.illumination import shade
from occface_core.geometry.mesh import Mesh
from occface_core.geometry.normals import to_viewer, unit, vertex_normals
from occface_core.geometry.subdivision import refine
from occface_core.geometry.surface import displace
from occface_core.geometry.texture import bake_texture
from occface_core.geometry.visibility import Sight, look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from occface_core.facemodel import FaceModel
    from occface_core.types import FaceBatch, FaceDetail, FaceShape

TEXTURE_SIZE = 512


def build_mesh(faces: FaceBatch, *, detailed: bool = True, texture: np.ndarray | None = None) -> Mesh:
    """Return the mesh of one face, painted.

    Args:
        faces: a batch of one face with a shape.
        detailed: move the surface by the bump map; without a detail the base shape is returned. The
            detailed mesh begins with the face model's vertices, in their order.
        texture: (N, N, 3) uint8 to be used instead of painting one.

    Raises:
        RecordError: not exactly one face, or it has no shape.
    """
    if len(faces) != 1:
        raise RecordError(f"build_mesh takes one face, got {len(faces)}; take one with faces[i]")
    if faces.shape is None:
        raise RecordError("FaceBatch.mesh needs a shape; run the shape_regressor stage first")
    with torch.inference_mode():
        sight = _sight(faces.shape)
        painted = _paint(faces, faces.shape, sight) if texture is None else texture
        if detailed and faces.detail is not None:
            return _detailed(faces.shape, faces.detail, painted, sight)
        return _base(faces.shape, painted)


def provenance_mesh(faces: FaceBatch, mesh: Mesh, colours: Sequence[tuple[float, float, float]]) -> Mesh:
    """Return the base mesh coloured by what each vertex rests on.

    Args:
        faces: a batch of one face whose detail knows its provenance.
        mesh: its base mesh.
        colours: RGB in [0, 1] of each kind, in the order of `PROVENANCE`.

    Raises:
        RecordError: the provenance is not known.
    """
    if faces.detail is None or faces.detail.provenance is None:
        raise RecordError("provenance_mesh needs a detail with provenance; run the whole pipeline first")
    codes = faces.detail.provenance[0].cpu().long()
    table = np.asarray(colours, dtype=np.float32)
    return attrs.evolve(mesh, uv=None, texture=None, colours=table[codes.numpy()])


def _base(shape: FaceShape, texture: np.ndarray) -> Mesh:
    model, device = shape.model, shape.vertices.device
    triangles = model.tensor("triangles", device)
    normals = vertex_normals(shape.vertices, triangles, weld=model.tensor("weld", device))
    return Mesh(
        vertices=shape.vertices[0], triangles=triangles, uv=model.uv, texture=texture, normals=normals[0]
    )


def _sight(shape: FaceShape) -> Sight:
    model, device = shape.model, shape.vertices.device
    triangles, weld = model.tensor("triangles", device), model.tensor("weld", device)
    return look(shape.camera_vertices(), triangles, shape.intrinsics, shape.size, shape.size, weld=weld)


def _detailed(shape: FaceShape, detail: FaceDetail, texture: np.ndarray, sight: Sight) -> Mesh:
    model, device = shape.model, shape.vertices.device
    triangles = model.tensor("triangles", device)
    weld = model.tensor("weld", device)
    camera = shape.camera_vertices()
    weights = sight.weights
    points, share, uv = camera, weights[..., None], model.tensor("uv", device)
    normals = vertex_normals(camera, triangles, weld=weld)
    for step in refine(camera[0], triangles, weights[0] > 0):
        points, normals = step.curve(points, normals)
        share, uv = step.spread(share), step.spread(uv)
        weld, triangles = step.spread_weld(weld), step.triangles
    raised = displace(
        points,
        triangles,
        detail.bump,
        shape.scaled_intrinsics(int(detail.bump.shape[-1])),
        weights=share[..., 0],
    )
    moved = to_face(raised, shape.rotation, shape.translation)
    # the base's own smooth normals, turned as the bump map turns the surface: no edge of a triangle shows
    turned = vertex_normals(raised, triangles, weld=weld) - vertex_normals(points, triangles, weld=weld)
    normals = unit(normals + turned) @ shape.rotation
    return Mesh(vertices=moved[0], triangles=triangles, uv=uv, texture=texture, normals=normals[0])


def _paint(faces: FaceBatch, shape: FaceShape, sight: Sight) -> np.ndarray:
    """Return the texture (N, N, 3) uint8 of one face."""
    model, device = shape.model, shape.vertices.device
    triangles = model.tensor("triangles", device)
    weld = model.tensor("weld", device)
    camera = to_camera(shape.vertices, shape.rotation, shape.translation)
    normals = to_viewer(vertex_normals(camera, triangles, weld=weld))
    albedo = model.albedo_colours(shape.coefficients["albedo"])
    prior = _in_light(model, albedo, normals, shape.coefficients["illumination"])
    size = int(faces.image.shape[-1])
    matte = None if faces.matte is None else _fitted(faces.matte.alpha, size)
    # What is completed already holds the photo where nothing hides it: mixing the two again by a soft matte
    # would bring back a rim of the occluder.
    covered = None
    if faces.photo_size is not None:
        covered = photo_cover(faces.crop_to_photo, faces.photo_size, size)
    painted = bake_texture(
        faces.image if faces.clean is None else faces.clean,
        camera,
        triangles,
        shape.scaled_intrinsics(size),
        model.tensor("uv", device),
        prior,
        clean=faces.clean,
        matte=matte,
        covered=covered,
        mirror=None if model.mirror is None else model.tensor("mirror", device),
        weld=weld,
        trust=_trust(model).to(device),
        inner=_inside_of_mouth(model).to(device),
        sight=sight if size == shape.size else None,
        size=TEXTURE_SIZE,
    )
    levels = (torch.nan_to_num(painted.picture[0]).clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(levels.permute(1, 2, 0).cpu().numpy())


def _in_light(model: FaceModel, albedo: Tensor, normals: Tensor, illumination: Tensor) -> Tensor:
    """Return (1, V, 3) in [0, 1]: the model's own colours in the light of the photo.

    The light's colour makes up for what albedo cannot say of the skin, and would paint teeth and eyes blue beside skin
    that is paler than the model's: these have its mean over the channels, and as much less colour as the skin has.
    """
    grey = illumination.reshape(-1, 3, 9).mean(1, keepdim=True).expand(-1, 3, -1).reshape(-1, 27)
    coloured, plain = (shade(albedo, normals, light) for light in (illumination, grey))
    skin = torch.from_numpy(model.regions["nose"]).to(albedo.device)
    colour, own = (_saturation(each[:, skin].mean(1)) for each in (coloured, albedo))
    share = (colour / own.clamp_min(1e-3)).clamp(0, 1)[:, None, None]
    level = plain.mean(-1, keepdim=True)
    inside = _inside_of_mouth(model) | torch.from_numpy(
        np.array(model.regions.get("eyeballs", np.zeros(len(model.mean), bool)))
    )
    faded = level + share * (plain - level)
    return torch.where(inside.to(albedo.device)[:, None], faded, coloured).clamp(0, 1)


def _saturation(colours: Tensor) -> Tensor:
    """Return (B,) in [0, 1] how far colours (B, 3) are from grey."""
    return 1 - colours.amin(-1).clamp_min(0) / colours.amax(-1).clamp_min(1e-6)


def _trust(model: FaceModel) -> Tensor:
    """Return (V,) 0 on ears and neck, which seldom lie where the photo's do (collars, hair), else 1."""
    loose = model.regions["ears"] | model.regions.get("neck", np.zeros(len(model.mean), bool))
    return torch.from_numpy(~loose).float()


def _inside_of_mouth(model: FaceModel) -> Tensor:
    """Return (V,) bool teeth, tongue and the mouth's cavity, where the model has them."""
    return torch.from_numpy(np.array(model.regions.get("interior", np.zeros(len(model.mean), bool))))


def _fitted(alpha: Tensor, size: int) -> Tensor:
    if alpha.shape[-1] == size:
        return alpha
    return torch.nn.functional.interpolate(alpha, (size, size), mode="bilinear", align_corners=False)
