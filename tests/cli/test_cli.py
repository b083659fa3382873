from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from occface_core import cli
from occface_core.cli import app


def run(*args: object, env: dict[str, str] | None = None):
    return CliRunner().invoke(app, [str(arg) for arg in args], env={"COLUMNS": "200", **(env or {})})


def flat(text: str) -> str:
    return " ".join(text.split())


def started(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "occface_core", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def processor_seconds(*args: object) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert started(*args).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


# The program itself


def test_help_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys; sys.argv = ['occface', '--help']\n"
        "from occface_core.cli import main\n"
        "try: main()\n"
        "except SystemExit as leave: assert not leave.code\n"
        "heavy = {'torch', 'cv2', 'open3d', 'numba', 'PIL', 'trimesh', 'numpy', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert (
        min(processor_seconds("--help") for _ in range(5)) < 0.4
    )  # a busy machine takes longer by the clock


def test_version_and_help():
    assert run("--version").output.startswith("occface ")
    listed = run("--help").output
    for command in ("reconstruct", "batch", "demo", "plugins", "doctor", "synth", "report"):
        assert command in listed


def test_an_unknown_command_is_wrong_usage():
    result = run("reconstrct")
    assert result.exit_code == 2
    assert "Did you mean 'reconstruct'" in result.output


def test_errors_are_one_message_without_traceback(tmp_path):
    done = started("reconstruct", "a.jpg", "-o", tmp_path / "out", "-c", "papr")
    assert done.returncode == 2
    assert "Did you mean 'paper'" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not (tmp_path / "out").exists()


# Photos in, results out


def test_one_photo(portrait, config, tmp_path):
    result = run("reconstruct", portrait, "-o", tmp_path / "out", "-c", config, "--format", "stl")
    assert result.exit_code == 0, result.output
    assert "1 face" in result.output
    folder = tmp_path / "out" / "portrait"
    assert (folder / "face_0" / "mesh.glb").is_file()
    assert (folder / "face_0" / "mesh.stl").is_file()
    assert (tmp_path / "out" / "report.html").is_file()
    content = json.loads((folder / "faces.json").read_text())
    assert content["photo"]["source"] == str(portrait)
    assert content["config"]["provenance"]["device"] == "cpu"
    assert "landmark_detector" in content["timings"]


def test_a_run_goes_on_and_says_at_the_end_what_failed(portrait, config, tmp_path):
    (tmp_path / "cut.jpg").write_bytes(portrait.read_bytes()[:400])
    (tmp_path / "text.png").write_text("hello")
    done = started(
        "reconstruct", tmp_path / "cut.jpg", tmp_path / "missing.jpg", portrait, tmp_path / "text.png",
        "-o", tmp_path / "out", "-c", config,
    )  # fmt: skip
    assert done.returncode == 1
    end = done.stderr.split("3 of 4 photos failed:")[1]
    assert "cut.jpg" in end
    assert "damaged or cut off" in end
    assert "missing.jpg: there is no such file" in end
    assert "text.png" in end
    assert (tmp_path / "out" / "portrait" / "faces.json").is_file()
    assert not (tmp_path / "out" / "cut").exists()
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<b>Failed</b>") == 3


def test_folders_and_patterns(portrait, config, tmp_path, blind):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("in/a.jpg", "in/deep/b.JPG", "in/c.txt", "in/.hidden.jpg"):
        (tmp_path / name).write_bytes(portrait.read_bytes())
    result = run(
        "reconstruct", tmp_path / "in", tmp_path / "*.jpg", "-o", tmp_path / "out", "-c", config, "-s", blind
    )
    assert result.exit_code == 1, result.output
    assert {path.parent.name for path in (tmp_path / "out").glob("*/faces.json")} == {"a", "b", "portrait"}


def test_results_are_not_taken_for_photos(portrait, config, tmp_path, blind):
    for _ in range(2):
        result = run("reconstruct", tmp_path, "-o", tmp_path / "out", "-c", config, "-s", blind)
        assert result.exit_code == 1, result.output
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()] == ["portrait"]


def test_results_of_another_run_are_not_taken_for_photos(portrait, config, tmp_path, blind):
    (tmp_path / "old" / "me" / "face_0").mkdir(parents=True)
    (tmp_path / "old" / "me" / "faces.json").write_text("{}")
    shutil.copy(portrait, tmp_path / "old" / "me" / "face_0" / "crop.png")
    result = run("reconstruct", tmp_path, "-o", tmp_path / "out", "-c", config, "-s", blind)
    assert result.exit_code == 1, result.output
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()] == ["portrait"]


