import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from occface_core.ablation.design import combinations
from occface_core.ablation.spec import load_spec
from occface_core.ablation.suites import make_suite
from occface_core.cli import app
from occface_core.errors import ConfigError
from occface_core.registry import Registry

ROOT = Path(__file__).resolve().parents[2]

SPEC = """
[base]
landmark_detector = "tests.ablation.small:Detector"
occlusion_matting = "tests.ablation.small:Marking"
face_inpainter = "tests.ablation.small:Filling"
shape_regressor = "none"
detail_recoverer = "none"

[axes]
occlusion_matting = ["none", "given"]
face_inpainter = ["none", "tests.ablation.small:Failing"]
design = "full_grid"

[suite]
name = "tests.ablation.small:SmallSuite"
size = 3
"""


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    return path


def test_the_command_writes_the_tables_and_says_where(spec, tmp_path):
    done = CliRunner().invoke(app, ["ablate", str(spec), "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "report.html" in done.stdout and "ZeroDivisionError" in done.stderr
    with (tmp_path / "out" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["occlusion_matting"], row["face_inpainter"], row["status"]) for row in rows] == [
        ("none", "none", "ok"),
        ("none", "tests.ablation.small:Failing", "failed"),
        ("given", "none", "ok"),
        ("given", "tests.ablation.small:Failing", "failed"),
    ]
    again = CliRunner().invoke(app, ["ablate", str(spec), "-o", str(tmp_path / "out"), "--resume"])
    assert again.exit_code == 0 and "0 prefixes run now" in again.stdout
    other = CliRunner().invoke(app, ["ablate", str(spec), "-o", str(tmp_path / "out"), "--size", "2"])
    assert other.exit_code == 2 and "another ablation" in other.stderr
    fresh = CliRunner().invoke(
        app, ["ablate", str(spec), "-o", str(tmp_path / "out"), "--size", "2", "--fresh"]
    )
    assert fresh.exit_code == 0 and "on 2 faces" in fresh.stdout


def test_wrong_specs_are_exit_code_2(tmp_path):
    path = tmp_path / "spec.toml"
    for text, told in (
        ("[axes", "valid TOML"),
        ("[axis]\nface_inpainter = ['none']", "Did you mean 'axes'"),
        ("[axes]\nface_inpainter = ['telea_x']\n[suite]\nsize = 1", "axes.face_inpainter[0]"),
        ("[axes]\nface_inpainter = ['none']\n[run]\nbatchsize = 3", "run.batchsize"),
    ):
        path.write_text(text)
        done = CliRunner().invoke(app, ["ablate", str(path), "-o", str(tmp_path / "out")])
        assert done.exit_code == 2 and told in done.stderr, done.stderr
    assert CliRunner().invoke(app, ["ablate", str(tmp_path / "none.toml")]).exit_code == 2


@pytest.mark.parametrize(
    "path", sorted((ROOT / "benchmarks" / "specs").glob("*.toml")), ids=lambda path: path.stem
)
def test_the_specs_that_come_with_the_sources_can_be_run(path):
    for package in ("occface_paper", "occface_classic"):
        pytest.importorskip(package)
    wanted = load_spec(path)
    rows = combinations(wanted.base, wanted.axes, wanted.design, Registry())
    assert len(rows) > 1
    if "folder" not in wanted.suite:
        assert len(make_suite(wanted.suite)) == wanted.suite["size"]


def test_listing_the_library_loads_nothing_heavy():
    import subprocess
    import sys

    code = (
        "import sys, occface_core, occface_core.ablation, occface_core.ablation.spec, occface_core.ablation.figures; "
        "print([m for m in ('torch', 'cv2', 'numba', 'scipy') if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


def test_unknown_keys_are_all_told(tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text("sweet = 1\n[axes]\nface_inpainter = ['none']\n[run]\nseed = 'x'\n")
    with pytest.raises(ConfigError) as caught:
        load_spec(path)
    assert {problem.path for problem in caught.value.problems} == {"sweet", "run.seed"}
