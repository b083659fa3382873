"""Completion of real photos behind pasted occluders: how near the truth, inside the hole, by kind of occluder.

    python benchmarks/inpainting.py --data DIR [--photos 70] [--method NAME]... [--out FILE]

The photos are the validation photos of ``DIR/faces68`` with hand-placed points, cropped as the pipeline crops.
The matte is exact and, as a matte is, confined to the face region; only its pixels count. Hidden points are moved
by noise of 3 pixels, as a detector has to guess them. ``none`` (the occluder stays) and ``telea`` are the null
methods. Rows of methods that are not measured anew are kept.
"""

from __future__ import annotations

import csv
import datetime
import os
import platform
import subprocess
import time
import zlib
from pathlib import Path
from typing import Annotated, Any

import attrs
import cv2
import numpy as np
import torch
import typer
from torch import Tensor

from occface_core import Registry
from occface_core.face_region import face_region
from occface_core.geometry.align import crop_to_photo, inverse, warp_crop
from occface_core.geometry.resample import transform_points
from occface_core.synthetic import add_occluder
from occface_core.types import Landmarks, Matte

KINDS = ("mask", "sunglasses", "hand", "scarf", "object", "noise_block")
METHODS = ("none", "telea", "symmetry", "model_texture")
SIZE = 256
GUESS_NOISE = 3.0
"""Standard deviation of hidden landmarks about the truth, pixels."""


@attrs.define(frozen=True, kw_only=True, eq=False)
class Case:
    """One occluded crop and its truth: pictures (1, 3, S, S), counted pixels (S, S) bool."""

    truth: Tensor
    occluded: Tensor
    matte: Matte
    landmarks: Landmarks
    counted: np.ndarray


def load_case(data: Path, points: dict[str, np.ndarray], index: int, kind: str, seed: int) -> Case:
    """Crop one photo and put an occluder on it; deterministic from the seed, the photo and the kind."""
    picture = cv2.imread(str(data / "faces68" / "images" / f"{points['names'][index]}.jpg"))[..., ::-1]
    photo = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
    truth_points = torch.from_numpy(points["points"][index]).float()[None]
    crop = crop_to_photo(truth_points, SIZE)
    truth = warp_crop(photo, crop, SIZE).clamp(0, 1)
    low_x, low_y, high_x, high_y = points["valid_rect"][index].round().astype(int)
    real = torch.zeros_like(photo[:, :1])
    real[..., low_y:high_y, low_x:high_x] = 1
    landmarks = transform_points(inverse(crop), truth_points)
    rng = np.random.default_rng((seed, index, zlib.crc32(kind.encode())))
    array = truth[0].permute(1, 2, 0).numpy()
    hidden_array, alpha_array = add_occluder(array, landmarks[0].numpy(), kind, rng)
    face = face_region(landmarks, SIZE)
    alpha = torch.from_numpy(alpha_array)[None, None] * face
    place = landmarks[0].round().long().clamp(0, SIZE - 1)
    visible = 1 - alpha[0, :, place[:, 1], place[:, 0]]
    noise = torch.from_numpy(rng.normal(0, GUESS_NOISE, (1, 68, 2))).float()
    return Case(
        truth=truth,
        occluded=torch.from_numpy(hidden_array).permute(2, 0, 1)[None].contiguous().float(),
        matte=Matte(alpha=alpha, face=face),
        landmarks=Landmarks(points=landmarks + noise * (visible < 0.5)[..., None], visible=visible),
        counted=((alpha > 0) & (warp_crop(real, crop, SIZE) > 0.99))[0, 0].numpy(),
    )


def psnr(found: Tensor, truth: Tensor, counted: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over the counted pixels."""
    error = ((found - truth) ** 2)[0].mean(0).numpy()[counted].mean()
    return float(-10 * np.log10(max(float(error), 1e-10)))


def ssim(found: Tensor, truth: Tensor, counted: np.ndarray) -> float:
    """Structural similarity (Wang et al. 2004) of the grey pictures, its map's mean over the counted pixels."""
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    a, b = ((picture[0] * weights).sum(0).double().numpy() for picture in (found, truth))

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(values, (11, 11), 1.5)

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    shared = mean(a * b) - mean_a * mean_b
    first, second = 0.01**2, 0.03**2
    top = (2 * mean_a * mean_b + first) * (2 * shared + second)
    bottom = (mean_a**2 + mean_b**2 + first) * (var_a + var_b + second)
    return float((top / bottom)[counted].mean())


def main(
    data: Annotated[Path, typer.Option(envvar="OCCFACE_DATA", help="Folder of the data pack.")],
    out: Path = Path(__file__).parent / "results" / "inpainting.csv",
    photos: int | None = None,
    seed: int = 0,
    method: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    threads: int = 1,
) -> None:
    """Measure and write one row a method and kind of occluder, and one over all kinds."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    points = dict(np.load(data / "faces68" / "landmarks.npz"))
    chosen = np.flatnonzero(points["is_val"])[:photos]
    names = list(method or METHODS)
    stages = {name: Registry().get("face_inpainter", name)() for name in names}
    for stage in stages.values():
        stage.setup("cpu")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent
    ).stdout.strip()
    about = {
        "date": datetime.date.today().isoformat(),
        "commit": commit,
        "hardware": f"{platform.machine()}, {os.cpu_count()} CPU cores, {threads} thread(s)",
        "torch": torch.__version__,
        "seed": seed,
    }
    figures: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    with torch.inference_mode():
        for kind in KINDS:
            for index in chosen:
                case = load_case(data, points, int(index), kind, seed)
                if case.counted.sum() < 50:
                    continue
                for name, stage in stages.items():
                    begin = time.process_time()
                    found = stage.run(case.occluded, case.matte, case.landmarks)
                    milliseconds = 1000 * (time.process_time() - begin)
                    figure = (
                        psnr(found, case.truth, case.counted),
                        ssim(found, case.truth, case.counted),
                        milliseconds,
                    )
                    for group in (kind, "all"):
                        figures.setdefault((name, group), []).append(figure)
            for name in names:
                _say(name, kind, figures[name, kind])
            _write(out, names, figures, about)
    for name in names:
        _say(name, "all", figures[name, "all"])


def _write(
    out: Path,
    names: list[str],
    figures: dict[tuple[str, str], list[tuple[float, float, float]]],
    about: dict[str, Any],
) -> None:
    """Write the rows measured so far beside those of other methods."""
    rows: list[dict[str, Any]] = []
    if out.exists():
        with out.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["method"] not in names]
    for (name, group), values in figures.items():
        means = np.mean(values, 0)
        rows.append(
            about
            | {"method": name, "occluder": group, "faces": len(values)}
            | {"psnr_db": round(means[0], 3), "ssim": round(means[1], 4)}
            | {"psnr_db_median": round(float(np.median([v[0] for v in values])), 3)}
            | {"cpu_ms_a_face": round(means[2], 1)}
        )
    rows.sort(key=lambda row: ((*KINDS, "all").index(row["occluder"]), row["method"]))
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _say(name: str, group: str, values: list[tuple[float, float, float]]) -> None:
    means = np.mean(values, 0)
    print(
        f"{name:14s} {group:12s} {means[0]:6.2f} dB  SSIM {means[1]:.3f}  {means[2]:4.0f} ms"
        f"  ({len(values)} faces)",
        flush=True,
    )


if __name__ == "__main__":
    typer.run(main)
