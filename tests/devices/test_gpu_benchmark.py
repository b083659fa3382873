"""benchmarks/gpu.py runs without a GPU, says so, and writes what it measured."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


def run(*options):
    command = [sys.executable, str(SCRIPT), "--device", "cpu", *options]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_tiny_run_on_the_cpu(tmp_path):
    out = tmp_path / "gpu.csv"
    done = run("--batches", "1", "--runs", "1", "--stages", "face_inpainter", "--modes", "eager",
               "--no-pipeline", "--out", str(out))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "no GPU is measured" in done.stdout
    rows = list(csv.DictReader(out.open()))
    assert [row["stage"] for row in rows] == ["face_inpainter", "generator", "generator"]
    first = rows[0]
    assert float(first["faces_per_s"]) > 0 and float(first["gflop_face"]) > 0.01
    assert float(first["mb_face"]) > 1 and float(first["share_bound"]) > 0
    assert float(first["device_tflops"]) > 0 and float(first["device_gb_per_s"]) > 0
    assert all("no GPU present" in row["device"] or "CPU" in row["device"] for row in rows)


def test_an_unknown_mode_is_refused(tmp_path):
    done = run("--modes", "fast", "--out", str(tmp_path / "gpu.csv"))
    assert done.returncode != 0 and "eager, channels_last, compile, graphs" in done.stderr
