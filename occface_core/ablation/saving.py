"""Write the tables of an ablation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from occface_core.ablation.page import page
from occface_core.ablation.result import AblationResult
from occface_core.ablation.tables import markdown, results_csv, samples_csv, severity_csv
from occface_core.results.writing import check_folder, write_text


def save(result: AblationResult, folder: Path) -> Path:
    """Write all tables and the page; each file is there whole or not at all."""
    target = check_folder(folder)
    write_text(target / "results.csv", results_csv(result))
    write_text(target / "samples.csv", samples_csv(result))
    write_text(target / "severity.csv", severity_csv(result))
    write_text(target / "results.md", markdown(result))
    write_text(target / "results.json", json.dumps(document(result), indent=1) + "\n")
    write_text(target / "report.html", page(result))
    return target


def document(result: AblationResult) -> dict[str, Any]:
    """Return results.json: everything but the samples."""
    found: dict[str, Any] = _plain(
        {
            "provenance": result.provenance,
            "design": result.design,
            "axes": result.axes,
            "work": {
                "prefixes": result.work.prefixes,
                "stages": result.work.stages,
                "resumed": result.work.resumed,
                "executed": len(result.work.executed),
            },
            "mean_face": {name: attrs.asdict(value) for name, value in result.reference.items()},
            "rows": [
                {
                    "labels": dict(row.labels),
                    "status": "failed" if row.reason else "ok",
                    "reason": row.reason,
                    "stages": row.stages,
                    "figures": {
                        name: {**attrs.asdict(value), "verdict": value.verdict(name)}
                        for name, value in row.figures.items()
                    },
                    "milliseconds": {stage: attrs.asdict(value) for stage, value in row.milliseconds.items()},
                    "peak_memory_mb": row.peak_memory_mb,
                    "severity": {
                        name: [attrs.asdict(p) for p in curve] for name, curve in row.curves.items()
                    },
                }
                for row in result.rows
            ],
        }
    )
    return found


def _plain(value: Any) -> Any:
    """Return plain data; NaN becomes None, which JSON can say."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value