@pytest.mark.parametrize(
    "command",
    [["reconstruct", "portrait.jpg", "-o", "LONG"], ["batch", "LONG", "-o", "out"], ["report", "LONG"],
     ["reconstruct", "portrait.jpg", "-o", "out", "-m", "LONG"], ["synth", "-o", "LONG"]],
)  # fmt: skip
def test_a_name_that_is_too_long_is_wrong_usage(portrait, config, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    settings = ["-c", str(config)] if command[0] in ("reconstruct", "batch") else []
    result = run(*(word.replace("LONG", "q" * 300) for word in command), *settings)
    assert result.exit_code == 2
    assert "q" * 40 in result.output


def test_photos_of_one_name_do_not_overwrite_each_other(portrait, config, tmp_path, blind):
    for folder in ("anna", "bea"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "me.jpg").write_bytes(portrait.read_bytes())
    Image.open(portrait).save(tmp_path / "anna" / "me.png")
    result = run(
        "reconstruct", tmp_path / "anna", tmp_path / "bea", "-o", tmp_path / "out", "-c", config, "-s", blind
    )
    assert result.exit_code == 1, result.output
    sources = {
        json.loads(path.read_text())["photo"]["source"] for path in (tmp_path / "out").glob("*/faces.json")
    }
    assert sources == {str(tmp_path / name) for name in ("anna/me.jpg", "anna/me.png", "bea/me.jpg")}


def test_no_photos_at_all(config, tmp_path):
    (tmp_path / "empty").mkdir()
    result = run("reconstruct", tmp_path / "empty", "-o", tmp_path / "out", "-c", config)
    assert result.exit_code == 1
    assert "no photos" in result.output


def test_no_face_in_any_photo(portrait, config, tmp_path, blind):
    result = run("reconstruct", portrait, "-o", tmp_path / "out", "-c", config, "--set", blind)
    assert result.exit_code == 1
    assert "no face was found" in result.output
    assert json.loads((tmp_path / "out/portrait/faces.json").read_text())["faces"] == []
    assert "No face found" in (tmp_path / "out" / "report.html").read_text()


@pytest.fixture
def blind(tmp_path, monkeypatch) -> str:
    (tmp_path / "blindness.py").write_text(
        "import attrs\n"
        "from occface_core import LandmarkDetector, Landmarks\n"
        "@attrs.define(kw_only=True)\n"
        "class Blind(LandmarkDetector):\n"
        "    def run(self, photo):\n"
        "        return Landmarks(points=photo.new_zeros(0, 68, 2))\n"
        "@attrs.define(kw_only=True)\n"
        "class Failing(LandmarkDetector):\n"
        "    def run(self, photo):\n"
        "        raise ZeroDivisionError('oops')\n"
        "calls = []\n"
        "@attrs.define(kw_only=True)\n"
        "class StoppedAtTheSecond(Blind):\n"
        "    def run(self, photo):\n"
        "        calls.append(1)\n"
        "        if len(calls) > 1: raise KeyboardInterrupt\n"
        "        return super().run(photo)\n"
        "@attrs.define(kw_only=True)\n"
        "class Broken(Blind):\n"
        "    def setup(self, device='cpu'):\n"
        "        raise RuntimeError('by design')\n"
        "@attrs.define(kw_only=True)\n"
        "class Weightless(LandmarkDetector):\n"
        "    def setup(self, device='cpu'):\n"
        "        from occface_core.errors import WeightsMissing\n"
        "        raise WeightsMissing('weights.safetensors is not there; install the plugin again')\n"
        "    def run(self, photo):\n"
        "        raise AssertionError\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "landmark_detector=blindness:Blind"


def test_a_failing_stage_fails_the_photo_and_not_the_run(portrait, config, tmp_path, blind):
    stage = blind.replace("Blind", "Failing")
    result = run("reconstruct", portrait, "-o", tmp_path / "out", "-c", config, "--set", stage)
    assert result.exit_code == 1
    assert "ZeroDivisionError: oops" in result.output


def test_missing_weights_end_the_run_before_it_starts(portrait, config, tmp_path, blind):
    stage = blind.replace("Blind", "Weightless")
    result = run("reconstruct", portrait, "-o", tmp_path / "out", "-c", config, "--set", stage)
    assert result.exit_code == 2
    assert "install the plugin again" in result.output


def test_a_plugin_that_cannot_be_set_up_ends_the_run_before_it_starts(portrait, config, tmp_path, blind):
    stage = blind.replace("Blind", "Broken")
    result = run("reconstruct", portrait, "-o", tmp_path / "out", "-c", config, "--set", stage)
    assert result.exit_code == 2
    assert "landmark_detector plugin 'blindness:Broken' cannot be set up: RuntimeError: by design" in flat(
        result.output
    )


@pytest.mark.parametrize("name", ["x" * 300 + ".jpg", "y/" * 3000, "loop"])
def test_names_that_no_file_can_have_fail_their_photo_only(portrait, config, tmp_path, blind, name):
    (tmp_path / "loop").symlink_to("loop")
    result = run("reconstruct", tmp_path / name, portrait, "-o", tmp_path / "out", "-c", config, "-s", blind)
    assert result.exit_code == 1
    assert "there is no such file" in result.output
    assert (tmp_path / "out" / "portrait" / "faces.json").is_file()


def test_names_whose_bytes_are_no_text(portrait, config, tmp_path, blind):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(portrait, os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.jpg"))
    done = started("batch", folder, "-o", tmp_path / "out", "-c", config)
    assert done.returncode == 0, done.stderr
    assert "\\udcff\\udcfe.jpg: 1 face" in done.stdout
    assert (
        "1 of 1 photos are done already"
        in run("batch", folder, "-o", tmp_path / "out", "-c", config, "--resume").output
    )


def test_names_that_look_like_options_or_markup(portrait, config, tmp_path, blind, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["-dash.jpg", "ünï 写真.jpg", "[red]x[red].jpg", "a[1]*.jpg"]
    for name in names:
        shutil.copy(portrait, name)
    result = run("reconstruct", "-o", "out", "-c", config, "-s", blind, "--", *names)
    assert all(f"{name}: no face was found" in result.output for name in names)
    assert len(list(Path("out").glob("*/faces.json"))) == 4


def test_photos_in_the_output_folder_itself_are_told_of(portrait, config, tmp_path):
    result = run("batch", tmp_path, "-o", tmp_path, "-c", config)
    assert result.exit_code == 1
    assert f"output folder ({tmp_path}) is not taken" in flat(result.output)


# What the user may set


def test_all_wrong_settings_are_told_at_once(portrait, config, tmp_path):
    result = run(
        "reconstruct", portrait, "-o", tmp_path / "out", "-c", config,
        "-s", "face_inpainter=xyz", "-s", "landmark_detector.face_size=wide", "-s", "hook=1",
    )  # fmt: skip
    assert result.exit_code == 2
    assert "3 problem(s)" in result.output
    assert "landmark_detector.face_size: expected float, got 'wide'" in result.output


@pytest.mark.parametrize("hooks", ["timing", "5", "null"])
def test_hooks_that_are_no_list_are_told(portrait, config, tmp_path, hooks):
    result = run("reconstruct", portrait, "-o", tmp_path / "out", "-c", config, "--set", f"hooks={hooks}")
    assert result.exit_code == 2
    assert "a list of hooks" in result.output


def test_timing_may_be_asked_for_too(portrait, config, tmp_path):
    hooks = 'hooks=["progress", {plugin = "timing"}]'
    result = run("reconstruct", portrait, "-o", tmp_path / "out", "-c", config, "--set", hooks)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("preset", ["[1]", "xyz", "{}"])
def test_a_wrong_preset_is_told_beside_other_settings(portrait, tmp_path, preset):
    result = run("reconstruct", portrait, "-o", tmp_path / "out", "-c", "classic", "--set", f"preset={preset}",
                 "--set", "face_inpainter.margin=2")  # fmt: skip
    assert result.exit_code == 2
    assert "preset: expected one of paper, classic" in result.output


@pytest.mark.parametrize("change", ["face_inpainter", "=3", "nose.radius=3"])
def test_settings_of_another_form_are_wrong_usage(portrait, config, tmp_path, change):
    result = run("reconstruct", portrait, "-o", tmp_path / "out", "-c", config, "--set", change)
    assert result.exit_code == 2
    assert change in result.output


def test_options_reach_the_plugin(portrait, config, tmp_path):
    setting = "landmark_detector.face_size=0.25"
    result = run("reconstruct", portrait, "-o", tmp_path / "out", "-c", config, "--set", setting)
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "out/portrait/faces.json").read_text())
    assert content["config"]["landmark_detector"] == {"plugin": "none", "face_size": 0.25}
    assert content["faces"][0]["box"][3] == pytest.approx(0.25 * 90, abs=2)


def test_a_mask_replaces_the_matting(portrait, config, tmp_path):
    mask = Image.new("L", (90, 100))
    mask.paste(255, (0, 50, 90, 100))
    mask.save(tmp_path / "mask.png")
    result = run(
        "reconstruct", portrait, "-o", tmp_path / "out", "-c", config, "--mask", tmp_path / "mask.png"
    )
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "out/portrait/faces.json").read_text())
    assert content["lineage"][1]["plugin"] == "given"
    assert content["faces"][0]["occlusion"]["fraction"] > 0.25


