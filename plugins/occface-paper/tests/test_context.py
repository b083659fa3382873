"""The second path of the parsing network: public weights read and folded, no change at the start, slow learning."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from occface_core.errors import WeightsMissing
from occface_paper.context import FROZEN, LEVELS, ContextPath, imagenet_context
from occface_paper.parsing.network import ParsingNetwork
from occface_paper.parsing.synthetic import synthetic_crops
from occface_paper.parsing.train import begun_network
from occface_paper.train import app
from occface_paper.training import GENTLE, adamw, export_half
from occface_paper.weights import load_weights


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ContextPath]:
    """A file in the layout of torchvision's, with noise for weights, and its network."""
    torch.manual_seed(0)
    network = ContextPath(norms=True).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    path = tmp_path_factory.mktemp("public") / "mobilenet_v2.pth"
    torch.save(network.state_dict() | {"classifier.1.bias": torch.zeros(1000)}, path)
    return path, network


def test_the_public_files_names_and_sizes(public: tuple[Path, ContextPath]):
    state = public[1].state_dict()
    expected = {
        "features.0.0.weight": (32, 3, 3, 3),
        "features.1.conv.0.0.weight": (32, 1, 3, 3),
        "features.1.conv.1.weight": (16, 32, 1, 1),
        "features.2.conv.1.1.running_mean": (96,),
        "features.17.conv.3.bias": (320,),
    }
    assert {name: tuple(state[name].shape) for name in expected} == expected


def test_folding_the_public_weights_changes_no_feature(public: tuple[Path, ContextPath]):
    path, network = public
    folded = ContextPath()
    folded.load_state_dict(imagenet_context(path))
    crop = torch.rand(2, 3, 64, 96)
    for side, (found, true) in zip(
        (4, 8, 16, 32), zip(folded(crop), network(crop), strict=True), strict=True
    ):
        assert found.shape[2:] == (64 // side, 96 // side)
        assert torch.allclose(found, true, atol=1e-4 * float(true.detach().abs().max()))
    assert [f.shape[1] for f in folded(crop)] == list(LEVELS.values())


def test_a_wrong_file_is_a_clear_error(tmp_path: Path):
    with pytest.raises(WeightsMissing, match="not there"):
        imagenet_context(tmp_path / "none.pth")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsMissing, match="MobileNetV2"):
        imagenet_context(tmp_path / "other.pth")


def test_the_path_learns_slowly_and_its_first_layers_not_at_all():
    network = ParsingNetwork(0.5, context=True)
    assert network.context is not None
    groups = adamw(network, 1e-3, 0.01, "context.").param_groups
    gentle = {id(p) for group in groups if group["share"] == GENTLE for p in group["params"]}
    assert gentle == {id(p) for p in network.context.parameters()}
    assert all(group["share"] == 1.0 for group in adamw(network, 1e-3, 0.01).param_groups)
    torch.nn.init.ones_(network.entries[3].weight)
    network(torch.rand(2, 3, 64, 64)).square().sum().backward()
    first, last = network.context.features[FROZEN], network.context.features[17]
    assert all(p.grad is None for p in first.parameters())
    assert all(p.grad is not None for p in last.parameters())


def test_a_run_begun_from_a_network_without_the_path(public: tuple[Path, ContextPath], tmp_path: Path):
    torch.manual_seed(1)
    start = ParsingNetwork(0.5).eval()
    export_half(tmp_path / "start.safetensors", start.state_dict(), start.metadata())
    synthetic_crops(4, 3, workers=1).save(tmp_path / "labels.npz")
    command = ["parsing", "--data", str(tmp_path), "--labels", str(tmp_path / "labels.npz")]
    command += ["--out", str(tmp_path), "--size", "64", "--batch", "2", "--threads", "1", "--minutes", "5"]
    command += ["--occluders", "4", "--synthetic", "2", "--start", str(tmp_path / "start.safetensors")]
    command += ["--context", str(public[0]), "--rate", "0.1"]
    crop = torch.rand(1, 3, 64, 64)
    network = begun_network(1.0, tmp_path / "start.safetensors", public[0], None).eval()
    assert torch.allclose(network(crop), start(crop), atol=0.02)  # half precision of the file
    states = [network.state_dict()]
    for extra in (["--steps", "3"], ["--steps", "5", "--resume"]):
        assert CliRunner().invoke(app, [*command, *extra], catch_exceptions=False).exit_code == 0
        state, metadata = load_weights(tmp_path / "parsing.safetensors")
        ParsingNetwork.of(metadata).load_state_dict(state)
        states.append(state)
    begun, trained, resumed = states
    frozen = tuple(f"context.features.{i}." for i in range(FROZEN + 1))
    for name in begun:
        if name.startswith("context."):
            same = name.startswith(frozen)
            assert torch.equal(begun[name].half().float(), trained[name]) == same, name
            assert torch.equal(trained[name], resumed[name]) == same, name
