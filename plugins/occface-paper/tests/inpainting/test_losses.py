"""Each loss against a case that is computed by hand."""

from __future__ import annotations

import pytest
import torch

from occface_paper.inpainting.losses import (
    adversarial_loss,
    discriminator_loss,
    gram,
    perceptual_loss,
    pixel_loss,
    style_loss,
    synthesis_loss,
    total_variation,
)


def test_eq2_divides_by_the_masks_size():
    truth = torch.zeros(2, 3, 2, 2)
    found = truth.clone()
    found[0, :, 0, 0] = 0.4  # in the mask of face 0, which has two pixels
    found[0, :, 1, 1] = 9.0  # not in it
    found[1, 0, 0, 0] = 0.3  # one colour of the single pixel of face 1
    mask = torch.zeros(2, 1, 2, 2)
    mask[0, 0, 0] = 1
    mask[1, 0, 0, 0] = 1
    # face 0: 0.4 / 2 = 0.2; face 1: (0.3 + 0 + 0) / 3 = 0.1
    assert pixel_loss(found, truth, mask).item() == pytest.approx(0.15)


def test_eq2_of_an_empty_mask_is_zero():
    picture = torch.rand(1, 3, 4, 4)
    assert pixel_loss(picture, picture + 1, torch.zeros(1, 1, 4, 4)).item() == 0


def test_gram_matrix_of_two_channels():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # channels (1, 2) and (3, 4)
    assert gram(features).tolist() == [[[5.0, 11.0], [11.0, 25.0]]]


def test_eq3_of_two_channels():
    found = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    truth = torch.zeros_like(found)
    # |5| + |11| + |11| + |25| = 52; C H W = 2 * 1 * 2 = 4; C^2 = 4
    assert style_loss({"a": found}, {"a": truth}).item() == pytest.approx(52 / 4 / 4)
    # layers add up, faces are averaged
    twice = torch.cat((found, truth))
    both = style_loss({"a": twice, "b": twice}, {"a": torch.zeros_like(twice), "b": torch.zeros_like(twice)})
    assert both.item() == pytest.approx(52 / 4 / 4)


def test_perceptual_loss_sums_mean_differences_of_layers():
    found = {"a": torch.full((1, 2, 2, 2), 3.0), "b": torch.tensor([[[[1.0, -1.0]]]])}
    truth = {"a": torch.full((1, 2, 2, 2), 1.0), "b": torch.zeros(1, 1, 1, 2)}
    assert perceptual_loss(found, truth).item() == pytest.approx(2.0 + 1.0)


def test_total_variation_counts_pairs_that_touch_the_mask():
    image = torch.tensor([[[[0.0, 1.0, 5.0], [0.0, 2.0, 9.0]]]])
    mask = torch.tensor([[[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]])
    # one pair across, |1 - 0|; one pair down, |0 - 0|
    assert total_variation(image, mask).item() == pytest.approx(1.0)


def test_least_squares_game():
    real, fake = torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5])
    assert adversarial_loss(fake).item() == pytest.approx(0.25)
    assert discriminator_loss(real, fake).item() == pytest.approx(0.5 * (0.5 + 0.25))


def test_eq4_is_the_weighted_sum():
    terms = {name: torch.tensor(v) for name, v in (("pixel", 0.2), ("style", 0.001), ("adversarial", 0.5))}
    total = synthesis_loss(terms, {"style": 250.0, "adversarial": 0.01})
    assert total.item() == pytest.approx(0.2 + 0.25 + 0.005)


def test_the_losses_pass_gradients_where_the_mask_is():
    found = torch.rand(1, 3, 4, 4, requires_grad=True)
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2] = 1
    pixel_loss(found, torch.rand(1, 3, 4, 4), mask).backward()
    assert bool((found.grad[..., :2] != 0).all()) and not bool(found.grad[..., 2:].any())
