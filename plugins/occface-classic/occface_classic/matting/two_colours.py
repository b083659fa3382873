"""Split a face whose mouth is covered into skin and cover, by the colours of both."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from occface_classic.matting.own_features import own_features
from occface_classic.pixels import scaled
from occface_core.face_region import face_axes

_FLOOR = np.array([0.05, 0.05, 0.15]) ** 2  # least variance of a colour model
_PRIOR = 4.0  # log odds at a nose's height below and above the nose's middle


def covered_part(
    f: NDArray[np.float32], inside: NDArray[np.bool_], points: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return (S, S), the part of the face in the colours of what covers the mouth.

    Two Gaussians in colour, one started below the nose and one about and under the eyes, are refined
    twice (hard EM) with a gentle preference for cover below and skin above.

    Args:
        f: (S, S, 3), see `skin.features`.
        inside: (S, S), the face region.
        points: (68, 2) pixels.
    """
    size = len(f)
    up, _, height = face_axes(points)
    own, _ = own_features(points, size)
    rows, columns = np.indices(inside.shape)
    level = (columns * up[0] + rows * up[1] - points[29] @ up) / height  # 0 at the nose's middle, up positive
    cover = inside & (level < -0.55)
    skin = inside & ~own & (level > 0.12) & (level < 1.3)
    prior = np.clip(-_PRIOR * (level + 0.1) / 0.8, -_PRIOR, _PRIOR)
    if cover.sum() < 8 or skin.sum() < 8:
        return np.zeros(inside.shape, bool)
    odds = np.zeros(inside.shape)
    for _ in range(3):
        odds = _log_likelihood(f, f[cover]) - _log_likelihood(f, f[skin]) + prior
        # eyes and brows are neither, and lie above
        next_cover, next_skin = inside & (odds > 0) & ~(own & (level > 0)), inside & (odds < 0) & ~own
        if next_cover.sum() < 8 or next_skin.sum() < 8:
            break
        cover, skin = next_cover, next_skin & (level > -0.4)
        if skin.sum() < 8:
            break
    smooth = cv2.GaussianBlur(np.clip(odds, -8, 8).astype(np.float32), (0, 0), max(2.0 * size / 256, 0.3))
    mask = ((smooth > 0) & inside & ~(own & (level > 0.1))).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * scaled(2, size) + 1,) * 2)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, disc)
    _, labels = cv2.connectedComponents(mask, connectivity=4)
    below = labels[inside & (level < -0.3) & (labels > 0)]
    if len(below) == 0:
        return np.zeros(inside.shape, bool)
    counts = np.bincount(below)
    large = np.nonzero(counts > 0.1 * counts.sum())[0]
    return np.isin(labels, large[large > 0])


def _log_likelihood(f: NDArray[np.float32], samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (S, S) robust Gaussian log likelihood of every pixel under the samples' distribution."""
    middle = np.median(samples, axis=0)
    residual = np.clip(samples - middle, -0.5, 0.5)
    covariance = residual.T @ residual / len(residual) + np.diag(_FLOOR)
    away = (f - middle).reshape(-1, 3)
    distance = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away).reshape(f.shape[:2])
    # heavier tails than a Gaussian: a crease or a print does not outweigh everything else
    return np.asarray(-2.5 * np.log1p(distance / 5.0) - 0.5 * np.linalg.slogdet(covariance)[1])
