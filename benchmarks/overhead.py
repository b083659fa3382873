"""What the library costs beyond its stages, and how long a list of many plugins takes.

    python benchmarks/overhead.py [--repeats 100]

Needs no data. Every stage is one that does nearly nothing, and the time inside the stages is taken away. What
remains of a call is `overhead`: `crop` (aligned crops), `visibility` (which landmarks are hidden) and
`orchestration` (hooks, records and their checks, lineage, looking up of plugins). Beside it stand `reading` (an
array → tensor; once a photo, and longer for a larger one) and `provenance`, which vertices are seen, worked out
only when somebody asks. Milliseconds of processor time a face on one thread; processor time, because other
programs do not count into it, though they make it longer by taking caches and half of a core. Listing is that of a
fresh interpreter.
"""

from __future__ import annotations

import csv
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
import numpy as np
import torch
import typer
from table import commit

from occface_core import Landmarks, Pipeline, null, photo, pipeline
from occface_core.geometry.align import mean_landmarks

STAGES = (null.NoLandmarks, null.NoMatting, null.NoInpainting, null.NoShape, null.NoDetail)
TARGETS = {"overhead": 2.0, "listing": 50.0}
PLUGINS = 50
LISTING = """
import json, time
from occface_core import Registry
began = time.process_time()
entries = Registry().entries()
listed = time.process_time()
from occface_core.listing import plugin_row
rows = [plugin_row(entry) for entry in entries]
done = time.process_time()
mine = sum(row["distribution"].startswith("bench-") for row in rows)
print(json.dumps([1000 * (listed - began), 1000 * (done - began), mine, len(rows)]))
"""


@attrs.define(kw_only=True)
class Faces(null.NoLandmarks):
    """Finds as many faces as asked, side by side."""

    count: int = 1

    def run(self, photo: torch.Tensor) -> Landmarks:
        points = mean_landmarks()[:, :2].float() * torch.tensor([1.0, -1.0]) + 128
        shift = torch.arange(self.count, dtype=torch.float32)[:, None, None] * torch.tensor([60.0, 10.0])
        return Landmarks(points=points + shift)


class Clock:
    """Adds up the processor time inside functions, each under a name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **options: Any) -> Any:
            began = time.process_time()
            try:
                return function(*args, **options)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - began

        return timed


def parts(faces: int, hooks: list[str], repeats: int) -> dict[str, list[float]]:
    """Return milliseconds a face of every part, one value a call."""
    picture = (np.random.default_rng(0).random((512, 768, 3)) * 255).astype(np.uint8)
    chosen: dict[str, Any] = {cls.stage: "none" for cls in STAGES}
    chosen["landmark_detector"] = {"plugin": Faces, "count": faces}
    made = Pipeline.from_config({**chosen, "hooks": hooks})
    for _ in range(3):
        made(picture)
    clock = Clock()
    found: dict[str, list[float]] = {}
    with ExitStack() as patches:
        for cls in (*STAGES[1:], Faces):
            patches.enter_context(mock.patch.object(cls, "run", clock.around("stages", cls.run)))
        for module, function, name in (
            (photo, "read_photo", "reading"),
            (photo, "to_tensor", "reading"),
            (pipeline, "crop_to_photo", "crop"),
            (pipeline, "warp_crop", "crop"),
            (pipeline, "landmark_visibility", "visibility"),
        ):
            timed = clock.around(name, getattr(module, function))
            patches.enter_context(mock.patch.object(module, function, timed))
        for _ in range(repeats):
            clock.seconds.clear()
            began = time.process_time()
            made(picture)
            whole = time.process_time() - began
            clock.seconds["orchestration"] = whole - sum(clock.seconds.values())
            clock.seconds["overhead"] = whole - clock.seconds["stages"] - clock.seconds["reading"]
            for name, seconds in clock.seconds.items():
                found.setdefault(name, []).append(1000 * seconds / faces)
    for _ in range(max(repeats // 5, 3)):  # apart, so that it takes no caches from what is measured above
        result = made(picture)
        began = time.process_time()
        assert result.detail.provenance is not None
        found.setdefault("provenance", []).append(1000 * (time.process_time() - began) / faces)
    return found


def listing(repeats: int) -> tuple[list[float], list[float]]:
    """Return milliseconds to list 50 plugins of 50 distributions: names only, and with licences and weights."""
    names, rows = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(PLUGINS):
            package = Path(folder) / f"bench_{number}"
            package.mkdir()
            (package / "__init__.py").write_text("raise RuntimeError('a list must not import this')\n")
            (package / "licences.toml").write_text(
                f'[[weights]]\nfile = "weights/own.safetensors"\nplugins = ["face_inpainter.bench_{number}"]\n'
                'licence = "CC-BY-4.0"\ncommercial = true\n'
            )
            about = Path(folder) / f"bench_{number}-1.0.dist-info"
            about.mkdir()
            (about / "METADATA").write_text(
                f"Metadata-Version: 2.4\nName: bench-{number}\nVersion: 1.0\nLicense-Expression: MIT\n"
            )
            (about / "entry_points.txt").write_text(
                f"[occface.face_inpainter]\nbench_{number} = bench_{number}.stage:Stage\n"
            )
        environment = {**os.environ, "PYTHONPATH": folder}
        for _ in range(repeats):
            done = subprocess.run(
                [sys.executable, "-c", LISTING], env=environment, capture_output=True, text=True, check=True
            )
            first, second, mine, _ = json.loads(done.stdout)
            assert mine == PLUGINS
            names.append(first)
            rows.append(second)
    return names, rows


def main(
    out: Path = Path(__file__).parent / "results" / "overhead.csv", repeats: int = 100, listings: int = 15
) -> None:
    """Measure and write one row a case and part."""
    torch.set_num_threads(1)
    about = {
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} CPU cores, shared with other programs",
        "torch": torch.__version__,
    }
    rows = []

    def note(case: str, part: str, values: list[float]) -> None:
        target = "" if " and " in case else TARGETS.get(part.partition(":")[0], "")  # hooks cost extra
        middle = statistics.median(values)
        rows.append(
            {
                **about,
                "case": case,
                "part": part,
                "ms_median": round(middle, 3),
                "ms_least": round(min(values), 3),
                "target_ms": target,
                "runs": len(values),
            }
        )
        print(f"{case:28s} {part:28s} {middle:8.3f} ms (least {min(values):.3f}) {target and f'≤ {target}'}")

    for faces, hooks in ((1, []), (8, []), (1, ["timing", "progress"])):
        case = f"{faces} face(s)" + (f", {' and '.join(hooks)}" if hooks else "")
        for part, values in parts(faces, hooks, repeats).items():
            note(case, part, values)
    names, whole = listing(listings)
    note(f"{PLUGINS} plugins", "listing: names", names)
    note(f"{PLUGINS} plugins", "listing: with licences", whole)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    typer.run(main)
