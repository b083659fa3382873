"""The bump network: shapes, bounds, the paper's size, and what its input depends on."""

from __future__ import annotations

import pytest
import torch

from occface_paper.detail.inputs import blurred, network_input
from occface_paper.detail.network import CHANNELS, PAPER_WIDTHS, REACH, BumpNetwork


@pytest.mark.parametrize(("widths", "fold"), [((8, 12, 16), 2), ((8, 12, 16), 1), ((4, 4, 4, 4, 4), 2)])
def test_one_bump_and_one_logit_a_pixel(widths: tuple[int, ...], fold: int):
    network = BumpNetwork(widths, fold).eval()
    bump, valid = network(torch.randn(2, CHANNELS, 64, 64))
    assert bump.shape == valid.shape == (2, 1, 64, 64)
    assert bump.abs().max() <= REACH


def test_it_begins_nearly_flat():
    torch.manual_seed(0)
    bump, _ = BumpNetwork((8, 12, 16)).eval()(torch.randn(1, CHANNELS, 64, 64))
    assert bump.abs().mean() < 0.2


def test_the_papers_network_has_the_papers_channels():
    network = BumpNetwork(PAPER_WIDTHS, fold=1)
    assert [step[0].out_channels for step in network.down] == [32, 64, 128, 256, 512, 1024]
    assert network.enter[0].in_channels == CHANNELS and network.bump.out_channels == 1


def given(**changes: torch.Tensor) -> torch.Tensor:
    values = {
        "picture": torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(1)) * 0.5 + 0.2,
        "matte": torch.zeros(1, 1, 48, 48),
        "normals": torch.zeros(1, 3, 48, 48),
        "depth": torch.full((1, 1, 48, 48), 950.0),
        "face": torch.ones(1, 1, 48, 48),
        "centre": torch.tensor([1000.0]),
    }
    return network_input(**(values | changes))


def test_input_has_the_channels_and_no_nan_where_there_is_no_surface():
    depth = torch.full((1, 1, 48, 48), 950.0)
    depth[..., :10] = torch.nan
    x = given(depth=depth)
    assert x.shape == (1, CHANNELS, 48, 48) and torch.isfinite(x).all()
    assert x[0, 7, 0, 0] == -2 and x[0, 7, 0, 20] == pytest.approx(50 / 60)


def test_fine_shading_does_not_change_with_exposure():
    picture = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(1)) * 0.5 + 0.2
    first, brighter = given(picture=picture)[:, 3], given(picture=1.3 * picture)[:, 3]
    assert torch.allclose(first, brighter, atol=1e-3)
    assert first.std() > 0.1


def test_what_is_hidden_gives_the_seen_part_no_halo():
    picture, matte = torch.full((1, 3, 48, 48), 0.5), torch.zeros(1, 1, 48, 48)
    picture[..., 24:], matte[..., 24:] = 0.05, 1.0
    assert given(picture=picture, matte=matte)[0, 3, :, :22].abs().max() < 0.05
    assert given(picture=picture)[0, 3, :, 18:22].abs().max() > 0.5


def test_blur_keeps_the_sum_and_spreads_as_far_as_it_says():
    point = torch.zeros(1, 1, 61, 61)
    point[..., 30, 30] = 1
    spread = blurred(point, 4.0)
    assert spread.sum().item() == pytest.approx(1, rel=1e-3)
    across = (spread[0, 0].sum(0) * (torch.arange(61.0) - 30) ** 2).sum().sqrt()
    assert across.item() == pytest.approx(4.0, rel=0.05)
