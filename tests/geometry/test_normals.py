from __future__ import annotations

import pytest
import torch

from occface_core.geometry.camera import intrinsics, pixel_grid, rays, to_camera
from occface_core.geometry.normals import depth_normals, facing, to_viewer, unit, vertex_normals
from occface_core.geometry.rasterise import rasterise


def test_normals_of_an_ellipsoid_are_its_gradient(ellipsoid):
    vertices, triangles = ellipsoid
    gradient = unit(vertices / torch.tensor([70.0, 95, 80], dtype=torch.float64) ** 2)
    got = vertex_normals(vertices[None], triangles)[0]
    assert torch.allclose(got.norm(dim=-1), torch.ones(1, dtype=torch.float64))
    assert (got * gradient).sum(-1).min() > 0.9995


def test_normals_turn_with_the_mesh(head, view):
    vertices = head["mean"].double()
    turned = vertex_normals(view(vertices, 0.3, 0.8, -0.2), head["triangles"])
    rotation = view(torch.eye(3, dtype=torch.float64), 0.3, 0.8, -0.2, shift=(0, 0, 0))[0]
    want = vertex_normals(vertices[None], head["triangles"]) @ rotation
    assert torch.allclose(turned, want, atol=1e-9)


def test_welded_normals_are_the_same_on_both_sides_of_a_seam(head):
    got = vertex_normals(head["mean"][None], head["triangles"], weld=head["weld"])[0]
    assert torch.equal(got, got[head["weld"]])
    apart = vertex_normals(head["mean"][None], head["triangles"])[0]
    inner = torch.ones(len(got), dtype=torch.bool)
    seam = head["weld"] != torch.arange(len(got))
    inner[seam] = inner[head["weld"][seam]] = False
    assert torch.allclose(got[inner], apart[inner], atol=1e-6)


def test_vertices_without_area_have_no_normal():
    got = vertex_normals(torch.zeros(1, 4, 3), torch.tensor([[0, 1, 2]]))
    assert (got == 0).all()


def test_frontal_face_looks_at_the_viewer(head, view):
    vertices = view(head["mean"])
    normals = vertex_normals(vertices, head["triangles"])
    tip = head["mean"][:, 2].argmax()
    assert to_viewer(normals)[0, tip, 2] > 0.9
    assert facing(vertices, normals)[0, tip] > 0.9


@pytest.mark.parametrize("slope", [(0.0, 0.0), (0.5, -0.3), (-1.0, 0.7)])
def test_normals_of_a_plane_are_exact(slope):
    """Plane z = 1000 + a x + b y: depth along each ray in closed form, normal (a, b, -1) in camera axes."""
    a, b = slope
    k = intrinsics(64).double()
    ray = rays(pixel_grid(64, 64, k), k)
    depth = (1000 / (1 - a * ray[:, 0] - b * ray[:, 1])).reshape(1, 1, 64, 64)
    depth[..., 10:20, 30:35] = torch.nan
    want = to_viewer(unit(torch.tensor([a, b, -1.0], dtype=torch.float64)))
    got = depth_normals(depth, k)[0]
    seen = depth[0, 0].isfinite()
    assert torch.allclose(got[:, seen], want[:, None].expand(3, int(seen.sum())), atol=1e-9)
    assert (got[:, ~seen] == 0).all()


def test_depth_normals_of_an_ellipsoid(ellipsoid):
    vertices, triangles = ellipsoid
    k = intrinsics(256).double()
    turn = torch.diag(torch.tensor([1.0, -1, -1], dtype=torch.float64))[None]
    shift = torch.tensor([[0.0, 0, 1000]], dtype=torch.float64)
    fragments = rasterise(to_camera(vertices[None], turn, shift), k, triangles, 256, 256)
    got = depth_normals(fragments.depth[:, None], k)[0].flatten(1).T
    points = (rays(pixel_grid(256, 256, k), k) * fragments.depth.reshape(-1, 1) - shift) @ turn[0]
    want = unit(points / torch.tensor([70.0, 95, 80], dtype=torch.float64) ** 2)
    agree = (got * want).sum(-1)[fragments.mask.flatten()]
    assert (agree > 0.99).double().mean() > 0.97


def test_a_jump_in_depth_does_not_tilt_the_normals():
    depth = torch.full((1, 1, 20, 20), 1000.0)
    depth[..., 10:] = 1100
    got = depth_normals(depth, intrinsics(20))
    assert (got[:, 2] > 0.999).all()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_normals_of_a_batch_are_the_sums_about_each_vertex(head, count):
    """Against one triangle after the other, doubled vertices of a seam included."""
    vertices = head["mean"].double() + torch.randn(count, 1, 3, generator=torch.manual_seed(0)).double()
    vertices = vertices * torch.arange(1, count + 1)[:, None, None]
    weld, total = head["weld"], torch.zeros(count, len(head["mean"]), 3, dtype=torch.float64)
    corner = vertices[:, head["triangles"]]
    face = torch.linalg.cross(corner[:, :, 1] - corner[:, :, 0], corner[:, :, 2] - corner[:, :, 0])
    for k in range(3):
        total.index_add_(1, weld[head["triangles"][:, k]], face)
    want = torch.nn.functional.normalize(total[:, weld], dim=-1)
    assert torch.allclose(vertex_normals(vertices, head["triangles"], weld=weld), want, atol=1e-9)
