"""`occface train parsing` for twenty steps, resumed, on crops made here; the bank of occluders; the loss."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from occface_core.synthetic import OCCLUDERS
from occface_core.synthetic.labels import LABEL_NAMES, LABELS
from occface_paper.errors import DataMissing
from occface_paper.parsing.augment import ParsingSampler
from occface_paper.parsing.data import LabelledCrops
from occface_paper.parsing.network import ParsingNetwork
from occface_paper.parsing.synthetic import synthetic_crops
from occface_paper.parsing.teachers import SOME_FACE, UNKNOWN
from occface_paper.parsing.train import EDGE, EDGE_WEIGHT, edges_of_hidden, parsing_loss
from occface_paper.pasting import OccluderBank, skin_gain, unmixed
from occface_paper.train import app
from occface_paper.weights import load_weights


@pytest.fixture(scope="module")
def crops() -> LabelledCrops:
    return synthetic_crops(6, 3, workers=1)


@pytest.fixture(scope="module")
def bank(crops: LabelledCrops) -> OccluderBank:
    return OccluderBank.build(crops.images, crops.points, 8, side=128, workers=1)


def test_synthetic_crops_carry_the_librarys_labels(crops: LabelledCrops):
    assert crops.images.shape == (6, 256, 256, 3) and crops.points.shape == (6, 68, 2)
    assert {LABELS["skin"], LABELS["nose"]} <= set(np.unique(crops.labels))


def test_crops_are_read_back(crops: LabelledCrops, tmp_path: Path):
    crops.save(tmp_path / "crops.npz")
    again = LabelledCrops.load(tmp_path / "crops.npz")
    assert (again.labels == crops.labels).all() and list(again.names) == list(crops.names)
    with pytest.raises(DataMissing, match="label_faces"):
        LabelledCrops.load(tmp_path / "none.npz")


def test_pasting_changes_only_where_alpha_says(bank: OccluderBank, crops: LabelledCrops):
    rng = np.random.default_rng(0)
    image = crops.images[0]
    for _ in range(8):
        covered, alpha, kind = bank.paste(image, crops.points[0].astype(np.float64), rng)
        assert kind in OCCLUDERS and covered.dtype == np.uint8
        assert (covered[alpha == 0] == image[alpha == 0]).all()
    assert alpha.max() > 0.5


def test_the_bank_is_read_back(bank: OccluderBank, tmp_path: Path):
    bank.save(tmp_path / "bank.npz")
    assert (OccluderBank.load(tmp_path / "bank.npz").alpha == bank.alpha).all()


def test_unmixing_gives_the_occluders_own_colour():
    image = np.full((16, 16, 3), 100, np.uint8)
    alpha = np.zeros((16, 16), np.float32)
    alpha[4:12, 4:12] = 1
    alpha[4:12, 3] = 0.5
    covered = np.round(image * (1 - alpha[..., None]) + 200 * alpha[..., None]).astype(np.uint8)
    colour = unmixed(image, covered, alpha)
    assert np.abs(colour[4:12, 2:12].astype(int) - 200).max() <= 2


def test_a_sample_is_labelled_where_something_was_pasted(crops: LabelledCrops, bank: OccluderBank):
    sampler = ParsingSampler(sets=[crops], shares=[1.0], bank=bank, size=128, pasted=1.0)
    images, labels = sampler.batch(np.random.default_rng(0), 4)
    assert images.shape == (4, 3, 128, 128) and labels.shape == (4, 128, 128)
    assert np.isin(labels, [*range(len(LABEL_NAMES)), UNKNOWN]).all()
    front = [LABELS[n] for n in ("eyeglasses", "hair", "hat", "other")]
    assert np.isin(labels, front).any()


def test_unknown_pixels_do_not_count_and_the_right_answer_costs_least():
    labels = torch.full((1, 8, 8), LABELS["skin"])
    labels[:, :, 4:] = LABELS["other"]
    right = torch.nn.functional.one_hot(labels, len(LABEL_NAMES)).permute(0, 3, 1, 2).float() * 20
    wrong = right.roll(4, 3)
    assert parsing_loss(right, labels, 0.5) < 0.02 < parsing_loss(wrong, labels, 0.5)
    labels[:, :4] = UNKNOWN
    changed = right.clone()
    changed[:, :, :4] = torch.randn(1, len(LABEL_NAMES), 4, 8) * 20
    assert torch.allclose(parsing_loss(right, labels, 0.5), parsing_loss(changed, labels, 0.5), atol=1e-5)


def test_a_pixel_of_some_part_of_the_face_may_be_any_part_but_nothing_in_front():
    labels = torch.full((1, 8, 8), SOME_FACE)
    labels[:, 0] = LABELS["skin"]

    def cost(name: str) -> float:
        logits = torch.zeros(1, len(LABEL_NAMES), 8, 8)
        logits[:, LABELS["skin"], 0] = 20
        logits[:, LABELS[name], 1:] = 20
        return float(parsing_loss(logits, labels, 0.0))

    assert cost("eyes") < 0.01 and cost("skin") < 0.01 and cost("eyeglasses") > 10


def test_twenty_steps_then_resume(crops: LabelledCrops, tmp_path: Path):
    crops.save(tmp_path / "labels.npz")
    command = [
        "parsing",
        "--data",
        str(tmp_path),
        "--labels",
        str(tmp_path / "labels.npz"),
        "--out",
        str(tmp_path),
    ]
    command += ["--width", "0.5", "--size", "64", "--batch", "2", "--threads", "1", "--minutes", "5"]
    command += ["--occluders", "4", "--synthetic", "2"]
    for extra in (["--steps", "20"], ["--steps", "22", "--resume"]):
        assert CliRunner().invoke(app, [*command, *extra], catch_exceptions=False).exit_code == 0
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [20, 22]
    assert all(np.isfinite(line["loss"]) for line in lines)
    state, metadata = load_weights(tmp_path / "parsing.safetensors")
    ParsingNetwork.of(metadata).load_state_dict(state)


def test_pixels_where_the_face_meets_what_hides_it_weigh_more():
    labels = torch.full((1, 32, 32), LABELS["skin"])
    labels[:, :, 16:] = LABELS["other"]
    weight = edges_of_hidden(labels)[0, 8]
    assert weight[15] == weight[16] == EDGE_WEIGHT and weight[16 - EDGE] == EDGE_WEIGHT
    assert weight[15 - EDGE] == weight[0] == weight[31] == 1
    labels[:, :, 16:] = LABELS["background"]
    assert (edges_of_hidden(labels) == 1).all()


def test_a_hand_takes_the_colour_of_the_face():
    face = np.full((40, 40, 3), (90, 60, 45), np.uint8)
    hand = np.full((40, 40, 3), (220, 180, 160), np.uint8)
    alpha = np.zeros((40, 40), np.uint8)
    alpha[10:20, 10:20] = 255
    points = np.random.default_rng(0).uniform(5, 35, (68, 2))
    gain = skin_gain(hand, alpha, face, points)
    assert np.allclose(hand[0, 0] * gain, face[0, 0])
    assert (skin_gain(hand, 0 * alpha, face, points) == 1).all()
