"""Landmarks against the true ones: which face is meant, and how far its points are off."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from occface_core.ablation.sample import Sample

Points = NDArray[Any]

OVERLAP = 0.4
"""A face counts as found when the box of its points overlaps that of the truth by this much (IoU)."""

LEFT_EYE, RIGHT_EYE = 45, 36
"""Outer corners of the eyes, whose distance errors are divided by."""


def match(sample: Sample, found: Points) -> int | None:
    """Return which of the faces (F, 68, 2) px is the sample's; None if none is.

    Without true points: the best face whose middle lies on the true face, or the best one if that is not known.
    """
    if not len(found):
        return None
    if sample.points is None:
        if sample.face is None:
            return 0
        height, width = sample.face.shape
        for number, points in enumerate(found):
            x, y = np.clip(np.round(points.mean(0)), 0, [width - 1, height - 1]).astype(int)
            if sample.face[y, x] > 0.5:
                return number
        return None
    overlaps = [_overlap(mapped(sample, points), sample.points) for points in found]
    best = int(np.argmax(overlaps))
    return best if overlaps[best] >= OVERLAP else None


def mapped(sample: Sample, points: Points) -> Points:
    """Return the sample's N points made of 68 points."""
    return points if sample.point_map is None else np.asarray(sample.point_map, np.float64) @ points


def eye_distance(sample: Sample) -> float:
    """Return what landmark errors are divided by, px; NaN if it is not known."""
    if sample.normaliser is not None:
        return sample.normaliser
    points = sample.landmarks68()
    return float("nan") if points is None else float(np.linalg.norm(points[LEFT_EYE] - points[RIGHT_EYE]))


def landmark_figures(sample: Sample, points: Points) -> dict[str, float]:
    """Return errors of one face's points (68, 2) px in percent of the eye distance, and of the box's root area."""
    if sample.points is None:
        return {}
    errors = np.linalg.norm(mapped(sample, points) - sample.points, axis=1)
    unit = eye_distance(sample)
    box = float(np.sqrt(np.prod(np.ptp(sample.points, axis=0))))
    figures = {"nme": 100 * float(errors.mean()) / unit, "nme_box": 100 * float(errors.mean()) / box}
    if sample.visible is not None:
        seen = sample.visible > 0.5
        for name, which in (("nme_visible", seen), ("nme_hidden", ~seen)):
            if which.any():
                figures[name] = 100 * float(errors[which].mean()) / unit
    return figures


def reprojection_figures(sample: Sample, points: Points) -> dict[str, float]:
    """Return the error of the shape's own landmarks (68, 2) px, projected into the photo."""
    if sample.points is None:
        return {}
    errors = np.linalg.norm(mapped(sample, points) - sample.points, axis=1)
    return {"reprojection_nme": 100 * float(errors.mean()) / eye_distance(sample)}


def _overlap(a: Points, b: Points) -> float:
    low = np.maximum(a.min(0), b.min(0))
    high = np.minimum(a.max(0), b.max(0))
    both = float(np.prod(np.maximum(high - low, 0)))
    either = float(np.prod(np.ptp(a, axis=0)) + np.prod(np.ptp(b, axis=0))) - both
    return both / max(either, 1e-9)
