"""Shapes by several estimators, on faces of the library's own model and of a model that no method saw.

    python benchmarks/shape.py [--data DIR] [--truth embedded,deformed] [--faces 60] [--persons 12]

Each drawn face is measured bare with the points that a person would mark (``true points``), bare with found points,
and under an occluder, both through the stages of the preset "paper". ``mean`` is the mean face and the null method.
Estimators are those of `occface_core.ablation.metrics.estimators`: alignment by seven points with scale (as NoW),
rigid ICP without scale, and ICP by region; visible, hidden and turned-away surface apart. Pose is the angle between
true and found rotation. ``occluded over bare`` takes only faces found in both conditions.

Truths are ``embedded`` (the model that the methods are built on, new identities), ``deformed`` (made in code, see
`other_face.py`; no scan), or the user's own: ``ict:DIR``, ``flame:FILE``, ``bfm2009:DIR``, a saved model. The row
``best fit`` is what the embedded components leave of these truths.

``coefficient_net alone`` is the network without the steps by colours and points that follow it.

``told apart``: how often two photos of a person give nearer shapes, expression taken off, than photos of two.
With ``--data``, shapes are also projected into the validation photos: error of the 68 points by the distance of the
outer eye corners. Time is CPU time in one process. ``--kept DIR`` keeps the drawn faces for the next run. Rows of
methods that are not measured this time stay in the table. ``--suite`` adds published data sets, see
`shape_suites.py`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from other_face import best_fit
from shape_faces import Case, drawn
from shape_suites import of_suite, suite_faces
from table import about, with_others, write

from occface_core.ablation.metrics.estimators import estimates, pairs_told_apart, turn_between
from occface_core.ablation.metrics.shape import rigid_fit, shape_figures
from occface_core.facemodel import FaceModel
from occface_core.geometry.align import crop_to_photo, inverse, transform_points, warp_crop
from occface_core.registry import Registry
from occface_core.types import FaceShape, Landmarks

TRUTHS = "embedded,deformed"
ALONE = "coefficient_net alone"
METHODS = ("mean", "landmark_fit", "photometric_fit", "coefficient_net", ALONE)
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {ALONE: ("coefficient_net", {"refine_steps": 0})}
"""Method → plugin and options, where it is not a plugin as it is."""
YAWS = {"yaw under 20": (0, 20), "yaw 20 to 45": (20, 45), "yaw over 45": (45, 91)}
PHOTOS = ("first photo", "second photo")


def methods_at_hand(names: str) -> dict[str, Any]:
    """Return the shape stages of these names that are installed, set up; say which are not."""
    registry, stages = Registry(), {}
    for name in names.split(","):
        plugin, options = VARIANTS.get(name, (name, {}))
        if plugin not in registry.names("shape_regressor"):
            print(f"{plugin}: not installed, left out")
            continue
        stages[name] = registry.get("shape_regressor", plugin)(**options)
        stages[name].setup("cpu")
    return stages


def run(stage: Any, cases: list[Case]) -> tuple[list[FaceShape], float]:
    """Return the shape of every case and the CPU milliseconds a face."""
    with torch.inference_mode():
        stage.run(cases[0].clean, cases[0].landmarks)
        begin = time.process_time()
        shapes = [stage.run(case.clean, case.landmarks) for case in cases]
    return shapes, 1000 * (time.process_time() - begin) / len(cases)


def figures_of(case: Case, shape: FaceShape) -> dict[str, float]:
    """Return all figures of one face."""
    vertices = shape.vertices[0].double().cpu().numpy()
    figures = estimates(case.truth, vertices, shape.model)
    same = shape_figures(case.truth, vertices, shape.model)
    figures |= {name: value for name, value in same.items() if name == "vertex_mm"}
    return figures | {"pose_degrees": turn_between(shape.rotation[0].double().numpy(), case.rotation)}


def neutral(shape: FaceShape) -> np.ndarray:
    """Return (N, 3) mm of the face at rest, laid on the mean face."""
    model = shape.model
    ids = np.flatnonzero(model.region("face"))[::6]
    points = model.vertices(shape.coefficients["identity"].cpu(), None)[0].double().numpy()[ids]
    rotation, shift = rigid_fit(points, model.mean[ids])
    return np.asarray(points @ rotation.T + shift)


def of_truth(name: str, stage: Any, cases: list[Case]) -> list[tuple[str, str, float, int]]:
    """Return (condition, figure, value, faces) of one method on the cases of one truth."""
    shapes, milliseconds = run(stage, cases)
    values: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    by_yaw: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    people: dict[str, dict[int, np.ndarray]] = {which: {} for which in PHOTOS}
    for case, shape in zip(cases, shapes, strict=True):
        if case.condition in PHOTOS:
            people[case.condition][case.person] = neutral(shape)
            continue
        found = figures_of(case, shape)
        for figure, value in found.items():
            values[case.condition, figure][case.person] = value
        part = next(label for label, (low, high) in YAWS.items() if low <= case.yaw < high)
        for figure in ("pose_degrees", "now_mm"):
            by_yaw[case.condition, f"{figure}, {part}"][case.person] = found[figure]
    rows = [
        (condition, figure, float(np.mean(list(each.values()))), len(each))
        for (condition, figure), each in (values | by_yaw).items()
    ]
    for figure in ("now_mm", "icp_mm", "region_mm"):
        bare, hidden = values["bare", figure], values["occluded", figure]
        both = sorted(bare.keys() & hidden.keys())
        if both:
            ratio = np.mean([hidden[k] for k in both]) / np.mean([bare[k] for k in both])
            rows.append(("occluded over bare", f"{figure} ratio", float(ratio), len(both)))
    both = sorted(people[PHOTOS[0]].keys() & people[PHOTOS[1]].keys())
    if len(both) > 1 and name != "mean":
        first, second = (np.stack([people[which][k] for k in both]) for which in PHOTOS)
        rows.append(("two photos", "told apart percent", pairs_told_apart(first, second), len(both)))
    rows.append(("all", "CPU ms a face", milliseconds, len(cases)))
    return rows


def photo_cases(data: Path, count: int) -> list[tuple[str, torch.Tensor, Landmarks, torch.Tensor]]:
    """Return (label, crop, points given to the shape, true points) of validation photos, marked and found.

    Crops are aligned by the points that the shape is given, as the pipeline does it.
    """
    from classic import load

    detector = Registry().get("landmark_detector", "mobilenet_v3")()
    detector.setup("cpu")
    photos = load(data, "faces68", count)
    cases = []
    with torch.inference_mode():
        for image, points in zip(photos.image, photos.points, strict=True):
            cases.append(("hand-placed points", image[None], Landmarks(points=points[None]), points))
            answer = detector.run(image[None])
            if len(answer):
                one = (answer.points - points).norm(dim=-1).mean(1).argmin()
                marks = answer.points[one][None]
                matrix = crop_to_photo(marks)
                back = inverse(matrix)
                found = Landmarks(
                    points=transform_points(back, marks), confidence=answer.confidence[one][None]
                )
                true = transform_points(back, points[None])[0]
                cases.append(("found points", warp_crop(image[None], matrix), found, true))
    return cases


def of_photos(
    stage: Any, cases: list[tuple[str, torch.Tensor, Landmarks, torch.Tensor]]
) -> list[tuple[str, str, float, int]]:
    """Return the error of the shape's own points projected into photos."""
    errors: dict[str, list[torch.Tensor]] = defaultdict(list)
    with torch.inference_mode():
        for label, image, landmarks, points in cases:
            unit = (points[36] - points[45]).norm()
            shape = stage.run(image, landmarks)
            errors[label].append(100 * (shape.landmarks()[0] - points).norm(dim=-1) / unit)
    rows = []
    for label, each in errors.items():
        error, condition = torch.stack(each), f"validation photos, {label}"
        rows.append((condition, "projected NME percent", float(error.mean()), len(error)))
        inner = float(error[:, 17:].mean())
        rows.append((condition, "projected NME percent, without jaw", inner, len(error)))
    return rows


