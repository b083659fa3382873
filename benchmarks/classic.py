"""The classic stages on real and synthetic faces, one figure a row.

    python benchmarks/classic.py --data DIR [--faces 70] [--out benchmarks/results/classic.csv]

``DIR/faces68`` gives the validation photos with hand-placed points: faces under the library's own occluders for
inpainters (PSNR inside the hole, the true matte given), and points for the reprojection error of shapes. Shapes and
details are also measured on synthetic faces with exact truth. Seconds are CPU time. Mattings have a script of their
own, `matting.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import attrs
import cv2
import numpy as np
import torch
import typer
from table import about, write
from torch import Tensor

from occface_core.face_region import face_region
from occface_core.facemodel import FaceModel
from occface_core.geometry.align import crop_to_photo, inverse, transform_points, warp_crop
from occface_core.registry import Registry
from occface_core.synthetic import SynthOptions, add_occluder, generate
from occface_core.types import FaceShape, Landmarks, Matte

INPAINTERS = ("none", "telea", "navier_stokes", "symmetry")
SHAPES = ("none", "mean", "landmark_fit")
DETAILS = ("none", "shape_from_shading")
HAIR, OBJECTS, OUTSIDE = 1, 5, 255
BARE = 0.02
"""A face counts as bare if the teacher calls less than this share of its region an object."""


@attrs.define(frozen=True, kw_only=True, eq=False)
class Crops:
    """Aligned crops (N, 3, 256, 256), points (N, 68, 2) and teacher's classes (N, 256, 256)."""

    image: Tensor
    points: Tensor
    classes: np.ndarray


def load(data: Path, folder: str, count: int) -> Crops:
    """Load evenly spread crops of a folder of the data pack, aligned as the pipeline aligns them."""
    own = folder == "faces68"
    meta = np.load(data / folder / ("landmarks.npz" if own else "crops.npz"))
    classes = np.load(data / folder / "classes256.npz")["classes"]
    if own:
        rows, points = np.flatnonzero(meta["is_val"]), meta["points"]
    else:
        mesh = np.load(data / folder / "mediapipe478.npz")
        good = (mesh["presence"] > 0.5) & (mesh["jitter"] < 0.05) & ~mesh["first_pass"]
        rows, points = np.flatnonzero(good), points_of_mesh(data, mesh["points"].astype(np.float64))
    rows = rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
    chosen = torch.as_tensor(points[rows], dtype=torch.float32)
    to_photo = crop_to_photo(chosen)
    photos, maps = [], []
    for row in rows:
        bgr = cv2.imread(str(data / folder / "images" / f"{meta['names'][row]}.jpg"))
        photos.append(torch.from_numpy(bgr[..., ::-1].copy()).permute(2, 0, 1)[None].float() / 255)
        side = bgr.shape[0]
        maps.append(cv2.resize(classes[row], (side, side), interpolation=cv2.INTER_NEAREST))
    warped = [
        cv2.warpAffine(
            each,
            matrix[:2].numpy(),
            (256, 256),
            flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
            borderValue=OUTSIDE,
        )
        for each, matrix in zip(maps, to_photo.double(), strict=True)
    ]
    return Crops(
        image=warp_crop(photos, to_photo),
        points=transform_points(inverse(to_photo), chosen),
        classes=np.stack(warped),
    )


def points_of_mesh(data: Path, mesh: np.ndarray) -> np.ndarray:
    """Return (N, 68, 2) of (N, 478, 3): the pack's linear map in the frame of the outer eye corners."""
    table = np.load(data / "mesh478_to_68.npz")
    across = mesh[:, 263, :2] - mesh[:, 33, :2]
    unit, roll = np.linalg.norm(across, axis=1), np.arctan2(across[:, 1], across[:, 0])
    turn = np.stack(
        [np.stack([np.cos(roll), np.sin(roll)], -1), np.stack([-np.sin(roll), np.cos(roll)], -1)], 1
    )
    centre = mesh[:, :, :2].mean(1)
    flat = np.einsum("nij,nkj->nki", turn, mesh[:, :, :2] - centre[:, None])
    x = np.concatenate([flat, mesh[:, :, 2:]], -1) / unit[:, None, None]
    y = ((x.reshape(len(x), -1) - table["mean_in"]) @ table["weight"] + table["mean_out"]).reshape(-1, 68, 2)
    return np.asarray(np.einsum("nji,nkj->nki", turn, y * unit[:, None, None]) + centre[:, None])