def test_a_mask_of_another_size_says_so(portrait, config, tmp_path):
    Image.new("L", (50, 50)).save(tmp_path / "mask.png")
    result = run(
        "reconstruct", portrait, "-o", tmp_path / "out", "-c", config, "--mask", tmp_path / "mask.png"
    )
    assert result.exit_code == 1
    assert "50 x 50 pixels, its photo 90 x 100" in result.output


def test_a_mask_that_is_not_there_is_a_wrong_use(portrait, config, tmp_path):
    result = run("reconstruct", portrait, "-o", tmp_path / "out", "-c", config, "--mask", tmp_path / "m.png")
    assert result.exit_code == 2
    assert "there is no picture" in flat(result.output)
    assert not (tmp_path / "out").exists()


def test_an_inverted_mask_is_doubted(portrait, config, tmp_path):
    mask = Image.new("L", (90, 100), 255)
    mask.paste(0, (30, 50, 60, 70))
    mask.save(tmp_path / "mask.png")
    result = run(
        "reconstruct", portrait, "-o", tmp_path / "out", "-c", config, "--mask", tmp_path / "mask.png"
    )
    assert result.exit_code == 0, result.output
    assert "may be inverted" in flat(result.output)
    assert "may be inverted" in (tmp_path / "out/report.html").read_text(encoding="utf-8")


