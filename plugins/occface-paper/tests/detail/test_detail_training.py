"""`occface train detail` for twenty steps, resumed; the stage reads what it leaves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from occface_core.errors import WeightsMissing
from occface_paper.detail.network import BumpNetwork
from occface_paper.detail.stage import BumpUNet
from occface_paper.train import app
from occface_paper.weights import load_weights


def test_twenty_steps_then_resume(faces_folder: Path, tmp_path: Path):
    command = ["detail", "--data", str(tmp_path), "--out", str(tmp_path / "run"), "--threads", "1"]
    command += ["--synthetic", str(faces_folder), "--batch", "2", "--size", "64", "--widths", "8,8,8"]
    for steps, extra in (("20", []), ("22", ["--resume"])):
        result = CliRunner().invoke(app, [*command, "--steps", steps, *extra], catch_exceptions=False)
        assert result.exit_code == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [20, 22]
    assert all(np.isfinite(line["loss"]) for line in lines)
    state, metadata = load_weights(tmp_path / "run" / "bump_unet.safetensors")
    network = BumpNetwork(tuple(json.loads(metadata["widths"])), int(metadata["fold"]))
    network.load_state_dict(state)
    assert network.widths == (8, 8, 8) and metadata["step"] == "22"
    stage = BumpUNet(weights=str(tmp_path / "run"))
    stage.setup("cpu")
    assert len(stage.weights_sha256() or "") == 64


def test_a_start_is_where_training_begins_and_must_fit(faces_folder: Path, tmp_path: Path):
    """A rate of nothing leaves the weights that a run begins with."""
    command = ["detail", "--data", str(tmp_path), "--threads", "1", "--batch", "1", "--size", "32"]
    command += ["--synthetic", str(faces_folder), "--steps", "1", "--rate", "1e-12"]
    for name, extra in (
        ("first", []),
        ("second", ["--start", str(tmp_path / "first/bump_unet.safetensors")]),
    ):
        seed = ["--seed", "3" if name == "first" else "4"]
        arguments = [*command, "--widths", "4,4", "--out", str(tmp_path / name), *seed, *extra]
        assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    first, second = (
        load_weights(tmp_path / name / "bump_unet.safetensors")[0] for name in ("first", "second")
    )
    same = [torch.equal(first[name], second[name]) for name in first if name.endswith("0.weight")]
    assert same and all(same)
    with pytest.raises(WeightsMissing, match="first"):
        wider = [*command, "--widths", "6,6", "--out", str(tmp_path / "third"), *extra]
        CliRunner().invoke(app, wider, catch_exceptions=False)


def test_faces_are_drawn_into_the_run_where_none_are_given(tmp_path: Path):
    command = ["detail", "--data", str(tmp_path), "--out", str(tmp_path / "run"), "--threads", "1"]
    command += ["--faces", "4", "--batch", "1", "--size", "32", "--widths", "4,4", "--steps", "1"]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    assert (tmp_path / "run" / "faces" / "count").read_text() == "4"
