"""The training command runs for twenty steps, resumes, and leaves weights that the stage reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from occface_paper.errors import DataMissing
from occface_paper.inpainting.network import Generator, GeneratorSize
from occface_paper.train import app
from occface_paper.weights import load_weights

SMALL = [
    "--size",
    "32",
    "--width",
    "4",
    "--depth",
    "2",
    "--blocks",
    "1",
    "--components",
    "4",
    "--refine",
    "4",
]


def test_twenty_steps_then_resume(clean_pack: Path, tmp_path: Path):
    command = [
        "inpainter",
        "--data",
        str(clean_pack),
        "--out",
        str(tmp_path),
        "--batch",
        "2",
        "--threads",
        "1",
    ]
    command += [*SMALL, "--occluders", "0", "--fine-from", "0.3", "--adversary-from", "0.5"]
    for steps, extra in (("20", []), ("22", ["--resume"])):
        result = CliRunner().invoke(app, [*command, "--steps", steps, *extra], catch_exceptions=False)
        assert result.exit_code == 0
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [20, 22]
    assert all(np.isfinite(line["loss_pixel"]) and np.isfinite(line["psnr"]) for line in lines)
    assert np.isfinite(lines[0]["loss_judge"]) and np.isfinite(lines[0]["loss_pixel_fine"])
    assert sorted(p.name for p in (tmp_path / "sheets").iterdir()) == ["000020.jpg", "000022.jpg"]
    state, metadata = load_weights(tmp_path / "landmark_gan.safetensors")
    network = Generator(GeneratorSize.from_json(metadata["generator"]))
    network.load_state_dict(state)
    assert metadata["step"] == "22" and network.options.width == 4
    assert float(network.prior.basis.abs().max()) > 0


def test_a_folder_without_data_is_a_clear_error(tmp_path: Path):
    result = CliRunner().invoke(app, ["inpainter", "--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, DataMissing)
    assert "--data" in str(result.exception)


@pytest.mark.parametrize(
    "option", [["--components", "0", "--refine", "0"], ["--no-landmarks", "--no-attention"]]
)
def test_the_ablations_of_the_network_train(option: list[str], clean_pack: Path, tmp_path: Path):
    command = [
        "inpainter",
        "--data",
        str(clean_pack),
        "--out",
        str(tmp_path),
        "--batch",
        "2",
        "--threads",
        "1",
    ]
    result = CliRunner().invoke(
        app, [*command, *SMALL, "--occluders", "0", "--steps", "3", *option], catch_exceptions=False
    )
    assert result.exit_code == 0


def test_the_texture_prior_is_fitted_and_written(clean_pack: Path, tmp_path: Path):
    command = ["texture-prior", "--data", str(clean_pack), "--out", str(tmp_path), "--components", "3"]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    state, metadata = load_weights(tmp_path / "texture_prior.safetensors")
    assert state["basis"].shape == (3, 3, 64, 64) and metadata == {"components": "3"}
    assert 0.1 < float(state["face"].mean()) < 0.9
