"""`ablate`: combinations of plugins on a suite → a table that can be trusted."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from occface_core import config
from occface_core.ablation.design import Combination, combinations
from occface_core.ablation.suites import Suite, make_suite
from occface_core.errors import OutputError
from occface_core.registry import Registry

if TYPE_CHECKING:
    from occface_core.ablation.result import AblationResult
    from occface_core.ablation.runner import Listener, Runner


def ablate(
    base: str | Path | Mapping[str, Any] = "paper",
    axes: Mapping[str, Sequence[Any] | str] | None = None,
    suite: str | Mapping[str, Any] | Suite = "synthetic",
    *,
    design: str = "full_grid",
    out: str | Path | None = None,
    resume: bool = True,
    device: str = "cpu",
    batch_size: int = 1,
    examples: int = 4,
    lpips: str | Path | None = None,
    seed: int = 0,
    title: str = "",
    folder: Path | None = None,
    registry: Registry | None = None,
    listener: Listener | None = None,
) -> AblationResult:
    """Measure combinations of plugins against known truth.

    What combinations begin with alike is run once. With `out`, every finished combination is appended to
    out/results.csv at once, and a run that was killed goes on where it stopped when it is called again.
    A plugin that fails makes rows with the reason; the others go on.

    Args:
        base: preset, configuration or its file; hooks in it are left out, since a cache would be timed.
        axes: stage, "stage.option" or "face_model" → list of values, each as in a configuration. "*" stands for
            all installed; "given" for the suite's truth at landmark_detector, occlusion_matting, face_inpainter.
        suite: name, {"name": …, option: value}, or a `Suite`.
        design: "full_grid": all combinations; "one_at_a_time": the base, and each value alone in its place.
        out: folder for the tables; None keeps everything in memory.
        resume: go on with what is in `out`; False starts anew there.
        device: torch device; "auto" takes CUDA where there is one.
        batch_size: faces that stages 2 to 5 get at once; times are per face.
        examples: faces shown in the report.
        lpips: weights of LPIPS (see `occface_core.ablation.metrics.lpips`); None leaves the figure out.
        seed: of bootstrap and tests.
        title: heading of the tables.
        folder: where relative paths of the suite start.
        registry: where plugins are looked up; the installed ones by default.
        listener: told what is at work, how much is done and how much there is.

    Returns:
        `AblationResult`; its first row is the base row.

    Raises:
        ConfigError: with every problem of base, axes and suite.
        OutputError: `out` cannot be written, or holds another ablation.
    """
    configuration, _ = config.load(base)
    chosen = make_suite(suite, folder)
    rows = combinations(configuration, dict(axes or {}), design, registry or Registry())
    with contextlib.ExitStack() as stack:
        if out is None:
            target = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="occface-ablation-")))
        else:
            from occface_core.results import check_folder

            target = check_folder(out)
        from occface_core.ablation.runner import only_one

        stack.enter_context(only_one(target))
        settings = {
            "title": title,
            "design": design,
            "suite": chosen.describe(),
            "device": device,
            "batch_size": batch_size,
            "seed": seed,
            "examples": examples,
            "lpips": None if lpips is None else str(lpips),
        }
        return _run(
            rows, tuple(_axes(rows)), chosen, target, settings, resume, lpips, listener, out is not None
        )


def _run(
    rows: list[Combination],
    axes: tuple[str, ...],
    suite: Suite,
    target: Path,
    settings: dict[str, Any],
    resume: bool,
    lpips: str | Path | None,
    listener: Listener | None,
    keep: bool,
) -> AblationResult:
    from occface_core.ablation.journal import Journal
    from occface_core.ablation.metrics.lpips import Lpips
    from occface_core.ablation.rows import make_row, weights_of
    from occface_core.ablation.runner import Runner
    from occface_core.ablation.samples import Samples
    from occface_core.ablation.stage_run import StageRunner
    from occface_core.ablation.tables import CsvTable
    from occface_core.pipeline import _checked_device

    _check_run(target, _fingerprint(rows, settings), resume)
    work = target / ".work"
    shown = np.linspace(0, len(suite) - 1, min(settings["examples"], len(suite))).astype(int).tolist()
    stage_runner = StageRunner(
        _checked_device(settings["device"]),
        settings["batch_size"],
        lpips=None if lpips is None else Lpips(lpips),
        pictures=target / "examples",
        shown=shown,
    )
    journal = Journal(target / "journal.jsonl")
    samples = Samples(suite, work / "samples")
    runner = Runner(rows, samples, journal, work, stage_runner, listener=listener)
    weights = weights_of(runner, settings["seed"])
    table = CsvTable(target / "results.csv", axes, len(samples))
    done = [number for number in range(len(rows)) if runner.complete(number)]
    table.begin([make_row(runner, number, rows[number], weights) for number in done])
    for number in runner.run():
        if number not in done:
            table.append(make_row(runner, number, rows[number], weights))
    result = _result(runner, rows, axes, suite, settings, target, shown)
    if keep:
        result.save(target)
    return result


def _result(
    runner: Runner,
    rows: list[Combination],
    axes: tuple[str, ...],
    suite: Suite,
    settings: dict[str, Any],
    target: Path,
    shown: list[int],
) -> AblationResult:
    from occface_core.ablation import provenance
    from occface_core.ablation.result import AblationResult
    from occface_core.ablation.rows import collect, compare, estimate, make_row, weights_of

    count = len(runner.samples)
    weights = weights_of(runner, settings["seed"])
    made = [make_row(runner, number, combination, weights) for number, combination in enumerate(rows)]
    lines = runner.reference()
    facts = {int(number): about for line in lines for number, about in line["about"].items()}
    names, kinds, shares = zip(*(facts[number] for number in range(count)), strict=True)
    hidden = np.array([np.nan if share is None else share for share in shares], np.float64)
    keys = [[node.key for node in runner.leaf(number).path()] for number in range(len(rows))]
    compare(made, keys, hidden, weights, settings["seed"])
    for number, row in enumerate(made):
        for sample in shown:
            picture = target / "examples" / f"{runner.leaf(number).key}_{sample}.jpg"
            if picture.is_file():
                row.examples[names[sample]] = picture.read_bytes()
    reference = collect((line["figures"] for line in lines), count)
    return AblationResult(
        axes=axes,
        design=settings["design"],
        rows=made,
        samples=list(names),
        kinds=list(kinds),
        shares=hidden,
        reference={name: estimate(values, weights) for name, values in reference.items()},
        provenance={
            "title": settings["title"],
            "date": provenance.today(),
            "commit": provenance.commit(),
            "suite": suite.describe(),
            "design": settings["design"],
            "seed": settings["seed"],
            "batch_size": settings["batch_size"],
            "lpips": settings["lpips"],
            "machine": provenance.machine(runner.stage_runner.device),
            "software": provenance.software(),
        },
        work=runner.work,
    )


def _axes(rows: Sequence[Combination]) -> list[str]:
    return list(rows[0].labels)


def _fingerprint(rows: Sequence[Combination], settings: Mapping[str, Any]) -> str:
    """Return what must be the same for a run to go on: rows, plugins, versions, weights, suite, device."""
    text = json.dumps([[list(row.labels.items()), row.key()] for row in rows]) + json.dumps(
        {key: value for key, value in settings.items() if key not in ("title", "seed")},
        sort_keys=True,
        default=str,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _check_run(target: Path, fingerprint: str, resume: bool) -> None:
    """Make sure that what lies in a folder is this ablation, or that the folder is free for it.

    Raises:
        OutputError: it holds another ablation.
    """
    from occface_core.results.writing import write_text

    mark = target / "ablation.json"
    if not resume:
        for name in ("journal.jsonl", "ablation.json", "results.csv"):
            (target / name).unlink(missing_ok=True)
        for name in (".work", "examples"):
            shutil.rmtree(target / name, ignore_errors=True)
    if mark.exists():
        try:
            known = json.loads(mark.read_text(encoding="utf-8")).get("fingerprint")
        except ValueError:
            known = None
        if known != fingerprint:
            raise OutputError(
                f"{target}: holds another ablation (other combinations, versions, weights, suite or device). "
                f"Give another output folder, or start anew there with --fresh (resume=False)"
            )
        return
    if (target / "journal.jsonl").exists():
        raise OutputError(
            f"{target}: holds figures of an unknown ablation. Give another output folder, or --fresh"
        )
    write_text(mark, json.dumps({"fingerprint": fingerprint}) + "\n")
