"""Displacement and normal maps in the texture, against the displaced surface itself."""

from __future__ import annotations

import io
import json
import struct

import numpy as np
import pytest
import torch

from occface_core.detail_meshes import grid_mesh, light_mesh
from occface_core.errors import RecordError
from occface_core.geometry.detail_maps import displacement_map, encode_normals, normal_map
from occface_core.geometry.mesh import Mesh
from occface_core.geometry.normals import vertex_normals
from occface_core.geometry.rasterise import interpolate
from occface_core.geometry.surface import displace
from occface_core.geometry.texture import texel_fragments
from occface_core.geometry.visibility import seen_weights
from occface_core.testing import inputs
from occface_core.types import FaceBatch, FaceDetail

SIZE = 256


def folds() -> torch.Tensor:
    """Waves of 14 pixels and 1 mm, running down to the right."""
    y, x = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    return torch.sin((x + 0.6 * y) * 2 * np.pi / 14)[None, None]


@pytest.fixture(scope="module")
def faces() -> FaceBatch:
    import attrs

    batch = inputs.faces(1)
    assert batch.shape is not None
    return attrs.evolve(batch, detail=FaceDetail(bump=folds(), shape=batch.shape))


def test_displacement_is_the_bump_by_the_cosine_where_the_face_is_seen(faces: FaceBatch) -> None:
    found = displacement_map(faces.detail, SIZE)
    assert found.shape == (1, 1, SIZE, SIZE) and torch.isfinite(found).all()
    assert 0.6 < found.abs().max() <= 1.001
    flat = FaceDetail(bump=torch.full((1, 1, 256, 256), 2.0), shape=faces.shape)
    even = displacement_map(flat, SIZE)
    shape, model = faces.shape, faces.shape.model
    camera = shape.camera_vertices()
    normals = vertex_normals(camera, model.tensor("triangles"), weld=model.tensor("weld"))
    cosine = -(torch.nn.functional.normalize(camera, dim=-1) * normals).sum(-1)
    weights = seen_weights(
        camera, model.tensor("triangles"), shape.intrinsics, 256, 256, weld=model.tensor("weld")
    )
    expected = interpolate(
        texel_fragments(model.tensor("uv"), model.tensor("triangles"), SIZE),
        model.tensor("triangles"),
        (2 * cosine * weights)[..., None],
    )
    assert (even - expected).abs().mean() < 0.01
    assert (even == 0).float().mean() > 0.3  # the back of the head, and off the charts


def test_normals_are_those_of_the_displaced_surface(faces: FaceBatch) -> None:
    """Reference: the model's vertices moved by finite differences of the bump along the surface."""
    shape, model = faces.shape, faces.shape.model
    triangles, weld, uv = model.tensor("triangles"), model.tensor("weld"), model.tensor("uv")
    # a wide fold, which the model's own vertices can follow
    wide = FaceDetail(
        bump=torch.sin(torch.arange(256.0) / 9)[None, None, None].expand(1, 1, 256, 256), shape=shape
    )
    found = normal_map(shape, displacement_map(wide, SIZE))
    assert torch.allclose(found.norm(dim=1), torch.ones(1, SIZE, SIZE), atol=1e-4)
    camera = shape.camera_vertices()
    weights = seen_weights(camera, triangles, shape.intrinsics, 256, 256, weld=weld)
    moved = displace(camera, triangles, wide.bump, shape.intrinsics, weights=weights)
    moved = (moved - shape.translation[:, None]) @ shape.rotation
    true = vertex_normals(moved, triangles, weld=weld)
    base = vertex_normals(shape.vertices, triangles, weld=weld)
    texels = texel_fragments(uv, triangles, SIZE)
    # the model's tangents: how its surface runs with u, from the triangles themselves
    corner, flat = shape.vertices[0][triangles], uv[triangles]
    e1, e2 = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    d1, d2 = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    tangent = e1 * d2[:, 1:] - e2 * d1[:, 1:]
    tangent = tangent * torch.sign(d1[:, :1] * d2[:, 1:] - d1[:, 1:] * d2[:, :1])
    triangle = texels.triangle[0]
    t = tangent[triangle.clamp_min(0)].permute(2, 0, 1)[None]
    layers = interpolate(texels, triangles, torch.cat((true, base, weights[..., None]), -1))
    n_true, n_base, seen = layers[:, :3], layers[:, 3:6], layers[:, 6:]
    n_true, n_base = (torch.nn.functional.normalize(n, dim=1) for n in (n_true, n_base))
    t = torch.nn.functional.normalize(t - (t * n_base).sum(1, keepdim=True) * n_base, dim=1)
    b = torch.linalg.cross(n_base, t, dim=1)
    world = found[:, :1] * t + found[:, 1:2] * b + found[:, 2:] * n_base
    sure = (seen[:, 0] > 0.95) & (triangle[None] >= 0)
    error = torch.rad2deg(torch.acos((world * n_true).sum(1).clamp(-1, 1)))[sure]
    without = torch.rad2deg(torch.acos((n_base * n_true).sum(1).clamp(-1, 1)))[sure]
    assert without.mean() > 2.5
    assert error.mean() < 0.35 * without.mean()


def test_nothing_displaced_is_the_flat_normal(faces: FaceBatch) -> None:
    normals = normal_map(faces.shape, torch.zeros(1, 1, 64, 64))
    assert torch.equal(normals, torch.tensor([0.0, 0, 1])[None, :, None, None].expand(1, 3, 64, 64))
    assert encode_normals(normals)[0, :, 0, 0].tolist() == [128, 128, 255]


def test_light_mesh_carries_its_normal_texture_into_the_glb(faces: FaceBatch, tmp_path) -> None:
    mesh = light_mesh(faces, size=128)
    assert mesh.normal_texture is not None and mesh.normal_texture.shape == (128, 128, 3)
    assert len(mesh.vertices) == len(faces.shape.model.mean)
    data = mesh.export(tmp_path / "light.glb").read_bytes()
    length = struct.unpack("<I", data[12:16])[0]
    header = json.loads(io.BytesIO(data[20 : 20 + length]).read())
    assert "normalTexture" in header["materials"][0] and len(header["images"]) == 2
    assert len(data) < len(faces.mesh(0).export(tmp_path / "mesh.glb").read_bytes())


def test_grid_mesh_is_the_detailed_depth(faces: FaceBatch) -> None:
    mesh = grid_mesh(faces)
    assert mesh.colours is not None and len(mesh.vertices) > 15000
    shape = faces.shape
    camera = torch.as_tensor(mesh.vertices) @ shape.rotation[0].T + shape.translation[0]
    pixels = camera @ shape.intrinsics[0].T
    place = (pixels[:, :2] / pixels[:, 2:]).round().long()
    depth = faces.detail.depth(256)[0, 0]
    assert (depth[place[:, 1], place[:, 0]] - camera[:, 2]).abs().max() < 0.01


def test_both_want_one_face_with_a_detail() -> None:
    faces = inputs.faces(2)
    for make in (light_mesh, grid_mesh):
        with pytest.raises(RecordError, match="one face"):
            make(faces)
        with pytest.raises(RecordError, match="detail_recoverer"):
            make(faces[0])


def test_a_normal_texture_needs_places_in_it() -> None:
    corners = np.eye(3, dtype=np.float32)
    picture = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(RecordError, match=r"normal_texture needs Mesh\.uv"):
        Mesh(vertices=corners, triangles=np.array([[0, 1, 2]]), normal_texture=picture)
