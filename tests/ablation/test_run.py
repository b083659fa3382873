import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from occface_core import ablate
from occface_core.ablation.result import AblationResult, Row
from occface_core.ablation.runner import Work
from occface_core.errors import ConfigError, OutputError
from tests.ablation.small import BASE, CALLS, Failing, NotANumber, SmallSuite

ROOT = Path(__file__).resolve().parents[2]
GRID = {
    "occlusion_matting": [{"plugin": "tests.ablation.small:Marking", "label": f"m{i}"} for i in range(2)],
    "face_inpainter": [{"plugin": "tests.ablation.small:Filling", "label": f"f{i}"} for i in range(3)],
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_calls():
    CALLS.clear()


def rows_of(folder):
    with (folder / "results.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_shared_prefixes_run_once():
    result = ablate(BASE, GRID, SmallSuite(size=3))
    assert result.work.prefixes == 1 + 2 + 6 + 6 + 6 and result.work.stages == 6 * 5
    assert len(result.work.executed) == result.work.prefixes
    assert set(result.work.executed.values()) == {3}
    # the stages themselves say the same: once a photo for the detector, once a photo below each prefix
    assert CALLS["detector"] == 3
    assert CALLS["m0"] == CALLS["m1"] == 3
    assert CALLS["f0"] == CALLS["f1"] == CALLS["f2"] == 2 * 3
    assert CALLS["shaping"] == CALLS["detailing"] == 6 * 3


@pytest.fixture
def one_thread():
    """Threads of torch that wait for each other on a busy machine count as work done."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_wall_time_is_that_of_the_distinct_prefixes(tmp_path, one_thread):
    """Stages pause for a known time; what the ablation adds is less than a tenth of it."""
    pause = 1.0

    def axes_pausing(seconds):
        return {
            stage: [
                {"plugin": f"tests.ablation.small:{name}", "label": f"{name}{i}", "pause": seconds}
                for i in range(2)
            ]
            for stage, name in (("occlusion_matting", "Marking"), ("face_inpainter", "Filling"))
        }

    # The same run without pauses: imports and compiles what is needed for the first time.
    ablate(BASE, axes_pausing(0.0), SmallSuite(size=2), out=tmp_path / "first", examples=0)
    axes, out = axes_pausing(pause), tmp_path / "second"
    start = time.process_time()
    result = ablate(BASE, axes, SmallSuite(size=2), out=out, examples=0)
    own = time.process_time() - start  # on a busy machine the wall clock also counts what others do
    paused = sum(
        row.times[stage].sum()
        for row in [result.rows[0]]
        for stage in ("occlusion_matting", "face_inpainter")
    )
    assert paused >= 2 * 2 * pause * 1000
    distinct = (2 + 4) * 2 * pause
    assert own < 0.1 * distinct


def test_the_figures_are_those_of_the_suite():
    base = {**BASE, "landmark_detector": {"plugin": "tests.ablation.small:Detector", "off": 3.0, "faces": 2}}
    axes = {"occlusion_matting": [BASE["occlusion_matting"], "given"]}
    result = ablate(base, axes, SmallSuite(size=3, surface=True), design="one_at_a_time")
    plain, given = result.rows
    eyes = np.linalg.norm(SmallSuite().load(0).points[36] - SmallSuite().load(0).points[45])
    assert plain.figures["found"].value == 100
    assert plain.figures["nme"].value == pytest.approx(100 * 3 * np.sqrt(2) / eyes, rel=1e-4)
    assert plain.figures["matte_iou"].value == 0 and given.figures["matte_iou"].value > 97
    assert plain.figures["vertex_mm"].value < 1e-3 and result.reference["mean_face_vertex_mm"].value < 1e-3
    assert given.figures["nme"].same and given.figures["nme"].p is None
    assert given.figures["matte_iou"].delta > 97 and not given.figures["matte_iou"].same
    assert plain.milliseconds["total"].median > 0 and plain.peak_memory_mb > 10


def test_a_plugin_that_fails_is_a_row_with_its_reason(tmp_path):
    axes = {"face_inpainter": [BASE["face_inpainter"], Failing, NotANumber]}
    result = ablate(BASE, axes, SmallSuite(size=2), out=tmp_path)
    good, failing, not_a_number = rows_of(tmp_path)
    assert [good["status"], failing["status"], not_a_number["status"]] == ["ok", "failed", "failed"]
    assert "ZeroDivisionError: by design" in failing["reason"]
    assert "NaN" in not_a_number["reason"]
    assert result.rows[1].reason == failing["reason"] and not result.rows[1].figures
    assert float(good["nme"]) == 0


def test_missing_truth_and_missing_faces_make_empty_cells_only(tmp_path):
    base = {**BASE, "landmark_detector": {"plugin": "tests.ablation.small:Detector", "faces": 0}}
    result = ablate(base, {"face_inpainter": [BASE["face_inpainter"]]}, SmallSuite(size=2), out=tmp_path)
    assert result.rows[0].figures["found"].value == 0 and "nme" not in result.rows[0].figures
    assert rows_of(tmp_path)[0]["nme"] == ""


def test_what_is_written_can_be_read(tmp_path):
    result = ablate(BASE, GRID, SmallSuite(size=3), out=tmp_path, title="A title & more")
    assert {"results.csv", "results.json", "results.md", "samples.csv", "severity.csv", "report.html"} <= {
        path.name for path in tmp_path.iterdir()
    }
    assert not (tmp_path / ".work").exists()
    rows = rows_of(tmp_path)
    assert [row["occlusion_matting"] for row in rows][:1] == [result.rows[0].labels["occlusion_matting"]]
    assert list(rows[0])[:2] == ["occlusion_matting", "face_inpainter"]
    assert len(rows) == 6 and rows == [{k: str(v) for k, v in row.items()} for row in result.table()]
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["provenance"]["software"]["occface-core"] and document["provenance"]["machine"]["cores"]
    assert document["rows"][0]["stages"]["face_inpainter"]["options"] == {"label": "f0", "pause": 0.0}
    page = (tmp_path / "report.html").read_text()
    assert (
        "A title &amp; more" in page
        and "data:image/jpeg;base64," in page
        and "http" not in page.replace("http-equiv", "")
    )
    with (tmp_path / "samples.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 6 * 3


def test_a_second_call_runs_nothing_again_and_another_ablation_is_refused(tmp_path):
    first = ablate(BASE, GRID, SmallSuite(size=3), out=tmp_path)
    CALLS.clear()
    second = ablate(BASE, GRID, SmallSuite(size=3), out=tmp_path)
    assert not CALLS and not second.work.executed and second.work.resumed == second.work.prefixes
    assert second.table() == first.table()
    with pytest.raises(OutputError, match="another ablation"):
        ablate(BASE, GRID, SmallSuite(size=2), out=tmp_path)
    third = ablate(BASE, GRID, SmallSuite(size=2), out=tmp_path, resume=False)
    assert len(third.samples) == 2 and len(rows_of(tmp_path)) == 6


def test_mistakes_are_told_before_anything_runs():
    with pytest.raises(ConfigError):
        ablate(BASE, {"face_inpainter": ["nonesuch"]}, SmallSuite())
    with pytest.raises(ConfigError, match=r"suite\.name"):
        ablate(BASE, GRID, "sinthetic")
    with pytest.raises(ConfigError, match="occluders"):
        ablate(BASE, GRID, {"name": "synthetic", "occluders": ["moustache"]})
    assert not CALLS


KILLED = """
import sys
from pathlib import Path
from occface_core import ablate
from tests.ablation.small import BASE, SmallSuite
pause = float(sys.argv[2])
axes = {
    "occlusion_matting": [{"plugin": "tests.ablation.small:Marking", "label": f"m{i}", "pause": pause} for i in (0, 1)],
    "face_inpainter": [{"plugin": "tests.ablation.small:Filling", "label": f"f{i}", "pause": pause} for i in (0, 1)],
}
result = ablate(BASE, axes, SmallSuite(size=17), out=Path(sys.argv[1]), examples=1)
print(result.work.resumed, len(result.work.executed))
"""


def test_a_killed_run_goes_on_without_repeating_or_losing(tmp_path):
    def start():
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), "0.05"], cwd=ROOT, env=environment,
                                stdout=subprocess.PIPE, text=True)  # fmt: skip

    def lines():
        path = tmp_path / "journal.jsonl"
        return path.read_bytes().splitlines(keepends=True) if path.exists() else []

    run = start()
    deadline = time.monotonic() + 200
    while len(lines()) < 11 or len(rows_of(tmp_path)) < 1:  # one row is done, and a prefix is half done
        assert run.poll() is None and time.monotonic() < deadline, "the run ended before it could be killed"
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    assert run.returncode == -signal.SIGKILL
    before = [line for line in lines() if line.endswith(b"\n")]
    done = rows_of(tmp_path)
    assert 0 < len(done) < 4 and not (tmp_path / "report.html").exists()
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(b'{"node": "cut off by the ki')
    again = start()
    output, _ = again.communicate(timeout=250)
    assert again.returncode == 0
    assert lines()[: len(before)] == before, "what was known was lost"
    keys = [(json.loads(line)["node"], json.loads(line)["chunk"]) for line in lines()]
    assert len(keys) == len(set(keys)), "a piece of work was done twice"
    prefixes, chunks = 1 + 2 + 4 + 4 + 4, 3
    assert len(keys) == (prefixes + 1) * chunks, "the mean face's lines are one more node"
    assert int(output.split()[0]) > 0
    rows = rows_of(tmp_path)
    assert len(rows) == 4 and {row["status"] for row in rows} == {"ok"}
    figures = [name for name in done[0] if not name.endswith(("_p", "_delta", "_verdict"))]
    for row in done:
        mine = next(r for r in rows if all(r[a] == row[a] for a in ("occlusion_matting", "face_inpainter")))
        assert [mine[name] for name in figures] == [row[name] for name in figures]
    assert (tmp_path / "report.html").exists() and not (tmp_path / ".work").exists()


def test_two_processes_do_not_work_in_one_folder(tmp_path):
    from occface_core.ablation.runner import only_one
    from occface_core.errors import OccfaceError

    with only_one(tmp_path), pytest.raises(OccfaceError, match="another ablation is running"):
        ablate(BASE, GRID, SmallSuite(size=1), out=tmp_path)


def test_short_names_tell_rows_apart_and_no_more():
    labels = [("a", "x"), ("b", "x"), ("none", "x"), ("a", "none")]
    rows = [Row(labels={"matting": one, "filling": other}, stages={}) for one, other in labels]
    result = AblationResult(axes=("matting", "filling"), design="one_at_a_time", rows=rows, samples=[], kinds=[],
                            shares=np.zeros(0), reference={}, provenance={}, work=Work())  # fmt: skip
    assert result.short_names() == ["base", "b", "matting none", "filling none"]
