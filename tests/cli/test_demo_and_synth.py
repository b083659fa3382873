from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from occface_core.cli import app


def run(*args: object):
    return CliRunner().invoke(app, [str(arg) for arg in args], env={"COLUMNS": "200"})


def test_the_demo_shows_the_original_beside_the_result(portrait, config, tmp_path):
    out = tmp_path / "demo"
    result = run("demo", "--out", out, "--photo", portrait, "-c", config, "--occluder", "noise_block")
    assert result.exit_code == 0, result.output
    original, occluded = (np.asarray(Image.open(out / f"{name}.png")) for name in ("original", "occluded"))
    assert original.shape == occluded.shape
    assert (original != occluded).any()
    for name in ("faces.json", "face_0/sheet.png", "face_0/mesh.glb"):
        assert (out / "portrait" / name).is_file()
        assert str(out / "portrait" / name) in result.output
    assert (out / "report.html").is_file()
    assert "0% of the face found hidden" in result.output  # no matting in this configuration, and it says so


def test_the_demo_without_its_portrait_asks_for_one(config, tmp_path, monkeypatch):
    from occface_core.commands import demonstration

    monkeypatch.setattr(demonstration, "PORTRAIT", tmp_path / "gone.jpg")
    result = run("demo", "--out", tmp_path / "demo", "-c", config)
    assert result.exit_code == 1
    assert "--photo FILE" in result.output


@pytest.mark.parametrize("option", [("--occluder", "maks"), ("--occluder", ""), ("--seed", "-1")])
def test_the_demo_refuses_what_it_cannot_draw_at_once(config, tmp_path, option):
    result = run("demo", "--out", tmp_path / "demo", "-c", config, *option)
    assert result.exit_code == 2
    assert option[0] in result.output
    assert not (tmp_path / "demo").exists()


def test_synth_draws_the_same_samples_from_the_same_seed(tmp_path):
    for folder in ("a", "b"):
        result = run("synth", "-n", 2, "-o", tmp_path / folder, "--seed", 5, "--size", 64)
        assert result.exit_code == 0, result.output
        assert "2 samples" in result.output
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert {"index.json", "sheet.png"} < names
    for name in names:
        if name.endswith(".png"):
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert len(json.loads((tmp_path / "a" / "index.json").read_text())["samples"]) == 2


def test_synth_knows_its_occluders(tmp_path):
    result = run("synth", "-n", 1, "-o", tmp_path / "a", "--occluder", "moustache")
    assert result.exit_code == 2
    assert "moustache" in result.output
    assert "sunglasses" in result.output
