"""A user's TorchScript network as a stage: here a small one, scripted by the test."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from occface_core.errors import WeightsMissing
from occface_core.testing import parametrize_checks
from occface_paper.inpainting.lama import Lama

FOLDER = tempfile.TemporaryDirectory()


class MeanColour(nn.Module):
    """Fills the hole with the mean colour of each picture."""

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        mean = image.mean([2, 3], keepdim=True).expand_as(image)
        return image * (1 - hole) + mean * hole


@cache
def network() -> str:
    path = Path(FOLDER.name) / "mean.pt"
    torch.jit.script(MeanColour()).save(str(path))
    return str(path)


def make() -> Lama:
    return Lama(path=network())


@parametrize_checks(make)
def test_a_users_network_keeps_the_contract(check):
    check()


@pytest.mark.parametrize("path", [None, "nothing.pt"])
def test_a_missing_file_is_a_clear_error(path: str | None):
    with pytest.raises(WeightsMissing, match="TorchScript file"):
        Lama(path=path).setup("cpu")


def test_another_file_is_a_clear_error(tmp_path: Path):
    (tmp_path / "text.pt").write_text("no network")
    with pytest.raises(WeightsMissing, match="not a TorchScript file"):
        Lama(path=str(tmp_path / "text.pt")).setup("cpu")
