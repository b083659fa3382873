"""Completion of real photos behind pasted occluders: how near the truth, inside the hole, by kind of occluder.

    python benchmarks/inpainting.py --data DIR [--photos 70] [--method NAME]... [--features DIR] [--out FILE]

The photos are the validation photos of ``DIR/faces68`` with hand-placed points, cropped as the pipeline crops.
The matte is exact and, as a matte is, confined to the face region; only its pixels count. Hidden points are moved
by noise of 3 pixels, as a detector has to guess them. ``none`` (the occluder stays) and ``telea`` are the null
methods. Rows of methods that are not measured anew are kept.

LPIPS (AlexNet; with `--features`, the folder of alexnet.ckpt) is that of the whole crop, truth outside the counted
pixels. `nme_percent` (with `--detect`) is the error of landmarks detected again on the completed face, over the
inter-ocular distance. With `--matting NAME` a matting of the library takes the place of the exact matte, and the
rows are marked by it. Besides the kinds of occluder there are groups by the hidden share of the face region and by
skin tone (individual typology angle of the cheeks: dark below 10 degrees, light above 41).
"""

from __future__ import annotations

import csv
import datetime
import os
import platform
import time
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import attrs
import cv2
import numpy as np
import torch
import typer
from table import commit
from torch import Tensor

from occface_core import Registry
from occface_core.face_region import face_region
from occface_core.geometry.align import crop_to_photo, inverse, warp_crop
from occface_core.geometry.resample import transform_points
from occface_core.synthetic import add_occluder
from occface_core.types import Landmarks, Matte

KINDS = ("mask", "sunglasses", "hand", "scarf", "object", "noise_block")
METHODS = ("none", "telea", "symmetry", "model_texture", "texture_prior", "landmark_gan")
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
    points: Tensor
    groups: tuple[str, ...]


def size_group(share: float) -> str:
    """Group of a hole by the share of the face region that it hides."""
    edges = (0.1, 0.25, 0.4, 0.6)
    if share < edges[0]:
        return "face_under_10%"
    for low, high in pairwise(edges):
        if share < high:
            return f"face_{100 * low:.0f}-{100 * high:.0f}%"
    return "face_over_60%"


