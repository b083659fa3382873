"""Rows as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from occface_core.ablation.figures import FIGURES
from occface_core.ablation.result import AblationResult, Row
from occface_core.results.writing import output_errors, write_text
from occface_core.stages import STAGES

TIMED = (*STAGES, "total")
"""What times are told of."""


def csv_columns(axes: Sequence[str]) -> list[str]:
    """Return the columns of results.csv: axes, what became of the row, figures, costs, then how sure they are."""
    judged = [name for name, figure in FIGURES.items() if figure.stage]
    return [
        *axes,
        "status",
        "reason",
        "faces",
        *judged,
        *(f"{stage}_ms{end}" for stage in TIMED for end in ("", "_q25", "_q75")),
        "peak_memory_mb",
        *(f"{name}_{what}" for name in judged for what in ("low", "high", "n", "delta", "p", "verdict")),
    ]


def csv_row(axes: Sequence[str], row: Row, faces: int) -> dict[str, Any]:
    """Return one row by column; what is not known is ""."""
    cells: dict[str, Any] = dict.fromkeys(csv_columns(axes), "")
    cells |= dict(row.labels)
    cells |= {"status": "failed" if row.reason else "ok", "reason": row.reason, "faces": faces}
    for name, estimate in row.figures.items():
        cells[name] = _number(estimate.value)
        cells |= {
            f"{name}_low": _number(estimate.low),
            f"{name}_high": _number(estimate.high),
            f"{name}_n": estimate.count,
            f"{name}_delta": _number(estimate.delta),
            f"{name}_p": _number(estimate.p),
            f"{name}_verdict": estimate.verdict(name),
        }
    for stage, spread in row.milliseconds.items():
        cells |= {
            f"{stage}_ms": _number(spread.median),
            f"{stage}_ms_q25": _number(spread.q25),
            f"{stage}_ms_q75": _number(spread.q75),
        }
    cells["peak_memory_mb"] = _number(row.peak_memory_mb)
    return cells


class CsvTable:
    """results.csv while it grows; each row is on disk before `append` returns.

    Args:
        path: the file.
        axes: first columns.
        faces: samples of the suite.
    """

    def __init__(self, path: Path, axes: Sequence[str], faces: int) -> None:
        self.path, self.axes, self.faces = path, axes, faces

    def begin(self, rows: Sequence[Row]) -> None:
        """Write the heading and the rows that are known already, all at once."""
        write_text(
            self.path, _csv(csv_columns(self.axes), [csv_row(self.axes, row, self.faces) for row in rows])
        )

    def append(self, row: Row) -> None:
        """Add a row."""
        text = _csv(csv_columns(self.axes), [csv_row(self.axes, row, self.faces)], heading=False)
        with output_errors(self.path), self.path.open("ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())


def results_csv(result: AblationResult) -> str:
    """Return results.csv."""
    return _csv(csv_columns(result.axes), result.table())


def samples_csv(result: AblationResult) -> str:
    """Return samples.csv: every figure of every sample in every row."""
    names = result.figure_names()
    columns = [*result.axes, "sample", "kind", "hidden", *names, *(f"{stage}_ms" for stage in STAGES)]
    lines = []
    for row in result.rows:
        if row.reason:
            continue
        for number, sample in enumerate(result.samples):
            line: dict[str, Any] = {**row.labels, "sample": sample, "kind": result.kinds[number]}
            line["hidden"] = _number(float(result.shares[number]))
            line |= {name: _number(row.values[name][number]) for name in names if name in row.values}
            line |= {f"{stage}_ms": _number(times[number]) for stage, times in row.times.items()}
            lines.append(line)
    return _csv(columns, lines)


def severity_csv(result: AblationResult) -> str:
    """Return severity.csv: one point of one curve of one row a line."""
    columns = [
        *result.axes,
        "figure",
        "hidden_from",
        "hidden_to",
        "hidden_mean",
        "faces",
        "value",
        "low",
        "high",
    ]
    lines = [
        {
            **row.labels,
            "figure": name,
            "hidden_from": point.low,
            "hidden_to": point.high,
            "hidden_mean": _number(point.share),
            "faces": point.count,
            "value": _number(point.value),
            "low": _number(point.value_low),
            "high": _number(point.value_high),
        }
        for row in result.rows
        for name, curve in row.curves.items()
        for point in curve
    ]
    return _csv(columns, lines)


def markdown(result: AblationResult) -> str:
    """Return the tables as Markdown: main figures with intervals and tests, costs, failures, provenance."""
    names = [name for name in result.figure_names() if FIGURES[name].main]
    about = result.provenance
    heads = [f"{FIGURES[name].title}{_unit(name)} {arrow(name)}" for name in names]
    lines = [f"# {about.get('title') or 'Ablation'}", "", introduction(result), ""]
    lines += _table([*result.axes, *heads], [
        [*map(_code, row.labels.values()), *(_cell(row, name) for name in names)]
        for row in result.rows if not row.reason
    ])  # fmt: skip
    reference = [name for name in result.reference if f"mean_face_{name.removeprefix('mean_face_')}" == name]
    if reference:
        parts = [f"{FIGURES[n].title.removeprefix('mean face: ')} {result.reference[n].value:.2f}{_unit(n)}"
                 for n in reference if not n.endswith("_visible")]  # fmt: skip
        lines += ["", f"For comparison, the mean face in place of any estimate: {'; '.join(parts)}."]
    lines += ["", "## Cost a face", ""]
    lines += _table([*result.axes, *(f"{stage} ms" for stage in TIMED), "peak MB"], [
        [*map(_code, row.labels.values()), *(_spread(row, stage) for stage in TIMED),
         f"{row.peak_memory_mb:.0f}" if row.peak_memory_mb else "-"]
        for row in result.rows if not row.reason
    ])  # fmt: skip
    lines += ["", "Median and quartiles over faces."]
    failed = [row for row in result.rows if row.reason]
    if failed:
        lines += ["", "## Failed", ""]
        lines += _table([*result.axes, "reason"], [
            [*map(_code, row.labels.values()), row.reason.replace("|", "\\|").replace("\n", " ")] for row in failed
        ])  # fmt: skip
    lines += ["", "## Where this comes from", ""]
    lines += [f"- {key}: {value}" for key, value in facts(result).items()]
    return "\n".join(lines) + "\n"


def introduction(result: AblationResult) -> str:
    """Return what the table shows, in a few sentences."""
    work = result.work
    return (
        f"{len(result.rows)} combinations on {len(result.samples)} faces. Means with 95 % bootstrap intervals. "
        f"The first row is the base: `+` better, `-` worse than it (paired sign-flip test, p < 0.05 after Holm's "
        f"correction for the number of rows), `=` the same by construction, nothing: no difference shown. "
        f"{work.prefixes} distinct prefixes stand for {work.stages} stages."
    )


def facts(result: AblationResult) -> dict[str, str]:
    """Return provenance as short texts."""
    about = result.provenance
    suite, machine = about["suite"], about["machine"]
    options = ", ".join(
        f"{key} {value}" for key, value in suite.items() if key != "name" and value is not None
    )
    graphics = f", {machine['gpu']}" if "gpu" in machine else ""
    load = (
        f", {machine['load']} processes at work in the last quarter of an hour" if "load" in machine else ""
    )
    return {
        "date": about["date"],
        "commit": about["commit"] or "not a checkout",
        "suite": f"{suite['name']} ({options})",
        "design": about["design"],
        "seed of statistics": str(about["seed"]),
        "machine": f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads{graphics}, "
                   f"{machine['system']}, device {machine['device']}, batch of {about['batch_size']}{load}",
        "software": ", ".join(f"{name} {number}" for name, number in about["software"].items()),
        "plugins": "; ".join(sorted(_plugins(result))),
        **({"stand-ins": "; ".join(result.warnings())} if result.warnings() else {}),
    }  # fmt: skip


def _plugins(result: AblationResult) -> set[str]:
    found = set()
    for row in result.rows:
        for stage, about in row.stages.items():
            weights = f", weights {about['weights_sha256'][:12]}" if about.get("weights_sha256") else ""
            origin = f"{about.get('distribution', '')} {about.get('version', '')}".strip()
            found.add(f"{stage} {about['plugin']}{f' ({origin}{weights})' if origin else ''}")
    return found


def mark(row: Row, name: str) -> str:
    """Return "+", "-", "=" or "" for a row's figure against the base."""
    estimate = row.figures[name]
    if estimate.same:
        return "="
    return {"better": "+", "worse": "-", "": ""}[estimate.verdict(name)]


