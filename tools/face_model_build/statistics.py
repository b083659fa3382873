"""Rigid alignment and principal components."""

from __future__ import annotations

import attrs
import numpy as np
from scipy.linalg import eigh


def rigid_align(shapes: np.ndarray, reference: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Move every shape (B, N, 3) rigidly onto ``reference`` (N, 3), weighted by (N,); no scaling.

    Source: W. Kabsch, 1976.
    """
    w = weights / weights.sum()
    centre = np.einsum("n,bnk->bk", w, shapes)
    target_centre = w @ reference
    moved = shapes - centre[:, None]
    target = reference - target_centre
    covariance = np.einsum("n,bni,nj->bij", w, moved, target)
    u, _, vt = np.linalg.svd(covariance)
    sign = np.sign(np.linalg.det(u @ vt))
    u[:, :, 2] *= sign[:, None]
    return (moved @ (u @ vt) + target_centre).astype(shapes.dtype)


@attrs.define(frozen=True, kw_only=True, eq=False)
class Components:
    """Principal components, scaled so that coefficients have unit variance.

    Attributes:
        mean: (D,) float.
        basis: (K, D), one standard deviation each.
        standard_deviation: (K,) of the weighted coordinates.
        explained: share of the weighted variance held.
    """

    mean: np.ndarray
    basis: np.ndarray
    standard_deviation: np.ndarray
    explained: float


def principal_components(
    data: np.ndarray, weights: np.ndarray, count: int, mean: np.ndarray | None = None
) -> Components:
    """Find ``count`` components of (B, D) data under per-coordinate weights (D,).

    Signs are fixed (largest absolute coordinate positive), so that a rebuild gives the same files.
    """
    centre = data.mean(axis=0) if mean is None else mean
    centred = data - centre
    scaled = (centred * weights).astype(np.float64)
    gram = scaled @ scaled.T / len(data)
    values, vectors = eigh(gram, subset_by_index=(len(data) - count, len(data) - 1))
    order = np.argsort(values)[::-1]
    deviation = np.sqrt(np.maximum(values[order], 1e-12))
    coefficients = vectors[:, order] * np.sqrt(len(data))
    basis = coefficients.T @ centred / len(data)
    peak = np.take_along_axis(basis, np.abs(basis).argmax(axis=1)[:, None], axis=1)
    basis *= np.sign(peak)
    return Components(
        mean=centre,
        basis=basis,
        standard_deviation=deviation,
        explained=float(values[order].sum() / np.trace(gram)),
    )


def project(data: np.ndarray, parts: Components, weights: np.ndarray) -> np.ndarray:
    """Return the (B, K) weighted least-squares coefficients of (B, D) data."""
    basis = (parts.basis * weights).astype(np.float64)
    target = ((data - parts.mean) * weights).astype(np.float64)
    return np.linalg.solve(basis @ basis.T, basis @ target.T).T
