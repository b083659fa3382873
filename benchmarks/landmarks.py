"""Landmarks through the complete stage (finder, crop, network) by kind and severity of a pasted occluder.

    python benchmarks/landmarks.py --data DIR [--photos 70] [--out benchmarks/results/landmarks.csv]

The photos are the validation photos of ``DIR/faces68`` with hand-placed points. Occluders are the training's own kinds
at several sizes, and the library's (``library ...``). The methods are ``mobilenet_v3`` as it is by default, ``quick``
(``careful=False``), ``alone`` (the paper's network alone: ``careful=False, refine=False``), ``heatmap``
(``careful=False``), and the null method ``mean_shape`` (the mean face laid into the finder's box). NME is by the
outer-eye distance, over found faces. ``moved_change_percent`` is how far the points of a bare photo move, by the same
distance, when the photo is shifted and scaled by a tenth of the face. The error in the least confident third of the
points tells how well confidence sorts them; no order can do better than the error in the worst third.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import torch
import typer
from table import about, with_others, write

from occface_core.synthetic import OCCLUDERS, add_occluder
from occface_paper.faces.find import FoundFaces
from occface_paper.landmarks.crop import apply
from occface_paper.landmarks.data import load_face_crops
from occface_paper.landmarks.evaluate import nme
from occface_paper.landmarks.predict import box_crop
from occface_paper.landmarks.stage import HeatmapLandmarks, MobileNetV3Landmarks
from occface_paper.occluders import load_cutouts, occlude

#: Kind of occluder and hidden share of the face; masks and glasses have the one size that fits.
CONDITIONS = [
    ("none", 0.0),
    *((kind, severity) for kind in ("block", "irregular", "patch", "hand") for severity in (0.3, 0.5)),
    ("glasses", 0.3),
    ("mask", 0.3),
    *((f"library {kind}", 0.3) for kind in OCCLUDERS),
]
#: Side of the photos, px: their own.
SIDE = 384
#: A face counts as found when the box of its points overlaps that of the truth by this much.
FOUND = 0.4


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of the boxes of two sets of points."""
    low, high = np.maximum(a.min(0), b.min(0)), np.minimum(a.max(0), b.max(0))
    shared = float(np.prod(np.clip(high - low, 0, None)))
    return shared / (float(np.prod(np.ptp(a, axis=0)) + np.prod(np.ptp(b, axis=0))) - shared + 1e-9)


