from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from occface_core.errors import RecordError
from occface_core.geometry import camera

F64 = torch.float64


def about(axis, angle):
    """Rotation about a coordinate axis, straight from the definition."""
    c, s = math.cos(angle), math.sin(angle)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[j, i], matrix[i, j] = s, -s
    return matrix


def test_intrinsics_hold_the_reference_focal_length():
    assert camera.intrinsics(224)[0, 0] == pytest.approx(1015)
    k = camera.intrinsics(256)
    assert k.tolist() == [[1160, 0, 127.5], [0, 1160, 127.5], [0, 0, 1]]


def test_frontal_rotation_is_no_turn():
    got = camera.rotation_from_angles(torch.zeros(1, 3))
    assert torch.equal(got[0], torch.diag(torch.tensor([1.0, -1.0, -1.0])))


def test_rotation_is_the_product_of_axis_turns():
    pitch, yaw, roll = 0.3, -0.7, 1.1
    want = np.diag([1, -1, -1]) @ about(2, roll) @ about(1, yaw) @ about(0, pitch)
    got = camera.rotation_from_angles(torch.tensor([[pitch, yaw, roll]], dtype=F64))[0]
    assert np.allclose(got, want, atol=1e-12)


def test_angles_come_back():
    angles = (torch.rand(500, 3, dtype=F64, generator=torch.manual_seed(0)) * 2 - 1) * torch.tensor(
        [1.5, 1.55, 3.1], dtype=F64
    )
    rotation = camera.rotation_from_angles(angles)
    assert torch.allclose(camera.angles_from_rotation(rotation), angles, atol=1e-9)
    assert torch.allclose(rotation @ rotation.mT, torch.eye(3, dtype=F64), atol=1e-12)


@pytest.mark.parametrize("yaw", [math.pi / 2, -math.pi / 2])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_profile_angles_give_the_same_rotation(yaw, dtype):
    rotation = camera.rotation_from_angles(torch.tensor([[0.3, yaw, 0.2]], dtype=dtype))
    again = camera.rotation_from_angles(camera.angles_from_rotation(rotation))
    assert torch.allclose(again, rotation, atol=1e-5)


def test_projection_by_hand():
    # a point 100 mm to the right and 50 mm down at 1 m: 116 and 58 pixels from the middle
    point = torch.tensor([[[100.0, 50.0, 1000.0]]])
    got = camera.project(point, camera.intrinsics(256))
    assert got[0, 0].tolist() == pytest.approx([127.5 + 116, 127.5 + 58])


def test_nothing_behind_the_camera_has_a_picture():
    got = camera.project(torch.tensor([[[0.0, 0, -5], [0, 0, 0]]]), camera.intrinsics(256))
    assert got.isnan().all()


def test_unproject_inverts_project():
    points = torch.rand(2, 50, 3, dtype=F64, generator=torch.manual_seed(1)) * 200 + torch.tensor(
        [-100, -100, 900.0], dtype=F64
    )
    k = camera.intrinsics(256).to(F64).expand(2, 3, 3)
    again = camera.unproject(camera.project(points, k), points[..., 2], k)
    assert torch.allclose(again, points, atol=1e-9)


def test_to_face_inverts_to_camera():
    points = torch.randn(3, 20, 3, dtype=F64, generator=torch.manual_seed(2)) * 80
    rotation = camera.rotation_from_angles(torch.randn(3, 3, dtype=F64, generator=torch.manual_seed(3)))
    shift = torch.tensor([[5.0, -4, 900]], dtype=F64).expand(3, 3)
    moved = camera.to_camera(points, rotation, shift)
    assert torch.allclose(moved[1, 4], rotation[1] @ points[1, 4] + shift[1])
    assert torch.allclose(camera.to_face(moved, rotation, shift), points, atol=1e-9)


def test_scaled_intrinsics_show_the_same_view():
    k = camera.intrinsics(256)
    assert torch.allclose(camera.scale_intrinsics(k, 2), camera.intrinsics(512), atol=1e-3)
    assert torch.allclose(camera.scale_intrinsics(k, 0.5), camera.intrinsics(128), atol=1e-3)


def test_project_is_differentiable():
    points = torch.tensor([[[3.0, -4, 900], [50, 2, 1100]]], dtype=F64, requires_grad=True)
    k = camera.intrinsics(256).to(F64)
    assert torch.autograd.gradcheck(lambda p: camera.project(p, k), (points,))
    angles = torch.tensor([[0.1, 0.2, -0.3]], dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(camera.rotation_from_angles, (angles,))


def test_wrong_shape_is_named():
    with pytest.raises(RecordError, match=r"\(B, N, 3\), got \(1, 4, 2\)"):
        camera.project(torch.zeros(1, 4, 2), camera.intrinsics(256))
