"""Landmarks of wrapped packages beside the project's own, with and without pasted occluders.

    python benchmarks/landmark_packages.py --data DIR [--detectors dlib --detectors mobilenet_v3]

The same photos, composites and figures as `benchmarks/landmarks.py`, for any installed landmark detector by its
name; one whose package is missing is left out with the reason. NME is by the outer-eye distance, over the faces
found by that detector: read it together with the share found. `trained_on_photos` says whether the detector is
known to have been trained on these very photos, so that its row is no held-out figure.
"""

from __future__ import annotations

import csv
import datetime
import os
import platform
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from landmarks import SIDE, as_tensor, inside_photo, nearest, summary
from table import commit

from occface_core import OccfaceError, Registry
from occface_paper.landmarks.data import load_face_crops
from occface_paper.landmarks.evaluate import nme
from occface_paper.occluders import load_cutouts, occlude

CONDITIONS = [("none", 0.0), ("block", 0.3), ("hand", 0.3), ("glasses", 0.3), ("mask", 0.3)]
#: dlib's model was trained on 300-W, which holds HELEN's photos.
TRAINED_ON_THEM = {"dlib": "yes", "mobilenet_v3": "no"}


def main(
    data: Annotated[Path, typer.Option(envvar="OCCFACE_DATA", help="Folder of the data pack.")],
    out: Path = Path(__file__).parent / "results" / "landmark_packages.csv",
    detectors: list[str] = ["dlib", "mobilenet_v3"],  # noqa: B006 - typer copies it
    photos: int | None = None,
    seed: int = 0,
    threads: int = 2,
) -> None:
    """Measure and write one row a detector and condition."""
    torch.set_num_threads(threads)
    crops = load_face_crops(data, {"faces68": 1.0}, None, side=SIDE)
    chosen = np.flatnonzero(crops.is_val)[:photos]
    cutouts = load_cutouts(data / "occluders")
    rows = []
    for name in detectors:
        entry = Registry().entry("landmark_detector", name)
        stage = Registry().get("landmark_detector", name)()
        try:
            stage.setup("cpu")
        except OccfaceError as error:
            print(f"{name} is left out: {error}")
            continue
        for kind, severity in CONDITIONS:
            errors, single, confidences = [], [], []
            for number, index in enumerate(chosen):
                image = inside_photo(crops.images[index], crops.valid[index])
                truth = crops.points[index].astype(np.float64)
                if kind != "none":
                    rng = np.random.default_rng((seed, number))
                    others = [crops.images[np.flatnonzero(~crops.is_val)[number]]]
                    image, _ = occlude(
                        image, truth, kind, rng, severity=severity, cutouts=cutouts, others=others
                    )
                with torch.inference_mode():
                    found = stage.run(as_tensor(image))
                points = found.points.double().numpy()
                hit = nearest(points, truth)
                if hit is None:
                    continue
                errors.append(nme(points[hit][None], truth[None])[0])
                eyes = np.linalg.norm(truth[36] - truth[45])
                single.append(100 * np.linalg.norm(points[hit] - truth, axis=1) / eyes)
                confidences.append(found.confidence[hit].double().numpy())
            rows.append(
                {
                    "date": datetime.date.today().isoformat(),
                    "commit": commit(),
                    "hardware": f"{platform.machine()}, {os.cpu_count()} CPU cores",
                    "seed": seed,
                    "weights_sha256": (stage.weights_sha256() or "")[:12],
                    "detector": name,
                    "distribution": f"{entry.distribution} {entry.version}",
                    "trained_on_photos": TRAINED_ON_THEM.get(name, "unknown"),
                    "occluder": kind,
                    "severity": severity,
                    "photos": len(chosen),
                    **summary(np.array(errors), np.array(single), np.array(confidences), len(chosen)),
                }
            )
            row = rows[-1]
            print(f"{name:14s} {kind:8s} found {row['found_percent']} %  NME {row['nme_mean']} %", flush=True)
    if not rows:
        raise typer.Exit(1)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    typer.run(main)
