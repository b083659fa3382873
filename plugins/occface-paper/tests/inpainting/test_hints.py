"""Warps, the linear texture model, and what the network is told."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from occface_paper.inpainting.hints import CHANNELS, hints, landmark_map
from occface_paper.inpainting.prior import TEXTURE, TexturePrior
from occface_paper.inpainting.warps import NODES, face_maps, grid, pulled, spline, spread, to_units
from occface_paper.landmarks.symmetry import MIRROR_68


@pytest.fixture
def face(face_points: np.ndarray) -> torch.Tensor:
    """(1, 68, 2) crop units."""
    return to_units(torch.from_numpy(face_points)[None], 128)


def test_a_spline_reproduces_an_affine_map():
    torch.manual_seed(0)
    source = torch.rand(1, 20, 2)
    matrix, shift = torch.tensor([[0.9, 0.2], [-0.1, 1.1]]), torch.tensor([0.05, -0.02])
    at = torch.rand(50, 2)
    found = spline(source, source @ matrix + shift, at)
    assert torch.allclose(found[0], at @ matrix + shift, atol=2e-3)


def test_a_spline_without_smoothing_meets_its_targets():
    torch.manual_seed(0)
    source, target = torch.rand(1, 15, 2), torch.rand(1, 15, 2)
    assert torch.allclose(spline(source, target, source[0], smoothing=0.0), target, atol=2e-2)


def test_the_mirror_of_a_symmetric_face_is_a_flip(face: torch.Tensor):
    even = (face + (face[:, list(MIRROR_68)] * torch.tensor([-1, 1]) + torch.tensor([1, 0]))) / 2
    mirror = face_maps(even, even[0])[0]
    at = grid(NODES, face).permute(2, 0, 1)
    middle = slice(NODES // 4, 3 * NODES // 4)
    assert torch.allclose(mirror[0, 0, middle, middle], 1 - at[0, middle, middle], atol=0.02)
    assert torch.allclose(mirror[0, 1, middle, middle], at[1, middle, middle], atol=0.02)


def test_a_face_that_is_the_mean_maps_to_itself(face: torch.Tensor):
    _, to_mean, from_mean = face_maps(face, face[0])
    at = grid(NODES, face).permute(2, 0, 1)[None]
    assert torch.allclose(to_mean, at, atol=0.01) and torch.allclose(from_mean, at, atol=0.01)
    picture = torch.rand(1, 3, NODES, NODES)
    assert torch.allclose(pulled(picture, at, NODES), picture, atol=1e-4)


def test_spread_keeps_what_is_known_and_continues_a_constant():
    values, weight = torch.rand(1, 2, 32, 32), (torch.rand(1, 1, 32, 32) > 0.7).float()
    found = spread(values, weight)
    known = weight.expand_as(values) > 0
    assert torch.allclose(found[known], values[known])
    assert torch.allclose(spread(torch.full_like(values, 0.4), weight), torch.tensor(0.4), atol=1e-4)
    assert bool(spread(values, torch.zeros_like(weight)).isfinite().all())


def test_the_prior_learns_components_and_completes_from_them():
    torch.manual_seed(0)
    true = torch.nn.functional.interpolate(torch.randn(3, 3, 8, 8), size=(TEXTURE, TEXTURE), mode="bilinear")
    code = torch.randn(200, 3) * 0.1
    textures = 0.5 + (code @ true.flatten(1)).reshape(-1, 3, TEXTURE, TEXTURE)
    seen = torch.ones(200, 1, TEXTURE, TEXTURE)
    seen[::2, :, :, : TEXTURE // 3] = 0  # gaps in the training textures too
    prior = TexturePrior(components=3)
    prior.learn(textures, seen)
    half = torch.ones(5, 1, TEXTURE, TEXTURE)
    half[..., TEXTURE // 2 :] = 0
    error = (prior(textures[:5] * half, half) - textures[:5])[..., TEXTURE // 2 :]
    assert error.square().mean().sqrt() < 0.15 * (textures - 0.5).square().mean().sqrt()


def test_the_prior_with_nothing_seen_is_the_mean():
    prior = TexturePrior(components=2)
    prior.mean.uniform_()
    prior.basis.normal_()
    found = prior(torch.rand(1, 3, TEXTURE, TEXTURE), torch.zeros(1, 1, TEXTURE, TEXTURE))
    assert torch.allclose(found[0], prior.mean, atol=1e-5)


def test_hints_hold_the_picture_outside_the_hole_and_nothing_of_it_inside(face: torch.Tensor):
    prior = TexturePrior(components=2)
    prior.mean_shape.copy_(face[0])
    image, hole = torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    hole[..., 30:40, 35:50] = 1
    seen = torch.ones_like(hole)
    found = hints(image, hole, seen, face, prior)
    assert found.shape == (1, CHANNELS, 64, 64)
    assert torch.equal(found[:, :3] * (1 - hole), image * (1 - hole))
    assert torch.equal(found[:, 3:4], hole)
    other = torch.where(hole > 0, torch.rand_like(image), image)
    assert torch.allclose(hints(other, hole, seen, face, prior), found, atol=1e-5)


def test_landmark_map_marks_one_pixel_a_point():
    points = torch.tensor([[[0.0, 0.0], [0.99, 0.5], [1.5, 0.5]]])  # the last lies outside
    drawn = landmark_map(points, 4)
    assert drawn.sum() == 2 and drawn[0, 0, 0, 0] == 1 and drawn[0, 0, 2, 3] == 1


def test_positions_that_are_not_finite_go_to_the_middle():
    assert to_units(torch.tensor([[[float("nan"), float("inf")]]]), 8).tolist() == [[[0.5, 0.5]]]
