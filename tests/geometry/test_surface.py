from __future__ import annotations

import numpy as np
import pytest
import torch

from occface_core.errors import RecordError
from occface_core.geometry.bump import detailed_depth
from occface_core.geometry.camera import intrinsics, to_camera
from occface_core.geometry.subdivision import subdivide
from occface_core.geometry.surface import depth_map, depth_mesh, displace
from occface_core.geometry.visibility import seen_weights, visible_vertices

F64 = torch.float64
TURN = torch.diag(torch.tensor([1.0, -1, -1], dtype=F64))[None]
SHIFT = torch.tensor([[0.0, 0, 1000]], dtype=F64)


def wavy(size):
    """Return a smooth bump map of about 1 mm with waves of 40 pixels in 256."""
    step = (torch.arange(size, dtype=F64) + 0.5) / size * 256
    return (torch.sin(step[:, None] * 2 * np.pi / 40) * torch.cos(step[None] * 2 * np.pi / 40))[None, None]


def test_displaced_mesh_has_the_depth_of_the_displaced_map(ellipsoid):
    """Two independent ways to eq. 7: move the vertices and draw, or draw and move the depth."""
    vertices, triangles = ellipsoid
    k = intrinsics(256).double()
    fine = subdivide(triangles, len(vertices))
    camera = to_camera(fine.spread(vertices)[None], TURN, SHIFT)
    bump = wavy(256)
    base = depth_map(camera, fine.triangles, k)
    got = depth_map(displace(camera, fine.triangles, bump, k), fine.triangles, k)
    want = detailed_depth(base, bump, k)
    middle = base < 975  # away from the outline, where a pixel spans much depth
    assert middle.sum() > 10000
    error = (got - want)[middle].abs()
    assert error.median() < 0.02 and error.quantile(0.99) < 0.15
    assert (want - base)[middle].abs().max() > 0.9


def test_vertices_move_on_their_rays_and_hidden_ones_stay(ellipsoid):
    vertices, triangles = ellipsoid
    k = intrinsics(256).double()
    camera = to_camera(vertices[None], TURN, SHIFT)
    moved = displace(camera, triangles, torch.full((1, 1, 256, 256), 2.0), k)
    along = camera[0] / camera[0].norm(dim=-1, keepdim=True)
    shift = camera[0] - moved[0]
    height = (shift * along).sum(-1)
    assert torch.allclose(shift, height[:, None] * along, atol=1e-9)
    back = vertices[:, 2] < -5
    assert (height[back] == 0).all()
    assert torch.allclose(height[vertices[:, 2] > 20], torch.tensor(2.0, dtype=F64), atol=1e-6)


def test_visible_is_what_faces_the_camera_on_a_convex_body(ellipsoid):
    """Closed form: on an ellipsoid exactly the points whose normal looks to the camera are seen."""
    vertices, triangles = ellipsoid
    camera = to_camera(vertices[None], TURN, SHIFT)
    normal = vertices / torch.tensor([70.0, 95, 80], dtype=F64) ** 2
    eye = -(SHIFT[0] @ TURN[0])  # the camera in the body's frame
    cosine = ((eye - vertices) * normal).sum(-1) / ((eye - vertices).norm(dim=-1) * normal.norm(dim=-1))
    got = visible_vertices(camera, triangles, intrinsics(256).double(), 256, 256)[0]
    assert got[cosine > 0.1].all() and not got[cosine < -0.05].any()
    weight = seen_weights(camera, triangles, intrinsics(256).double(), 256, 256)[0]
    assert (weight[cosine < 0.1] == 0).all() and (weight[cosine > 0.55] > 0.99).all()


def test_what_lies_behind_something_is_not_visible(ellipsoid):
    vertices, triangles = ellipsoid
    ball = vertices * 0.2 + torch.tensor([0.0, 0, 150], dtype=F64)  # a ball in front of the head
    both = to_camera(torch.cat((vertices, ball))[None], TURN, SHIFT)
    rows = torch.cat((triangles, triangles + len(vertices)))
    got = visible_vertices(both, rows, intrinsics(256).double(), 256, 256)[0]
    behind = (vertices[:, 2] > 60) & (vertices[:, 0].abs() < 10) & (vertices[:, 1].abs() < 14)
    beside = (vertices[:, 2] > 0.2 * 80) & (vertices[:, 0].abs() > 30)
    assert behind.any() and not got[: len(vertices)][behind].any()
    assert got[: len(vertices)][beside].all()


def test_what_lies_outside_the_picture_is_not_visible(ellipsoid):
    vertices, triangles = ellipsoid
    camera = to_camera(vertices[None], TURN, SHIFT + torch.tensor([[160.0, 0, 0]], dtype=F64))
    got = visible_vertices(camera, triangles, intrinsics(256).double(), 256, 256)[0]
    assert not got[camera[0, :, 0] > 112].any() and got.any()


def test_depth_mesh_draws_its_own_depth(head, view):
    camera = view(head["mean"], 0.1, 0.4)
    k = intrinsics(128)
    depth = depth_map(camera, head["triangles"], k, 128)
    colours = torch.rand(1, 3, 128, 128, generator=torch.manual_seed(0))
    turn, shift = torch.eye(3)[None], torch.zeros(1, 3)
    mesh = depth_mesh(depth, k, turn, shift, colours=colours)
    again = depth_map(torch.tensor(mesh.vertices)[None], torch.tensor(mesh.triangles), k, 128)
    both = depth.isfinite() & again.isfinite()
    assert both.sum() > 0.9 * depth.isfinite().sum()
    assert (depth - again)[both].abs().max() < 0.01
    assert len(mesh.colours) == len(mesh.vertices)
    assert (mesh.normals[:, 2] < 0.01).mean() > 0.99  # camera axes here: towards the camera is -z


def test_depth_mesh_lies_in_the_face_frame(head, view):
    depth = depth_map(view(head["mean"]).double(), head["triangles"], intrinsics(128).double(), 128)
    mesh = depth_mesh(depth, intrinsics(128), TURN, SHIFT)
    tip = head["mean"][:, 2].max()
    assert mesh.vertices[:, 2].max() == pytest.approx(float(tip), abs=0.5)
    with pytest.raises(RecordError, match=r"\(1, 1, H, W\)"):
        depth_mesh(depth[0], intrinsics(128), TURN, SHIFT)