def cover(crops: Crops, kind: str, seed: int) -> tuple[Tensor, Tensor]:
    """Return every crop under an occluder, and the matte (N, 1, 256, 256) inside the face region."""
    images, alphas = [], []
    for number, (image, points) in enumerate(zip(crops.image, crops.points, strict=True)):
        rng = np.random.default_rng((seed, number))
        done, alpha = add_occluder(image.permute(1, 2, 0).numpy().copy(), points.numpy(), kind, rng)
        images.append(torch.from_numpy(done).permute(2, 0, 1))
        alphas.append(torch.from_numpy(alpha)[None])
    return torch.stack(images), torch.stack(alphas) * face_region(crops.points, 256)


def stage(interface: str, name: str) -> Any:
    """Return a plugin, set up."""
    made = Registry().get(interface, name)()
    made.setup("cpu")
    return made


def timed(run: Callable[[], Any], faces: int) -> tuple[Any, float]:
    """Return what `run` returns and the CPU seconds a face."""
    begin = time.process_time()
    with torch.inference_mode():
        result = run()
    return result, (time.process_time() - begin) / max(faces, 1)


Figure = tuple[str, str, str, str, float, int]


def inpainters(bare: Crops, seed: int) -> Iterator[Figure]:
    """PSNR inside the hole, the true matte given."""
    for kind in ("mask", "sunglasses", "hand", "microphone", "noise_block"):
        image, truth = cover(bare, kind, seed)
        hole = truth > 0.02
        for name in INPAINTERS:
            plugin, matte = stage("face_inpainter", name), Matte(alpha=truth)
            filled, seconds = timed(
                lambda p=plugin, i=image, m=matte: p.run(i, m, Landmarks(points=bare.points)), len(image)
            )
            square = ((filled - bare.image) ** 2 * hole).sum((1, 2, 3))
            some = hole.flatten(1).any(1)
            psnr = -10 * torch.log10((square / (3 * hole.sum((1, 2, 3))).clamp_min(1)).clamp_min(1e-6))[some]
            yield name, f"pasted {kind}", "PSNR in hole dB", "mean", float(psnr.mean()), len(psnr)
            yield name, f"pasted {kind}", "seconds a face", "mean", seconds, len(image)


def shapes(bare: Crops, faces: list[Any]) -> Iterator[Figure]:
    """Reprojection on photos; vertices, up to rotation and shift, on synthetic faces."""
    eyes = (bare.points[:, 36] - bare.points[:, 45]).norm(dim=-1, keepdim=True)
    truth = torch.stack([torch.from_numpy(each.vertices) for each in faces])
    points = torch.stack([torch.from_numpy(each.outline) for each in faces]).float()
    clean = torch.stack([torch.from_numpy(each.clean) for each in faces])
    for name in SHAPES:
        plugin = stage("shape_regressor", name)
        plugin.run(bare.image[:1], Landmarks(points=bare.points[:1]))
        found, seconds = timed(
            lambda p=plugin: [
                p.run(i[None], Landmarks(points=q[None]))
                for i, q in zip(bare.image, bare.points, strict=True)
            ],
            len(bare.image),
        )
        error = 100 * (torch.cat([f.landmarks() for f in found]) - bare.points).norm(dim=-1) / eyes
        yield name, "validation photos", "reprojection NME percent", "all 68", float(error.mean()), len(found)
        yield (
            name,
            "validation photos",
            "reprojection NME percent",
            "without jaw",
            float(error[:, 17:].mean()),
            len(found),
        )
        yield name, "validation photos", "seconds a face", "mean", seconds, len(found)
        for noise in (0.0, 2.5):
            generator = torch.Generator().manual_seed(0)
            noisy = points + noise * torch.randn(points.shape, generator=generator)
            shape = plugin.run(clean, Landmarks(points=noisy))
            error = rigid_error(shape.vertices, truth)
            condition = f"synthetic faces, points {noise} px off"
            yield name, condition, "vertex error mm", "mean", float(error.mean()), len(faces)
            yield name, condition, "vertex error mm", "median", float(error.median()), len(faces)


