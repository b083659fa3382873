from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from occface_classic.detail.linear_shading import slope_response, solve_height
from occface_classic.detail.rendering import render_base
from occface_classic.detail.shape_from_shading import ShapeFromShading, fade
from occface_classic.detail.soft_symmetry import SoftSymmetry
from occface_core.facemodel import FaceModel
from occface_core.geometry.bump import detailed_depth
from occface_core.geometry.camera import intrinsics
from occface_core.geometry.illumination import light, shade
from occface_core.geometry.normals import depth_normals
from occface_core.types import FaceShape, Matte

MODEL = FaceModel.embedded()
SIDE = torch.zeros(1, 3, 9)
SIDE[:, :, 3] = 0.3  # light from one side


def mean_face(illumination: Tensor | None = None) -> FaceShape:
    return FaceShape(
        vertices=MODEL.tensor("mean")[None].clone(),
        coefficients={
            "identity": torch.zeros(1, len(MODEL.identity)),
            "expression": torch.zeros(1, len(MODEL.expression)),
            "albedo": torch.zeros(1, len(MODEL.albedo)),
            "illumination": torch.zeros(1, 27) if illumination is None else illumination.reshape(1, 27),
        },
        rotation=torch.diag(torch.tensor([1.0, -1.0, -1.0]))[None],
        translation=torch.tensor([[0.0, 0.0, 1000.0]]),
        intrinsics=intrinsics(256)[None],
        model=MODEL,
    )


def photo_of(shape: FaceShape, bump: Tensor, illumination: Tensor) -> Tensor:
    """Render the displaced surface by the normals of its depth map: not the code under test."""
    base = render_base(shape, 256)
    normals = depth_normals(detailed_depth(shape.depth(256), bump, shape.intrinsics), shape.intrinsics)
    flat = depth_normals(shape.depth(256), shape.intrinsics)

    def lit(n: Tensor) -> Tensor:
        points = n.permute(0, 2, 3, 1).reshape(1, -1, 3)
        return light(points, illumination.reshape(1, 27)).reshape(1, 256, 256, 3).permute(0, 3, 1, 2)

    smooth = base.normals.permute(0, 2, 3, 1).reshape(1, -1, 3)
    albedo = base.albedo.permute(0, 2, 3, 1).reshape(1, -1, 3)
    plain = shade(albedo, smooth, illumination.reshape(1, 27)).reshape(1, 256, 256, 3).permute(0, 3, 1, 2)
    return (plain * lit(normals) / lit(flat).clamp_min(0.05)).clamp(0, 1)


def empty() -> Matte:
    return Matte(alpha=torch.zeros(1, 1, 256, 256))


def folds() -> Tensor:
    """Upright folds on the cheeks and forehead, 0.4 mm high, 12 pixels apart."""
    x = torch.arange(256.0)
    return (0.4 * torch.cos(2 * math.pi * x / 12))[None, None, None].expand(1, 1, 256, 256).clone()


def test_solver_recovers_a_height_field_from_its_slope() -> None:
    rows, columns = np.indices((64, 64))
    true = 0.8 * np.exp(-((columns - 32) ** 2 + (rows - 30) ** 2) / (2 * 6**2))
    pitch = np.full((64, 64), 0.9)
    slope = np.diff(true, axis=1, append=0) / pitch
    found = solve_height(
        slope,
        np.ones((64, 64)),
        np.zeros((64, 64)),
        pitch,
        np.ones((64, 64)),
        np.ones((64, 64), bool),
        guess=np.zeros((64, 64)),
        guess_weight=np.zeros((64, 64)),
        smoothness=1e-6,
        relaxation=1e-6,
    )
    assert np.abs(found - true).max() < 0.08


def test_slope_response_against_the_derivative_of_the_formula() -> None:
    """l = a + b n_x on a surface that faces the viewer: d log l / d z_x = -b / a, and nothing upwards."""
    front = torch.tensor([[[0.0, 0.0, 1.0]]])
    ambient = light(front, torch.zeros(1, 27))[0, 0, 0]
    tilted = (
        light(torch.tensor([[[1.0, 0.0, 0.0]]]), SIDE.reshape(1, 27))[0, 0, 0]
        - light(torch.tensor([[[1.0, 0.0, 0.0]]]), torch.zeros(1, 27))[0, 0, 0]
    )
    right, upward = slope_response(front, SIDE.reshape(1, 27))
    assert float(right) == pytest.approx(-float(tilted / ambient), rel=1e-2)
    assert abs(float(upward)) < 1e-4


