"""Mattings by kind and size of what hides the face, and on bare faces.

    python benchmarks/matting.py --data DIR [--photos 70] [--out benchmarks/results/matting.csv]

The photos are the validation photos of ``DIR/faces68``, bare and under each kind of the library's own occluders, whose
alpha is the exact truth inside the face region. Bare faces are those in whose region the teacher's class map sees
hardly any object. Pixels that this map calls hair or an object on the bare photo are left out unless the occluder
covers them: something may really hide the face there. ``none`` is the null method.

Measured are, inside the face region: IoU, the share of bare faces that is marked, how far the edge of the matte lies
from the true edge, and whether a landmark is hidden (F1 of the visible and of the hidden points). Points are the
hand-placed ones, or (``found``) those of ``mobilenet_v3`` on the occluded crop. ``real masks`` are photos of masked
faces with a teacher's class map, which is no ground truth and was part of the parser's training. Time is CPU time in
one process, also as a ratio to ``grabcut``'s. Rows of methods that are not measured anew are kept.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import torch
import typer
from classic import BARE, HAIR, OBJECTS, OUTSIDE, Crops, load
from table import about, with_others, write
from torch import Tensor

from occface_core.face_region import face_region
from occface_core.registry import Registry
from occface_core.synthetic import OCCLUDERS, add_occluder
from occface_core.types import Landmarks

METHODS = ("none", "landmark_hull", "grabcut", "parsing", "landmark_parsing")
#: Hidden share of the face region: the bounds of small, middle and large.
SIZES = {"under 15 %": (0.0, 0.15), "15 to 35 %": (0.15, 0.35), "over 35 %": (0.35, 1.01)}


def covered(crops: Crops, kind: str, seed: int) -> tuple[Tensor, Tensor]:
    """Crops under an occluder and its alpha (N, 1, 256, 256) over the whole crop."""
    images, alphas = [], []
    for number, (image, points) in enumerate(zip(crops.image, crops.points, strict=True)):
        rng = np.random.default_rng((seed, number))
        done, alpha = add_occluder(image.permute(1, 2, 0).numpy().copy(), points.numpy(), kind, rng)
        images.append(torch.from_numpy(done).permute(2, 0, 1))
        alphas.append(torch.from_numpy(alpha)[None])
    return torch.stack(images), torch.stack(alphas)


def ious(found: Tensor, truth: Tensor) -> np.ndarray:
    """IoU in per cent of each face, nan where nothing is hidden."""
    both = (found & truth).sum((1, 2, 3)).double()
    either = (found | truth).sum((1, 2, 3)).double()
    share = torch.where(truth.flatten(1).any(1), 100 * both / either.clamp_min(1), torch.nan)
    return share.numpy()


def edge_distances(found: Tensor, truth: Tensor, region: Tensor) -> list[float]:
    """Mean distance in px from the found edge to the nearest true edge, where both are inside the face region."""
    distances = []
    for a, b, inside in zip(found[:, 0].numpy(), truth[:, 0].numpy(), region[:, 0].numpy(), strict=True):
        inner = cv2.erode(inside.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        edges = [_edge(each) & inner for each in (a, b)]
        if edges[0].any() and edges[1].any():
            away = cv2.distanceTransform((~edges[1]).astype(np.uint8), cv2.DIST_L2, 5)
            distances.append(float(away[edges[0]].mean()))
    return distances


def _edge(mask: np.ndarray) -> np.ndarray:
    return mask & (cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)


def point_flags(alpha: Tensor, points: Tensor) -> np.ndarray:
    """Whether each of the points (N, 68, 2) lies on alpha (N, 1, S, S) over one half."""
    side = alpha.shape[-1]
    place = points.round().long().clamp(0, side - 1)
    return np.stack([a[0, p[:, 1], p[:, 0]].numpy() > 0.5 for a, p in zip(alpha, place, strict=True)])


def f1(said: np.ndarray, true: np.ndarray) -> float:
    """F1 in per cent of a yes-or-no answer."""
    return 200 * float((said & true).sum()) / max(float(said.sum() + true.sum()), 1.0)


def found_points(images: Tensor, truth: Tensor) -> Tensor:
    """Points of `mobilenet_v3` on each crop; the true ones where it finds no face."""
    detector = Registry().get("landmark_detector", "mobilenet_v3")()
    detector.setup("cpu")
    points = truth.clone()
    with torch.inference_mode():
        for row, image in enumerate(images):
            answer = detector.run(image[None]).points
            if len(answer):
                distance = (answer - truth[row]).norm(dim=-1).mean(1)
                if distance.min() < 40:
                    points[row] = answer[distance.argmin()]
    return points


def main(
    data: Annotated[Path, typer.Option(envvar="OCCFACE_DATA", help="Folder of the data pack.")],
    out: Path = Path(__file__).parent / "results" / "matting.csv",
    photos: int = 70,
    seed: int = 0,
    threads: int = 1,
    methods: Annotated[str, typer.Option(help="Names, separated by commas.")] = ",".join(METHODS),
) -> None:
    """Measure and write one row a figure."""
    torch.set_num_threads(threads)
    head = about(seed)
    bare, real = load(data, "faces68", photos), load(data, "faces_occluded", photos)
    region = face_region(bare.points, 256) > 0.5
    known = region[:, 0].numpy() & (bare.classes != OUTSIDE)
    doubtful = torch.from_numpy(np.isin(bare.classes, (HAIR, OBJECTS, OUTSIDE)))[:, None]
    pictures = {kind: covered(bare, kind, seed) for kind in OCCLUDERS}
    detected = {kind: found_points(image, bare.points) for kind, (image, _) in pictures.items()}
    rows: list[dict[str, Any]] = []
    seconds: dict[str, float] = {}
    for name in methods.split(","):
        plugin = Registry().get("occlusion_matting", name)()
        plugin.setup("cpu")
        weights = (plugin.weights_sha256() or "")[:12]

        def add(
            condition: str, points: str, figure: str, value: float, faces: int, n=name, w=weights
        ) -> None:
            row = {
                "method": n,
                "weights_sha256": w,
                "condition": condition,
                "points": points,
                "figure": figure,
            }
            rows.append(head | row | {"value": round(float(value), 3), "faces": faces})
            print(f"{n:17s} {condition:22s} {points:6s} {figure:32s} {value:8.3f}  ({faces})", flush=True)

        def alpha(images: Tensor, points: Tensor, p=plugin, n=name) -> Tensor:
            begin, parts = time.process_time(), []
            with torch.inference_mode():
                for image, mark in zip(images, points, strict=True):
                    parts.append(p.run(image[None], Landmarks(points=mark[None])).alpha)
            seconds[n] = (time.process_time() - begin) / len(images)
            return torch.cat(parts)

        share = {c: ((bare.classes == c) & known).sum((1, 2)) / known.sum((1, 2)) for c in (OBJECTS, HAIR)}
        marked = (alpha(bare.image, bare.points)[:, 0].numpy() > 0.5) & known
        marked = 100 * marked.sum((1, 2)) / known.sum((1, 2))
        clean = share[OBJECTS] < BARE
        add("bare faces", "true", "marked percent", marked[clean].mean(), int(clean.sum()))
        shorn = clean & (share[HAIR] < 0.05)
        add("bare, no hair over face", "true", "marked percent", marked[shorn].mean(), int(shorn.sum()))
        everything: list[np.ndarray] = []
        sizes: list[np.ndarray] = []
        for kind, (images, truth) in pictures.items():
            hidden = (truth > 0.5) & region
            judged = region & (hidden | ~doubtful)
            sources = [("true", bare.points)]
            if name in ("parsing", "landmark_parsing"):
                sources.append(("found", detected[kind]))
            for label, points in sources:
                guess = alpha(images, points)
                found = (guess > 0.5) & judged
                scores = ious(found, hidden)
                add(kind, label, "IoU percent", np.nanmean(scores), int((~np.isnan(scores)).sum()))
                flags = point_flags(hidden.float(), bare.points), point_flags(found.float(), bare.points)
                add(kind, label, "F1 of visible points percent", f1(~flags[1], ~flags[0]), len(images))
                add(kind, label, "F1 of hidden points percent", f1(flags[1], flags[0]), len(images))
                if label == "true":
                    everything.append(scores)
                    sizes.append((hidden.sum((1, 2, 3)) / region.sum((1, 2, 3))).numpy())
                    edges = edge_distances(found, hidden, region)
                    if edges:
                        add(kind, label, "edge distance px", np.mean(edges), len(edges))
        scores, size = np.concatenate(everything), np.concatenate(sizes)
        add("all kinds", "true", "IoU percent", np.nanmean(scores), int((~np.isnan(scores)).sum()))
        for label, (low, high) in SIZES.items():
            some = (size >= low) & (size < high) & ~np.isnan(scores)
            if some.any():
                add(label, "true", "IoU percent", scores[some].mean(), int(some.sum()))
        inside = face_region(real.points, 256)[:, 0].numpy() > 0.5
        inside &= (real.classes != OUTSIDE) & (real.classes != HAIR)
        taught = (real.classes == OBJECTS) & inside
        use = taught.sum((1, 2)) > 0.1 * inside.sum((1, 2))
        found_real = (alpha(real.image, real.points)[:, 0].numpy() > 0.5) & inside
        both, either = (found_real & taught).sum((1, 2)), (found_real | taught).sum((1, 2))
        add(
            "real masks",
            "true",
            "IoU percent",
            100 * (both / np.maximum(either, 1))[use].mean(),
            int(use.sum()),
        )
        add("time", "true", "CPU ms a face", 1000 * seconds[name], len(real.image))
        if "grabcut" in seconds:
            add("time", "true", "time by grabcut's", seconds[name] / seconds["grabcut"], len(real.image))
    write(out, with_others(out, rows))


if __name__ == "__main__":
    typer.run(main)
