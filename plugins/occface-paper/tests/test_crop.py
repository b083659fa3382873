"""Crops: similarities, pixels, mirror."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from occface_paper.landmarks.crop import apply, five_points, framed, mean_of_shapes, similarity, to_pixels
from occface_paper.landmarks.predict import Halvings, cut_out, distinct, seen
from occface_paper.landmarks.symmetry import MIRROR_68


def test_similarity_recovers_a_known_one():
    rng = np.random.default_rng(0)
    source = rng.normal(size=(68, 2))
    c, s = 1.7 * np.cos(0.6), 1.7 * np.sin(0.6)
    known = np.array([[c, -s, 3.0], [s, c, -2.0], [0, 0, 1]])
    assert np.allclose(similarity(source, apply(known, source)), known)


def test_similarity_of_a_single_place_is_a_shift():
    matrix = similarity(np.full((5, 2), 4.0), np.full((5, 2), 1.0))
    assert np.allclose(matrix, [[1, 0, -3], [0, 1, -3], [0, 0, 1]])


def test_pixels_run_from_edge_to_edge():
    assert np.allclose(
        apply(to_pixels(128), np.array([[-1.0, -1], [1, 1], [0, 0]])), [[-0.5] * 2, [127.5] * 2, [63.5] * 2]
    )


def test_mirror_is_its_own_inverse_and_keeps_the_middle():
    assert [MIRROR_68[i] for i in MIRROR_68] == list(range(68))
    assert [i for i in range(68) if MIRROR_68[i] == i] == [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]


def test_mean_shape_is_upright_and_framed_whatever_the_pose_of_the_examples():
    rng = np.random.default_rng(1)
    shape = rng.normal(size=(68, 2))
    examples = []
    for _ in range(6):
        a = rng.uniform(-0.5, 0.5) * 1j
        z = shape @ np.array([1, 1j]) * np.exp(a) * rng.uniform(20, 90) + rng.normal(0, 50)
        examples.append(np.stack([z.real, z.imag], 1))
    mean = mean_of_shapes(np.stack(examples))
    assert np.allclose(mean, framed(shape), atol=1e-6)
    right, left = five_points(mean)[:2]
    assert right[1] == pytest.approx(left[1]) and np.ptp(mean, axis=0).max() == pytest.approx(1.44)


def test_a_cut_out_of_a_ramp_has_the_photos_values_at_the_mapped_places():
    height, width = 90, 140
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    photo = torch.stack([x / 200, y / 200, x * 0.0])[None].float()
    matrix = np.array([[0.05, 0.01, -3.2], [-0.01, 0.05, -1.6], [0, 0, 1]])
    crop = cut_out(photo, matrix, 32)
    u, v = np.meshgrid(np.arange(32), np.arange(32))
    want = apply(np.linalg.inv(to_pixels(32) @ matrix), np.stack([u, v], -1).astype(float))
    inside = (want > 1).all(-1) & (want < [width - 2, height - 2]).all(-1)
    assert inside.sum() > 500
    got = crop[:2].permute(1, 2, 0).numpy() * 200
    assert np.abs(got - want)[inside].max() < 0.05


def test_a_cut_out_of_a_fine_photo_is_averaged_not_sampled():
    photo = (torch.arange(800) % 2).float().expand(1, 3, 800, 800)
    matrix = np.array([[1 / 400, 0, -1.0], [0, 1 / 400, -1.0], [0, 0, 1]])
    inner = cut_out(photo, matrix, 32)[:, 4:-4, 4:-4]
    assert (inner - 0.5).abs().max() < 0.1


def test_two_answers_for_one_face_count_once():
    face = np.random.default_rng(2).normal(size=(68, 2)) * 30
    assert distinct(np.stack([face, face + 2.0, face + 200.0])) == [0, 2]


def test_looking_at_the_mirrored_crop_too_makes_the_answer_symmetric():
    class LeftLeaning(torch.nn.Module):
        def forward(self, crop: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            base = crop.mean((1, 2))[:, :68, None]
            return torch.cat([base, base * 0 + 0.3], 2), base[..., 0] * 0 - 2

    crops = torch.rand(2, 3, 80, 80)
    points, log_scale = seen(LeftLeaning(), crops, mirrored=True)
    other, _ = seen(LeftLeaning(), crops.flip(3), mirrored=True)
    assert torch.allclose(other[:, list(MIRROR_68)] * torch.tensor([-1.0, 1.0]), points, atol=1e-6)
    assert log_scale.shape == (2, 68)


def test_a_crop_from_a_halving_is_that_from_the_photo():
    rows, columns = torch.meshgrid(torch.arange(301.0), torch.arange(403.0), indexing="ij")
    photo = torch.stack([rows / 301, columns / 403, (rows + columns) / 704])[None]
    seen = Halvings(photo)
    for scale in (2 / 30, 2 / 100, 2 / 280):
        to_crop = np.array([[scale, 0, -scale * 190.3], [0, scale, -scale * 160.7], [0, 0, 1.0]])
        both = seen.cut_out(to_crop, 32), cut_out(photo, to_crop, 32)
        assert (both[0] - both[1])[:, 1:-1, 1:-1].abs().max() < 2e-3
    assert [tuple(level.shape[-2:]) for level in seen.levels] == [(301, 403), (151, 202), (76, 101), (38, 51)]
