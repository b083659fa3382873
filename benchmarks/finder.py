"""Faces found in whole photos and behind occluders, by the whole landmark stage and by its finder alone.

    python benchmarks/finder.py --data DIR [--out benchmarks/results/finder.csv]

``DIR/photos_full`` holds whole photos with the boxes of a teacher (YuNet); every second one was kept out of training.
A face counts as found when a box overlaps its own by 0.4; boxes of which the teacher itself was not sure count neither
way. ``stage`` are the boxes of the points that `mobilenet_v3` returns, ``finder`` those of the finder alone at the
same score. The null method is `haar`, if OpenCV still has its cascade.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import torch
import typer
from table import about, write
from torch import Tensor

from occface_core.synthetic import OCCLUDERS, add_occluder
from occface_paper.faces.data import Photo, load_photos
from occface_paper.faces.evaluate import overlaps
from occface_paper.landmarks.data import load_face_crops
from occface_paper.landmarks.stage import MobileNetV3Landmarks

#: Sizes of faces, root of the box area in px.
SIZES = {"16 to 24 px": (16, 24), "24 to 48 px": (24, 48), "from 48 px": (48, 1e9)}


def as_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255


def stage_boxes(stage: MobileNetV3Landmarks, image: np.ndarray) -> np.ndarray:
    """Boxes (F, 4) of the points, their top raised to the forehead as the teacher's boxes are."""
    points = stage.run(as_tensor(image)).points.numpy()
    low, high = points.min(1), points.max(1)
    low[:, 1] -= 0.2 * (high[:, 1] - low[:, 1])
    return np.concatenate([low, high], 1)


def finder_boxes(stage: MobileNetV3Landmarks, image: np.ndarray) -> np.ndarray:
    """Boxes (F, 4) of the finder and its verifier at the stage's score."""
    faces = stage.find(as_tensor(image))
    return faces.boxes[faces.scores >= stage.score_threshold].numpy()


def haar_boxes(_: MobileNetV3Landmarks, image: np.ndarray) -> np.ndarray:
    """Boxes (F, 4) of OpenCV's Haar cascade."""
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    found = cascade.detectMultiScale(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    boxes = np.array(found, np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def counts(photos: list[Photo], boxes: list[np.ndarray]) -> dict[str, tuple[int, int]]:
    """Hits and totals by size, and false boxes and all boxes."""
    tally = {name: [0, 0] for name in (*SIZES, "false")}
    for photo, found in zip(photos, boxes, strict=True):
        match = overlaps(found, photo.boxes) >= 0.4 if len(photo.boxes) else np.zeros((len(found), 0), bool)
        side = (
            np.sqrt(np.prod(photo.boxes[:, 2:] - photo.boxes[:, :2], 1)) if len(photo.boxes) else np.zeros(0)
        )
        for name, (low, high) in SIZES.items():
            asked = ~photo.ignored & (side >= low) & (side < high)
            tally[name][0] += int(match[:, asked].any(0).sum())
            tally[name][1] += int(asked.sum())
        tally["false"][0] += int((~match.any(1)).sum())
        tally["false"][1] += len(found)
    return {name: (a, b) for name, (a, b) in tally.items()}


def occluded(data: Path, seed: int) -> dict[str, list[Photo]]:
    """Validation crops under every kind of the library's occluders, black outside the photo."""
    crops = load_face_crops(data, {"faces68": 1.0}, None)
    sets: dict[str, list[Photo]] = {}
    for kind in ("none", *OCCLUDERS):
        sets[kind] = []
        for number, row in enumerate(np.flatnonzero(crops.is_val)):
            image, points = crops.images[row].copy(), crops.points[row].astype(np.float64)
            x0, y0, x1, y1 = np.round(crops.valid[row]).astype(int)
            inside = np.zeros(image.shape[:2], bool)
            inside[y0:y1, x0:x1] = True
            image[~inside] = 0
            if kind != "none":
                image, _ = add_occluder(image, points, kind, np.random.default_rng((seed, number)))
            low, high = points.min(0), points.max(0)
            low[1] -= 0.2 * (high[1] - low[1])
            sets[kind].append(
                Photo(
                    image=image,
                    boxes=np.concatenate([low, high])[None],
                    points=np.zeros((1, 5, 2)),
                    ignored=np.zeros(1, bool),
                    landmarks=None,
                    valid=crops.valid[row],
                )
            )
    return sets


def main(
    data: Annotated[Path, typer.Option(envvar="OCCFACE_DATA", help="Folder of the data pack.")],
    out: Path = Path(__file__).parent / "results" / "finder.csv",
    seed: int = 0,
    weights: str | None = None,
    threads: int = 2,
) -> None:
    """Measure and write one row a method and condition."""
    torch.set_num_threads(threads)
    stage = MobileNetV3Landmarks(weights=weights)
    stage.setup("cpu")
    head = about(seed) | {"weights_sha256": (stage.weights_sha256() or "")[:12]}
    methods: dict[str, Any] = {"stage": stage_boxes, "finder": finder_boxes}
    if hasattr(cv2, "CascadeClassifier"):
        methods["haar"] = haar_boxes
    whole, covered = load_photos(data)[1], occluded(data, seed)
    rows = []
    for name, method in methods.items():
        sets = {"whole photos": whole} | {f"crop, {kind}": photos for kind, photos in covered.items()}
        for condition, photos in sets.items():
            begin = time.perf_counter()
            boxes = [method(stage, photo.image) for photo in photos]
            spent = 1000 * (time.perf_counter() - begin) / len(photos)
            tally = counts(photos, boxes)
            total = [tally[size] for size in SIZES]
            hits, asked = (sum(column) for column in zip(*total, strict=True))
            row = head | {"method": name, "condition": condition, "photos": len(photos), "faces": asked}
            row["found_percent"] = round(100 * hits / max(asked, 1), 2)
            for size in SIZES:
                hit, all_ = tally[size]
                row[f"found_percent {size}"] = round(100 * hit / all_, 2) if all_ else ""
            row |= {
                "false_boxes": tally["false"][0],
                "boxes": tally["false"][1],
                "ms_a_photo": round(spent, 1),
            }
            rows.append(row)
            print(f"{name:7s} {condition:20s} found {row['found_percent']:6.2f} % of {asked}, "
                  f"false {row['false_boxes']} of {row['boxes']}", flush=True)  # fmt: skip
    write(out, rows)


if __name__ == "__main__":
    typer.run(main)
