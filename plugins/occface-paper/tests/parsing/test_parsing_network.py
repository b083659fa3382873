"""The networks: shapes, sizes, and the public checkpoint's layout."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from occface_core.errors import WeightsMissing
from occface_core.synthetic.labels import LABEL_NAMES
from occface_paper.fuse import folded
from occface_paper.parsing.bisenet import CELEBAMASK, BiSeNet, load_bisenet, to_library_labels
from occface_paper.parsing.network import ParsingNetwork


@pytest.mark.parametrize("size", [64, 96, 256])
def test_every_pixel_gets_a_logit_for_every_label(size: int):
    logits = ParsingNetwork(0.5)(torch.rand(2, 3, size, size))
    assert logits.shape == (2, len(LABEL_NAMES), size, size)


def test_folding_the_norms_changes_nothing():
    torch.manual_seed(0)
    network = ParsingNetwork(0.5)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    crop = torch.rand(1, 3, 64, 64)
    before = network.eval()(crop)
    assert torch.allclose(folded(network)(crop), before, atol=1e-4)


def test_the_public_checkpoints_names_and_sizes(tmp_path: Path):
    state = BiSeNet().state_dict()
    expected = {
        "cp.resnet.layer2.0.downsample.0.weight": (128, 64, 1, 1),
        "cp.arm32.bn_atten.weight": (128,),
        "cp.conv_avg.conv.weight": (128, 512, 1, 1),
        "ffm.conv1.weight": (64, 256, 1, 1),
        "conv_out.conv_out.weight": (19, 256, 1, 1),
        "conv_out16.conv.conv.weight": (64, 128, 3, 3),
    }
    assert {name: tuple(state[name].shape) for name in expected} == expected
    torch.save(state, tmp_path / "checkpoint.pth")
    network = load_bisenet(tmp_path / "checkpoint.pth")
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 64, 64)).shape == (1, 19, 64, 64)


def test_a_wrong_checkpoint_is_a_clear_error(tmp_path: Path):
    with pytest.raises(WeightsMissing, match="not there"):
        load_bisenet(tmp_path / "none.pth")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsMissing, match="not a CelebAMask-HQ"):
        load_bisenet(tmp_path / "other.pth")


def test_celebamask_classes_in_the_librarys_labels():
    labels = to_library_labels(torch.arange(19))
    assert [LABEL_NAMES[i] for i in labels] == list(CELEBAMASK)
    assert LABEL_NAMES[labels[10]] == "nose" and LABEL_NAMES[labels[18]] == "hat"
