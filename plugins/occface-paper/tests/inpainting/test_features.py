"""Feature networks: what their files may hold, and how layers and distances are computed."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from occface_core.errors import WeightsMissing
from occface_paper.inpainting.features import FeatureNetwork, read_arrays


def arrays_of(network: FeatureNetwork, seed: int = 0) -> dict:
    """Random weights in the layout of the files: kernels (height, width, in, out)."""
    rng = np.random.default_rng(seed)
    layers = {
        f"Conv_{i}": {
            "kernel": rng.normal(0, 0.1, c.weight.permute(2, 3, 1, 0).shape).astype(np.float32),
            "bias": rng.normal(0, 0.1, c.bias.shape).astype(np.float32),
        }
        for i, c in enumerate(network.convolutions.values())
    }
    heads = {
        f"NetLinLayer_{i}": {
            "Conv_0": {"kernel": rng.uniform(0, 1, (1, 1, h.shape[1], 1)).astype(np.float32)}
        }
        for i, h in enumerate(network.heads)
    }
    return {network.root: layers} | heads


def test_weights_are_read_in_their_order(tmp_path: Path):
    arrays = arrays_of(FeatureNetwork("alexnet"))
    (tmp_path / "alexnet.ckpt").write_bytes(pickle.dumps(arrays))
    network = FeatureNetwork.read(tmp_path, "alexnet")
    kernel = arrays["AlexNet_0"]["Conv_1"]["kernel"]
    assert network.convolutions["2_1"].weight[7, 5, 1, 2] == pytest.approx(kernel[1, 2, 5, 7])
    assert not any(p.requires_grad for p in network.parameters())


class _Evil:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps({"a": _Evil()}), "builtins.print"),
        (b"no pickle", "not a pickle"),
        (pickle.dumps([np.zeros(2)]), "must hold a dict"),
    ],
    ids=["code", "rubbish", "list"],
)
def test_a_file_with_anything_but_arrays_is_refused(content: bytes, said: str, tmp_path: Path, capsys):
    path = tmp_path / "vgg16.ckpt"
    path.write_bytes(content)
    with pytest.raises(WeightsMissing, match=said):
        read_arrays(path)
    assert capsys.readouterr().out == ""


def test_missing_and_foreign_weights_are_clear_errors(tmp_path: Path):
    with pytest.raises(WeightsMissing, match="--features"):
        FeatureNetwork.read(tmp_path, "vgg16")
    (tmp_path / "vgg16.ckpt").write_bytes(pickle.dumps({"other": np.zeros(2)}))
    with pytest.raises(WeightsMissing, match="does not hold the weights of vgg16"):
        FeatureNetwork.read(tmp_path, "vgg16")


def test_vgg16_has_the_published_layers():
    network = FeatureNetwork("vgg16")
    widths = [c.out_channels for c in network.convolutions.values()]
    assert widths == [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    shapes = {k: tuple(v.shape) for k, v in network(torch.rand(1, 3, 32, 32), ("1_1", "2_2", "5_2")).items()}
    assert shapes == {"1_1": (1, 64, 32, 32), "2_2": (1, 128, 16, 16), "5_2": (1, 512, 2, 2)}


def test_nothing_after_the_last_asked_layer_is_computed():
    network = FeatureNetwork("vgg16")
    network.convolutions["3_1"] = None
    assert set(network(torch.rand(1, 3, 8, 8), ("1_2", "2_1"))) == {"1_2", "2_1"}


def test_lpips_is_zero_for_equal_pictures_and_follows_the_formula():
    torch.manual_seed(0)
    network = FeatureNetwork("alexnet")
    one, two = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    assert network.lpips(one, one).abs().max() == 0
    wanted = torch.zeros(2)
    layers = network.lpips_layers
    for a, b, head in zip(
        network(one, layers).values(), network(two, layers).values(), network.heads, strict=True
    ):
        a, b = (x / (x.norm(dim=1, keepdim=True) + 1e-10) for x in (a, b))
        wanted += ((a - b) ** 2 * head).sum(1).mean((1, 2))
    assert torch.allclose(network.lpips(one, two), wanted, atol=1e-4)
