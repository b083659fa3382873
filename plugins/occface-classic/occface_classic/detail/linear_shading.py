"""Height from log brightness: shading linearised about the base normals, solved as one sparse system."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import cg
from torch import Tensor

from occface_core.geometry.illumination import light

Plane = NDArray[np.float64]

_STEP = 0.02  # of the slope, for the derivative of the light


def slope_response(normals: Tensor, illumination: Tensor) -> tuple[Tensor, Tensor]:
    """Return how log brightness changes with the surface's slope, to the right and upwards.

    With z = z(x, y) towards the viewer, n is along (-z_x, -z_y, 1); returned are d log l / d z_x and
    d log l / d z_y, l the mean of the three colours' light.

    Args:
        normals: (B, N, 3) unit normals in viewer axes.
        illumination: (B, 27).

    Returns:
        two (B, N), bounded to ±4; 0 where the surface is seen edge-on.
    """

    def log_light(across: Tensor, up: Tensor) -> Tensor:
        direction = torch.stack((-across, -up, torch.ones_like(up)), -1)
        direction = direction / direction.norm(dim=-1, keepdim=True)
        return light(direction, illumination).mean(-1).clamp_min(0.05).log()

    front = normals[..., 2].clamp_min(0.2)
    across, up = -normals[..., 0] / front, -normals[..., 1] / front
    seen = (normals[..., 2] > 0.2).to(normals)
    right = (log_light(across + _STEP, up) - log_light(across - _STEP, up)) / (2 * _STEP)
    upward = (log_light(across, up + _STEP) - log_light(across, up - _STEP)) / (2 * _STEP)
    return right.clamp(-4, 4) * seen, upward.clamp(-4, 4) * seen


def solve_height(
    target: Plane,
    right: Plane,
    upward: Plane,
    pitch: Plane,
    trust: Plane,
    inside: NDArray[np.bool_],
    *,
    guess: Plane,
    guess_weight: Plane,
    smoothness: float,
    relaxation: float = 0.003,
) -> Plane:
    """Return the height (S, S) in mm that explains `target`, 0 off the face.

    Minimises over h, zero outside `inside`:
    Σ trust (right h_x + upward h_y - target)² + Σ (guess_weight trust + ε) (h - trust guess)² + smoothness Σ |∇h|²
    with slopes per mm. Where trust is 0 the surface is a smooth membrane that relaxes to 0.

    Args:
        target: (S, S) log brightness that the base shape does not explain.
        right: (S, S), see `slope_response`.
        upward: (S, S).
        pitch: (S, S) mm a pixel.
        trust: (S, S) in [0, 1].
        inside: (S, S), where to solve.
        guess: (S, S) mm, a height to stay near.
        guess_weight: (S, S) strength of the guess, per mm².
        smoothness: strength of the membrane.
        relaxation: ε, the pull to 0 where nothing is seen, per mm².
    """
    count = int(inside.sum())
    height = np.zeros(inside.shape)
    if count < 4:
        return height
    index = np.full(inside.shape, -1)
    index[inside] = np.arange(count)
    across = _difference(index, inside, 0, 1)
    down = _difference(index, inside, 1, 0)
    scale = diags(1 / np.maximum(pitch[inside], 1e-3))
    slope_right, slope_up = scale @ across, scale @ down * -1.0
    w = trust[inside]
    shading = diags(right[inside]) @ slope_right + diags(upward[inside]) @ slope_up
    screen = guess_weight[inside] * w + relaxation
    matrix = (
        shading.T @ diags(w) @ shading
        + smoothness * (slope_right.T @ slope_right + slope_up.T @ slope_up)
        + diags(screen)
    ).tocsr()
    moment = shading.T @ (w * target[inside]) + screen * w * guess[inside]
    inverse_diagonal = diags(1 / matrix.diagonal())
    solution, _ = cg(matrix, moment, x0=w * guess[inside], rtol=1e-3, maxiter=300, M=inverse_diagonal)
    height[inside] = solution
    return height


def _difference(index: NDArray[np.int64], inside: NDArray[np.bool_], dy: int, dx: int) -> csr_matrix:
    """Return the (N, N) forward difference to the neighbour; beyond the face the height is 0."""
    count = int(inside.sum())
    neighbour = np.full(index.shape, -1)
    height, width = index.shape
    neighbour[: height - dy, : width - dx] = index[dy:, dx:]
    there = neighbour[inside]
    has = there >= 0
    rows = np.concatenate([np.arange(count), np.nonzero(has)[0]])
    columns = np.concatenate([np.arange(count), there[has]])
    values = np.concatenate([np.full(count, -1.0), np.ones(int(has.sum()))])
    return csr_matrix((values, (rows, columns)), shape=(count, count))