def inside_photo(image: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The crop with black outside the photo, as in the data pack, not the reflection that training crops have."""
    x0, y0, x1, y1 = np.round(valid).astype(int)
    black = np.zeros_like(image)
    black[y0:y1, x0:x1] = image[y0:y1, x0:x1]
    return black


def nearest(points: np.ndarray, truth: np.ndarray) -> int | None:
    """Index of the answer (F, 68, 2) that is the face of the truth (68, 2), if any is."""
    shares = [overlap(p, truth) for p in points]
    return int(np.argmax(shares)) if shares and max(shares) >= FOUND else None


def as_tensor(image: np.ndarray) -> torch.Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255


def mean_shapes(stage: MobileNetV3Landmarks, faces: FoundFaces) -> tuple[np.ndarray, np.ndarray]:
    """The null method: the mean face in each found box, the same confidence everywhere."""
    mean = stage._looks[0].network.mean_shape.double().numpy()
    shapes = [apply(np.linalg.inv(box_crop(b)), mean) for b in faces.boxes.double().numpy()]
    return np.array(shapes).reshape(-1, 68, 2), np.ones((len(faces), 68))


def answers(
    stage: MobileNetV3Landmarks, photo: torch.Tensor, faces: FoundFaces
) -> tuple[np.ndarray, np.ndarray]:
    """Points and confidence of a stage."""
    landmarks = stage.place(photo, faces)
    return landmarks.points.double().numpy(), landmarks.confidence.double().numpy()


def change_when_moved(stage: MobileNetV3Landmarks, pictures: list[Any]) -> float:
    """Mean change of the points in per cent of the eye distance when photos are shifted and scaled by a tenth."""
    changes = []
    for number, (photo, truth, faces, _) in enumerate(pictures):
        side = 0.1 * float(np.sqrt(np.prod(np.ptp(truth, axis=0))))
        scale, sign = (1.1, 1) if number % 2 else (0.9, -1)
        warp = np.array([[scale, 0, sign * side], [0, scale, -sign * side]])
        image = photo[0].permute(1, 2, 0).numpy()
        other = torch.from_numpy(cv2.warpAffine(image, warp, image.shape[1::-1])).permute(2, 0, 1)[None]
        first, second = answers(stage, photo, faces)[0], answers(stage, other, stage.find(other))[0]
        back = (second - warp[:, 2]) / scale
        a, b = nearest(first, truth), nearest(back, truth)
        if a is not None and b is not None:
            eyes = np.linalg.norm(truth[36] - truth[45])
            changes.append(100 * np.linalg.norm(first[a] - back[b], axis=1).mean() / eyes)
    return float(np.mean(changes))


def summary(errors: np.ndarray, points: np.ndarray, confidences: np.ndarray, photos: int) -> dict[str, Any]:
    """Figures of one method under one condition; ``points`` (n, 68) are the single points' errors in per cent."""
    third = np.argsort(confidences.ravel())[: confidences.size // 3]
    told = bool(np.ptp(confidences) > 0) if confidences.size else False
    share = points.ravel()[third].sum() / points.sum() if told else float("nan")
    most = (
        np.sort(points.ravel())[-(points.size // 3) :].sum() / points.sum() if points.size else float("nan")
    )
    return {
        "found_percent": round(100 * len(errors) / photos, 2),
        "nme_mean": round(float(np.mean(errors)), 3) if len(errors) else "",
        "nme_median": round(float(np.median(errors)), 3) if len(errors) else "",
        "nme_over_10_percent": round(100 * float(np.mean(errors > 10)), 2) if len(errors) else "",
        "error_in_least_confident_third_percent": round(100 * float(share), 1) if told else "",
        "error_in_worst_third_percent": round(100 * float(most), 1) if points.size else "",
    }


def main(
    data: Annotated[Path, typer.Option(envvar="OCCFACE_DATA", help="Folder of the data pack.")],
    out: Path = Path(__file__).parent / "results" / "landmarks.csv",
    photos: int | None = None,
    seed: int = 0,
    weights: str | None = None,
    threads: int = 2,
    only: Annotated[
        str, typer.Option(help="Methods to measure anew, separated by commas; all if empty.")
    ] = "",
) -> None:
    """Measure and write one row a method and condition."""
    torch.set_num_threads(threads)
    crops = load_face_crops(data, {"faces68": 1.0}, None, side=SIDE)
    chosen = np.flatnonzero(crops.is_val)[:photos]
    cutouts = load_cutouts(data / "occluders")
    stages = {
        "mobilenet_v3": MobileNetV3Landmarks(weights=weights),
        "quick": MobileNetV3Landmarks(weights=weights, careful=False),
        "alone": MobileNetV3Landmarks(weights=weights, careful=False, refine=False),
        "heatmap": HeatmapLandmarks(weights=weights, careful=False),
    }
    for each in stages.values():
        each.setup("cpu")
    stage = stages["mobilenet_v3"]
    methods = {
        name: (lambda photo, faces, s=each: answers(s, photo, faces)) for name, each in stages.items()
    } | {"mean_shape": lambda photo, faces: mean_shapes(stage, faces)}
    methods = {name: each for name, each in methods.items() if not only or name in only.split(",")}
    head = about(seed)
    rows = []
    for kind, severity in CONDITIONS:
        pictures = []
        for number, index in enumerate(chosen):
            image = inside_photo(crops.images[index], crops.valid[index])
            truth = crops.points[index].astype(np.float64)
            if kind != "none":
                rng = np.random.default_rng((seed, number))
                others = [crops.images[np.flatnonzero(~crops.is_val)[number]]]
                if kind.startswith("library "):
                    image, _ = add_occluder(image, truth, kind.removeprefix("library "), rng)
                else:
                    image, _ = occlude(
                        image, truth, kind, rng, severity=severity, cutouts=cutouts, others=others
                    )
            photo = as_tensor(image)
            begin = time.perf_counter()
            faces = stage.find(photo)
            pictures.append((photo, truth, faces, time.perf_counter() - begin))
        for name, method in methods.items():
            errors, single, confidences, seconds = [], [], [], 0.0
            for photo, truth, faces, finding in pictures:
                begin = time.perf_counter()
                points, confidence = method(photo, faces)
                seconds += time.perf_counter() - begin + finding
                hit = nearest(points, truth)
                if hit is None:
                    continue
                eyes = np.linalg.norm(truth[36] - truth[45])
                errors.append(nme(points[hit][None], truth[None])[0])
                single.append(100 * np.linalg.norm(points[hit] - truth, axis=1) / eyes)
                confidences.append(confidence[hit])
            weights_hash = (stages[name].weights_sha256() or "")[:12] if name in stages else ""
            row = head | {
                "weights_sha256": weights_hash,
                "method": name,
                "occluder": kind,
                "severity": severity,
                "photos": len(pictures),
            }
            row |= summary(np.array(errors), np.array(single), np.array(confidences), len(pictures))
            row["ms_a_photo"] = round(1000 * seconds / max(len(pictures), 1), 1)
            told = kind == "none" and name in stages
            row["moved_change_percent"] = round(change_when_moved(stages[name], pictures), 3) if told else ""
            rows.append(row)
            print(
                f"{name:14s} {kind:10s} {severity:4.2f}  found {row['found_percent']:6.2f} %"
                f"  NME {row['nme_mean']} %  (median {row['nme_median']})",
                flush=True,
            )
    write(out, with_others(out, rows))
    for name in methods:
        hidden = [r for r in rows if r["method"] == name and r["occluder"] != "none" and r["nme_mean"] != ""]
        print(f"{name}: mean over occluded conditions {np.mean([r['nme_mean'] for r in hidden]):.2f} %")


if __name__ == "__main__":
    typer.run(main)
