"""The loss of eq. 8, term by term, against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from occface_paper.detail.losses import VALID, bump_loss, level_loss, slope_loss, valid_loss

LEVELS = 9.6  # of the encoding, a mm


def ramp(gain: float) -> torch.Tensor:
    """Rises by `gain` mm a pixel to the right, by twice that downwards."""
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    return (gain * (x + 2 * y))[None, None]


EVERYWHERE = torch.ones(1, 1, 8, 8)


def test_level_term_counts_levels_of_the_encoding():
    assert level_loss(ramp(0) + 0.5, ramp(0), EVERYWHERE).item() == pytest.approx(0.5 * LEVELS, rel=1e-5)


def test_slope_terms_do_not_see_an_offset_but_see_each_direction():
    across, down = slope_loss(ramp(0) + 0.5, ramp(0), EVERYWHERE)
    assert across.item() == pytest.approx(0, abs=1e-4) and down.item() == pytest.approx(0, abs=1e-4)
    across, down = slope_loss(ramp(0.1), ramp(0), EVERYWHERE)
    assert across.item() == pytest.approx(0.1 * LEVELS, rel=1e-3)
    assert down.item() == pytest.approx(0.2 * LEVELS, rel=1e-3)


def test_heights_beyond_the_encoding_cost_no_more_than_its_end():
    end = level_loss(ramp(0) + 127 / LEVELS * 2, ramp(0), EVERYWHERE)
    assert end.item() == pytest.approx(128, rel=1e-5)


def test_pixels_without_weight_do_not_count():
    weight = EVERYWHERE.clone()
    weight[..., 4:] = 0
    bump = torch.zeros(1, 1, 8, 8)
    bump[..., 4:] = 3.0
    across, down = slope_loss(bump, torch.zeros_like(bump), weight)
    assert level_loss(bump, torch.zeros_like(bump), weight) == 0 and across == 0 and down == 0


def test_valid_term_is_the_cross_entropy():
    logits = torch.full((1, 1, 8, 8), 2.0)
    assert valid_loss(logits, EVERYWHERE, EVERYWHERE).item() == pytest.approx(
        math.log1p(math.exp(-2.0)), rel=1e-5
    )


def test_the_sum_has_the_papers_weights():
    logits = torch.zeros(1, 1, 8, 8)
    total = bump_loss(ramp(0.1) + 0.3, logits, ramp(0), EVERYWHERE, EVERYWHERE)
    level = level_loss(ramp(0.1) + 0.3, ramp(0), EVERYWHERE)
    assert total.item() == pytest.approx(level.item() + 0.3 * LEVELS + VALID * math.log(2), rel=1e-3)
    assert VALID == 0.1


def test_the_right_answer_costs_least_and_the_loss_has_a_gradient():
    truth = 0.3 * torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    bump = torch.zeros(2, 1, 8, 8, requires_grad=True)
    logits = torch.zeros(2, 1, 8, 8, requires_grad=True)
    valid = torch.ones(2, 1, 8, 8)
    loss = bump_loss(bump, logits, truth, valid, valid)
    loss.backward()
    assert bump.grad is not None and bump.grad.abs().sum() > 0
    assert bump_loss(truth, torch.full_like(truth, 20.0), truth, valid, valid) < 1e-3 < loss
