"""Pose and coefficients from 68 landmarks by damped Gauss-Newton steps (paper eq. 5-6, perspective camera)."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from occface_classic.pixels import REFERENCE_SIZE
from occface_classic.shape.landmark_basis import JAW, LandmarkBasis
from occface_classic.shape.point_errors import PointErrors
from occface_core.geometry.align import mean_landmarks
from occface_core.geometry.camera import NOMINAL_DISTANCE, angles_from_rotation, frontal_rotation
from occface_core.geometry.weak_perspective import fit_weak_perspective

_DISTANCE_SPREAD = 120.0  # mm; the crop fixes the size of the face, so the distance is nearly known
_ALONG_JAW = 0.15  # trust in where along the jaw a point lies, against how far out
_OUTLIER = 3.0  # standard deviations beyond which a landmark's pull stays constant


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
    rotation, translation = _start(points, weights, matrix)
    coefficients = points.new_zeros((batch, count))
    free = (spread > 0).to(points)
    precision = torch.where(spread > 0, 1 / spread.clamp_min(1e-12) ** 2, 1.0).to(points)
    metric = _jaw_metric(points)
    noise = torch.as_tensor(noise, dtype=torch.float64, device=points.device).expand(batch, 68)[..., None]
    together = torch.eye(136).to(points).expand(batch, -1, -1)
    if errors is not None:
        mean, together = errors.at(angles_from_rotation(rotation)[:, 1])
        if found is not None:
            mean = mean * found[:, None, None]
            together = torch.where(found[:, None, None], together, torch.eye(136).to(together))
        points = points - mean * (2 * matrix[0, 2] + 1) / REFERENCE_SIZE
    usual = together.diagonal(dim1=1, dim2=2).reshape(batch, 68, 2).mean(-1).sqrt()
    held = points.new_zeros((batch, count), dtype=torch.bool)
    for step in range(steps):
        rows = basis.choose(rotation)
        parts = basis.components[rows]  # (B, 68, 3, C)
        turned = (basis.mean[rows] + (parts @ coefficients[:, None, :, None])[..., 0]) @ rotation.transpose(
            1, 2
        )
        position = turned + translation[:, None]
        depth = position[..., 2].clamp_min(1.0)
        pixel = position[..., :2] / depth[..., None] * matrix.diagonal()[:2] + matrix[:2, 2]
        residual = points - pixel
        whitened = (metric @ residual[..., None])[..., 0] / noise
        far = whitened.norm(dim=-1) / usual
        pull = weights * (_OUTLIER / far.clamp_min(1e-9)).clamp_max(1)
        own = ((1 / pull - 1).clamp_min(0) * usual**2).repeat_interleave(2, dim=1)
        root = torch.linalg.cholesky(together + torch.diag_embed(own))
        # picture of a small shift in camera space, pixels per mm
        none = torch.zeros_like(depth)
        across = torch.stack((matrix[0, 0] / depth, none, -matrix[0, 0] * position[..., 0] / depth**2), -1)
        down = torch.stack((none, matrix[1, 1] / depth, -matrix[1, 1] * position[..., 1] / depth**2), -1)
        picture = torch.stack((across, down), -2)
        turn = -_cross_matrix(turned)
        columns = [turn, torch.eye(3).to(turn).expand_as(turn)]
        with_shape = step >= _POSE_STEPS or count == 0
        if count and with_shape:
            mobile = (free * ~held)[:, None, None, :]
            columns.append((rotation[:, None] @ parts) * mobile)
        jacobian = metric @ picture @ torch.cat(columns, -1) / noise[..., None]
        sides = torch.cat((jacobian.reshape(batch, 136, -1), whitened.reshape(batch, 136, 1)), -1)
        sides = torch.linalg.solve_triangular(root, sides, upper=False)
        jacobian, error = sides[..., :-1], sides[..., -1:]
        normal = jacobian.transpose(1, 2) @ jacobian
        gradient = (jacobian.transpose(1, 2) @ error)[..., 0]
        unknowns = normal.shape[-1]
        diagonal = points.new_full((batch, unknowns), 1e-6)
        diagonal[:, 5] += 1 / _DISTANCE_SPREAD**2
        gradient[:, 5] += (NOMINAL_DISTANCE - translation[:, 2]) / _DISTANCE_SPREAD**2
        if unknowns > 6:
            diagonal[:, 6:] += precision
            gradient[:, 6:] -= precision * coefficients * (free * ~held)
        change = torch.linalg.solve(normal + torch.diag_embed(diagonal), gradient)
        rotation = _rotation(change[:, :3].clamp(-0.4, 0.4)) @ rotation
        translation = translation + change[:, 3:6]
        translation = torch.cat((translation[:, :2], translation[:, 2:].clamp(200.0, 5000.0)), -1)
        if unknowns > 6:
            wanted = coefficients + change[:, 6:]
            coefficients = wanted.maximum(lower.to(wanted)).minimum(upper.to(wanted))
            # a coefficient at its bound stays there for a step, then may leave again
            held = ((wanted < lower) | (wanted > upper)) & (step % 2 == 0)
    return LandmarkSolution(coefficients=coefficients, rotation=rotation, translation=translation)


_POSE_STEPS = 2  # before coefficients join: the start is a scaled orthographic view


def _start(points: Tensor, weights: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
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


def _jaw_metric(points: Tensor) -> Tensor:
    """Return (B, 68, 2, 2): identity, but for jaw points one that counts little along the jaw."""
    metric = torch.eye(2).to(points).expand(len(points), 68, 2, 2).clone()
    jaw = points[:, :JAW]
    along = torch.cat((jaw[:, 1:2] - jaw[:, :1], jaw[:, 2:] - jaw[:, :-2], jaw[:, -1:] - jaw[:, -2:-1]), 1)
    along = along / along.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    outer = along[..., :, None] * along[..., None, :]
    metric[:, :JAW] = metric[:, :JAW] - (1 - _ALONG_JAW) * outer
    return metric


def _cross_matrix(v: Tensor) -> Tensor:
    """Return (..., 3, 3) with [v]× w = v × w."""
    x, y, z = v.unbind(-1)
    none = torch.zeros_like(x)
    return torch.stack((none, -z, y, z, none, -x, -y, x, none), -1).reshape(*v.shape, 3)


def _rotation(vector: Tensor) -> Tensor:
    """Return the rotations (B, 3, 3) about vectors (B, 3), by their length in radians."""
    return torch.linalg.matrix_exp(_cross_matrix(vector))