def test_a_mask_belongs_to_one_photo(portrait, config, tmp_path):
    result = run("reconstruct", portrait, "b.jpg", "-o", tmp_path / "out", "-c", config, "--mask", "m.png")
    assert result.exit_code == 2
    assert "2 are given" in result.output


@pytest.mark.parametrize(
    ("option", "says"),
    [(["--format", "fbx"], "not one of glb, obj, ply, stl"), (["--device", "quantum"], "quantum")],
)
def test_wrong_options(portrait, config, tmp_path, option, says):
    result = run("reconstruct", portrait, "-o", tmp_path / "out", "-c", config, *option)
    assert result.exit_code == 2
    assert says in result.output


@pytest.mark.parametrize("out", ["portrait.jpg", "portrait.jpg/below", "/proc/occface"])
def test_an_unwritable_output_is_told_before_any_work(portrait, config, tmp_path, out):
    result = run("reconstruct", portrait, "-o", tmp_path / out, "-c", config)
    assert result.exit_code == 2
    assert "another output folder" in flat(result.output)


# Many photos


def test_a_batch_can_be_resumed(portrait, config, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(portrait.read_bytes())
    assert run("batch", folder, "-o", tmp_path / "out", "-c", config).exit_code == 0
    (tmp_path / "out" / "b" / "faces.json").unlink()
    before = (tmp_path / "out" / "a" / "faces.json").stat().st_mtime_ns
    result = run("batch", folder, "-o", tmp_path / "out", "-c", config, "--resume")
    assert result.exit_code == 0, result.output
    assert "1 of 2 photos are done already" in result.output
    assert (tmp_path / "out" / "a" / "faces.json").stat().st_mtime_ns == before
    assert (tmp_path / "out" / "b" / "faces.json").is_file()
    assert run("batch", folder, "-o", tmp_path / "out", "-c", config, "--resume").exit_code == 0


def test_batch_wants_a_folder_and_a_known_engine(portrait, config, tmp_path):
    assert run("batch", portrait, "-o", tmp_path / "out", "-c", config).exit_code == 2
    result = run("batch", tmp_path, "-o", tmp_path / "out", "-c", config, "--engine", "abacus")
    assert result.exit_code == 2
    assert "abacus" in result.output


def test_the_report_can_be_written_again(portrait, config, tmp_path, blind):
    run("reconstruct", portrait, "-o", tmp_path / "out", "-c", config, "--no-report", "-s", blind)
    assert not (tmp_path / "out" / "report.html").exists()
    assert run("report", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "report.html").is_file()
    assert run("report", tmp_path / "nowhere").exit_code == 2


@pytest.mark.parametrize("text", ['{"photo": ', "{}", "[1]", "\\udcff"])
def test_a_damaged_result_is_named_and_the_others_are_shown(portrait, config, tmp_path, blind, text):
    (tmp_path / "out" / "bad").mkdir(parents=True)
    (tmp_path / "out" / "bad" / "faces.json").write_text(text)
    result = run("reconstruct", portrait, "-o", tmp_path / "out", "-c", config, "-s", blind)
    assert result.exit_code == 1
    assert "no face was found" in result.output
    again = run("report", tmp_path / "out")
    assert again.exit_code == 1
    for output in (result.output, again.output, (tmp_path / "out" / "report.html").read_text()):
        assert "the result cannot be read" in flat(output)
    assert "portrait.jpg" in (tmp_path / "out" / "report.html").read_text()


def test_a_damaged_picture_or_mesh_is_named(portrait, config, tmp_path):
    assert run("reconstruct", portrait, "-o", tmp_path / "out", "-c", config).exit_code == 0
    for name in ("sheet.png", "base.glb"):
        (tmp_path / "out" / "portrait" / "face_0" / name).write_bytes(b"x")
        result = run("report", tmp_path / "out")
        assert result.exit_code == 1
        assert "the result cannot be read" in flat(result.output)


def test_a_stopped_batch_keeps_what_is_done(portrait, config, tmp_path, blind):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        shutil.copy(portrait, folder / name)
    stage = blind.replace("Blind", "StoppedAtTheSecond")
    result = run("batch", folder, "-o", tmp_path / "out", "-c", config, "-s", stage)
    assert result.exit_code == 130
    assert "--resume" in result.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]
    result = run("batch", folder, "-o", tmp_path / "out", "-c", config, "--resume", "-s", blind)
    assert "1 of 3 photos are done already" in result.output
    assert (tmp_path / "out" / "c" / "faces.json").is_file()


