"""Shapes and invariants of both networks."""

from __future__ import annotations

import pytest
import torch

from occface_paper.faces.network import STRIDES, FaceNetwork
from occface_paper.faces.verifier import SIZE, FaceVerifier
from occface_paper.fuse import folded
from occface_paper.landmarks.network import LandmarkNetwork, LearnedPool, scaled


@pytest.mark.parametrize("size", [96, 128])
def test_three_taps_are_fused_to_320_and_give_68_points(size: int):
    network = LandmarkNetwork(0.5).eval()
    crop = torch.rand(2, 3, size, size)
    assert network.fused(crop).shape == (2, 320)
    points, log_scale = network(crop)
    assert points.shape == (2, 68, 2) and log_scale.shape == (2, 68)


def test_mobilenet_v3_large_has_the_published_channels_at_width_one():
    network = LandmarkNetwork(1.0)
    assert [block.projection[-1].num_features for block in network.blocks] == [
        *(16, 24, 24, 40, 40, 40),
        *(80, 80, 80, 80, 112, 112),
        *(160, 160, 160),
    ]
    assert network.last[0].out_channels == 960


def test_width_keeps_channels_a_multiple_of_eight_and_at_least_nine_tenths():
    for channels in range(16, 961, 8):
        for width in (0.35, 0.5, 0.75, 1.0):
            got = scaled(channels, width)
            assert got % 8 == 0 and got >= 0.9 * channels * width


def test_learned_pool_starts_as_the_average():
    x = torch.rand(2, 5, 4, 4)
    assert torch.allclose(LearnedPool(5, 4)(x), x.mean((2, 3)), atol=1e-6)


def test_every_parameter_of_the_landmark_network_gets_a_gradient():
    network = LandmarkNetwork(0.5)
    points, log_scale = network(torch.rand(2, 3, 96, 96))
    (points.square().sum() + log_scale.sum()).backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("network", [LandmarkNetwork(0.5), FaceNetwork(16), FaceNetwork(16, 0.5)])
def test_folding_batch_norms_changes_nothing(network: torch.nn.Module):
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    x = torch.rand(1, 3, 128, 128)
    network.eval()
    with torch.no_grad():
        before = [t.clone() for t in network(x)]
        after = folded(network)(x)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())
    for a, b in zip(before, after, strict=True):
        assert torch.allclose(a, b, atol=1e-3, rtol=1e-3)


def test_finder_maps_have_one_cell_a_stride_and_few_parameters():
    network = FaceNetwork().eval()
    for finder in (network, FaceNetwork(16, trunk=0.5).eval()):
        maps = finder(torch.rand(1, 3, 64, 96))
        assert [tuple(m.shape) for m in maps] == [(1, 15, 64 // s, 96 // s) for s in STRIDES]
    assert sum(p.numel() for p in network.parameters()) < 300_000


def test_a_finder_looks_through_the_trunk_of_a_landmark_network():
    trunk = LandmarkNetwork(0.5)
    finder = FaceNetwork.of({"width": "16", "trunk": "0.5"})
    finder.begin_with(trunk.state_dict())
    features = finder.features.state_dict()
    assert all(torch.equal(v, trunk.state_dict()[k]) for k, v in features.items())


def test_verifier_gives_one_logit_a_crop():
    assert FaceVerifier().eval()(torch.rand(3, 3, SIZE, SIZE)).shape == (3,)
