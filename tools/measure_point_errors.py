"""Measure how the points of a landmark detector err on synthetic faces, for the fits of occface-classic.

    python tools/measure_point_errors.py --faces DIR [--first 0] [--count 600]

``DIR`` is a bank of synthetic faces (`occface_paper.synthetic_bank`): clean.npy, landmarks.npy, outline.npy and the
coefficients and cameras. Found points are compared, in the pipeline's crop, with the vertices that the fit would
compare them with, at the true pose. The table has mean and covariance by the yaw that the points show; faces that
look left are mirrored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import attrs
import numpy as np
import torch
import typer
from torch import Tensor

from occface_classic.shape.landmark_basis import LandmarkBasis
from occface_classic.shape.point_errors import DOUBT, MIRRORED, TABLE, doubt
from occface_classic.shape.solver import start_pose
from occface_core.facemodel import FaceModel
from occface_core.fitting.steps import jaw_metric
from occface_core.geometry.align import crop_to_photo, inverse, transform_points
from occface_core.geometry.camera import angles_from_rotation, intrinsics, project, to_camera
from occface_core.registry import Registry

YAWS = (0.0, 15.0, 30.0, 45.0)  # degrees
WIDTH = 7.5  # degrees: faces count by a bell curve around each yaw
NOISE = 2.0  # pixels: a trusted point's standard deviation in `LandmarkFit`
SHRINK = 0.1  # share of every covariance that is taken to be points' own
LOST = 40.0  # pixels: an answer farther off is another face


@attrs.define(frozen=True, kw_only=True, eq=False)
class Found:
    """Points in the pipeline's crop: found and their confidence, (B, 68, 2) and (B, 68); errors (B, 68, 2) px."""

    points: Tensor
    confidence: Tensor
    error: Tensor


def look(faces: Path, rows: range, detector: str) -> Found:
    """Run a detector on the unoccluded pictures of a bank."""
    bank = {
        name: np.load(faces / f"{name}.npy", mmap_mode="r")
        for name in (
            "clean",
            "outline",
            "identity",
            "expression",
            "rotation",
            "translation",
            "intrinsics",
        )
    }
    stage, model = Registry().get("landmark_detector", detector)(), FaceModel.embedded()
    stage.setup("cpu")
    basis = LandmarkBasis.of(model)
    assert model.contour is not None
    ids = torch.as_tensor(np.concatenate([model.landmarks68, model.contour.ravel()]))
    points, confidence, errors = [], [], []
    for row in rows:
        one = {name: torch.from_numpy(np.array(bank[name][row]))[None] for name in bank}
        with torch.inference_mode():
            answer = stage.run(one["clean"].float() / 255)
        away = (answer.points - one["outline"]).norm(dim=-1).mean(1)
        if not len(away) or away.min() > LOST:
            continue
        found = answer.points[away.argmin()][None]
        to_crop = inverse(crop_to_photo(found))
        vertices = model.vertices(one["identity"], one["expression"])[:, ids]
        places = project(to_camera(vertices, one["rotation"], one["translation"]), one["intrinsics"])
        true = places[:, basis.choose(one["rotation"].double())[0]]
        points.append(transform_points(to_crop, found))
        errors.append(points[-1] - transform_points(to_crop, true))
        confidence.append(answer.confidence[away.argmin()][None])
    return Found(points=torch.cat(points), confidence=torch.cat(confidence), error=torch.cat(errors))


def mirrored(each: Found, side: float) -> Found:
    """Return the same faces in a mirror."""
    flip = torch.tensor([-1.0, 1.0])
    return Found(
        points=each.points[:, MIRRORED] * flip + torch.tensor([side - 1, 0.0]),
        confidence=each.confidence[:, MIRRORED],
        error=each.error[:, MIRRORED] * flip,
    )


def joined(a: Found, b: Found) -> Found:
    """Return all faces of two sets."""
    return Found(
        points=torch.cat((a.points, b.points)),
        confidence=torch.cat((a.confidence, b.confidence)),
        error=torch.cat((a.error, b.error)),
    )


def table(each: Found, side: int = 256) -> dict[str, np.ndarray]:
    """Return the arrays of `PointErrors`."""
    both = joined(each, mirrored(each, side))
    rotation, _ = start_pose(
        both.points.double(), torch.ones_like(both.confidence).double(), intrinsics(side).double()
    )
    yaw = torch.rad2deg(angles_from_rotation(rotation)[:, 1])
    means, covariances = [], []
    for centre in YAWS:
        weight = torch.exp(-0.5 * ((yaw - centre) / WIDTH) ** 2)
        weight = weight / weight.sum()
        mean = (weight[:, None, None] * both.error).sum(0)
        away = (jaw_metric(both.points.double()) @ (both.error - mean)[..., None])[..., 0]
        whole = (away / (NOISE * doubt(both.confidence))[..., None]).flatten(1)
        covariance = (whole * weight[:, None]).T @ whole
        covariances.append((1 - SHRINK) * covariance + SHRINK * torch.diag(covariance.diagonal()))
        means.append(mean)
    return {
        "yaw": np.radians(YAWS),
        "mean": torch.stack(means).numpy().astype(np.float16),
        "covariance": torch.stack(covariances).numpy().astype(np.float16),
    }


def main(
    faces: Annotated[Path, typer.Option(help="Folder of a bank of synthetic faces.")],
    first: int = 0,
    count: int = 600,
    detector: str = "mobilenet_v3",
    out: Path = TABLE,
) -> None:
    """Measure and write the table."""
    torch.set_num_threads(1)
    found = look(faces, range(first, first + count), detector)
    out.parent.mkdir(parents=True, exist_ok=True)
    about = f"{detector}, {len(found.points)} of {count} synthetic faces, doubt {DOUBT:g}, noise {NOISE:g} px"
    np.savez_compressed(out, about=np.array(about), **table(found))
    print(f"{out.name}: {about}")


if __name__ == "__main__":
    typer.run(main)
