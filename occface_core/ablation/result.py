"""What an ablation found: rows with figures, intervals and tests, and what made them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from occface_core.ablation.figures import FIGURES
from occface_core.ablation.runner import Work
from occface_core.ablation.severity import CurvePoint

Values = NDArray[np.float64]


@attrs.define(frozen=True, kw_only=True)
class Estimate:
    """A figure of a row, and how it differs from the base's.

    Attributes:
        value: mean over the faces on which it is defined.
        low: lower end of the 95 % interval.
        high: upper end.
        count: faces.
        delta: mean paired difference from the base row, on faces that both know; None in the base row.
        delta_low: lower end of its interval.
        delta_high: upper end.
        p: p-value of the paired test, corrected for the number of rows; None where nothing can differ.
        same: whether the row shares this stage and all before it with the base row.
    """

    value: float
    low: float
    high: float
    count: int
    delta: float | None = None
    delta_low: float | None = None
    delta_high: float | None = None
    p: float | None = None
    same: bool = False

    def verdict(self, name: str) -> str:
        """Return "better", "worse", or "" where the corrected test finds no difference at 5 %."""
        if self.p is None or self.delta is None or self.p >= 0.05:
            return ""
        return "better" if (self.delta > 0) == FIGURES[name].higher_is_better else "worse"


@attrs.define(frozen=True, kw_only=True)
class Spread:
    """Median and quartiles."""

    median: float
    q25: float
    q75: float

    @classmethod
    def of(cls, values: Values) -> Spread | None:
        """Return the spread of values, None if there are none."""
        known = values[np.isfinite(values)]
        if not len(known):
            return None
        q25, median, q75 = np.quantile(known, [0.25, 0.5, 0.75])
        return cls(median=float(median), q25=float(q25), q75=float(q75))


@attrs.define(kw_only=True, eq=False)
class Row:
    """One combination.

    Attributes:
        labels: axis → short text.
        stages: stage → plugin, options, distribution, version, weights hash, licence.
        reason: why it failed, or "".
        figures: name → estimate, of what is defined on this suite.
        milliseconds: stage, and "total" → time of a face.
        peak_memory_mb: highest memory in use while its stages ran.
        values: figure → (N,) value of each sample, NaN where it is not defined.
        times: stage → (N,) ms.
        examples: sample's name → JPEG of the steps.
        curves: figure → severity curve.
    """

    labels: Mapping[str, str]
    stages: Mapping[str, Mapping[str, Any]]
    reason: str = ""
    figures: dict[str, Estimate] = attrs.field(factory=dict)
    milliseconds: dict[str, Spread] = attrs.field(factory=dict)
    peak_memory_mb: float | None = None
    values: dict[str, Values] = attrs.field(factory=dict)
    times: dict[str, Values] = attrs.field(factory=dict)
    examples: dict[str, bytes] = attrs.field(factory=dict)
    curves: dict[str, list[CurvePoint]] = attrs.field(factory=dict)

    def name(self) -> str:
        """Return the labels in one line."""
        return " · ".join(self.labels.values())


@attrs.define(kw_only=True, eq=False)
class AblationResult:
    """The table of an ablation; row 0 is the base row that all others are compared with.

    Attributes:
        axes: columns of the table.
        design: "full_grid" or "one_at_a_time".
        rows: one a combination.
        samples: name of each sample.
        kinds: what hides each face, or "".
        shares: (N,) hidden share of each face, NaN where not known.
        reference: figure of the mean face → estimate.
        provenance: versions, suite, seeds, hardware, commit.
        work: what was run, and what was shared.
    """

    axes: tuple[str, ...]
    design: str
    rows: list[Row]
    samples: list[str]
    kinds: list[str]
    shares: Values
    reference: dict[str, Estimate]
    provenance: dict[str, Any]
    work: Work

    def short_names(self) -> list[str]:
        """Return a name a row for plots: "base", and what differs from the base in the others."""
        first = self.rows[0].labels
        names = []
        for row in self.rows:
            changed = [label for axis, label in row.labels.items() if label != first[axis]]
            names.append(" · ".join(changed) or "base")
        shared = {
            name for name in names if names.count(name) > 1
        }  # a label that two axes share needs its axis
        for number, row in enumerate(self.rows):
            if names[number] in shared:
                changed = [f"{axis} {label}" for axis, label in row.labels.items() if label != first[axis]]
                names[number] = ", ".join(changed) or "base"
        return names

    def warnings(self) -> list[str]:
        """Return what must be known of the rows: stand-ins for plugins that a preset names and nobody installed."""
        found = [about.get("warning", "") for row in self.rows for about in row.stages.values()]
        return list(dict.fromkeys(text for text in found if text))

    def figure_names(self) -> list[str]:
        """Return the figures that at least one row has."""
        return [name for name in FIGURES if any(name in row.figures for row in self.rows)]

    def table(self) -> list[dict[str, Any]]:
        """Return the rows as in results.csv."""
        from occface_core.ablation.tables import csv_row

        return [csv_row(self.axes, row, len(self.samples)) for row in self.rows]

    def save(self, folder: str | Path) -> Path:
        """Write results.csv, results.json, results.md, samples.csv, severity.csv and report.html; return the folder.

        Raises:
            OutputError: a file cannot be written.
        """
        from occface_core.ablation.saving import save

        return save(self, Path(folder))