def arrow(name: str) -> str:
    """Return which way is better."""
    return "↑" if FIGURES[name].higher_is_better else "↓"


def short(value: float, name: str) -> str:
    """Return a figure with as many digits as mean something."""
    digits = {"%": 1, "dB": 1, "°": 1, "mm": 2}.get(FIGURES[name].unit, 3)
    return f"{value:.{digits}f}"


def _cell(row: Row, name: str) -> str:
    estimate = row.figures.get(name)
    if estimate is None:
        return ""
    text = short(estimate.value, name)
    if np.isfinite(estimate.low):
        text += f" [{short(estimate.low, name)}, {short(estimate.high, name)}]"
    return f"{text} {mark(row, name)}".rstrip()


def _spread(row: Row, stage: str) -> str:
    spread = row.milliseconds.get(stage)
    return "" if spread is None else f"{spread.median:.1f} ({spread.q25:.1f}-{spread.q75:.1f})"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)]


def _code(text: str) -> str:
    return f"`{text}`"


def _unit(name: str) -> str:
    unit = FIGURES[name].unit
    return f" {unit}" if unit else ""


def _number(value: float | None) -> str | float:
    if value is None or not np.isfinite(value):
        return ""
    return float(f"{value:.6g}")


def _csv(columns: Sequence[str], lines: Sequence[dict[str, Any]], heading: bool = True) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if heading:
        writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()
