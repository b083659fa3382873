"""The stage `bump_unet`: the promises of its interface, its options, borders, and the mirrored hidden part."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path

import attrs
import pytest
import torch

from occface_core.errors import StageError, WeightsMissing
from occface_core.testing import inputs, parametrize_checks
from occface_core.types import FaceBatch, FaceDetail, Matte
from occface_paper.detail.mirror import mirrored_detail
from occface_paper.detail.network import BumpNetwork
from occface_paper.detail.stage import BumpUNet
from occface_paper.training import export_half

FOLDER = tempfile.TemporaryDirectory()


@cache
def weights() -> str:
    """A small network that is sure of its answer, and not flat."""
    torch.manual_seed(0)
    network = BumpNetwork((8, 8, 8))
    torch.nn.init.normal_(network.bump.weight, std=0.2)
    torch.nn.init.constant_(network.valid.bias, 6.0)
    metadata = {"widths": json.dumps((8, 8, 8)), "fold": "2"}
    export_half(Path(FOLDER.name) / "bump_unet.safetensors", network.state_dict(), metadata)
    return FOLDER.name


def make(**options: object) -> BumpUNet:
    return BumpUNet(weights=weights(), **options)


def run(faces: FaceBatch, **options: object) -> FaceDetail:
    stage = make(**options)
    stage.setup("cpu")
    return stage.run(faces.clean, faces.shape, faces.matte)


@parametrize_checks(make)
def test_bump_unet(check) -> None:
    check()


def test_setup_comes_first():
    faces = inputs.faces(1)
    with pytest.raises(StageError, match="setup"):
        make().run(faces.clean, faces.shape, faces.matte)


def test_missing_weights_say_what_to_do(tmp_path: Path):
    with pytest.raises(WeightsMissing, match="bump_unet"):
        BumpUNet(weights=str(tmp_path)).setup("cpu")


@pytest.mark.parametrize("size", [128, 256, 512])
def test_the_map_has_the_asked_side_and_the_same_heights(size: int):
    faces = inputs.faces(1)
    plain, sized = run(faces), run(faces, size=size)
    assert sized.bump.shape == sized.valid.shape == (1, 1, size, size)
    assert plain.bump.abs().max() > 0.05
    coarse, sized_coarse = (torch.nn.functional.adaptive_avg_pool2d(d.bump, 32) for d in (plain, sized))
    assert (coarse - sized_coarse).abs().max() < 0.1 * coarse.abs().max()


def test_strength_scales_the_heights():
    faces = inputs.faces(1)
    assert torch.allclose(run(faces, strength=0.5).bump, 0.5 * run(faces).bump, atol=1e-6)
    assert not run(faces, strength=0).bump.any()


def test_it_is_flat_off_the_face_and_fades_at_the_border():
    faces = inputs.faces(1)
    detail = run(faces)
    surface = torch.isfinite(faces.shape.depth(256))
    assert not detail.bump[~surface].any()
    assert detail.valid.min() >= 0 and detail.valid.max() <= 1
    jump = detail.valid.diff(dim=3).abs().amax()
    assert jump < 0.5


def test_what_the_other_side_shows_fills_the_hidden_side():
    """A row of folds on the person's one cheek; the other cheek is hidden and nothing is known of it."""
    faces = inputs.faces(1)
    shape = attrs.evolve(
        faces.shape,
        vertices=faces.shape.model.tensor("mean")[None].clone(),
        rotation=torch.diag(torch.tensor([1.0, -1.0, -1.0]))[None],
        translation=torch.tensor([[0.0, 0.0, 1000.0]]),
    )
    rows = 0.4 * torch.sin(torch.arange(256.0) * 2 * torch.pi / 8)[None, None, :, None].expand(1, 1, 256, 256)
    left = (torch.arange(256) < 124).float()[None, None, None].expand(1, 1, 256, 256)
    hidden = torch.zeros(1, 1, 256, 256)
    hidden[..., 120:170, 150:185] = 1
    filled = mirrored_detail(rows * left, torch.ones(1, 1, 256, 256), hidden, shape)
    inside = (..., slice(130, 160), slice(158, 177))
    energy = filled[inside].square().mean() / rows[inside].square().mean()
    assert 0.5 < energy < 1.5
    assert torch.corrcoef(torch.stack((filled[inside].flatten(), rows[inside].flatten())))[0, 1] > 0.8
    far = (..., slice(0, 256), slice(0, 110))
    assert torch.allclose(filled[far], (rows * left)[far], atol=1e-4)


def test_it_keeps_its_answer_where_nothing_is_hidden():
    faces = inputs.faces(1)
    bare = attrs.evolve(faces, matte=Matte(alpha=torch.zeros(1, 1, 256, 256)))
    assert torch.equal(run(bare, mirror=True).bump, run(bare, mirror=False).bump)


def test_there_is_no_detail_where_the_parser_sees_hair():
    faces = inputs.faces(1)
    labels = torch.full((1, 256, 256), 1, dtype=torch.uint8)
    labels[:, :, 128:] = 2
    matte = Matte(
        alpha=torch.zeros(1, 1, 256, 256), labels=labels, label_names=("background", "skin", "hair")
    )
    bump = run(attrs.evolve(faces, matte=matte)).bump
    assert bump[..., :122].any() and not bump[..., 134:].any()
    hidden = attrs.evolve(matte, alpha=torch.ones(1, 1, 256, 256))
    assert run(attrs.evolve(faces, matte=hidden)).bump[..., 134:].any()
