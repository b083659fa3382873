"""Two meshes for other programs: one whose expressions can be moved, and one without the photo's light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
import torch
from torch import Tensor

from occface_core.errors import RecordError
from occface_core.geometry.illumination import light
from occface_core.geometry.normals import to_viewer, vertex_normals
from occface_core.geometry.rasterise import interpolate
from occface_core.geometry.texture import fill_outside, texel_fragments
from occface_core.reconstruction import build_mesh

if TYPE_CHECKING:
    from occface_core.geometry.mesh import Mesh
    from occface_core.types import FaceBatch, FaceShape

DARKEST = 0.12
"""Least light that a colour is divided by: what is darker shows the model's own colour."""


def expression_mesh(faces: FaceBatch, base: Mesh | None = None) -> Mesh:
    """Return the base mesh of one face at rest, with every expression of the face model as a morph target.

    Targets have the expressions' names (ARKit's with the embedded model). Their weights, when the file is opened,
    are those of the photo's expression, so that the face looks as it does there.

    Args:
        faces: a batch of one face with a shape.
        base: its base mesh, if it is made already.

    Raises:
        RecordError: not exactly one face, or it has no shape.
    """
    shape = _shape_of(faces, "expression_mesh")
    mesh = build_mesh(faces, detailed=False) if base is None else base
    model = shape.model
    weights = shape.coefficients["expression"][0].detach().cpu().double().numpy()
    moved = np.einsum("e,evc->vc", weights, model.expression[: len(weights)].astype(np.float64))
    names = model.expression_names
    return attrs.evolve(
        mesh,
        vertices=(mesh.vertices - moved).astype(np.float32),
        normals=None,
        morph_targets=dict(zip(names, model.expression, strict=True)),
        morph_weights={name: float(weight) for name, weight in zip(names, weights, strict=False)},
    )


def albedo_mesh(faces: FaceBatch, base: Mesh | None = None) -> Mesh:
    """Return the base mesh of one face with the light taken out of its texture.

    Args:
        faces: a batch of one face with a shape.
        base: its base mesh, if it is made already.

    Raises:
        RecordError: not exactly one face, or it has no shape.
    """
    shape = _shape_of(faces, "albedo_mesh")
    mesh = build_mesh(faces, detailed=False) if base is None else base
    assert mesh.texture is not None
    with torch.inference_mode():
        painted = torch.from_numpy(mesh.texture.copy()).permute(2, 0, 1)[None].float() / 255
        found = without_light(painted, shape)
    return attrs.evolve(mesh, texture=found[0].permute(1, 2, 0))


def without_light(texture: Tensor, shape: FaceShape) -> Tensor:
    """Return the albedo of painted textures: C / Σ (γ_b + l_b) Y_b(n), by the estimated light (MATHS section 4).

    Where next to no light falls, nothing can be divided by: there the model's own albedo shows through. Shadows
    that the harmonics do not know, highlights and folds stay.

    Args:
        texture: (B, 3, N, N) RGB in [0, 1], the top row first.
        shape: the faces, with their light.

    Returns:
        (B, 3, N, N) in [0, 1].
    """
    model, size = shape.model, int(texture.shape[-1])
    triangles = model.tensor("triangles", texture.device)
    camera = shape.camera_vertices().to(texture)
    normals = to_viewer(vertex_normals(camera, triangles, weld=model.tensor("weld", texture.device)))
    lit = light(normals, shape.coefficients["illumination"].to(texture))
    own = model.albedo_colours(shape.coefficients["albedo"].to(texture))
    texels = texel_fragments(model.tensor("uv", texture.device), triangles, size)
    found = []
    for i in range(len(texture)):
        maps = interpolate(texels, triangles, torch.cat((lit[i], own[i]), -1)[None])
        share = ((maps[:, :3] - DARKEST) / DARKEST).clamp(0, 1)
        plain = texture[i : i + 1] / maps[:, :3].clamp_min(DARKEST)
        one = (share * plain + (1 - share) * maps[:, 3:]).clamp(0, 1)
        found.append(fill_outside(torch.nan_to_num(one), texels.mask[:, None]))
    return torch.cat(found)


def _shape_of(faces: FaceBatch, asked: str) -> FaceShape:
    if len(faces) != 1:
        raise RecordError(f"{asked} takes one face, got {len(faces)}; take one with faces[i]")
    if faces.shape is None:
        raise RecordError(f"{asked} needs a shape; run the shape_regressor stage first")
    return faces.shape
