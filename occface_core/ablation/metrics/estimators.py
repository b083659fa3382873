"""Several ways to measure a shape against a true surface, because one alone can mislead.

- `landmark_aligned`: seven points lay the mesh on the scan, its scale included, then distances from the scan to
  the mesh. This is how the NoW challenge (Sanyal et al. 2019) compares.
- `icp_aligned`: rigid ICP over the whole face, without scale.
- `region_aligned`: nose, mouth, forehead and cheeks each by rigid ICP of their own, after REALY (Chai et al. 2022).
  Theirs goes on with a non-rigid registration in both directions; distances here go from the truth to the mesh.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from occface_core.ablation.metrics.shape import SkinSurface, rigid_fit, skin
from occface_core.ablation.sample import HIDDEN, UNSEEN, VISIBLE, Surface
from occface_core.facemodel import FaceModel

Points = NDArray[Any]

SEVEN = (36, 39, 42, 45, 33, 48, 54)
"""Eye corners, base of the nose and mouth corners among the 68."""

REGIONS = ("nose", "mouth", "forehead", "cheek")
"""Parts that `region_aligned` measures."""

SAMPLED = 1200
"""Points of the true surface that distances are measured from, about."""

LEAST = 10
"""Fewer points than this make no figure."""


def similarity_fit(source: Points, target: Points) -> tuple[float, Points, Points]:
    """Return scale, rotation (3, 3) and shift (3,) that bring (N, 3) points nearest to others (Umeyama 1991)."""
    rotation, _ = rigid_fit(source, target)
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    middle_a, middle_b = a.mean(0), b.mean(0)
    turned = (a - middle_a) @ rotation.T
    scale = float(((b - middle_b) * turned).sum() / max(float((turned**2).sum()), 1e-12))
    return scale, rotation, middle_b - scale * rotation @ middle_a


def landmark_aligned(truth: Surface, vertices: Points, model: FaceModel) -> Points:
    """Return (M,) mm from the true surface to the mesh, which seven points have laid on it, scaled."""
    places = np.flatnonzero(np.isin(truth.landmark_ids, SEVEN))
    marks = truth.landmarks[places]
    ids = model.landmarks68[truth.landmark_ids[places]]
    scale, rotation, shift = similarity_fit(vertices[ids], marks)
    laid = scale * np.asarray(vertices, np.float64) @ rotation.T + shift
    return SkinSurface(laid, model).distances(truth.vertices.astype(np.float64))


def icp_aligned(
    truth: Surface, vertices: Points, model: FaceModel, only: NDArray[np.bool_] | None = None
) -> Points:
    """Return (M,) mm from the true surface to the mesh after rigid ICP.

    Args:
        truth: true surface.
        vertices: (V, 3) mm of `model`.
        model: face model.
        only: (M,) the points that are laid on the mesh and measured; all if None.
    """
    surface = SkinSurface(np.asarray(vertices, np.float64), model)
    rotation, shift = rigid_fit(truth.landmarks, vertices[model.landmarks68[truth.landmark_ids]])
    chosen = truth.vertices if only is None else truth.vertices[only]
    return surface.distances(surface.settle(chosen.astype(np.float64) @ rotation.T + shift))


def region_aligned(truth: Surface, vertices: Points, model: FaceModel) -> dict[str, Points]:
    """Return mm from each true region to the mesh, each region laid on it by rigid ICP of its own."""
    masks = regions_of(truth)
    return {
        name: icp_aligned(truth, vertices, model, only=mask)
        for name, mask in masks.items()
        if int(mask.sum()) >= LEAST
    }


def regions_of(truth: Surface) -> dict[str, NDArray[np.bool_]]:
    """Return which vertices (M,) of any true surface belong to which of `REGIONS`.

    The surface is laid on the embedded model's mean face by its landmarks; every vertex belongs to what the
    nearest vertex there belongs to. A surface that has its own parts (`Surface.parts`) needs no such guess.
    """
    if truth.parts is not None:
        return {name: truth.parts == code for code, name in enumerate(REGIONS)}
    model = FaceModel.embedded()
    marks = model.mean[model.landmarks68[truth.landmark_ids]]
    scale, rotation, shift = similarity_fit(truth.landmarks, marks)
    laid = scale * np.asarray(truth.vertices, np.float64) @ rotation.T + shift
    ids = np.flatnonzero(model.region("face") & skin(model))
    nearest = ids[cKDTree(model.mean[ids]).query(laid)[1]]
    part = np.full(len(model.mean), -1)
    part[model.region("cheeks")] = REGIONS.index("cheek")
    part[model.region("forehead") | model.region("brows")] = REGIONS.index("forehead")
    part[model.region("mouth")] = REGIONS.index("mouth")
    part[model.region("nose")] = REGIONS.index("nose")
    part[model.region("eyes")] = -1
    return {name: part[nearest] == code for code, name in enumerate(REGIONS)}


def estimates(truth: Surface, vertices: Points, model: FaceModel) -> dict[str, float]:
    """Return mean errors, mm, of all estimators; what the camera sees and what is hidden apart.

    ``now_mm``, ``now_median_mm``, ``icp_mm`` (also ``_visible``, ``_hidden`` by an occluder, ``_turned`` away),
    ``region_nose_mm`` and so on, and ``region_mm``, the mean of the regions. At most about `SAMPLED` points of the
    true surface take part.
    """
    truth = _thinned(truth)
    aligned = landmark_aligned(truth, vertices, model)
    figures = {"now_mm": float(aligned.mean()), "now_median_mm": float(np.median(aligned))}
    whole = icp_aligned(truth, vertices, model)
    figures["icp_mm"] = float(whole.mean())
    if truth.state is not None:
        for name, code in (("visible", VISIBLE), ("hidden", HIDDEN), ("turned", UNSEEN)):
            if int((truth.state == code).sum()) >= LEAST:
                figures[f"icp_mm_{name}"] = float(whole[truth.state == code].mean())
    parts = region_aligned(truth, vertices, model)
    figures |= {f"region_{name}_mm": float(each.mean()) for name, each in parts.items()}
    if len(parts) == len(REGIONS):
        figures["region_mm"] = float(np.mean([each.mean() for each in parts.values()]))
    return figures


def _thinned(truth: Surface) -> Surface:
    step = max(round(len(truth.vertices) / SAMPLED), 1)
    thin = {
        name: getattr(truth, name)[::step]
        for name in ("vertices", "state", "ids", "parts")
        if getattr(truth, name) is not None
    }
    return attrs.evolve(truth, **thin)


def turn_between(a: Points, b: Points) -> float:
    """Return the angle, degrees, between two rotations (3, 3)."""
    cosine = (float(np.trace(np.asarray(a, np.float64).T @ np.asarray(b, np.float64))) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def pairs_told_apart(first: Points, second: Points) -> float:
    """Return how often, percent, two shapes of one person are nearer than shapes of two persons.

    Args:
        first: (P, V, 3) mm, a shape of each person, all in one frame.
        second: (P, V, 3) mm, another shape of the same persons.

    Returns:
        Share of the ordered pairs of persons (p, q) with |first p - second p| < |first p - second q|, and the same
        the other way round; an equal distance counts half.
    """
    distance = np.array([[np.linalg.norm(a - b, axis=1).mean() for b in second] for a in first])
    count = len(distance)
    if count < 2:
        return float("nan")
    others = ~np.eye(count, dtype=bool)
    own = np.diag(distance)
    won = 0.0
    for table in (distance, distance.T):
        nearer = (own[:, None] < table) + 0.5 * np.isclose(own[:, None], table, rtol=1e-9, atol=1e-9)
        won += float(np.minimum(nearer, 1.0)[others].mean())
    return 100 * won / 2
