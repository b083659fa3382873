"""How an answer goes back into its crop."""

from __future__ import annotations

import pytest
import torch

from occface_core.compositing import REPLACED, composite
from occface_paper.inpainting.compose import grain, hole_of, matched, toned


@pytest.fixture
def alpha() -> torch.Tensor:
    cover = torch.zeros(1, 1, 256, 256)
    cover[..., 80:160, 90:170] = 1
    return cover


def test_the_hole_is_the_matte_and_its_margin(alpha: torch.Tensor):
    assert torch.equal(hole_of(alpha, 0), alpha)
    grown = hole_of(alpha, 3)
    assert grown[0, 0, 77, 130] == 1 and grown[0, 0, 76, 130] == 0
    assert grown[0, 0, 77, 87] == 0  # rounder than a square
    small = hole_of(alpha[..., ::2, ::2], 3)  # half the size, half the pixels
    assert float(small.sum()) == pytest.approx(float(grown.sum()) / 4, rel=0.08)


def test_composite_keeps_what_is_in_view_and_takes_over_early(alpha: torch.Tensor):
    torch.manual_seed(0)
    image, answer = torch.rand(2, 1, 3, 256, 256)
    mixed = composite(image, answer, alpha)
    inside = (alpha > 0).expand_as(image)
    assert torch.equal(mixed[~inside], image[~inside]) and torch.allclose(mixed[inside], answer[inside])
    assert torch.allclose(composite(image, answer, REPLACED * alpha)[inside], answer[inside])
    assert torch.allclose(
        composite(image, answer, REPLACED / 2 * alpha)[inside], ((image + answer) / 2)[inside]
    )


def test_a_wrong_tone_is_corrected_along_the_border_and_not_far_inside(alpha: torch.Tensor):
    image = torch.full((1, 3, 256, 256), 0.5)
    found = matched(image - 0.05, image, hole_of(alpha, 3), alpha)
    assert (found[0, 0, 80, 130] - 0.5).abs() < 0.02
    assert (found[0, 0, 120, 130] - 0.45).abs() < 0.02
    assert torch.allclose(matched(image, image, hole_of(alpha, 3), alpha), image)


def test_a_grey_photo_stays_grey_and_a_coloured_one_is_left_alone(alpha: torch.Tensor):
    torch.manual_seed(0)
    grey = torch.rand(1, 1, 256, 256).expand(-1, 3, -1, -1)
    answer = torch.rand(1, 3, 256, 256)
    found = toned(answer, grey, 1 - alpha)
    assert (found.amax(1) - found.amin(1)).max() < 1e-3
    coloured = torch.rand(1, 3, 256, 256)
    assert torch.allclose(toned(answer, coloured, 1 - alpha), answer, atol=1e-5)
    assert torch.allclose(toned(answer, grey, torch.zeros_like(alpha)), answer, atol=1e-5)  # nothing to go by


def test_grain_is_as_strong_as_in_view(alpha: torch.Tensor):
    torch.manual_seed(0)
    seen = 1 - alpha
    smooth = torch.full((2, 3, 256, 256), 0.5)
    noise = 0.01 * torch.randn(2, 1, 256, 256)
    noise[1] = 0
    found = grain(smooth + noise, seen.expand(2, -1, -1, -1))
    assert float(found[0].std()) == pytest.approx(0.01, rel=0.15) and found[1].abs().max() < 1e-5
    assert torch.equal(found, grain(smooth + noise, seen.expand(2, -1, -1, -1)))
    assert grain(smooth, torch.zeros_like(seen).expand(2, -1, -1, -1)).abs().max() == 0
