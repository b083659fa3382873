"""The shading cues against a sphere whose light and relief are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from occface_paper.detail.data import side_light
from occface_paper.detail.shading import fit_light, shading_cues

LIGHT = torch.tensor([[0.7, 0.25, 0.15, 0.3, 0.05, -0.04, 0.06, 0.08, 0.03]])


def sphere(side: int = 96) -> torch.Tensor:
    """Normals (1, 3, side, side) of a cap, 0 about it."""
    y, x = torch.meshgrid(torch.linspace(1, -1, side), torch.linspace(-1, 1, side), indexing="ij")
    inside = x**2 + y**2 < 0.8
    z = (1 - x**2 - y**2).clamp_min(0).sqrt()
    return (torch.stack((x, y, z)) * inside)[None]


def lit(normals: torch.Tensor) -> torch.Tensor:
    x, y, z = normals.unbind(1)
    terms = torch.stack((torch.ones_like(x), x, y, z, x * y, y * z, z * x, z * z, x * x - y * y), 1)
    return (terms * LIGHT[:, :, None, None]).sum(1, keepdim=True)


def tilted(normals: torch.Tensor, right: float, up: float) -> torch.Tensor:
    """Normals of the same surface with more slope."""
    x, y, z = normals.unbind(1)
    raised = torch.stack((x / z.clamp_min(0.1) - right, y / z.clamp_min(0.1) - up, torch.ones_like(z)), 1)
    return torch.nn.functional.normalize(raised, dim=1)


def test_the_light_is_found_but_for_its_brightness():
    normals = sphere()
    surface = (normals.square().sum(1, keepdim=True) > 0.5).float()
    brightness = lit(normals)
    mean = (brightness * surface).sum() / surface.sum()
    found = fit_light(brightness / mean, normals, surface)
    for place in ((48, 48), (30, 60), (70, 40)):
        n = normals[:, :, place[0], place[1]]
        x, y, z = n[0]
        terms = torch.stack((torch.ones(()), x, y, z, x * y, y * z, z * x, z * z, x * x - y * y))
        assert (found[0] @ terms).item() == pytest.approx((LIGHT[0] @ terms / mean).item(), rel=0.03)


def test_a_bright_patch_of_albedo_does_not_turn_the_light():
    normals = sphere()
    surface = (normals.square().sum(1, keepdim=True) > 0.5).float()
    painted = lit(normals) / 0.9
    plain = fit_light(painted, normals, surface)
    painted[..., 40:55, 50:70] *= 2.5
    assert (fit_light(painted, normals, surface) - plain).abs().max() < 0.25


def test_nothing_is_left_over_on_the_base_itself_whatever_the_exposure():
    normals = sphere()
    surface = (normals.square().sum(1, keepdim=True) > 0.5).float()
    for gain in (0.4, 1.0):
        left = shading_cues(gain * lit(normals), normals, surface)[:, :1]
        assert left[surface > 0].abs().mean() < 0.03


@pytest.mark.parametrize(("right", "up"), [(0.05, 0.0), (0.0, 0.05)])
def test_the_cues_predict_the_change_that_a_slope_makes(right: float, up: float):
    normals = sphere()
    front = (normals[:, 2] > 0.6)[:, None]
    cues = shading_cues(lit(normals), normals, front.float())
    change = lit(tilted(normals, right, up)).log() - lit(tilted(normals, 0, 0)).log()
    predicted = cues[:, 1:2] * right + cues[:, 2:] * up
    assert torch.corrcoef(torch.stack((change[front], predicted[front])))[0, 1] > 0.97
    assert (predicted[front] / change[front]).median().item() == pytest.approx(1, abs=0.15)


def test_all_is_zero_off_the_surface():
    normals = sphere()
    cues = shading_cues(torch.rand(1, 1, 96, 96), normals, torch.ones(1, 1, 96, 96))
    assert not cues[:, :, :3, :3].any() and torch.isfinite(cues).all()


def test_a_side_light_brightens_one_side_and_keeps_the_mean():
    normals = sphere()[0].numpy()
    factor = side_light(normals, np.random.default_rng(2))[0]
    surface = np.abs(normals).sum(0) > 0
    assert factor[surface].mean() == pytest.approx(1, abs=0.15) and factor[surface].std() > 0.1
    assert (factor[~surface] == 1).all() and factor.min() > 0
