from __future__ import annotations

import math

import pytest
import torch

from occface_core.errors import RecordError
from occface_core.geometry.align import (
    crop_to_photo,
    inverse,
    mean_landmarks,
    photo_cover,
    transform_points,
    warp_back,
    warp_crop,
)
from occface_core.geometry.camera import intrinsics, project
from occface_core.geometry.weak_perspective import fit_weak_perspective

F64 = torch.float64


def similarity(scale, angle, x, y):
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return torch.tensor([[[c, -s, x], [s, c, y], [0, 0, 1]]], dtype=F64)


def seen_from(view, pitch=0.0, yaw=0.0, roll=0.0):
    return project(view(mean_landmarks(), pitch, yaw, roll), intrinsics(256).to(F64))


@pytest.mark.parametrize("size", [128, 256, 512])
def test_frontal_mean_face_gives_the_identity(view, size):
    points = project(view(mean_landmarks()), intrinsics(size).to(F64))
    assert torch.allclose(crop_to_photo(points, size)[0], torch.eye(3, dtype=F64), atol=1e-5)


@pytest.mark.parametrize("yaw", [0.0, 0.5, -1.0, math.pi / 2])
def test_crop_moves_with_the_photo(view, yaw):
    """Turning, scaling and shifting the photo turns, scales and shifts the crop: equivariance."""
    points = seen_from(view, 0.1, yaw)
    move = similarity(3.7, 0.6, 400, -90)
    want = move @ crop_to_photo(points)
    assert torch.allclose(crop_to_photo(transform_points(move, points)), want, atol=1e-3)


def test_a_face_of_no_trust_is_cropped_by_all_its_points_alike(view):
    points = seen_from(view, 0.1, 0.4).expand(2, -1, -1)
    weights = torch.stack((torch.zeros(68), torch.ones(68)))
    blind, sighted = crop_to_photo(points, weights=weights)
    assert torch.equal(blind, sighted)


def test_homogeneous_points_are_divided_by_their_weight():
    matrix = torch.tensor([[2.0, 0, 4], [0, 2, 6], [0, 0, 2]])
    assert torch.equal(transform_points(matrix, torch.ones(1, 1, 2)), torch.tensor([[[3.0, 4.0]]]))


@pytest.mark.parametrize("yaw", [0.3, -0.6, 1.0, -1.3, math.pi / 2])
@pytest.mark.parametrize("pitch", [-0.3, 0.0, 0.3])
def test_a_turned_face_is_cropped_as_large_and_in_the_middle(view, yaw, pitch):
    matrix = crop_to_photo(seen_from(view, pitch, yaw))
    assert torch.linalg.det(matrix[0, :2, :2]).sqrt() == pytest.approx(1, abs=0.02)
    middle = torch.full((1, 1, 2), 127.5, dtype=F64)
    assert torch.allclose(transform_points(matrix, middle), middle, atol=2.0)


def test_roll_is_taken_out(view):
    for roll in (-2.5, -0.4, 0.7, 3.0):
        matrix = crop_to_photo(seen_from(view, 0.2, 0.4, roll))[0]
        assert math.atan2(matrix[1, 0], matrix[0, 0]) == pytest.approx(-roll, abs=0.02)


def test_a_few_wrong_points_do_not_matter(view):
    points = seen_from(view, 0.0, 0.6)
    wrong = points.clone()
    wrong[0, [3, 20, 31, 36, 48, 57, 60]] += torch.tensor([35.0, -50.0], dtype=F64)
    corners = torch.tensor([[[0.0, 0], [255, 0], [0, 255], [255, 255]]], dtype=F64)
    moved = transform_points(crop_to_photo(wrong), corners) - transform_points(crop_to_photo(points), corners)
    assert moved.norm(dim=-1).max() < 3


def test_points_of_no_weight_have_no_say(view):
    points = seen_from(view, 0.0, 0.3)
    wrong = points.clone()
    wrong[0, 36:48] = 0
    weights = torch.ones(1, 68, dtype=F64)
    weights[0, 36:48] = 0
    assert torch.allclose(crop_to_photo(wrong, weights=weights), crop_to_photo(points), atol=1.0)