def tone_group(truth: np.ndarray, points: np.ndarray) -> str:
    """Skin tone of a face, (S, S, 3) RGB in [0, 1] with points (68, 2): individual typology angle of the cheeks."""
    lab = cv2.cvtColor(np.ascontiguousarray(truth, dtype=np.float32), cv2.COLOR_RGB2LAB)
    cheeks = np.zeros(lab.shape[:2], np.uint8)
    for ring in ((1, 3, 48, 31, 41), (15, 13, 54, 35, 46)):
        cv2.fillConvexPoly(cheeks, np.round(points[list(ring)]).astype(np.int32), 1)
    if not cheeks.any():
        return "tone_unknown"
    lightness, _, yellow = np.median(lab[cheeks > 0], axis=0)
    angle = np.degrees(np.arctan2(lightness - 50, max(float(yellow), 1e-3)))
    return "tone_light" if angle > 41 else "tone_medium" if angle >= 10 else "tone_dark"


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
    hidden = float(((alpha > 0.5) & (face > 0.5)).sum() / (face > 0.5).sum().clamp_min(1))
    return Case(
        truth=truth,
        occluded=torch.from_numpy(hidden_array).permute(2, 0, 1)[None].contiguous().float(),
        matte=Matte(alpha=alpha, face=face),
        landmarks=Landmarks(points=landmarks + noise * (visible < 0.5)[..., None], visible=visible),
        counted=((alpha > 0) & (warp_crop(real, crop, SIZE) > 0.99))[0, 0].numpy(),
        points=landmarks,
        groups=(kind, "all", size_group(hidden), tone_group(array, landmarks[0].numpy())),
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


def redetected(detector: Any, picture: Tensor, truth: Tensor) -> float:
    """Error of the landmarks detected on a completed crop (1, 3, S, S), in % of the inter-ocular distance.

    Args:
        detector: a landmark detector that is set up.
        picture: the completed crop.
        truth: (1, 68, 2) px.
    """
    points = detector.run(picture).points
    unit = float((truth[0, 45] - truth[0, 36]).norm())
    if not len(points):
        return 100.0
    return min(100.0, float((points - truth).norm(dim=-1).mean(1).min() / unit * 100))


@attrs.define(kw_only=True, eq=False)
class Measured:
    """Figures of one completion; those that were not asked for are NaN."""

    psnr_db: float
    ssim: float
    lpips: float
    nme_percent: float
    cpu_ms_a_face: float


def make_stage(name: str, weights: Path | None) -> Any:
    """An inpainter by its name, those of occface-paper with weights from a folder if one is given."""
    if weights is not None and name in ("landmark_gan", "texture_prior"):
        from occface_paper.inpainting.stage import LandmarkGAN
        from occface_paper.inpainting.texture import TexturePriorInpainter

        return (LandmarkGAN if name == "landmark_gan" else TexturePriorInpainter)(weights=str(weights))
    return Registry().get("face_inpainter", name)()


def main(
    data: Annotated[Path, typer.Option(envvar="OCCFACE_DATA", help="Folder of the data pack.")],
    out: Path = Path(__file__).parent / "results" / "inpainting.csv",
    photos: int | None = None,
    seed: int = 0,
    method: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    features: Annotated[Path | None, typer.Option(help="Folder of alexnet.ckpt, for LPIPS.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder of other weights of landmark_gan and texture_prior.")
    ] = None,
    matting: Annotated[str | None, typer.Option(help="This matting instead of the exact matte.")] = None,
    detect: Annotated[bool, typer.Option(help="Detect landmarks on the completed faces.")] = False,
    pictures: Annotated[Path | None, typer.Option(help="Folder for pictures of all cases.")] = None,
    threads: int = 1,
) -> None:
    """Measure and write one row a method and group."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    points = dict(np.load(data / "faces68" / "landmarks.npz"))
    chosen = np.flatnonzero(points["is_val"])[:photos]
    stages = {name: make_stage(name, weights) for name in method or METHODS}
    for stage in stages.values():
        stage.setup("cpu")
    metric = None
    if features is not None:
        from occface_paper.inpainting.features import FeatureNetwork

        metric = FeatureNetwork.read(features, "alexnet")
    matte_stage = detector = None
    if matting:
        matte_stage = Registry().get("occlusion_matting", matting)()
        matte_stage.setup("cpu")
    if detect:
        detector = Registry().get("landmark_detector", "mobilenet_v3")()
        detector.setup("cpu")
    about = {
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} CPU cores, {threads} thread(s)",
        "torch": torch.__version__,
        "seed": seed,
        "matte": matting or "exact",
    }
    figures: dict[tuple[str, str], list[Measured]] = {}
    with torch.inference_mode():
        for kind in KINDS:
            for index in chosen:
                case = load_case(data, points, int(index), kind, seed)
                if case.counted.sum() < 50:
                    continue
                matte = case.matte if matte_stage is None else matte_stage.run(case.occluded, case.landmarks)
                shown = [case.occluded]
                for name, stage in stages.items():
                    begin = time.process_time()
                    found = stage.run(case.occluded, matte, case.landmarks)
                    milliseconds = 1000 * (time.process_time() - begin)
                    fair = torch.where(torch.from_numpy(case.counted), found, case.truth)
                    shown.append(found)
                    figure = Measured(
                        psnr_db=psnr(found, case.truth, case.counted),
                        ssim=ssim(found, case.truth, case.counted),
                        lpips=float(metric.lpips(fair, case.truth)) if metric else float("nan"),
                        nme_percent=redetected(detector, found, case.points) if detector else float("nan"),
                        cpu_ms_a_face=milliseconds,
                    )
                    for group in case.groups:
                        figures.setdefault((name, group), []).append(figure)
                if pictures:
                    save_picture(pictures / f"{kind}_{index:04d}.png", [*shown, case.truth])
            for name in stages:
                _say(name, kind, figures[name, kind])
            _write(out, list(stages), figures, about)
    for name, group in sorted(figures):
        if group not in KINDS:
            _say(name, group, figures[name, group])


def save_picture(path: Path, pictures: list[Tensor]) -> None:
    """Crops (1, 3, S, S) side by side as one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    row = torch.cat(pictures, -1)[0].permute(1, 2, 0).clamp(0, 1).numpy()
    cv2.imwrite(str(path), np.round(255 * row[..., ::-1]).astype(np.uint8))


def _mean(values: list[Measured], name: str) -> float:
    return float(np.mean([getattr(value, name) for value in values]))


def _write(
    out: Path, names: list[str], figures: dict[tuple[str, str], list[Measured]], about: dict[str, Any]
) -> None:
    """Write the rows measured so far beside those of other methods and mattes."""
    rows: list[dict[str, Any]] = []
    if out.exists():
        with out.open(newline="") as file:
            rows = [{"matte": "exact"} | row for row in csv.DictReader(file)]
        rows = [row for row in rows if row["method"] not in names or row["matte"] != about["matte"]]
    for (name, group), values in figures.items():
        row = about | {"method": name, "occluder": group, "faces": len(values)}
        row |= {"psnr_db": round(_mean(values, "psnr_db"), 3), "ssim": round(_mean(values, "ssim"), 4)}
        row["psnr_db_median"] = round(float(np.median([v.psnr_db for v in values])), 3)
        row["cpu_ms_a_face"] = round(_mean(values, "cpu_ms_a_face"), 1)
        for extra, digits in (("lpips", 4), ("nme_percent", 2)):
            mean = _mean(values, extra)
            row[extra] = "" if np.isnan(mean) else round(mean, digits)
        rows.append(row)
    order = [*KINDS, "all"]
    rows.sort(
        key=lambda row: (
            order.index(row["occluder"]) if row["occluder"] in order else len(order),
            row["occluder"],
            row["matte"],
            row["method"],
        )
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    fields = list(dict.fromkeys(key for row in rows for key in row))
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, fields, restval="")
        writer.writeheader()
        writer.writerows(rows)


def _say(name: str, group: str, values: list[Measured]) -> None:
    print(
        f"{name:14s} {group:16s} {_mean(values, 'psnr_db'):6.2f} dB  SSIM {_mean(values, 'ssim'):.3f}"
        f"  LPIPS {_mean(values, 'lpips'):.4f}  NME {_mean(values, 'nme_percent'):5.2f} %"
        f"  {_mean(values, 'cpu_ms_a_face'):4.0f} ms  ({len(values)} faces)",
        flush=True,
    )


if __name__ == "__main__":
    typer.run(main)
