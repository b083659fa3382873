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

from occface_core.ablation.sample import HIDDEN, VISIBLE, Surface
from occface_core.facemodel import FaceModel

Points = NDArray[Any]

SAMPLED = 3000
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
    surface = _Surface(found, model)
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


def _by_region(name: str, errors: Points, state: NDArray[np.uint8] | None) -> dict[str, float]:
    figures = {name: float(errors.mean())}
    if state is not None:
        for region, code in (("visible", VISIBLE), ("hidden", HIDDEN)):
            if (state == code).sum() >= 10:
                figures[f"{name}_{region}"] = float(errors[state == code].mean())
    return figures


class _Surface:
    """The mesh of a face model's skin, for nearest points."""

    def __init__(self, vertices: Points, model: FaceModel) -> None:
        self.used, self.corners, self.around = _topology(model)
        self.vertices = vertices[self.used]
        self.tree = cKDTree(self.vertices)

    def distances(self, points: Points) -> Points:
        """Return (N,) mm from points to the mesh: the triangles around the nearest vertex are tried."""
        return np.linalg.norm(points - self.nearest(points), axis=1)

    def nearest(self, points: Points) -> Points:
        """Return (N, 3), the nearest point of the triangles around each point's nearest vertex."""
        around = self.around[self.tree.query(points)[1]]
        corners = self.vertices[self.corners[around]]  # (N, R, 3, 3)
        candidates = nearest_on_triangles(points[:, None], corners)
        best = np.linalg.norm(candidates - points[:, None], axis=-1).argmin(1)
        return np.asarray(candidates[np.arange(len(points)), best])

    def settle(self, points: Points) -> Points:
        """Return the points after rigid ICP onto the mesh: to vertices first, to the surface at the end."""
        moved = points
        for step in range(STEPS):
            fine = step >= STEPS - 3
            target = self.nearest(moved) if fine else self.vertices[self.tree.query(moved)[1]]
            distance = np.linalg.norm(target - moved, axis=1)
            near = distance <= max(NEAR * float(np.median(distance)), 1e-9)
            rotation, shift = rigid_fit(moved[near], target[near])
            moved = moved @ rotation.T + shift
        return moved


@lru_cache(maxsize=4)
def _topology(model: FaceModel) -> tuple[Points, Points, Points]:
    """Return the skin's vertices (W,), its triangles (T, 3) in their numbers, and (W, R) triangles around each."""
    skin = np.ones(len(model.mean), bool)
    for name in ("interior", "eyeballs"):
        skin &= ~model.regions.get(name, ~skin)
    triangles = model.triangles[skin[model.triangles].all(1)]
    used, corners = np.unique(triangles, return_inverse=True)
    corners = corners.reshape(-1, 3)
    owner = np.repeat(np.arange(len(corners)), 3)
    order = np.argsort(corners.ravel(), kind="stable")
    count = np.bincount(corners.ravel(), minlength=len(used))
    begin = np.cumsum(count) - count
    place = begin[:, None] + np.minimum(np.arange(min(int(count.max()), 12)), count[:, None] - 1)
    return used, corners, owner[order][place]


def nearest_on_triangles(points: Points, corners: Points) -> Points:
    """Return the nearest points (..., 3) on triangles (..., 3, 3): inside if the foot lies there, else on an edge."""
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    ab, ac, ap = b - a, c - a, points - a
    d00, d01, d11 = (ab * ab).sum(-1), (ab * ac).sum(-1), (ac * ac).sum(-1)
    d20, d21 = (ap * ab).sum(-1), (ap * ac).sum(-1)
    area = np.maximum(d00 * d11 - d01 * d01, 1e-12)
    v, w = (d11 * d20 - d01 * d21) / area, (d00 * d21 - d01 * d20) / area
    within = (v >= 0) & (w >= 0) & (v + w <= 1)
    foot = a + v[..., None] * ab + w[..., None] * ac
    edges = [_on_segment(points, *ends) for ends in ((a, b), (b, c), (c, a))]
    distance = np.stack([np.linalg.norm(points - edge, axis=-1) for edge in edges])
    best = np.take_along_axis(np.stack(edges), distance.argmin(0)[None, ..., None], 0)[0]
    return np.where(within[..., None], foot, best)


def _on_segment(points: Points, start: Points, end: Points) -> Points:
    along = end - start
    share = ((points - start) * along).sum(-1) / np.maximum((along * along).sum(-1), 1e-12)
    return np.asarray(start + np.clip(share, 0, 1)[..., None] * along)
