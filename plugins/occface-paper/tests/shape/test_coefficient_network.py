"""The shape network's parts: trunks, what it begins with, its doubt."""

from __future__ import annotations

import pytest
import torch

from occface_core.facemodel import FaceModel
from occface_paper.landmarks.network import LandmarkNetwork
from occface_paper.shape.coefficients import GROUPS, Estimate, centre_vector, split, spread_vector
from occface_paper.shape.network import CoefficientNetwork, mean_places
from occface_paper.shape.trunks import TRUNKS, ResNet, build_trunk


def inputs(batch: int = 2, size: int = 64) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    crop = torch.rand(batch, 3, size, size, generator=generator)
    return crop, mean_places().repeat(batch, 1, 1), torch.ones(batch, 68), centre_vector().repeat(batch, 1)


def test_sizes_are_those_of_the_embedded_model():
    model = FaceModel.embedded()
    sizes = (len(model.identity), len(model.expression), len(model.albedo))
    assert (GROUPS["identity"], GROUPS["expression"], GROUPS["albedo"]) == sizes
    assert len(spread_vector()) == len(centre_vector()) == sum(GROUPS.values()) == 204
    assert (spread_vector() > 0).all()


@pytest.mark.parametrize("trunk", TRUNKS)
def test_every_trunk_gives_all_groups(trunk):
    network = CoefficientNetwork(trunk, 0.5).eval()
    found = network(*inputs())
    assert len(found) == 2 and found.log_variance.shape == (2, len(GROUPS))
    for name, size in GROUPS.items():
        assert getattr(found, name).shape == (2, size)
    torch.testing.assert_close(found.vector(), torch.cat([getattr(found, name) for name in GROUPS], 1))
    assert network.variance(found).shape == (2, 204) and (network.variance(found) > 0).all()


def test_an_unknown_trunk_is_said():
    with pytest.raises(ValueError, match="mobilenet_v3, resnet18, resnet50"):
        build_trunk("vgg", 1.0)


@pytest.mark.parametrize(("depth", "parameters"), [(18, 11_176_512), (50, 23_508_032)])
def test_resnets_have_the_published_size(depth, parameters):
    """torchvision's counts without the classifier: 11,689,512 - 513,000 and 25,557,032 - 2,049,000."""
    network = ResNet(depth, spatial=False)
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert network(torch.rand(1, 3, 64, 64)).shape == (1, network.channels)


def test_it_begins_with_the_trunk_of_a_landmark_network():
    torch.manual_seed(1)
    given = LandmarkNetwork(0.5)
    network = CoefficientNetwork(width=0.5)
    network.begin_with(given.state_dict())
    crop = inputs()[0]
    torch.testing.assert_close(network.trunk.eval().stem(crop), given.eval().stem(crop))
    assert torch.equal(network.trunk.last[0].weight, given.last[0].weight)
    with pytest.raises(ValueError, match="mobilenet_v3"):
        CoefficientNetwork("resnet18").begin_with(given.state_dict())


def test_frozen_blocks_do_not_learn():
    network = CoefficientNetwork(width=0.5)
    network.trunk.freeze(3)
    before = network.trunk.blocks[1].state_dict()
    before = {name: value.clone() for name, value in before.items()}
    network(*inputs()).vector().sum().backward()
    assert (
        network.trunk.stem[0].weight.grad is None
        and network.trunk.blocks[3].projection[0].weight.grad is not None
    )
    for name, value in network.trunk.blocks[1].state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_estimate_is_the_closed_form_fit_plus_a_correction():
    network = CoefficientNetwork(width=0.5).eval()
    torch.nn.init.zeros_(network.head.weight)
    crop, points, trust, start = inputs()
    start = start + torch.rand_like(start)
    torch.testing.assert_close(network(crop, points, trust, start).vector(), start)


def test_points_that_nobody_trusts_are_not_looked_at():
    network = CoefficientNetwork(width=0.5).eval()
    crop, points, trust, start = inputs()
    a = network(crop, points, trust * 0, start).vector()
    b = network(crop, points + 0.3, trust * 0, start).vector()
    assert torch.equal(a, b)


def test_the_usual_error_is_followed_where_it_is_known():
    network = CoefficientNetwork(width=0.5)
    squared = torch.full((204,), 0.25)
    squared[5] = torch.nan
    network.observe(squared, share=0.5)
    assert float(network.usual[0]) == pytest.approx(0.625) and float(network.usual[5]) == 1
    found = Estimate(**split(centre_vector()[None]), log_variance=torch.zeros(1, 6))
    expected = network.usual * spread_vector() ** 2
    torch.testing.assert_close(network.variance(found)[0], expected)