def rigid_error(found: Tensor, truth: Tensor) -> Tensor:
    """Mean vertex distance (B,) mm over the face after the best rotation and shift (Kabsch)."""
    face = torch.as_tensor(FaceModel.embedded().region("face"))
    a, b = found[:, face].double(), truth[:, face].double()
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    u, _, v = torch.linalg.svd(a.transpose(1, 2) @ b)
    sign = torch.ones(len(a), 3, dtype=torch.float64)
    sign[:, 2] = torch.det(u @ v)
    return (a @ (u @ torch.diag_embed(sign) @ v) - b).norm(dim=-1).mean(1)


def details(faces: list[Any]) -> Iterator[Figure]:
    """Bump maps of synthetic wrinkles, the true base shape given."""
    model = FaceModel.embedded()

    def stack(name: str) -> Tensor:
        return torch.stack([torch.from_numpy(np.asarray(getattr(each, name))) for each in faces]).float()

    coefficients = {
        k: torch.stack([torch.from_numpy(np.asarray(each.coefficients[k])) for each in faces]).float()
        for k in ("identity", "expression", "albedo", "illumination")
    }
    shape = FaceShape(
        vertices=stack("vertices"),
        coefficients=coefficients,
        rotation=stack("rotation"),
        translation=stack("translation"),
        intrinsics=stack("intrinsics"),
        model=model,
        size=faces[0].size,
    )
    clean, truth = stack("clean"), stack("bump")[:, None]
    wrinkled = truth.abs() > 0.05
    for name in DETAILS:
        plugin = stage("detail_recoverer", name)
        matte = Matte(alpha=torch.zeros_like(truth))
        detail, seconds = timed(lambda p=plugin, m=matte: p.run(clean, shape, m), len(faces))
        error = (detail.bump - truth)[wrinkled].abs().mean()
        yield (
            name,
            "synthetic wrinkles, true shape",
            "bump error mm",
            "where over 0.05",
            float(error),
            len(faces),
        )
        if detail.bump[wrinkled].std() > 0:
            pair = torch.stack((detail.bump[wrinkled], truth[wrinkled]))
            correlation = float(torch.corrcoef(pair)[0, 1])
            yield (
                name,
                "synthetic wrinkles, true shape",
                "correlation",
                "where over 0.05",
                correlation,
                len(faces),
            )
        yield name, "synthetic wrinkles, true shape", "seconds a face", "mean", seconds, len(faces)


def main(
    data: Annotated[Path, typer.Option(envvar="OCCFACE_DATA", help="Folder of the data pack.")],
    out: Path = Path(__file__).parent / "results" / "classic.csv",
    faces: int = 70,
    seed: int = 0,
    threads: int = 1,
) -> None:
    """Measure and write one row a figure."""
    torch.set_num_threads(threads)
    head = about(seed)
    bare = load(data, "faces68", faces)
    options = SynthOptions(
        occluded=0.0, hard_light=0.0, degrade=0.3, distance=(1000, 1000), yaw=0.5, jitter=0.0
    )
    drawn = [generate(seed, index, options) for index in range(faces)]
    measured = {
        "face_inpainter": lambda: inpainters(bare, seed),
        "shape_regressor": lambda: shapes(bare, drawn),
        "detail_recoverer": lambda: details(drawn),
    }
    rows = []
    for interface, figures in measured.items():
        for plugin, condition, figure, over, value, count in figures():
            rows.append(
                head
                | {
                    "stage": interface,
                    "plugin": plugin,
                    "condition": condition,
                    "figure": figure,
                    "over": over,
                }
                | {"value": round(float(value), 4), "faces": count}
            )
            print(
                f"{interface:18s} {plugin:18s} {condition:36s} {figure:24s} {over:14s} {value:8.3f}",
                flush=True,
            )
    write(out, rows)


if __name__ == "__main__":
    typer.run(main)