def test_a_face_without_detail_gets_none() -> None:
    shape = mean_face()
    detail = ShapeFromShading().run(photo_of(shape, torch.zeros(1, 1, 256, 256), SIDE), shape, empty())
    assert detail.bump.abs().max() < 0.25
    assert detail.bump.abs().mean() < 0.02


def test_folds_lit_from_the_side_are_found() -> None:
    shape, true = mean_face(), folds()
    detail = ShapeFromShading().run(photo_of(shape, true, SIDE), shape, empty())
    seen = detail.valid > 0.7
    assert seen.sum() > 3000
    found, wanted = detail.bump[seen], true[seen]
    correlation = float(torch.corrcoef(torch.stack((found, wanted)))[0, 1])
    assert correlation > 0.7
    assert (found - wanted).norm() < 0.85 * wanted.norm()


def test_a_dark_crease_under_even_light_is_deep() -> None:
    shape = mean_face()
    image = photo_of(shape, torch.zeros(1, 1, 256, 256), torch.zeros(1, 3, 9))
    row = 52  # on the forehead
    image[:, :, row : row + 3, 100:156] *= 0.88
    bump = ShapeFromShading().run(image, shape, empty()).bump[0, 0]
    crease = bump[row : row + 3, 110:146].mean()
    beside = (bump[row - 8 : row - 5, 110:146].mean() + bump[row + 8 : row + 11, 110:146].mean()) / 2
    assert crease < -0.1
    assert crease < beside - 0.1


def test_nothing_off_the_face_in_hidden_parts_or_over_the_limit() -> None:
    shape = mean_face()
    noise = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    detail = ShapeFromShading(limit=0.5, strength=5).run(noise, shape, empty())
    assert detail.bump.abs().max() <= 0.5
    assert (detail.bump[torch.isnan(shape.depth(256))] == 0).all()
    hidden = ShapeFromShading().run(noise, shape, Matte(alpha=torch.ones(1, 1, 256, 256)))
    assert (hidden.bump == 0).all() and (hidden.valid == 0).all()


def test_half_a_hidden_face_has_detail_on_the_other_half_only() -> None:
    shape, alpha = mean_face(), torch.zeros(1, 1, 256, 256)
    alpha[..., :128] = 1
    detail = ShapeFromShading().run(photo_of(shape, folds(), SIDE), shape, Matte(alpha=alpha))
    assert (detail.valid[..., :128] == 0).all()
    assert detail.bump[..., :120].abs().mean() < 0.2 * detail.bump[..., 136:].abs().mean()


def test_fade_starts_at_zero_and_ends_whole() -> None:
    mask = np.zeros((40, 40), np.float32)
    mask[5:35, 5:35] = 1
    faded = fade(mask, 6)
    assert faded[5, 20] == 0 and faded[20, 20] == 1
    assert (np.diff(faded[20, 5:20]) >= 0).all()


def test_hidden_side_gets_the_detail_of_the_other() -> None:
    """Folds that are the same on both halves, one of them hidden: they come back, and the seen ones stay."""
    shape, true, alpha = mean_face(), folds(), torch.zeros(1, 1, 256, 256)
    true = (true + true.flip(3)) / 2
    alpha[..., 60:200, 50:118] = 1
    photo = photo_of(shape, true, SIDE)
    alone = ShapeFromShading().run(photo, shape, Matte(alpha=alpha))
    mirrored = SoftSymmetry().run(photo, shape, Matte(alpha=alpha))
    seen = (alpha == 0) & (alone.valid > 0.5)
    assert torch.equal(mirrored.bump[seen], alone.bump[seen])
    filled = (alpha == 1) & (mirrored.valid > 0.7)
    assert filled.sum() > 1000
    correlation = torch.corrcoef(torch.stack((mirrored.bump[filled], true[filled])))[0, 1]
    assert float(correlation) > 0.6
