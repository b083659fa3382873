from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from occface_core.errors import RecordError
from occface_core.geometry.illumination import basis, fit_illumination, light, shade
from occface_core.geometry.normals import unit

F64 = torch.float64


@pytest.fixture(scope="module")
def directions():
    return unit(torch.randn(400, 3, dtype=F64, generator=torch.manual_seed(0)))


def test_basis_by_hand():
    """At n = (0, 0, 1): Y = (0.886.., 0, 1.023.., 0, 0, 0, 0.495.., 0, 0), times π, 2π/√3, 2π/√8 already."""
    got = basis(torch.tensor([0.0, 0.0, 1.0], dtype=F64))
    a = (math.pi, 2 * math.pi / math.sqrt(3), 2 * math.pi / math.sqrt(8))
    want = [
        a[0] / math.sqrt(4 * math.pi), 0, a[1] * math.sqrt(3 / (4 * math.pi)),
        0, 0, 0, a[2] * math.sqrt(5 / (4 * math.pi)), 0, 0,
    ]  # fmt: skip
    assert got.tolist() == pytest.approx(want)


def test_harmonics_are_orthonormal_over_the_sphere():
    """Invariant: without the factors a, the integral of Y_i Y_j over the sphere is 1 if i = j, else 0."""
    nodes, weights = np.polynomial.legendre.leggauss(8)
    turn = np.arange(16) * 2 * np.pi / 16
    z, angle = (grid.ravel() for grid in np.meshgrid(nodes, turn, indexing="ij"))
    ring = np.sqrt(1 - z**2)
    normals = torch.tensor(np.stack((ring * np.cos(angle), ring * np.sin(angle), z), -1))
    area = torch.tensor(np.repeat(weights, 16) * 2 * np.pi / 16)
    a = torch.tensor(
        [math.pi] + [2 * math.pi / math.sqrt(3)] * 3 + [2 * math.pi / math.sqrt(8)] * 5, dtype=F64
    )
    harmonics = basis(normals) / a
    assert torch.allclose((harmonics * area[:, None]).T @ harmonics, torch.eye(9, dtype=F64), atol=1e-12)


def test_no_coefficients_are_even_light(directions):
    albedo = torch.rand(1, 400, 3, dtype=F64, generator=torch.manual_seed(1))
    got = shade(albedo, directions[None], torch.zeros(1, 27, dtype=F64))
    assert torch.allclose(got, albedo * (0.8 * math.pi / math.sqrt(4 * math.pi)))


def test_coefficients_are_nine_of_each_colour(directions):
    illumination = torch.zeros(1, 27, dtype=F64)
    illumination[0, 9 + 2] = 0.5  # green light from the viewer
    got = light(directions[None], illumination) - light(directions[None], torch.zeros(1, 27, dtype=F64))
    assert (got[0, :, [0, 2]] == 0).all()
    want = 0.5 * 2 * math.pi / math.sqrt(3) * math.sqrt(3 / (4 * math.pi)) * directions[:, 2]
    assert torch.allclose(got[0, :, 1], want)


def test_fit_finds_the_light(directions):
    generator = torch.manual_seed(2)
    albedo = torch.rand(4, 400, 3, dtype=F64, generator=generator) * 0.8 + 0.1
    truth = torch.randn(4, 27, dtype=F64, generator=generator) * 0.2
    normals = directions.expand(4, -1, -1)
    got = fit_illumination(albedo, normals, shade(albedo, normals, truth), ridge=1e-12)
    assert torch.allclose(got, truth, atol=1e-6)


def test_fit_forgives_what_is_not_skin(directions):
    generator = torch.manual_seed(3)
    albedo = torch.rand(1, 400, 3, dtype=F64, generator=generator) * 0.4 + 0.4
    truth = torch.randn(1, 27, dtype=F64, generator=generator) * 0.1
    colours = shade(albedo, directions[None], truth)
    colours = colours + 0.005 * torch.randn(colours.shape, dtype=F64, generator=generator)
    colours[0, :80] = torch.tensor([0.1, 0.7, 0.1], dtype=F64)  # a fifth is a green mask
    got = fit_illumination(albedo, directions[None], colours)
    error = light(directions[None], got) - light(directions[None], truth)
    assert error.abs().mean() < 0.01


def test_masked_points_have_no_say(directions):
    albedo = torch.full((1, 400, 3), 0.6, dtype=F64)
    truth = torch.zeros(1, 27, dtype=F64)
    truth[0, 3] = 0.3
    colours = shade(albedo, directions[None], truth)
    colours[0, 200:] = torch.nan
    mask = torch.zeros(1, 400, dtype=F64)
    mask[0, :200] = 1
    got = fit_illumination(albedo, directions[None], colours, mask, ridge=1e-10)
    assert torch.allclose(got, truth, atol=1e-5)
    assert (fit_illumination(albedo, directions[None], colours, mask * 0) == 0).all()


def test_shading_is_differentiable(directions):
    albedo = torch.rand(1, 3, 3, dtype=F64, generator=torch.manual_seed(4), requires_grad=True)
    illumination = torch.randn(1, 27, dtype=F64, generator=torch.manual_seed(5), requires_grad=True)
    normals = directions[None, :3].clone().requires_grad_()
    assert torch.autograd.gradcheck(shade, (albedo, normals, illumination))


def test_wrong_shape_is_named(directions):
    with pytest.raises(RecordError, match=r"\(B, 27\), got \(1, 9\)"):
        light(directions[None], torch.zeros(1, 9, dtype=F64))
