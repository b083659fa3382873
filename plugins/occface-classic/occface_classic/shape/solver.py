"""Pose and coefficients from 68 landmarks by damped Gauss-Newton steps (paper eq. 5-6, perspective camera)."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from occface_classic.shape.landmark_basis import JAW, LandmarkBasis
from occface_classic.shape.landmark_term import LandmarkTerm
from occface_classic.shape.point_errors import PointErrors
from occface_core.fitting.steps import moved
from occface_core.geometry.align import mean_landmarks
from occface_core.geometry.camera import NOMINAL_DISTANCE, frontal_rotation
from occface_core.geometry.weak_perspective import fit_weak_perspective

DISTANCE_SPREAD = 120.0  # mm; the crop fixes the size of the face, so the distance is nearly known


@attrs.define(frozen=True, kw_only=True, eq=False)
class LandmarkSolution:
    """What the landmarks say.

    Attributes:
        coefficients: (B, K + E).
        rotation: (B, 3, 3).
        translation: (B, 3) mm.
    """

    coefficients: Tensor
    rotation: Tensor
    translation: Tensor


def solve_landmarks(
    basis: LandmarkBasis,
    points: Tensor,
    weights: Tensor,
    intrinsics: Tensor,
    *,
    noise: Tensor | float,
    errors: PointErrors | None = None,
    found: Tensor | None = None,
    spread: Tensor,
    lower: Tensor,
    upper: Tensor,
    steps: int,
) -> LandmarkSolution:
    """Minimise weighted landmark distances plus the coefficients' distances from 0.

    The objective is Σ w ρ(|project(R (S̄ + B c) + t) - p|² / noise²) + Σ (c / spread)², ρ Huber's; jaw points
    count less along the jaw than across it. Where it is known how the points err together, their mean error is
    taken off and the sum becomes rᵀ C⁻¹ r over all points, a distrusted point having the more variance of its
    own. Coefficients that would leave their bounds are held there for the step (active set).

    Args:
        basis: landmark vertices.
        points: (B, 68, 2) pixels.
        weights: (B, 68) trust in each point, at least 0.
        intrinsics: (3, 3) camera matrix, pixels.
        noise: standard deviation of a point of weight 1, pixels: one number, or (B, 68).
        errors: how the points err together; None: each by itself, and 0 in the mean.
        found: (B,) bool, faces that `errors` holds for; None: all.
        spread: (K + E,) standard deviations of the coefficients; 0 keeps one at 0.
        lower: (K + E,) bounds.
        upper: (K + E,) bounds.
        steps: number of steps.
    """
    points, matrix = points.to(torch.float64), intrinsics.to(torch.float64)
    weights = weights.to(torch.float64).clamp_min(1e-3)
    batch, count = len(points), basis.components.shape[2]
    if batch == 0:
        empty = points.new_zeros
        return LandmarkSolution(
            coefficients=empty((0, count)), rotation=empty((0, 3, 3)), translation=empty((0, 3))
        )
    rotation, translation = start_pose(points, weights, matrix)
    coefficients = points.new_zeros((batch, count))
    free = (spread > 0).to(points)
    precision = torch.where(spread > 0, 1 / spread.clamp_min(1e-12) ** 2, 1.0).to(points)
    term = LandmarkTerm.of(
        basis, points, weights, matrix, noise=noise, rotation=rotation, errors=errors, found=found
    )
    held = points.new_zeros((batch, count), dtype=torch.bool)
    for step in range(steps):
        mobile = free * ~held
        normal, gradient = term.equations(rotation, translation, coefficients, mobile)
        if count and step < POSE_STEPS:
            normal, gradient = normal[:, :6, :6], gradient[:, :6]
        unknowns = normal.shape[-1]
        diagonal = points.new_full((batch, unknowns), 1e-6)
        diagonal[:, 5] += 1 / DISTANCE_SPREAD**2
        gradient[:, 5] += (NOMINAL_DISTANCE - translation[:, 2]) / DISTANCE_SPREAD**2
        if unknowns > 6:
            diagonal[:, 6:] += precision
            gradient[:, 6:] -= precision * coefficients * mobile
        change = torch.linalg.solve(normal + torch.diag_embed(diagonal), gradient)
        rotation, translation = moved(rotation, translation, change)
        if unknowns > 6:
            wanted = coefficients + change[:, 6:]
            coefficients = wanted.maximum(lower.to(wanted)).minimum(upper.to(wanted))
            # a coefficient at its bound stays there for a step, then may leave again
            held = ((wanted < lower) | (wanted > upper)) & (step % 2 == 0)
    return LandmarkSolution(coefficients=coefficients, rotation=rotation, translation=translation)


POSE_STEPS = 2  # before coefficients join: the start is a scaled orthographic view


def start_pose(points: Tensor, weights: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return rotation (B, 3, 3) and translation (B, 3) of the mean face under scaled orthography."""
    reference = mean_landmarks().to(points)
    trust = weights.clone()
    trust[:, :JAW] *= 0.3
    view = fit_weak_perspective(points, reference, trust)
    depth = matrix[0, 0] / view.scale.clamp_min(1e-3)
    offset = (view.offset - matrix[:2, 2]) / matrix.diagonal()[:2]
    usable = torch.isfinite(view.rotation).all(-1).all(-1) & torch.isfinite(offset).all(-1)
    # a face seen from behind is a failure of the start, not a pose
    usable &= view.rotation[:, 2, 2] < 0
    rotation = torch.where(usable[:, None, None], view.rotation, frontal_rotation(points))
    depth = torch.where(usable & torch.isfinite(depth), depth, NOMINAL_DISTANCE).clamp(200.0, 5000.0)
    offset = torch.where(usable[:, None], offset, 0)
    return rotation, torch.cat((offset * depth[:, None], depth[:, None]), -1)
