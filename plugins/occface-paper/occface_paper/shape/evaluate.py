"""How far an estimated face is from the truth: after alignment, in pose, and as points in the picture."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor

from occface_core.geometry.camera import intrinsics, project, to_camera
from occface_paper.shape.augment import AlignedFaces, packed, sample_of, to_units
from occface_paper.shape.basis import SEVEN, FaceBasis
from occface_paper.shape.coefficients import Estimate
from occface_paper.shape.found import FoundPoints
from occface_paper.shape.network import CoefficientNetwork
from occface_paper.shape.refine import closed_form
from occface_paper.synthetic_bank import SyntheticBank

#: Standard deviation of the marks' noise in validation, px of 256.
NOISE = 1.5


def similarity(source: Tensor, target: Tensor, scaled: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """Scale (B,), rotation (B, 3, 3) and shift (B, 3) that take source (B, N, 3) to target: Umeyama 1991."""
    a, b = source.mean(1, keepdim=True), target.mean(1, keepdim=True)
    x, y = source - a, target - b
    left, values, right = torch.linalg.svd(y.transpose(1, 2) @ x)
    sign = torch.ones_like(values)
    sign[:, 2] = torch.det(left @ right).sign()
    rotation = left * sign[:, None] @ right
    scale = (values * sign).sum(1) / x.square().sum((1, 2)) if scaled else torch.ones_like(values[:, 0])
    shift = b[:, 0] - scale[:, None] * (rotation @ a.transpose(1, 2))[..., 0]
    return scale, rotation, shift


def aligned_error(found: Tensor, truth: Tensor, chosen: Tensor | None = None, scaled: bool = True) -> Tensor:
    """(B,) mean distance in mm of vertices (B, N, 3) after alignment by the ``chosen`` ones; by all if None."""
    rows = slice(None) if chosen is None else chosen
    scale, rotation, shift = similarity(found[:, rows], truth[:, rows], scaled)
    placed = scale[:, None, None] * found @ rotation.transpose(1, 2) + shift[:, None]
    return (placed - truth).norm(dim=-1).mean(1)


def angle_between(a: Tensor, b: Tensor) -> Tensor:
    """(B,) degrees between rotations (B, 3, 3)."""
    cosine = ((a * b).sum((1, 2)) - 1) / 2
    return torch.rad2deg(torch.arccos(cosine.clamp(-1, 1)))


def shape_errors(found: Tensor, truth: Tensor, basis: FaceBasis) -> dict[str, Tensor]:
    """Errors (B,) in mm of identity and expression coefficients (B, K + E) over the face.

    ``seven``: after a similarity by seven landmarks, as NoW aligns; ``rigid``: after the best rigid motion;
    ``similar``: after the best similarity.
    """
    marks = [basis.landmarks(shape)[:, list(SEVEN)] for shape in (found, truth)]
    faces = [
        torch.cat([mark, basis.face(shape)], 1) for mark, shape in zip(marks, (found, truth), strict=True)
    ]
    rows = torch.arange(len(SEVEN))
    return {
        "seven": aligned_error(*faces, rows),
        "rigid": aligned_error(*faces, scaled=False),
        "similar": aligned_error(*faces),
    }


def noisy_rows(
    bank: SyntheticBank,
    chosen: np.ndarray,
    size: int,
    shown: str,
    noise: float = NOISE,
    found: FoundPoints | None = None,
) -> dict[str, Tensor]:
    """Held-out faces of the bank as one batch; with found points, or with true ones and noise of ``noise`` px."""
    rows = []
    for index in chosen:
        row = sample_of(bank, int(index), size, None, shown, found)
        if found is not None:
            rows.append(row)
            continue
        shift = np.random.default_rng(int(index)).normal(size=(68, 2)) * noise
        rows.append(row | {"points": to_units(row["marks"] + shift).astype(np.float32)})
    return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}


def with_start(rows: dict[str, Tensor], basis: FaceBasis) -> dict[str, Tensor]:
    """The rows with the closed-form fits that the network begins with."""
    points = (rows["points"] + 1) * 128 - 0.5
    parts = [
        closed_form(basis, crop.float() / 255, places, trust)
        for crop, places, trust in zip(
            *(x.split(50) for x in (rows["crop"], points, rows["trust"])), strict=True
        )
    ]
    return rows | {"start": torch.cat(parts)}


@torch.no_grad()
def estimated(network: CoefficientNetwork, rows: dict[str, Tensor], batch: int = 50) -> Estimate:
    """Run the network over a batch of rows, some at a time."""
    device = network.usual.device
    parts = [
        network(
            rows["crop"][i : i + batch]
            .to(device)
            .float()
            .div(255)
            .contiguous(memory_format=torch.channels_last),
            rows["points"][i : i + batch].to(device),
            rows["trust"][i : i + batch].to(device),
            rows["start"][i : i + batch].to(device),
        )
        for i in range(0, len(rows["crop"]), batch)
    ]
    names = [f.name for f in attrs.fields(Estimate)]
    return Estimate(**{name: torch.cat([getattr(part, name) for part in parts]).cpu() for name in names})


def synthetic_figures(found: Estimate, rows: dict[str, Tensor], basis: FaceBasis) -> dict[str, float]:
    """Mean errors beside the mean face's, in mm, the pose's in degrees, and how the doubt of identity goes with it."""
    truth = torch.cat([rows["identity"], rows["expression"]], 1)
    shape = torch.cat([found.identity, found.expression], 1)
    errors = shape_errors(shape, truth, basis)
    nothing = shape_errors(torch.zeros_like(truth), truth, basis)
    turn = angle_between(found.rotation(), rows["rotation"])
    yaw = torch.rad2deg(torch.asin(-rows["rotation"][:, 2, 0].neg().clamp(-1, 1))).abs()
    figures = {name: float(value.mean()) for name, value in errors.items()}
    figures |= {f"{name}_share": float(errors[name].mean() / nothing[name].mean()) for name in errors}
    figures["pose"] = float(turn[yaw <= 45].mean())
    figures["pose_beyond"] = float(turn[yaw > 45].mean())
    if len(truth) > 2:
        doubted = torch.stack([found.log_variance[:, 0], errors["similar"]])
        figures["doubt"] = float(torch.corrcoef(doubted)[0, 1])
    return figures


def photo_rows(faces: AlignedFaces, chosen: np.ndarray, size: int) -> dict[str, Tensor]:
    """Photos of the validation set as one batch, with their own points."""
    import cv2

    rows = []
    for index in chosen:
        crop = cv2.resize(faces.images[index], (size, size), interpolation=cv2.INTER_AREA)
        marks = faces.points[index].astype(float)
        rows.append(packed(crop, crop, to_units(marks), np.ones(68), marks=marks))
    return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}


def reprojection(found: Estimate, marks: Tensor, basis: FaceBasis) -> tuple[Tensor, Tensor]:
    """NME (B,) of the reprojected points, per outer eye corners' distance: all 68, and the 51 within the face.

    Args:
        found: estimates.
        marks: (B, 68, 2) px of 256.
        basis: of the face model.
    """
    rotation = found.rotation()
    face = basis.outline(torch.cat([found.identity, found.expression], 1), rotation)
    pixels = project(to_camera(face, rotation, found.translation), intrinsics(256))
    unit = (marks[:, 45] - marks[:, 36]).norm(dim=-1, keepdim=True).clamp_min(1)
    error = (pixels - marks).norm(dim=-1) / unit
    return error.mean(1), error[:, 17:].mean(1)


def validate(
    network: CoefficientNetwork,
    held_out: dict[str, dict[str, Tensor]],
    photos: dict[str, Tensor] | None,
    basis: FaceBasis,
) -> dict[str, Any]:
    """Figures of the network alone on held-out faces, by what is shown of them, and on photos."""
    record: dict[str, Any] = {}
    for shown, rows in held_out.items():
        figures = synthetic_figures(estimated(network, rows), rows, basis)
        record |= {f"{shown}_{name}": round(value, 4) for name, value in figures.items()}
    if photos:
        whole, inner = reprojection(estimated(network, photos), photos["marks"], basis)
        record |= {"photo_nme": round(float(whole.mean()), 4), "photo_nme_51": round(float(inner.mean()), 4)}
    return record
