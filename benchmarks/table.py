"""What every table of figures says about where it comes from, and how it is written."""

from __future__ import annotations

import csv
import datetime
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch


def commit() -> str:
    """Short hash of the commit, with a + if code differs from it."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], capture_output=True, text=True, cwd=Path(__file__).parents[1])
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!*.csv", ":!*.md")
    return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")


def about(seed: int) -> dict[str, Any]:
    """Date, commit, hardware, torch and seed: the first columns of every row."""
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} CPU cores, {torch.get_num_threads()} thread(s)",
        "torch": torch.__version__,
        "seed": seed,
    }


def with_others(path: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a table that these do not replace, those of other methods, and these."""
    if not path.is_file():
        return rows
    measured = {row["method"] for row in rows}
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["method"] not in measured] + rows


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows of the same columns as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