# What is installed


def test_plugins_as_json():
    rows = json.loads(run("plugins", "--json").stdout)
    assert {"kind": "face_inpainter", "name": "none"}.items() <= next(
        row for row in rows if row["kind"] == "face_inpainter" and row["name"] == "none"
    ).items()


def test_a_broken_plugin_is_a_row_with_a_reason(monkeypatch):
    from occface_core import _discovery

    broken = _discovery.Found("occface.face_inpainter", "worn", "no_such_module:Worn", "worn-out", "3.1")
    monkeypatch.setattr(_discovery, "scan", lambda: ([broken], []))
    rows = json.loads(run("plugins", "--json", "--check").stdout)
    assert "no_such_module" in rows[0]["problem"]
    assert "worn-out 3.1" in flat(run("plugins").stdout)


def test_the_doctor_looks_at_everything():
    result = run("doctor", "--json")
    findings = {finding["what"]: finding for finding in json.loads(result.stdout)}
    assert {"occface", "packages", "cpu", "plugins", "face model", "writing"} <= set(findings)
    assert findings["face model"]["state"] == "ok"
    assert all(finding["advice"] for finding in findings.values() if finding["state"] == "bad" and
               finding["what"] != "plugins")  # fmt: skip


def test_commands_of_plugins_are_listed_unseen_and_loaded_when_called(monkeypatch):
    from occface_core.registry import Entry, Registry

    loaded = []
    tool = typer.Typer()

    @tool.command()
    def sing(song: str):
        typer.echo(f"singing {song}")

    @tool.command()
    def hum():
        pass

    def get(self, kind, name):
        loaded.append(name)
        return tool

    entry = Entry("commands", "choir", "choir:tool", "occface-choir", "2.0")
    monkeypatch.setattr(Registry, "entries", lambda self, kind=None: [entry])
    monkeypatch.setattr(Registry, "get", get)
    cli._installed.cache_clear()
    try:
        assert "occface-choir 2.0" in run("--help").output
        assert not loaded
        assert "singing hey" in run("choir", "sing", "hey").output
        assert run("choir", "shout").exit_code == 2
    finally:
        cli._installed.cache_clear()


def test_a_plugin_command_that_cannot_be_imported(monkeypatch):
    from occface_core import _discovery

    found = _discovery.Found("occface.commands", "fly", "no_such_module:fly", "wings", "1")
    monkeypatch.setattr(_discovery, "scan", lambda: ([found], []))
    cli._installed.cache_clear()
    try:
        result = run("fly")
    finally:
        cli._installed.cache_clear()
    assert result.exit_code == 2
    assert "no_such_module" in result.output


def test_names_of_jobs_differ_even_where_capitals_do_not_count(tmp_path):
    from occface_core.commands.inputs import name_jobs

    photos = [Path("/x/a.jpg"), Path("/x/A.jpg"), Path("/y/a.png"), Path("/x/ü b.jpg"), Path("/x/..jpg")]
    names = [job.name for job in name_jobs(photos)]
    assert len({name.lower() for name in names}) == len(names)
    assert names == [job.name for job in name_jobs(photos)]
    assert all(name and "/" not in name and " " not in name for name in names)
