"""What the face's own skin looks like in one photo, and how unlike it each pixel is.

Colour is taken as log ratios of channels, which shading and shadow leave alone, and log brightness.
"""

from __future__ import annotations

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray

from occface_core.face_region import face_axes

_EPSILON = 0.04  # keeps log ratios of dark pixels from being noise

# mean and standard deviation over people of log(R/G) - log(B/G), log(R/G) + log(B/G) and log brightness of
# cheeks and nose, from 300 portraits
_PEOPLE_MEAN = np.array([0.57, 0.11, -0.65])
_PEOPLE_SPREAD = np.array([0.30, 0.15, 0.40])

# tolerances within one face: shadowed skin, lips and brown hair are more saturated than lit skin, hardly
# anything on a face is less so
_HUE = (0.06, 0.10)  # constant part, part of the own saturation
_GREYER = (0.06, 0.12)
_REDDER = (0.10, 0.30)
_DARKER, _LIGHTER = 0.75, 0.32
_STIFFNESS = (0.1, 0.1, 0.01)


def features(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return log(R/G), log(B/G) and log brightness: (S, S, 3) of (S, S, 3) RGB in [0, 1]."""
    x = np.clip(image, 0, 1) + _EPSILON
    brightness = np.log(x.mean(-1))
    return np.stack([np.log(x[..., 0] / x[..., 1]), np.log(x[..., 2] / x[..., 1]), brightness], -1)


def _patches(p: NDArray[np.float64]) -> list[tuple[NDArray[np.float64], float]]:
    """Return centres of places that are bare skin on a clean face, and how far to trust each."""
    up, _, height = face_axes(p)
    under_right = p[[40, 41]].mean(0) - 0.26 * height * up
    under_left = p[[46, 47]].mean(0) - 0.26 * height * up
    return [
        (p[[21, 22]].mean(0) + 0.22 * height * up, 1.4),
        (p[[18, 20]].mean(0) + 0.25 * height * up, 1.0),
        (p[[23, 25]].mean(0) + 0.25 * height * up, 1.0),
        (p[[27, 28]].mean(0), 1.5),
        (p[29], 1.2),
        (p[30], 0.8),
        (under_right, 1.2),
        (under_left, 1.2),
        (p[[2, 31]].mean(0), 0.9),
        (p[[14, 35]].mean(0), 0.9),
        (p[[4, 48]].mean(0), 0.7),
        (p[[12, 54]].mean(0), 0.7),
        (p[[8, 57]].mean(0), 0.6),
    ]


@attrs.define(frozen=True, kw_only=True, eq=False)
class SkinModel:
    """The own skin's colour as a smooth field over the face.

    Attributes:
        coefficients: (6, 3), of the basis of `_basis`, for log(R/G), log(B/G) and log brightness.
        centre: (2,) pixels.
        radius: pixels.
    """

    coefficients: NDArray[np.float64]
    centre: NDArray[np.float64]
    radius: float

    def expected(self, size: int) -> NDArray[np.float64]:
        """Return (size, size, 3), the features that bare skin would have at each pixel."""
        rows, columns = np.indices((size, size))
        x = np.stack([columns, rows], -1).reshape(-1, 2)
        return (_basis((x - self.centre) / self.radius) @ self.coefficients).reshape(size, size, 3)

    def unlikeness(self, f: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (S, S): distance from own skin in standard deviations, of `features` (S, S, 3)."""
        expected = self.expected(len(f)).reshape(-1, 3)
        return _distance(f.reshape(-1, 3), expected).reshape(f.shape[:2])


def _basis(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (N, 6): 1, x, y, x², xy, y² of (N, 2), clipped to the face's extent."""
    x = np.clip(x, -1.2, 1.2)
    u, v = x[:, 0], x[:, 1]
    return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], -1)


