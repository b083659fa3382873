"""Integral regression: points are where the heatmaps say."""

from __future__ import annotations

import pytest
import torch

from occface_core.testing import parametrize_checks
from occface_paper.landmarks.heatmap import REACH, HeatmapNetwork
from occface_paper.landmarks.network import LandmarkNetwork
from occface_paper.landmarks.stage import HeatmapLandmarks, MobileNetV3Landmarks
from occface_paper.weights import FOLDER

needs_weights = pytest.mark.skipif(
    not (FOLDER / "heatmap.safetensors").exists(), reason="no trained weights in this checkout"
)


@needs_weights
@parametrize_checks(HeatmapLandmarks)
def test_the_stage_keeps_the_contract(check):
    check()


def test_a_heatmap_with_one_peak_gives_its_place_and_no_doubt(monkeypatch):
    network = HeatmapNetwork(0.5).eval()
    chance = torch.zeros(1, 68, 32, 32)
    chance[:, :, 8, 24] = 1
    monkeypatch.setattr(network, "heatmaps", lambda crop: chance)
    points, sharp = network(torch.rand(1, 3, 128, 128))
    expected = torch.tensor([(24 + 0.5) / 16 - 1, (8 + 0.5) / 16 - 1]) * REACH
    assert torch.allclose(points, expected.expand_as(points), atol=1e-5)
    chance = torch.full((1, 68, 32, 32), 1 / 1024)
    points, blunt = network(torch.rand(1, 3, 128, 128))
    assert torch.allclose(points, torch.zeros_like(points), atol=1e-5)
    assert (blunt > sharp).all()


def test_heatmaps_sum_to_one_at_a_quarter_of_the_crop():
    maps = HeatmapNetwork(0.5).eval().heatmaps(torch.rand(2, 3, 96, 96))
    assert maps.shape == (2, 68, 24, 24)
    assert torch.allclose(maps.sum((2, 3)), torch.ones(2, 68), atol=1e-5)


def test_it_takes_over_the_trunk_of_the_landmark_network_and_can_leave_it_alone():
    landmarks, network = LandmarkNetwork(0.5), HeatmapNetwork(0.5)
    network.trunk_state(landmarks.state_dict())
    assert torch.equal(network.stem[0].weight, landmarks.stem[0].weight)
    network.freeze_trunk()
    points, _ = network(torch.rand(2, 3, 64, 64))
    points.sum().backward()
    assert network.stem[0].weight.grad is None and network.maps.weight.grad is not None


@needs_weights
def test_the_last_look_is_the_heatmaps_unless_it_is_switched_off():
    def names(**options: bool) -> list[str]:
        stage = MobileNetV3Landmarks(**options)
        stage.setup("cpu")
        return [type(look.network).__name__ for look in stage._looks]

    assert names() == ["LandmarkNetwork", "HeatmapNetwork"]
    assert names(refine=False) == ["LandmarkNetwork"]
    both, one = MobileNetV3Landmarks(), MobileNetV3Landmarks(refine=False)
    assert both.weights_sha256() != one.weights_sha256()
