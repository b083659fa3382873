"""Both training commands run for twenty steps, resume, and leave readable weights, on data made here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from occface_core.errors import WeightsMissing
from occface_paper.errors import DataMissing
from occface_paper.faces.network import FaceNetwork
from occface_paper.faces.verifier import FaceVerifier
from occface_paper.train import app
from occface_paper.training import Clock, export_half
from occface_paper.weights import FOLDER, load_weights, weights_path


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory, face_points: np.ndarray) -> Path:
    """A data folder with eight drawn faces and two photos."""
    root = tmp_path_factory.mktemp("pack")
    rng = np.random.default_rng(0)
    folder = root / "faces68"
    (folder / "images").mkdir(parents=True)
    count, names = 8, [f"f{i}" for i in range(8)]
    points = np.stack([face_points + rng.normal(0, 2, 2) for _ in range(count)])
    for name, shape in zip(names, points, strict=True):
        image = np.full((128, 128, 3), 60, np.uint8)
        cv2.ellipse(image, (64, 70), (42, 52), 0, 0, 360, (140, 170, 220), -1)
        for x, y in shape:
            cv2.circle(image, (int(x), int(y)), 1, (30, 30, 60), -1)
        cv2.imwrite(str(folder / "images" / f"{name}.jpg"), image)
    np.savez(
        folder / "landmarks.npz",
        names=names,
        points=points.astype(np.float32),
        valid_rect=np.tile(np.float32([0, 0, 128, 128]), (count, 1)),
        is_val=np.arange(count) >= 6,
    )
    mesh = np.zeros((count, 478, 3), np.float32)
    mesh[:, :68, :2] = points
    mesh[:, 33, 0], mesh[:, 263, 0] = 40, 90
    np.savez(
        folder / "mediapipe478.npz", names=names, points=mesh, presence=np.ones(count), jitter=np.zeros(count)
    )
    np.savez(
        root / "mesh478_to_68.npz",
        weight=np.zeros((1434, 136)),
        mean_in=np.zeros(1434),
        mean_out=(face_points / 50 - 1.2).ravel(),
    )
    five = np.tile(np.float32([[48, 55], [80, 55], [64, 70], [54, 92], [74, 92]]), (count, 1, 1))
    np.savez(
        folder / "yunet.npz",
        names=names,
        box=np.tile(np.float32([24, 20, 80, 100]), (count, 1)),
        points5=five,
    )
    photos = root / "photos_full"
    (photos / "images").mkdir(parents=True)
    face = {"box": [20, 20, 60, 80], "points5": five[0].tolist(), "score": 0.9}
    boxes = {f"p{i}": {"width": 160, "height": 120, "faces": [face] * (i % 2)} for i in range(4)}
    (photos / "boxes.json").write_text(json.dumps(boxes))
    for name in boxes:
        cv2.imwrite(
            str(photos / "images" / f"{name}.jpg"), rng.integers(0, 255, (120, 160, 3)).astype(np.uint8)
        )
    return root


@pytest.mark.parametrize(
    ("stage", "extra"),
    [
        ("landmarks", ["--width", "0.5", "--size", "64", "--occluders", "4"]),
        ("heatmap", ["--width", "0.5", "--size", "64", "--occluders", "4", "--frozen"]),
        ("heatmap", ["--width", "0.5", "--size", "64", "--occluders", "4", "--synthetic", "FACES"]),
        ("faces", ["--width", "16", "--occluders", "4", "--synthetic", "FACES"]),
    ],
    ids=["landmarks", "heatmap", "heatmap_mixed", "faces"],
)
def test_twenty_steps_then_resume(
    stage: str, extra: list[str], pack: Path, faces_folder: Path, tmp_path: Path
):
    extra = [str(faces_folder) if word == "FACES" else word for word in extra]
    command = [
        stage,
        "--data",
        str(pack),
        "--out",
        str(tmp_path),
        "--minutes",
        "5",
        "--batch",
        "2",
        "--threads",
        "1",
    ]
    result = CliRunner().invoke(app, [*command, *extra, "--steps", "20"], catch_exceptions=False)
    assert result.exit_code == 0
    result = CliRunner().invoke(app, [*command, *extra, "--steps", "22", "--resume"], catch_exceptions=False)
    assert result.exit_code == 0
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [20, 22]
    assert all(np.isfinite(line["loss"]) for line in lines)
    state, metadata = load_weights(tmp_path / f"{stage}.safetensors")
    assert state and metadata["step"] == "22"


def test_the_verifier_learns_from_the_finders_false_answers(pack: Path, faces_folder: Path, tmp_path: Path):
    path = tmp_path / "faces.safetensors"
    export_half(path, FaceNetwork(16).state_dict(), {"width": "16"})
    command = [
        "verifier",
        "--data",
        str(pack),
        "--finder",
        str(path),
        "--out",
        str(tmp_path),
        "--threads",
        "1",
        "--synthetic",
        str(faces_folder),
    ]
    result = CliRunner().invoke(app, [*command, "--steps", "20", "--pictures", "6"], catch_exceptions=False)
    assert result.exit_code == 0
    state, metadata = load_weights(tmp_path / "verifier.safetensors")
    FaceVerifier(int(metadata["width"])).load_state_dict(state)


def test_the_rate_warms_up_and_falls_to_a_hundredth():
    clock = Clock(minutes=1000, steps=1000)
    rates = []
    for step in (0, 199, 999, 1000):
        clock.step = step
        rates.append(clock.learning_rate(1.0))
    assert rates[0] < 0.01 < 0.85 < rates[1] and rates[3] == pytest.approx(0.01, abs=1e-3)


@pytest.mark.parametrize("stage", ["landmarks", "faces"])
def test_a_folder_without_data_is_a_clear_error(stage: str, tmp_path: Path):
    result = CliRunner().invoke(app, [stage, "--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, DataMissing)
    assert "--data" in str(result.exception) and str(tmp_path) in str(result.exception)


@pytest.mark.parametrize("stage", ["landmarks", "faces", "shape", "detail", "texture-prior"])
def test_a_data_folder_that_is_not_there_is_told_before_anything_is_drawn(stage: str, tmp_path: Path):
    command = [stage, "--data", str(tmp_path / "absent"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2 and "--data" in result.output
    assert not (tmp_path / "out").exists()


def test_missing_weights_name_a_training_command_that_there_is(tmp_path: Path):
    known = {
        command.name or command.callback.__name__.replace("_", "-") for command in app.registered_commands
    }
    for file in FOLDER.glob("*.safetensors"):
        with pytest.raises(WeightsMissing) as caught:
            weights_path(file.stem, tmp_path)
        assert re.search(r"occface train (\S+)", str(caught.value))[1] in known
