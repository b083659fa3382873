"""Inputs for any stage, drawn from the embedded face model: no files, the same every time."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import attrs
import torch
from torch import Tensor

from occface_core.batching import map_tensors
from occface_core.types import FaceBatch, FaceShape, Landmarks, Matte

if TYPE_CHECKING:
    from occface_core.stages import Stage


def arguments(stage: type[Stage] | Stage, faces: FaceBatch) -> list[object]:
    """Return what `stage.run` takes, from a batch that has every field."""
    return [getattr(faces, field) for field in stage.consumes]


def everyday(kind: str, device: str = "cpu") -> FaceBatch | Tensor:
    """Return everyday input of a stage: a photo with a face, or two faces."""
    return photo(240, 320, device) if kind == "landmark_detector" else faces(2, device=device)


def faces(count: int = 3, size: int = 256, device: str = "cpu") -> FaceBatch:
    """Return `count` different faces: turned, lit and hidden differently, on a ramp of colours.

    All fields but `detail` are set; the matte is exact, and so are `clean`, `shape` and the landmarks.
    Each call returns tensors of its own.
    """
    batch: FaceBatch = map_tensors(lambda one: one[0].clone(), [_faces(count, size)])
    return batch.to(device)


def photo(height: int, width: int, device: str = "cpu") -> Tensor:
    """Return (1, 3, height, width): one face in the middle, as large as fits."""
    crop = _faces(1, 256).clean
    assert crop is not None
    side = min(height, width)
    small = torch.nn.functional.interpolate(crop, (side, side), mode="bilinear", antialias=True)
    picture = _ramp(1, height, width)
    top, left = (height - side) // 2, (width - side) // 2
    picture[..., top : top + side, left : left + side] = small
    return picture.clamp(0, 1).to(device)


def blank(height: int, width: int, device: str = "cpu") -> Tensor:
    """Return (1, 3, height, width): a photo without a face."""
    return torch.full((1, 3, height, width), 0.5, device=device)


def hidden(batch: FaceBatch, where: Literal["nowhere", "face", "everywhere"]) -> FaceBatch:
    """Return the batch with nothing, the face region or every pixel hidden; `image` agrees."""
    assert batch.matte is not None and batch.clean is not None
    face = batch.matte.face
    if where == "everywhere":
        face = torch.ones_like(face)
    alpha = torch.zeros_like(face) if where == "nowhere" else (face > 0).to(face)
    image = batch.clean * (1 - alpha) + 0.9 * alpha
    return attrs.evolve(batch, matte=Matte(alpha=alpha, face=face), image=image)


@lru_cache(maxsize=8)
def _faces(count: int, size: int) -> FaceBatch:
    # inference_mode: what a stage gets from the pipeline are inference tensors too.
    with torch.inference_mode():
        shape = _shapes(count, size)
        clean, region = _draw(shape, size)
        alpha = _squares(count, size) * region
        stripes = 0.5 + 0.4 * torch.sin(torch.arange(size) * 40.0 / size).expand(count, 3, size, size)
        return FaceBatch(
            image=clean * (1 - alpha) + stripes * alpha,
            crop_to_photo=torch.eye(3).repeat(count, 1, 1),
            landmarks=Landmarks(points=shape.landmarks()),
            matte=Matte(alpha=alpha, face=region),
            clean=clean,
            shape=shape,
            photo_size=(size, size),
        )


def _shapes(count: int, size: int) -> FaceShape:
    from occface_core.facemodel import FaceModel
    from occface_core.geometry.camera import intrinsics, rotation_from_angles

    model = FaceModel.embedded()
    place = torch.arange(count, dtype=torch.float32)
    identity = torch.sin(place[:, None] + torch.arange(len(model.identity)))
    expression = torch.zeros(count, len(model.expression))
    light = torch.zeros(count, 3, 9)
    light[:, :, 3] = 0.2 * torch.cos(place)[:, None]
    angles = torch.stack((0.1 * torch.sin(place), 0.3 * torch.cos(2 * place), 0.05 * torch.sin(3 * place)), 1)
    return FaceShape(
        vertices=model.vertices(identity, expression),
        coefficients={
            "identity": identity,
            "expression": expression,
            "albedo": torch.zeros(count, len(model.albedo)),
            "illumination": light.reshape(count, 27),
        },
        rotation=rotation_from_angles(angles),
        translation=torch.tensor([0.0, 0.0, 1000.0]).repeat(count, 1),
        intrinsics=intrinsics(size).to(torch.float32).reshape(1, 3, 3).repeat(count, 1, 1),
        model=model,
        size=size,
    )


def _draw(shape: FaceShape, size: int) -> tuple[Tensor, Tensor]:
    """Return pictures (B, 3, S, S) of the shapes, and where the face region is (B, 1, S, S)."""
    from occface_core.face_region import face_region
    from occface_core.geometry.illumination import shade
    from occface_core.geometry.normals import vertex_normals
    from occface_core.geometry.rasterise import interpolate, rasterise

    model, count = shape.model, len(shape)
    triangles = model.tensor("triangles")
    normals = vertex_normals(shape.vertices, triangles)
    turned = normals @ shape.rotation.transpose(1, 2) * torch.tensor([1.0, -1.0, -1.0])
    albedo = model.tensor("albedo_mean").expand(count, -1, -1)
    colours = shade(albedo, turned, shape.coefficients["illumination"])
    fragments = rasterise(shape.camera_vertices(), shape.intrinsics, triangles, size, size)
    drawn = interpolate(fragments, triangles, colours)
    covered = (fragments.triangle >= 0)[:, None]
    picture = torch.where(covered, drawn, _ramp(count, size, size)).clamp(0, 1)
    return picture, face_region(shape.landmarks(), size)


def _ramp(count: int, height: int, width: int) -> Tensor:
    """Return (count, 3, height, width): colours that change slowly and differ from picture to picture."""
    y = torch.linspace(0, 1, height)[:, None].expand(height, width)
    x = torch.linspace(0, 1, width)[None].expand(height, width)
    shift = [0.15 * math.sin(i) for i in range(count)]
    return torch.stack([torch.stack((0.2 + 0.5 * x, 0.5 + s + 0 * x, 0.3 + 0.4 * y)) for s in shift])


def _squares(count: int, size: int) -> Tensor:
    """Return (count, 1, size, size): a soft-edged square in a different place each time."""
    alpha = torch.zeros(count, 1, size, size)
    side = size // 5
    for i in range(count):
        top, left = int(size * (0.35 + 0.1 * (i % 3))), int(size * (0.3 + 0.12 * (i % 4)))
        alpha[i, :, top : top + side, left : left + side] = 1
    return torch.nn.functional.avg_pool2d(alpha, 3, stride=1, padding=1)
