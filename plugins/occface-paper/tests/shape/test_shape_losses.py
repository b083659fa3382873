"""Every loss against its formula, a closed form or an invariant."""

from __future__ import annotations

import math

import pytest
import torch

from occface_core.geometry.camera import rotation_from_angles
from occface_core.geometry.illumination import shade
from occface_paper.shape.losses import (
    COLOUR_TOLERANCE,
    doubt_loss,
    form_loss,
    photo_point_loss,
    photometric_loss,
    point_loss,
    prior_loss,
    rotation_loss,
    skin_colours,
    spread_loss,
    vertex_loss,
)


@pytest.fixture()
def cloud() -> torch.Tensor:
    return torch.randn(2, 40, 3, generator=torch.Generator().manual_seed(0)) * 30


def test_vertex_loss_is_the_mean_distance_in_mm(cloud):
    assert float(vertex_loss(cloud + torch.tensor([3.0, 0, 4.0]), cloud)) == pytest.approx(5, abs=1e-4)


def test_form_loss_does_not_see_place_and_size(cloud):
    assert float(form_loss(1.2 * cloud + 7, cloud)) < 2e-3
    assert float(form_loss(cloud * torch.tensor([1.1, 1.0, 1.0]), cloud)) > 0.3


def test_point_loss_is_a_weighted_mean():
    found, truth = torch.zeros(1, 68, 2), torch.zeros(1, 68, 2)
    found[0, 0, 0], found[0, 1, 1] = 3.0, 5.0
    weight = torch.zeros(1, 68)
    weight[0, :2] = torch.tensor([1.0, 3.0])
    assert float(point_loss(found, truth, weight)) == pytest.approx((3 + 15) / 4, rel=1e-3)
    assert float(point_loss(found, truth)) == pytest.approx(8 / 68, rel=2e-2)


def test_photo_points_of_the_jaw_count_across_the_outline_alone():
    truth = torch.zeros(1, 68, 2)
    truth[0, :17, 0] = torch.arange(17) * 10.0  # a jaw along x
    near = torch.zeros(1, 17, dtype=torch.bool)
    along, across = truth.clone(), truth.clone()
    along[:, :17, 0] += 4
    across[:, :17, 1] += 4
    assert float(photo_point_loss(along, truth, near)) < 0.2 * float(photo_point_loss(across, truth, near))
    assert float(photo_point_loss(across, truth, ~near)) < float(photo_point_loss(across, truth, near))


def test_wild_photo_points_pull_less_and_less():
    truth = torch.zeros(1, 68, 2)
    near = torch.zeros(1, 17, dtype=torch.bool)
    pulls = []
    for error in (2.0, 60.0):
        found = truth.clone()
        found[0, 30, 0] = error
        found.requires_grad_(True)
        photo_point_loss(found, truth, near).backward()
        pulls.append(float(found.grad.norm()))
    assert pulls[1] < 0.4 * pulls[0]


@pytest.mark.parametrize("degrees", [0.5, 10.0, 90.0])
def test_rotation_loss_is_the_angle(degrees):
    start = rotation_from_angles(torch.tensor([[0.2, -0.4, 0.1]]))
    turn = rotation_from_angles(torch.zeros(1, 3)) @ rotation_from_angles(
        torch.tensor([[0.0, math.radians(degrees), 0.0]])
    )
    assert float(rotation_loss(start @ turn, start)) == pytest.approx(degrees, rel=1e-3)


def test_spread_loss_counts_in_spreads_and_leaves_rows_out():
    found, truth, spread = torch.ones(2, 4), torch.zeros(2, 4), torch.full((4,), 0.5)
    found[1] = 9
    assert float(spread_loss(found, truth, spread, torch.tensor([1.0, 0.0]))) == pytest.approx(4)
    assert float(spread_loss(found, truth, spread, torch.zeros(2))) == 0


def test_doubt_is_least_where_it_is_right():
    squared = torch.tensor([0.5, 2.0])
    right = doubt_loss(squared.log(), squared)
    assert float(right) == pytest.approx(float((0.5 * (1 + squared.log())).mean()))
    for wrong in (-0.5, 0.5):
        assert float(doubt_loss(squared.log() + wrong, squared)) > float(right)


def test_prior_is_least_for_the_mean_face():
    identity, expression = torch.zeros(2, 80), torch.zeros(2, 51)
    assert float(prior_loss(identity, expression, 0.14)) == 0
    assert float(prior_loss(identity + 1, expression, 0.14)) == pytest.approx(1)
    # a negative weight costs more than a positive one: it is none that the model has
    assert float(prior_loss(identity, expression - 0.1, 0.14)) > float(
        prior_loss(identity, expression + 0.1, 0.14)
    )


def test_colours_are_read_at_pixel_centres():
    image = torch.arange(64.0).reshape(1, 1, 8, 8).expand(1, 3, 8, 8)
    found = skin_colours(image, torch.tensor([[[2.0, 3.0], [2.5, 3.0]]]))
    assert found[0, :, 0].tolist() == pytest.approx([26.0, 26.5])


@pytest.fixture()
def patch():
    """A plane of skin that faces the camera, and the picture in which it looks as its light says."""
    pixels = torch.rand(1, 30, 2, generator=torch.Generator().manual_seed(1)) * 20 + 5
    camera = torch.cat([pixels - 15.5, torch.full((1, 30, 1), 1000.0)], -1)
    normals = torch.tensor([0.0, 0.0, -1.0]).expand(1, 30, 3)
    albedo, light = torch.full((1, 30, 3), 0.5), torch.zeros(1, 27)
    colour = shade(albedo, torch.tensor([0.0, 0.0, 1.0]).expand(1, 30, 3), light)[0, 0]
    image = colour[None, :, None, None].expand(1, 3, 32, 32).clone()
    return {
        "image": image,
        "pixels": pixels,
        "camera": camera,
        "normals": normals,
        "albedo": albedo,
        "illumination": light,
    }


def test_photometric_loss_is_zero_for_the_right_colours(patch):
    assert float(photometric_loss(**patch)) < 1e-10


def test_photometric_loss_is_robust(patch):
    image = patch["image"] + 0.1
    error = float(photometric_loss(**patch | {"image": image}))
    assert error == pytest.approx(COLOUR_TOLERANCE / 2, rel=0.01)  # e = t: half of the most
    assert float(photometric_loss(**patch | {"image": patch["image"] * 0 + 0.95})) < COLOUR_TOLERANCE


def test_photometric_loss_skips_the_matte_and_what_looks_away(patch):
    wrong = patch | {"image": patch["image"] + 0.2}
    assert float(photometric_loss(**wrong)) > 0.05
    assert float(photometric_loss(**wrong, matte=torch.ones(1, 1, 32, 32))) == 0
    assert float(photometric_loss(**wrong | {"normals": -patch["normals"]})) == 0


def test_photometric_loss_teaches_light_and_albedo(patch):
    albedo, light = patch["albedo"].clone().requires_grad_(), patch["illumination"].clone().requires_grad_()
    photometric_loss(
        **patch | {"albedo": albedo, "illumination": light, "image": patch["image"] + 0.05}
    ).backward()
    assert float(albedo.grad.abs().sum()) > 0 and float(light.grad.abs().sum()) > 0
