"""Bring what a loader read into the common frame and fill what its files do not hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from occface_core.errors import FaceModelError
from occface_core.facemodel.model import FaceModel
from occface_core.facemodel.regions import name_regions

Points = NDArray[Any]
PLAIN_SKIN = (0.72, 0.54, 0.45)
OUTER_EYE_CORNERS_MM = 90.0
UNITS = {"µm": 0.001, "mm": 1.0, "cm": 10.0, "dm": 100.0, "m": 1000.0}


def require(folder: Path, names: tuple[str, ...], model: str, source: str) -> list[Path]:
    """Return the paths of files that must lie in a folder, or say which are missing and where to get them."""
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise FaceModelError(f"{model}: {folder} lacks {', '.join(missing)}; {source}")
    return [folder / name for name in names]


def millimetres(vertices: Points, landmarks68: Points) -> float:
    """Return the factor to mm: the unit in which the outer eye corners are nearest to 90 mm apart."""
    distance = float(np.linalg.norm(vertices[landmarks68[36]] - vertices[landmarks68[45]]))
    if not np.isfinite(distance) or distance <= 0.0:
        raise FaceModelError(
            "landmarks 36 and 45 (outer eye corners) of the mean face coincide; wrong landmarks?"
        )
    return min(UNITS.values(), key=lambda unit: abs(np.log(distance * unit / OUTER_EYE_CORNERS_MM)))


def cylindrical_uv(vertices: Points) -> Points:
    """Return (V, 2) UVs in [0, 1] of a cylinder around the head, cut at the back."""
    x, y, z = vertices.T
    axis = np.quantile(z, 0.1)
    angle = np.arctan2(x, np.maximum(z - axis, -1e6))
    height = (y - y.min()) / max(float(np.ptp(y)), 1e-9)
    return np.stack([0.5 + angle / (2.0 * np.pi), height], axis=1)


def facing_out(vertices: Points, triangles: Points, landmarks68: Points) -> Points:
    """Return the triangles, flipped if those around the landmarks look away from the viewer."""
    near = np.isin(triangles, landmarks68[17:]).any(axis=1)
    a, b, c = (vertices[triangles[near][:, k]] for k in range(3))
    if np.cross(b - a, c - a)[:, 2].sum() < 0:
        return triangles[:, [0, 2, 1]]
    return triangles


def assemble(
    *,
    name: str,
    licence: str,
    mean: Points,
    identity: Points,
    expression: Points,
    triangles: Points,
    landmarks68: Points,
    expression_names: tuple[str, ...],
    expression_std: Points | None = None,
    albedo_mean: Points | None = None,
    albedo: Points | None = None,
    uv: Points | None = None,
    eyeballs: NDArray[np.bool_] | None = None,
) -> FaceModel:
    """Build a `FaceModel` from arrays in the source's own unit and origin (x to the person's left, y up).

    Args:
        name: model name.
        licence: licence of the data.
        mean: (V, 3).
        identity: (K, V, 3) per unit-variance coefficient.
        expression: (E, V, 3).
        triangles: (T, 3), 0-based, either winding.
        landmarks68: (68,) vertex ids.
        expression_names: E names.
        expression_std: (E,); ones when None.
        albedo_mean: (V, 3) in [0, 1]; one skin colour when None.
        albedo: (A, V, 3); none when None.
        uv: (V, 2); a cylinder's when None.
        eyeballs: (V,) vertices known to be eyes.

    Raises:
        FaceModelError: indices outside the mesh, or landmarks that cannot be right.
    """
    count = len(mean)
    for what, ids in (("triangle", triangles), ("landmark", landmarks68)):
        if ids.size and not 0 <= ids.min() <= ids.max() < count:
            raise FaceModelError(
                f"{name}: a {what} names a vertex outside 0 … {count - 1}; are the files of one version?"
            )
    scale = millimetres(mean, landmarks68)
    mean = np.asarray(mean, np.float64) * scale
    mean = mean - mean[landmarks68].mean(axis=0)
    albedo_mean = np.tile(PLAIN_SKIN, (count, 1)) if albedo_mean is None else albedo_mean
    albedo = np.zeros((0, count, 3)) if albedo is None else albedo
    uv = cylindrical_uv(mean) if uv is None else uv
    regions = name_regions(mean, mean[landmarks68], eyeballs=eyeballs)
    std = np.ones(len(expression_names)) if expression_std is None else expression_std
    return FaceModel(
        name=name,
        licence=licence,
        mean=mean.astype(np.float32),
        identity=(np.asarray(identity) * scale).astype(np.float32),
        expression=(np.asarray(expression) * scale).astype(np.float32),
        albedo_mean=np.asarray(albedo_mean, np.float32),
        albedo=np.asarray(albedo, np.float32),
        triangles=facing_out(mean, np.asarray(triangles, np.int64), landmarks68),
        uv=np.asarray(uv, np.float32),
        landmarks68=np.asarray(landmarks68, np.int64),
        regions=regions,
        expression_names=expression_names,
        expression_std=np.asarray(std, np.float32),
        weld=np.arange(count, dtype=np.int64),
    )
