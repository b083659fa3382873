"""A shape against the true surface: two ways to lay one on the other, because each alone can mislead.

None of them scales: a face of the wrong size is an error. `vertex_mm` compares the same vertices of one face
model; `surface_mm` lays any mesh on any surface by ICP and measures the distance to the mesh; `landmark_mm`
does without ICP, on surfaces of which only a few points are known to correspond (scans).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from occface_core.ablation.metrics.nearest import nearest_points
from occface_core.ablation.sample import HIDDEN, VISIBLE, Surface
from occface_core.facemodel import FaceModel

Points = NDArray[Any]

SAMPLED = 2000
"""Points of the true surface that distances are measured from, at most."""

STEPS, NEAR = 12, 3.0
"""ICP steps, and how many times the median distance a pair may have to count."""


def shape_figures(truth: Surface, vertices: Points, model: FaceModel, prefix: str = "") -> dict[str, float]:
    """Return the errors, mm, of a mesh.

    Args:
        truth: true surface.
        vertices: (V, 3) mm of `model`, in any frame of the same scale.
        model: face model that the vertices belong to.
        prefix: put before the figures' names.
    """
    found = np.asarray(vertices, np.float64)
    figures: dict[str, float] = {}
    if truth.ids is not None and truth.model == model.name:
        mine = found[truth.ids]
        rotation, shift = rigid_fit(mine, truth.vertices)
        errors = np.linalg.norm(mine @ rotation.T + shift - truth.vertices, axis=1)
        figures |= _by_region("vertex_mm", errors, truth.state)
    step = max(len(truth.vertices) // SAMPLED, 1)
    points = truth.vertices[::step].astype(np.float64)
    state = None if truth.state is None else truth.state[::step]
    marks = found[model.landmarks68[truth.landmark_ids]]
    rotation, shift = rigid_fit(truth.landmarks, marks)
    surface = SkinSurface(found, model)
    start = points @ rotation.T + shift
    if truth.ids is None:
        figures["landmark_mm"] = float(surface.distances(start).mean())
    figures |= _by_region("surface_mm", surface.distances(surface.settle(start)), state)
    return {prefix + name: value for name, value in figures.items()}


def rigid_fit(source: Points, target: Points) -> tuple[Points, Points]:
    """Return the rotation (3, 3) and shift (3,) that bring (N, 3) points nearest to others (Kabsch)."""
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    middle_a, middle_b = a.mean(0), b.mean(0)
    u, _, v = np.linalg.svd((a - middle_a).T @ (b - middle_b))
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ v)) or 1.0])
    rotation = (u * sign @ v).T
    return rotation, middle_b - rotation @ middle_a


def skin(model: FaceModel) -> NDArray[np.bool_]:
    """Return (V,) the outer surface: neither eyeballs nor what is inside the mouth."""
    outside = np.ones(len(model.mean), bool)
    for name in ("interior", "eyeballs"):
        if name in model.regions:
            outside &= ~model.regions[name]
    return outside


def _by_region(name: str, errors: Points, state: NDArray[np.uint8] | None) -> dict[str, float]:
    figures = {name: float(errors.mean())}
    if state is not None:
        for region, code in (("visible", VISIBLE), ("hidden", HIDDEN)):
            if (state == code).sum() >= 10:
                figures[f"{name}_{region}"] = float(errors[state == code].mean())
    return figures


class SkinSurface:
    """The mesh of a face model's skin, for nearest points."""

    def __init__(self, vertices: Points, model: FaceModel) -> None:
        self.used, self.corners, self.around = _topology(model)
        self.vertices = vertices[self.used]
        self.tree = cKDTree(self.vertices)

    def distances(self, points: Points) -> Points:
        """Return (N,) mm from points to the mesh: the triangles around the nearest vertex are tried."""
        return np.asarray(np.linalg.norm(points - self.nearest(points), axis=1))

    def nearest(self, points: Points) -> Points:
        """Return (N, 3), the nearest point of the triangles around each point's nearest vertex."""
        tried = self.around[self.tree.query(points)[1]]
        return nearest_points(np.ascontiguousarray(points, np.float64), self.vertices, self.corners, tried)

    def settle(self, points: Points) -> Points:
        """Return the points after rigid ICP onto the mesh's surface (Besl & McKay 1992)."""
        moved = points
        for _ in range(STEPS):
            target = self.nearest(moved)
            distance = np.linalg.norm(target - moved, axis=1)
            near = distance <= max(NEAR * float(np.median(distance)), 1e-9)
            rotation, shift = rigid_fit(moved[near], target[near])
            moved = moved @ rotation.T + shift
        return moved


@lru_cache(maxsize=4)
def _topology(model: FaceModel) -> tuple[Points, Points, Points]:
    """Return the skin's vertices (W,), its triangles (T, 3) in their numbers, and (W, R) triangles around each."""
    triangles = model.triangles[skin(model)[model.triangles].all(1)]
    used, corners = np.unique(triangles, return_inverse=True)
    corners = corners.reshape(-1, 3)
    owner = np.repeat(np.arange(len(corners)), 3)
    order = np.argsort(corners.ravel(), kind="stable")
    count = np.bincount(corners.ravel(), minlength=len(used))
    begin = np.cumsum(count) - count
    place = begin[:, None] + np.minimum(np.arange(min(int(count.max()), 12)), count[:, None] - 1)
    return used, corners, owner[order][place]
