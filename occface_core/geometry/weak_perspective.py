"""Fit scale, rotation and offset of known 3D points to their 2D pictures, forgiving some wrong points."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

TOLERANCE_MM = 4.0
"""Distance up to which a point counts fully; beyond it its pull stays constant (Huber's rule)."""

ITERATIONS = 12
"""Most steps; a face whose step is below `SETTLED` keeps what it has."""

SETTLED = 1e-7
"""Step (radians, relative growth, pixels) that changes nothing any more."""

_LINEAR = np.zeros((2, 6, 6))
"""A point's rows of the Jacobian, for x and for y, from its (x, y, z, residual x, residual y, 1).

Columns: a small turn about x, y, z, relative growth, shift right, shift down.
"""
_LINEAR[0, [2, 1, 0, 5], [1, 2, 3, 4]] = 1, -1, 1, 1
_LINEAR[1, [2, 0, 1, 5], [0, 2, 3, 5]] = -1, 1, 1, 1

_EYE = np.eye(3)

Floats = NDArray[np.float64]


@attrs.define(frozen=True, kw_only=True, eq=False)
class WeakPerspective:
    """A scaled orthographic view: pixel = scale · (rotation · point)[x, y] + offset.

    Attributes:
        scale: (B,) pixels per mm.
        rotation: (B, 3, 3), from the face's frame to the camera's axes.
        offset: (B, 2) pixels of the origin.
    """

    scale: Tensor
    rotation: Tensor
    offset: Tensor


def fit_weak_perspective(points: Tensor, reference: Tensor, weights: Tensor) -> WeakPerspective:
    """Fit scaled orthographic views, as `fit_views` does, to tensors; not differentiable.

    Args:
        points: (B, N, 2) pixels.
        reference: (N, 3) mm.
        weights: (B, N) trust in each point, at least 0.

    Returns:
        The views, with the dtype and device of `points`.
    """
    fit = fit_views(*(as_numbers(each) for each in (points, reference, weights)))
    scale, rotation, offset = (torch.from_numpy(each).to(points) for each in fit)
    return WeakPerspective(scale=scale, rotation=rotation, offset=offset)


def as_numbers(values: Tensor) -> Floats:
    """Return a tensor's values as float64 on the CPU."""
    return values.detach().cpu().numpy().astype(np.float64)


def fit_views(points: Floats, reference: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Fit scaled orthographic views by damped Gauss-Newton steps with Huber weights.

    Starts from the scaled rotation nearest to the affine fit. On arrays, because for so few numbers starting
    as many torch operations takes several times as long.

    Args:
        points: (B, N, 2) pixels.
        reference: (N, 3) mm.
        weights: (B, N) trust in each point, at least 0.

    Returns:
        scale (B,), rotation (B, 3, 3) and offset (B, 2) as in `WeakPerspective`. Each view is fitted by itself.
    """
    scale, rotation, offset = _affine_start(points, reference, weights)
    features = np.ones((*points.shape[:2], 6))
    going = np.ones(len(points), bool)
    for _ in range(ITERATIONS):
        turned = scale[:, None, None] * (reference @ rotation.transpose(0, 2, 1))
        residual = points - turned[..., :2] - offset[:, None]
        length = np.sqrt(np.square(residual).sum(-1))
        pull = weights * np.minimum(TOLERANCE_MM * scale[:, None] / np.maximum(length, 1e-12), 1)
        features[..., :3], features[..., 3:5] = turned, residual
        # every sum over points that the normal equations need is one of these products
        sums = (features * pull[..., None]).transpose(0, 2, 1) @ features
        columns = _LINEAR.transpose(0, 2, 1) @ sums[:, None]
        normal = (columns @ _LINEAR).sum(1)
        gradient = columns[:, 0, :, 3] + columns[:, 1, :, 4]
        diagonal = np.einsum("bii->bi", normal)  # a view
        diagonal += diagonal * 1e-3 + 1e-9
        step = np.linalg.solve(normal, gradient[..., None])[..., 0]
        step[~going] = 0
        rotation = _turn(step[:, :3].clip(-0.5, 0.5)) @ rotation
        scale = scale * np.exp(step[:, 3].clip(-0.5, 0.5))
        offset = offset + step[:, 4:]
        going &= np.abs(step).max(-1) > SETTLED
        if not going.any():
            break
    return scale, rotation, offset


def _affine_start(points: Floats, reference: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Return scale (B,), rotation (B, 3, 3) and offset (B, 2) from the weighted affine fit."""
    share = weights / np.maximum(weights.sum(1, keepdims=True), 1e-12)
    centre = (share[..., None] * reference).sum(1)
    middle = (share[..., None] * points).sum(1)
    shape = reference - centre[:, None]
    weighted = (share[..., None] * shape).transpose(0, 2, 1)
    spread = weighted @ shape
    trace = np.einsum("bii->b", spread)
    spread += _EYE * (1e-6 * trace + 1e-12)[:, None, None]
    affine = np.linalg.solve(spread, weighted @ (points - middle[:, None])).transpose(0, 2, 1)
    left, values, right = np.linalg.svd(affine, full_matrices=False)
    rows = left @ right
    (a, b, c), (d, e, f) = rows.transpose(1, 2, 0)
    third = np.stack((b * f - c * e, c * d - a * f, a * e - b * d), -1)
    rotation = np.concatenate((rows, third[:, None]), 1)
    scale = np.maximum(values.mean(-1), 1e-6)
    offset = middle - scale[:, None] * (rows @ centre[..., None])[..., 0]
    return scale, rotation, offset


def _turn(vector: Floats) -> Any:
    """Return the rotations (B, 3, 3) about vectors (B, 3) by their length (Rodrigues)."""
    skew = np.zeros((len(vector), 3, 3))
    skew[:, [2, 0, 1], [1, 2, 0]] = vector
    skew[:, [1, 2, 0], [2, 0, 1]] = -vector
    angle = np.maximum(np.sqrt(np.square(vector).sum(-1)), 1e-8)[:, None, None]
    half = np.sin(angle / 2) / angle
    return _EYE + np.sin(angle) / angle * skew + 2 * half * half * (skew @ skew)