def test_weak_perspective_fit_finds_the_exact_answer():
    from occface_core.geometry.camera import rotation_from_angles

    generator = torch.manual_seed(4)
    reference = torch.randn(68, 3, dtype=F64, generator=generator) * 40
    rotation = rotation_from_angles(torch.randn(20, 3, dtype=F64, generator=generator))
    scale = torch.rand(20, dtype=F64, generator=generator) * 5 + 0.1
    offset = torch.randn(20, 2, dtype=F64, generator=generator) * 300
    points = scale[:, None, None] * (reference @ rotation.mT)[..., :2] + offset[:, None]
    fit = fit_weak_perspective(points, reference, torch.ones(20, 68, dtype=F64))
    assert torch.allclose(fit.scale, scale, rtol=1e-8)
    assert torch.allclose(fit.rotation, rotation, atol=1e-8)
    assert torch.allclose(fit.offset, offset, atol=1e-6)


def test_no_faces_give_no_crops():
    assert crop_to_photo(torch.zeros(0, 68, 2)).shape == (0, 3, 3)
    assert warp_crop(torch.zeros(1, 3, 20, 20), torch.zeros(0, 3, 3), 16).shape == (0, 3, 16, 16)


def test_points_in_one_place_give_finite_numbers():
    assert torch.isfinite(crop_to_photo(torch.full((1, 68, 2), 7.0))).all()


def test_bad_landmarks_are_refused():
    with pytest.raises(RecordError, match=r"\(B, 68, 2\), got \(68, 2\)"):
        crop_to_photo(torch.zeros(68, 2))
    with pytest.raises(RecordError, match="finite"):
        crop_to_photo(torch.full((1, 68, 2), float("nan")))


def test_inverse_undoes_a_similarity():
    matrix = torch.cat((similarity(2.5, 0.3, 4, 5), similarity(0.2, -2, -40, 9)))
    assert torch.allclose(inverse(matrix) @ matrix, torch.eye(3, dtype=F64).expand(2, 3, 3), atol=1e-12)


def test_transform_points_by_hand():
    matrix = torch.tensor([[[0.0, -2, 10], [2, 0, 20], [0, 0, 1]]])
    assert transform_points(matrix, torch.tensor([[[1.0, 3]]]))[0, 0].tolist() == [4, 22]


def test_crop_of_a_ramp_is_the_ramp():
    """A picture whose colours are its coordinates must come out as the crop's photo coordinates."""
    y, x = torch.meshgrid(torch.arange(300.0), torch.arange(400.0), indexing="ij")
    photo = torch.stack((x, y, x + y))[None]
    for scale in (0.4, 1.0, 1.7, 2.0, 3.3):
        matrix = similarity(scale, 0.2, 150, 60).float()
        crop = warp_crop(photo, matrix, 40)
        pixels = torch.stack(torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="xy"), -1)
        want = transform_points(matrix, pixels.reshape(1, -1, 2)).reshape(40, 40, 2)
        assert torch.allclose(crop[0, 0], want[..., 0], atol=1e-2)
        assert torch.allclose(crop[0, 1], want[..., 1], atol=1e-2)


def test_whole_reduction_is_the_mean_of_each_block():
    photo = torch.rand(1, 3, 64, 64, generator=torch.manual_seed(5))
    matrix = torch.tensor([[[4.0, 0, 1.5], [0, 4, 1.5], [0, 0, 1]]])
    want = photo.reshape(1, 3, 16, 4, 16, 4).mean((3, 5))
    assert torch.allclose(warp_crop(photo, matrix, 16), want, atol=1e-5)


@pytest.mark.parametrize("scale", [1.5, 2.6, 7.3, 20.0])
def test_reduction_does_not_alias(scale):
    """The finest checkerboard turns grey; picking single pixels would give stripes of 0 and 1."""
    y, x = torch.meshgrid(torch.arange(900), torch.arange(900), indexing="ij")
    photo = ((x + y) % 2).float().expand(1, 3, -1, -1)
    crop = warp_crop(photo, similarity(scale, 0.1, 100, 50).float(), 24)
    assert (crop - 0.5).abs().max() < 0.2
    assert crop.std() < 0.1


