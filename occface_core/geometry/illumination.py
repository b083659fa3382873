"""Light as nine spherical harmonics for each colour (MATHS section 4): shading, and fitting the light."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from occface_core.errors import RecordError

AMBIENT = 0.8
"""Added to the first coefficient of each colour, so that coefficients of 0 are even white light."""

_A = (math.pi, 2 * math.pi / math.sqrt(3), 2 * math.pi / math.sqrt(8))
_C = (1 / math.sqrt(4 * math.pi), math.sqrt(3 / (4 * math.pi)), 3 * math.sqrt(5 / (12 * math.pi)))

STEPS = 8
FIRST_TOLERANCE, LAST_TOLERANCE = 0.4, 0.04


def basis(normals: Tensor) -> Tensor:
    """Return the harmonics Y_1..Y_9 (..., 9) of unit normals (..., 3) in viewer axes (y up, z to the viewer).

    The real spherical harmonics up to degree 2 (c), times the response of a matt surface to light (a),
    in the order and with the signs of the coefficient network of Deng et al. 2019.
    """
    x, y, z = normals.unbind(-1)
    first, second = _A[1] * _C[1], _A[2] * _C[2]
    return torch.stack(
        (
            torch.full_like(x, _A[0] * _C[0]),
            -first * y,
            first * z,
            -first * x,
            second * x * y,
            -second * y * z,
            second / (2 * math.sqrt(3)) * (3 * z * z - 1),
            -second * x * z,
            second / 2 * (x * x - y * y),
        ),
        -1,
    )


def light(normals: Tensor, illumination: Tensor) -> Tensor:
    """Return the light that falls on surfaces: (B, N, 3) for normals (B, N, 3), coefficients (B, 27)."""
    if illumination.ndim != 2 or illumination.shape[1] != 27:
        raise RecordError(f"light: illumination must have shape (B, 27), got {tuple(illumination.shape)}")
    gamma = illumination.reshape(-1, 3, 9) + _even_light(illumination)
    return basis(normals) @ gamma.transpose(1, 2)


def shade(albedo: Tensor, normals: Tensor, illumination: Tensor) -> Tensor:
    """Return colours C = T ⊙ Σ (γ_b + l_b) Y_b(n), l = (0.8, 0, …), of a matt surface.

    Args:
        albedo: (B, N, 3) in [0, 1].
        normals: (B, N, 3) unit normals in viewer axes: the rotated face frame, y up, z towards the viewer.
        illumination: (B, 27), nine coefficients of red, then of green, then of blue.

    Returns:
        (B, N, 3), not clipped.
    """
    return albedo * light(normals, illumination)


def fit_illumination(
    albedo: Tensor, normals: Tensor, colours: Tensor, mask: Tensor | None = None, *, ridge: float = 1e-4
) -> Tensor:
    """Fit the light to observed colours by reweighted least squares that ends by ignoring outliers.

    Points are weighted by 1 / (1 + (r/t)²)² of their colour error r (Geman and McClure), with a tolerance t
    that shrinks from 0.4 to 0.04: make-up, shadows and unnoticed occluders lose their say.

    Args:
        albedo: (B, N, 3) in [0, 1].
        normals: (B, N, 3) unit normals in viewer axes.
        colours: (B, N, 3) observed colours in [0, 1].
        mask: (B, N) trust in each point, at least 0; all alike if None.
        ridge: pull towards even white light, against a mean squared colour error.

    Returns:
        (B, 27) coefficients as `shade` takes them; 0 where nothing was observed.
    """
    trust = torch.ones_like(albedo[..., 0]) if mask is None else mask.to(albedo)
    trust = torch.where(torch.isfinite(colours).all(-1), trust, 0)
    harmonics = basis(normals)
    even = albedo * (AMBIENT * harmonics[..., :1])
    target = torch.where(trust[..., None] > 0, colours - even, 0)
    gamma = albedo.new_zeros((len(albedo), 3, 9))
    weight = trust
    for step in range(STEPS):
        pull = weight / trust.sum(1, keepdim=True).clamp_min(1e-12)
        strength = pull[..., None] * albedo * albedo
        normal = torch.einsum("bnc,bnp,bnq->bcpq", strength, harmonics, harmonics)
        moment = torch.einsum("bnc,bnp->bcp", pull[..., None] * albedo * target, harmonics)
        damped = normal + ridge * torch.eye(9).to(normal)
        gamma = torch.linalg.solve(damped, moment)
        error = (target - albedo * (harmonics @ gamma.transpose(1, 2))).norm(dim=-1)
        tolerance = FIRST_TOLERANCE * (LAST_TOLERANCE / FIRST_TOLERANCE) ** (step / (STEPS - 1))
        weight = trust / (1 + (error / tolerance) ** 2) ** 2
    return gamma.reshape(-1, 27)


def _even_light(like: Tensor) -> Tensor:
    even = torch.zeros(9, dtype=like.dtype, device=like.device)
    even[0] = AMBIENT
    return even
