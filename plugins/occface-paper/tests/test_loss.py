"""Eq. 1 and the confidence loss, against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from occface_paper.landmarks.loss import confidence_loss, landmark_loss, point_distances


def test_equation_1_is_the_squared_norm_summed_over_points_and_averaged_over_faces():
    truth = torch.zeros(2, 68, 2)
    predicted = truth.clone()
    predicted[0, 0] = torch.tensor([3.0, 4.0])  # 25
    predicted[0, 7] = torch.tensor([1.0, -1.0])  # 2
    predicted[1, 67] = torch.tensor([0.0, 2.0])  # 4
    assert landmark_loss(predicted, truth).item() == pytest.approx((25 + 2 + 4) / 2)


def test_equation_1_gradient_is_twice_the_difference():
    truth = torch.randn(1, 68, 2, dtype=torch.float64)
    predicted = torch.randn(1, 68, 2, dtype=torch.float64, requires_grad=True)
    landmark_loss(predicted, truth).backward()
    assert torch.allclose(predicted.grad, 2 * (predicted - truth).detach())


def test_distances_are_euclidean_and_differentiable_at_zero():
    truth = torch.zeros(1, 2, 2)
    predicted = torch.tensor([[[3.0, 4.0], [0.0, 0.0]]], requires_grad=True)
    distances = point_distances(predicted, truth)
    assert distances[0, 0].item() == pytest.approx(5.0, abs=1e-4)
    distances.sum().backward()
    assert torch.isfinite(predicted.grad).all()


def test_confidence_loss_is_least_where_the_scale_is_the_distance():
    distances = torch.full((1, 68), 0.2)
    at = [confidence_loss(torch.full((1, 68), math.log(s)), distances).item() for s in (0.1, 0.2, 0.4)]
    assert at[1] == pytest.approx(math.log(0.2) + 1, abs=1e-5)
    assert at[1] < min(at[0], at[2])


def test_confidence_loss_leaves_the_points_alone():
    distances = torch.rand(1, 68, requires_grad=True)
    scale = torch.zeros(1, 68, requires_grad=True)
    confidence_loss(scale, distances).backward()
    assert distances.grad is None and scale.grad is not None
