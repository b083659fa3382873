"""Lines of the journal → rows with figures, intervals, tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import numpy as np

from occface_core.ablation.choices import Candidate, options_of
from occface_core.ablation.design import Combination
from occface_core.ablation.figures import FIGURES
from occface_core.ablation.result import Estimate, Row, Spread, Values
from occface_core.ablation.runner import Runner
from occface_core.ablation.severity import severity_curve
from occface_core.ablation.statistics import bootstrap_weights, holm, interval, paired_test

CURVES = ("found", "nme", "matte_iou", "hole_psnr", "hole_ssim", "reprojection_nme", "vertex_mm", "surface_mm",
          "surface_mm_hidden", "normal_deg", "normal_deg_hidden")  # fmt: skip
"""Figures that are drawn against the hidden share."""


def make_row(runner: Runner, number: int, combination: Combination, weights: Values) -> Row:
    """Return one row without comparison: what can be said as soon as it has run."""
    count = len(runner.samples)
    row = Row(
        labels=combination.labels,
        stages={stage: about(candidate) for stage, candidate in combination.candidates.items()},
        reason=runner.failure(number),
    )
    if row.reason:
        return row
    peaks = []
    for stage, lines in runner.lines(number).items():
        row.values |= collect((line["figures"] for line in lines), count)
        row.times[stage] = _series((line["ms"] for line in lines), count)
        peaks += [line["mb"] for line in lines if line.get("mb")]
    row.peak_memory_mb = max(peaks, default=None)
    row.figures = {name: estimate(row.values[name], weights) for name in FIGURES if name in row.values}
    times = {**row.times, "total": np.sum(list(row.times.values()), axis=0)}
    spreads = {stage: Spread.of(values) for stage, values in times.items()}
    row.milliseconds = {stage: spread for stage, spread in spreads.items() if spread is not None}
    return row


def compare(
    rows: Sequence[Row], keys: Sequence[Sequence[str]], shares: Values, weights: Values, seed: int
) -> None:
    """Compare all rows with the first, and add the severity curves.

    Args:
        rows: the base row first; changed in place.
        keys: of each row the keys of its prefixes, in pipeline order.
        shares: (N,) hidden share of each face.
        weights: bootstrap weights.
        seed: of the tests.
    """
    base, *others = rows
    stages = list(base.stages)
    for name, figure in FIGURES.items():
        tests: list[tuple[Row, float]] = []
        for row, mine in zip(others, keys[1:], strict=True):
            if name not in row.figures or name not in base.figures:
                continue
            depth = stages.index(figure.stage)
            same = mine[depth] == keys[0][depth]
            difference = row.values[name] - base.values[name]
            low, high = interval(difference, weights)
            known = np.isfinite(difference)
            delta = float(difference[known].mean()) if known.any() else None
            row.figures[name] = attrs.evolve(
                row.figures[name], delta=delta, delta_low=low, delta_high=high, same=same
            )
            if not same and known.any():
                tests.append((row, paired_test(difference, seed)))
        for (row, _), p in zip(tests, holm([p for _, p in tests]), strict=True):
            row.figures[name] = attrs.evolve(row.figures[name], p=p)
    for row in rows:
        row.curves = {
            name: curve
            for name in CURVES
            if name in row.values and len(curve := severity_curve(shares, row.values[name], seed)) > 1
        }


def collect(figures: Iterable[dict[str, dict[str, float]]], count: int) -> dict[str, Values]:
    """Return figure → (count,) values of {sample: {figure: value}} pieces."""
    found: dict[str, Values] = {}
    for piece in figures:
        for sample, values in piece.items():
            for name, value in values.items():
                found.setdefault(name, np.full(count, np.nan))[int(sample)] = value
    return found


def estimate(values: Values, weights: Values) -> Estimate:
    """Return mean and interval of values (N,)."""
    known = values[np.isfinite(values)]
    low, high = interval(values, weights)
    mean = float(known.mean()) if len(known) else float("nan")
    return Estimate(value=mean, low=low, high=high, count=len(known))


def weights_of(runner: Runner, seed: int) -> Values:
    """Return the bootstrap weights that all rows of a run share."""
    return bootstrap_weights(len(runner.samples), seed)


def about(candidate: Candidate) -> dict[str, Any]:
    """Return what stands at a stage, for the record."""
    if candidate.choice is None:
        return {"plugin": candidate.label, "problem": candidate.problem}
    choice = candidate.choice
    try:
        weights = choice.instance.weights_sha256()
    except Exception:  # the row says why it failed
        weights = None
    return {
        "plugin": choice.name,
        "options": options_of(choice.instance),
        "distribution": choice.distribution,
        "version": choice.version,
        "weights_sha256": weights,
        "licence": choice.instance.licence,
        **({"warning": choice.warning} if choice.warning else {}),
    }


def _series(pieces: Iterable[dict[str, float]], count: int) -> Values:
    values = np.full(count, np.nan)
    for piece in pieces:
        for sample, value in piece.items():
            values[int(sample)] = value
    return values