def main(
    data: Annotated[
        Path | None, typer.Option(envvar="OCCFACE_DATA", help="Folder of the data pack, for real photos.")
    ] = None,
    truth: Annotated[str, typer.Option(help="Face models that are the truth, separated by commas.")] = TRUTHS,
    out: Path = Path(__file__).parent / "results" / "shape.csv",
    faces: int = 60,
    persons: int = 12,
    photos: int = 70,
    seed: int = 977,
    threads: int = 1,
    kept: Annotated[Path | None, typer.Option(help="Folder that keeps drawn faces.")] = None,
    suite: Annotated[str, typer.Option(help="Data sets as name:DIR, separated by commas.")] = "",
    methods: Annotated[str, typer.Option(help="Names, separated by commas.")] = ",".join(METHODS),
) -> None:
    """Measure and write one row a figure."""
    torch.set_num_threads(threads)
    head, rows = about(seed), []
    real = [] if data is None else photo_cases(data, photos)
    sets = {choice.partition(":")[0]: suite_faces(choice) for choice in suite.split(",") if choice}
    cases = {choice: drawn(choice, faces, persons, seed, kept) for choice in truth.split(",")}

    def add(name: str, weights: str, choice: str, found: list[tuple[str, str, float, int]]) -> None:
        for condition, figure, value, count in found:
            row = {"method": name, "weights_sha256": weights, "truth": choice, "condition": condition}
            rows.append(head | row | {"figure": figure, "value": round(value, 4), "faces": count})
            print(f"{name:21s} {choice:10s} {condition:34s} {figure:34s} {value:8.3f}  ({count})", flush=True)

    for choice, some in cases.items():
        shapes = [case.vertices for case in some if case.condition == "true points"]
        if shapes and shapes[0].shape == FaceModel.embedded().mean.shape:
            left = float(best_fit(np.stack(shapes)).mean())
            add("best fit", "", choice, [("all", "vertex_mm", left, len(shapes))])
    for name, stage in methods_at_hand(methods).items():
        weights = (stage.weights_sha256() or "")[:12]
        for choice, some in cases.items():
            add(name, weights, choice, of_truth(name, stage, some))
        if real:
            add(name, weights, "photos", of_photos(stage, real))
        for choice, found in sets.items():
            add(name, weights, choice, of_suite(stage, found))
        write(out, with_others(out, rows))


if __name__ == "__main__":
    typer.run(main)