def test_outside_the_photo_its_edge_is_repeated():
    photo = torch.zeros(1, 3, 10, 10)
    photo[:, :, :, -1] = 0.75
    for scale in (1.0, 2.5):
        crop = warp_crop(photo, similarity(scale, 0, 30, 2).float(), 8)
        assert torch.allclose(crop, torch.full_like(crop, 0.75))


def test_photos_of_several_sizes():
    photos = [torch.full((1, 3, 30, 40), 0.2), torch.full((1, 3, 90, 20), 0.9)]
    crops = warp_crop(photos, torch.eye(3).expand(2, 3, 3), 16)
    assert crops.shape == (2, 3, 16, 16)
    assert torch.allclose(crops.mean((1, 2, 3)), torch.tensor([0.2, 0.9]))
    with pytest.raises(RecordError, match="one for each of the 3 crops"):
        warp_crop(photos, torch.eye(3).expand(3, 3, 3), 16)


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.4])
def test_mask_goes_back_to_where_it_came_from(scale):
    matrix = similarity(scale, 0.5, 120, 40).float()
    mask = torch.zeros(1, 1, 64, 64)
    mask[:, :, 16:48, 16:48] = 1
    placed = warp_back(mask, matrix, 260, 300)
    assert placed.shape == (1, 1, 260, 300)
    assert placed.sum() == pytest.approx(32 * 32 * scale**2, rel=0.03)
    y, x = torch.meshgrid(torch.arange(260.0), torch.arange(300.0), indexing="ij")
    middle = torch.stack(((x * placed[0, 0]).sum(), (y * placed[0, 0]).sum())) / placed.sum()
    want = transform_points(matrix, torch.tensor([[[31.5, 31.5]]]))[0, 0]
    assert torch.allclose(middle, want, atol=0.2)


def test_a_crop_outside_the_photo_leaves_nothing():
    placed = warp_back(
        torch.ones(2, 1, 8, 8), torch.cat((similarity(1, 0, 500, 0), similarity(1, 0, 3, -2))), 20, 30
    )
    assert placed[0].sum() == 0
    assert placed[1].sum() == pytest.approx(8 * 6, abs=1e-4)


@pytest.mark.parametrize("block", [2, 3, 5])
def test_blocks_lie_where_the_photo_lies_at_every_border(block):
    """Sampling a ramp through blocks at all four corners of a photo whose size is no multiple of a block."""
    y, x = torch.meshgrid(torch.arange(101.0), torch.arange(83.0), indexing="ij")
    photo = torch.stack((x, y))[None]
    for left, top in (
        (0, 0),
        (83 - 8 * block, 0),
        (0, 101 - 8 * block),
        (83 - 8 * block, 101 - 8 * block),
        (20, 30),
    ):
        middle = (block - 1) / 2
        matrix = torch.tensor([[[block, 0, left + middle], [0, block, top + middle], [0, 0, 1.0]]])
        crop = warp_crop(photo, matrix, 8)[0]
        want = torch.arange(8.0) * block + middle
        inner = slice(1, -1)
        assert torch.allclose(crop[0, inner, inner], (left + want)[None, inner].expand(6, 6), atol=1e-3)
        assert torch.allclose(crop[1, inner, inner], (top + want)[inner, None].expand(6, 6), atol=1e-3)


def test_cover_is_the_part_of_the_crop_inside_the_photo():
    got = photo_cover(similarity(2.0, 0, -10, 4), (40, 60), 32)[0, 0]
    want = [[0 <= 2 * y + 4 <= 39.5 and 0 <= 2 * x - 10 <= 59.5 for x in range(32)] for y in range(32)]
    assert torch.equal(got, torch.tensor(want, dtype=F64))


def test_a_crop_is_differentiable_in_its_photo():
    photo = torch.rand(1, 2, 9, 9, dtype=F64, generator=torch.manual_seed(6), requires_grad=True)
    assert torch.autograd.gradcheck(lambda one: warp_crop(one, similarity(1.4, 0.2, 1, 1), 4), photo)


def test_inputs_stay_and_types_follow():
    photo = torch.rand(1, 3, 50, 50, dtype=F64)
    before = photo.clone()
    assert warp_crop(photo, similarity(2.2, 0, 1, 1), 8).dtype == F64
    assert torch.equal(photo, before)
    assert crop_to_photo(torch.rand(1, 68, 2)).dtype == torch.float32