def _distance(f: NDArray[np.float32], expected: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return (N,) distance of colours from expected ones; dark pixels, whose chroma is noise, count less.

    Args:
        f: (N, 3) features.
        expected: (N, 3) features.
    """
    chroma = expected[:, :2]
    saturation = np.linalg.norm(chroma, axis=1)
    grey = np.array([0.7, -0.7])
    direction = np.where(saturation[:, None] > 0.08, chroma / np.maximum(saturation, 0.08)[:, None], grey)
    residual = f - expected
    along = (residual[:, :2] * direction).sum(1)
    across = residual[:, 0] * direction[:, 1] - residual[:, 1] * direction[:, 0]
    along = along / np.where(
        along < 0, _GREYER[0] + _GREYER[1] * saturation, _REDDER[0] + _REDDER[1] * saturation
    )
    across = across / (_HUE[0] + _HUE[1] * saturation)
    trust = np.clip((np.exp(f[:, 2]) - _EPSILON) / 0.12, 0.2, 1)
    tone = residual[:, 2] / np.where(residual[:, 2] < 0, _DARKER, _LIGHTER)
    return np.asarray(np.sqrt(trust * (along**2 + across**2) + tone**2), dtype=np.float32)


def fit_skin(
    f: NDArray[np.float32], inside: NDArray[np.bool_], start: NDArray[np.floating]
) -> SkinModel | None:
    """Fit the own skin's colour robustly: the model grows from one colour over all pixels that it explains.

    Args:
        f: (S, S, 3), see `features`.
        inside: (S, S), the face region.
        start: (3,) features of skin, see `skin_colour`.

    Returns:
        The model, or None if the face region is empty.
    """
    if int(inside.sum()) < 16:
        return None
    rows, columns = np.nonzero(inside)
    x = np.stack([columns, rows], -1).astype(np.float64)
    centre, radius = x.mean(0), max(float(np.sqrt(len(x) / np.pi)), 1.0)
    basis = _basis((x - centre) / radius)
    values = f[inside].astype(np.float64)
    coefficients = np.zeros((6, 3))
    coefficients[0] = start
    # the field may bend only as far as much evidence says, brightness more freely than colour
    stiffness = np.outer([0, 1, 1, 3, 3, 3], _STIFFNESS) * len(x)
    for limit in (3.0, 2.5, 2.0, 2.0, 2.0):
        distance = _distance(values, basis @ coefficients)
        weight = (distance < limit) / (1 + distance**2)
        if weight.sum() < 8:
            break
        for channel in range(3):
            gram = basis.T @ (basis * weight[:, None]) + np.diag(stiffness[:, channel] + 1e-6)
            coefficients[:, channel] = np.linalg.solve(gram, basis.T @ (weight * values[:, channel]))
    return SkinModel(coefficients=coefficients, centre=centre, radius=radius)


def _humanity(f: NDArray[np.float64]) -> float:
    """Return a weight in (0, 1] by how usual the features (3,) are for human skin in photos."""
    usual = np.array([f[0] - f[1], f[0] + f[1], f[2]])
    away = (usual - _PEOPLE_MEAN) / _PEOPLE_SPREAD
    return float(np.exp(-0.3 * min(float(away @ away), 14.0)))


def skin_colour(
    f: NDArray[np.float32], inside: NDArray[np.bool_], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the features (3,) of the own skin.

    Places that are bare skin on a clean face vote; the largest group that agrees, and is of a colour that
    people have, wins.

    Args:
        f: (S, S, 3), see `features`.
        inside: (S, S), the face region.
        points: (68, 2) pixels.
    """
    size = len(inside)
    *_, height = face_axes(points)
    radius = max(1, round(0.09 * height))
    found, trust = [], []
    for centre, weight in _patches(points):
        disc = np.zeros((size, size), np.uint8)
        cv2.circle(disc, (round(centre[0]), round(centre[1])), radius, 1, -1)
        pixels = f[(disc > 0) & inside]
        if len(pixels) == 0:
            continue
        median = np.median(pixels, axis=0).astype(np.float64)
        found.append(median)
        trust.append(weight * _humanity(median))
    if not found:
        return np.median(f[inside], axis=0).astype(np.float64) if inside.any() else np.zeros(3)
    patches, weights = np.array(found), np.array(trust)
    difference = patches[:, None] - patches[None]
    scale = np.array([0.10, 0.10, 0.5])
    likeness = np.exp(-0.5 * ((difference / scale) ** 2).sum(-1))
    best = int((likeness @ weights).argmax())
    share = likeness[best] * weights
    return np.asarray(share @ patches / share.sum())
