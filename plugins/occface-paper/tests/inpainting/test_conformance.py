"""The stages keep every promise of their interface; the network with weights that are made here."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import torch

from occface_core.testing import parametrize_checks
from occface_paper.inpainting.network import Generator, GeneratorSize
from occface_paper.inpainting.stage import LandmarkGAN
from occface_paper.inpainting.texture import TexturePriorInpainter
from occface_paper.training import export_half

FOLDER = tempfile.TemporaryDirectory()


@cache
def weights() -> str:
    torch.manual_seed(0)
    options = GeneratorSize(size=128, width=4, depth=2, blocks=1, components=3, refine=4)
    network = Generator(options)
    torch.nn.init.normal_(network.out.weight, std=0.02)
    metadata = {"generator": options.to_json()}
    export_half(Path(FOLDER.name) / "landmark_gan.safetensors", network.state_dict(), metadata)
    return FOLDER.name


def make() -> LandmarkGAN:
    return LandmarkGAN(weights=weights())


@parametrize_checks(make)
def test_landmark_gan(check) -> None:
    check()


@parametrize_checks(TexturePriorInpainter)
def test_texture_prior(check) -> None:
    check()
