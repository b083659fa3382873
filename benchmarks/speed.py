"""Milliseconds of the whole pipeline and of each stage, beside public programs that do the same kind of work.

    python benchmarks/speed.py [--config paper] [--threads 2] [--runs 20]

Needs no data: the portrait of the demo with something in front of the face, one face, read already. Everything runs
warm in one process, stage and baseline in turn, so that whatever else the machine does hits both; the median of the
runs is told, and the quartiles. Wall time, with as many torch and OpenCV threads as asked for. `ratio` is a stage's
time by its baseline's, the median over the turns: it says more than milliseconds on a machine that others use too.

Baselines: `dlib` (its HOG finder and 68-point predictor, by occface-dlib) for landmarks and for the whole;
OpenCV's GrabCut on the crop for the matte; OpenCV's inpainting by Telea for the completion; SciPy's
`least_squares`, fitting the same face model to the same landmarks, for the shape. One that is not installed is left
out with the reason. Detail has none.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import typer
from table import about, write

from occface_core import OccfaceError, Pipeline, Registry
from occface_core.facemodel import FaceModel
from occface_core.geometry.camera import intrinsics, rotation_from_angles
from occface_core.photo import read_photo, to_tensor
from occface_core.stages import STAGES
from occface_core.synthetic import add_occluder
from occface_core.types import FaceBatch

PORTRAIT = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
TARGET_MS = 600.0
"""For the whole of the preset "paper" on one face, warm, with two threads."""

Baseline = Callable[[np.ndarray, FaceBatch], Any]


def dlib_landmarks() -> Baseline:
    """Return dlib's finder and predictor, one start."""
    stage = Registry().get("landmark_detector", "dlib")(starts=1)
    stage.setup("cpu")
    return lambda photo, faces: stage.run(to_tensor(photo))


def grabcut() -> Baseline:
    """Return OpenCV's GrabCut on the crop, five rounds from the face region."""

    def run(photo: np.ndarray, faces: FaceBatch) -> Any:
        assert faces.matte is not None
        labels = np.where(faces.matte.face[0, 0].numpy() > 0.5, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
        return cv2.grabCut(_bytes(faces), labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 5,
                           cv2.GC_INIT_WITH_MASK)  # fmt: skip

    return run


def telea() -> Baseline:
    """Return OpenCV's inpainting of the same hole."""

    def run(photo: np.ndarray, faces: FaceBatch) -> Any:
        assert faces.matte is not None
        hole = (faces.matte.alpha[0, 0].numpy() > 0).astype(np.uint8)
        return cv2.inpaint(_bytes(faces), hole, 5, cv2.INPAINT_TELEA)

    return run


def fitted_model() -> Baseline:
    """Return SciPy's least squares of pose, 20 identity and 10 expression coefficients to 68 points."""
    from scipy.optimize import least_squares

    model = FaceModel.embedded()
    marks = model.landmarks68
    mean = model.mean[marks].astype(np.float64)
    basis = np.concatenate((model.identity[:20, marks], model.expression[:10, marks])).astype(np.float64)
    camera = intrinsics(256).double().numpy()

    def run(photo: np.ndarray, faces: FaceBatch) -> Any:
        points = faces.landmarks.points[0].double().numpy()

        def misses(x: np.ndarray) -> np.ndarray:
            shape = mean + np.tensordot(x[6:], basis, 1)
            turn = rotation_from_angles(torch.from_numpy(x[:3])).numpy()
            seen = (shape @ turn.T + x[3:6] + [0, 0, 1000]) @ camera.T
            return np.concatenate(((seen[:, :2] / seen[:, 2:] - points).ravel(), x[6:]))

        return least_squares(misses, np.zeros(36), method="lm")

    return run


BASELINES: dict[str, tuple[str, Callable[[], Baseline]]] = {
    "landmark_detector": ("dlib: HOG finder, 68 points", dlib_landmarks),
    "occlusion_matting": ("OpenCV: GrabCut, five rounds", grabcut),
    "face_inpainter": ("OpenCV: inpainting by Telea", telea),
    "shape_regressor": ("SciPy: least squares to 68 points", fitted_model),
    "whole": ("dlib: HOG finder, 68 points", dlib_landmarks),
}


def _bytes(faces: FaceBatch) -> np.ndarray:
    return np.ascontiguousarray((faces.image[0].permute(1, 2, 0) * 255).byte().numpy()[..., ::-1])


def timed(function: Callable[[], Any]) -> float:
    """Return the milliseconds of one call."""
    began = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - began)


def main(
    config: str = "paper",
    out: Path = Path(__file__).parent / "results" / "speed.csv",
    runs: int = 20,
    threads: int = 2,
    occluder: str = "hand",
    seed: int = 3,
) -> None:
    """Measure and write one row a stage and one for the whole."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    pipeline = Pipeline.from_config({"preset": config, "hooks": ["timing"]})
    portrait = read_photo(PORTRAIT)
    points = pipeline.stage("landmark_detector").run(to_tensor(portrait)).points[0].numpy()
    photo, _ = add_occluder(portrait, points, occluder, np.random.default_rng(seed))
    height, width = photo.shape[:2]
    baselines: dict[str, Baseline] = {}
    for stage, (name, make) in BASELINES.items():
        try:
            baselines[stage] = make()
        except (OccfaceError, ImportError) as error:
            print(f"{stage}: baseline '{name}' is left out: {error}")
    for _ in range(3):
        faces = pipeline(photo)
    if len(faces) != 1:
        raise SystemExit(f"{len(faces)} faces were found in the portrait, expected 1; give another --seed")
    times: dict[str, list[float]] = {stage: [] for stage in (*STAGES, "whole")}
    others: dict[str, list[float]] = {stage: [] for stage in baselines}
    for baseline in baselines.values():
        baseline(photo, faces)
    for _ in range(runs):
        began = time.perf_counter()
        faces = pipeline(photo)
        times["whole"].append(1000 * (time.perf_counter() - began))
        for record in faces.lineage:
            times[record.stage].append(1000 * (record.seconds or 0.0))
        for stage, baseline in baselines.items():
            others[stage].append(timed(partial(baseline, photo, faces)))
    used = {record.stage: record.plugin for record in faces.lineage}
    rows = []
    for stage, values in times.items():
        q25, _, q75 = statistics.quantiles(values, n=4, method="inclusive")
        other = others.get(stage)
        rows.append(
            {
                **about(seed),
                "config": config,
                "photo": f"{width} x {height}, one face behind a {occluder}",
                "stage": stage,
                "plugin": used.get(stage, "all five stages"),
                "ms_median": round(statistics.median(values), 1),
                "ms_q25": round(q25, 1),
                "ms_q75": round(q75, 1),
                "target_ms": TARGET_MS if stage == "whole" else "",
                "baseline": BASELINES[stage][0] if other else "",
                "baseline_ms": round(statistics.median(other), 1) if other else "",
                "ratio": round(statistics.median(a / b for a, b in zip(values, other, strict=True)), 2)
                if other
                else "",
                "runs": runs,
                "threads": threads,
            }
        )
        row = rows[-1]
        print(f"{stage:18s} {row['plugin']:20s} {row['ms_median']:8} ms ({row['ms_q25']}-{row['ms_q75']})"
              + (f"   {row['ratio']} x {row['baseline']} ({row['baseline_ms']} ms)" if other else ""))  # fmt: skip
    write(out, rows)


if __name__ == "__main__":
    typer.run(main)
