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


def test_the_licences_name_every_stage_that_reads_a_file():
    import tomllib

    text = (FOLDER.parent / "licences.toml").read_text()
    named = {table["file"]: set(table["plugins"]) for table in tomllib.loads(text)["weights"]}
    for name, stage in (("mobilenet_v3", MobileNetV3Landmarks), ("heatmap", HeatmapLandmarks)):
        for weights in ("faces", "verifier", *stage()._heads()):
            assert f"landmark_detector.{name}" in named[f"weights/{weights}.safetensors"]


def test_the_second_path_changes_nothing_at_the_start_and_is_read_from_the_metadata(tmp_path, monkeypatch):
    from occface_paper.landmarks.predict import Look
    from occface_paper.landmarks.train import begin_with
    from occface_paper.training import export_half

    torch.manual_seed(0)
    plain, wide = HeatmapNetwork(0.5).eval(), HeatmapNetwork(0.5, context=True).eval()
    begin_with(wide, plain.state_dict())
    crop = torch.rand(1, 3, 96, 96)
    assert torch.equal(plain(crop)[0], wide(crop)[0])
    torch.nn.init.normal_(wide.entries[1].weight, std=0.5)
    assert not torch.equal(plain(crop)[0], wide(crop)[0])
    metadata = {"width": "0.5", "size": "96", "context": "yes"}
    export_half(tmp_path / "heatmap.safetensors", wide.state_dict(), metadata)
    look = Look.of("heatmap", str(tmp_path))
    assert torch.allclose(look.network(crop)[0], wide(crop)[0], atol=0.02)
