"""Bump map from shading over the fitted base shape (paper 3.4: how its ground truth is made, eq. 7)."""

from __future__ import annotations

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from occface_classic.detail.linear_shading import slope_response, solve_height
from occface_classic.detail.rendering import BaseRendering, render_base
from occface_classic.matting.skin import features, fit_skin
from occface_classic.pixels import planes, rgb_arrays, scaled, to_planes
from occface_core.face_region import face_region
from occface_core.geometry.illumination import fit_illumination, light
from occface_core.stages import DetailRecoverer
from occface_core.types import FaceDetail, FaceShape, Matte

_DEEP = 5.0  # mm a unit of log brightness, where light comes from everywhere: creases are dark
_AMBIENT = 0.1  # squared response of brightness to slope under which the first rule takes over
_FLAT_NOISE = 0.012  # log brightness below which nothing is believed
_UNLIKE = 1.8  # standard deviations of skin colour
_STRIDE = 7  # every so many pixels suffice for the 27 numbers of the light


@attrs.define(kw_only=True)
class ShapeFromShading(DetailRecoverer):
    """Explain what the shaded base shape leaves over of the brightness by small heights.

    Log brightness less the base shape's own, and less everything wider than `scale` (light and albedo that
    were fitted badly), is taken as shading of a height field: its slope in the direction of the light
    changes the brightness, and under light from all sides creases are darker. Eyes, brows, lips, hair,
    beard and hidden pixels are not believed; there the height relaxes smoothly to 0.

    Attributes:
        scale: widest detail, standard deviation in pixels at crop size 256; positive.
        strength: factor on the brightness that is to be explained; 0 and more.
        smoothness: of the surface; more gives less noise and less detail; positive.
        limit: largest height, mm; positive.
    """

    licence = "Apache-2.0; no weights"

    scale: float = attrs.field(default=9.0, converter=float, validator=attrs.validators.gt(0))
    strength: float = attrs.field(default=1.0, converter=float, validator=attrs.validators.ge(0))
    smoothness: float = attrs.field(default=0.03, converter=float, validator=attrs.validators.gt(0))
    limit: float = attrs.field(default=3.0, converter=float, validator=attrs.validators.gt(0))

    def run(self, clean: Tensor, shape: FaceShape, matte: Matte) -> FaceDetail:
        """Estimate the displacement from the base shape; see `DetailRecoverer.run`."""
        size = clean.shape[-1]
        if len(clean) == 0:
            return FaceDetail(bump=clean.new_zeros(0, 1, size, size), shape=shape)
        base = render_base(shape, size)
        region = face_region(shape.landmarks(), size)
        trust = base.skin * region * (1 - matte.alpha) * _bare_skin(clean, base)
        illumination = _light(clean, base, trust)
        normals = base.normals.permute(0, 2, 3, 1).reshape(len(clean), -1, 3)
        lit = light(normals, illumination).reshape(len(clean), size, size, 3).permute(0, 3, 1, 2)
        explained = (base.albedo * lit).mean(1, keepdim=True).clamp_min(0.03)
        left = (clean.mean(1, keepdim=True).clamp_min(0.03) / explained).log()
        right, upward = (x.reshape(-1, 1, size, size) for x in slope_response(normals, illumination))
        each = [planes(x) for x in (left, right, upward, base.pitch, trust, base.face)]
        solved = [self._height(*parts) for parts in zip(*each, strict=True)]
        return FaceDetail(
            bump=to_planes([height for height, _ in solved], clean),
            shape=shape,
            valid=to_planes([seen for _, seen in solved], clean),
        )

    def _height(
        self,
        left: NDArray[np.float32],
        right: NDArray[np.float32],
        upward: NDArray[np.float32],
        pitch: NDArray[np.float32],
        trust: NDArray[np.float32],
        face: NDArray[np.float32],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return height (S, S) in mm and where it was seen (S, S) in [0, 1]."""
        size = len(left)
        inside = face > 0.5
        seen = fade(trust, scaled(6, size)) * inside
        if seen.sum() < 16:
            return np.zeros(left.shape), np.zeros(left.shape)
        # light or dark beyond what shading does: moles, stubble, glints, hair on the skin
        wide = _local_mean(left, seen, self.scale * size / 256)
        residual = left - wide
        spread = 1.48 * np.median(np.abs(residual[seen > 0.5])) if (seen > 0.5).any() else 0.1
        seen = seen / (1 + (residual / max(5 * spread, 0.15)) ** 2) ** 2
        residual = left - _local_mean(left, seen, self.scale * size / 256)
        residual = np.sign(residual) * np.maximum(np.abs(residual) - _FLAT_NOISE, 0)
        residual = self.strength * cv2.GaussianBlur(residual, (0, 0), max(0.7 * size / 256, 0.3))
        residual = 0.5 * np.tanh(residual / 0.5)
        height = solve_height(
            residual.astype(np.float64),
            right,
            upward,
            pitch,
            seen,
            inside,
            guess=_DEEP * residual,
            guess_weight=_AMBIENT / (1 + (right**2 + upward**2) / _AMBIENT),
            smoothness=self.smoothness,
        )
        height = self.limit * np.tanh(height / self.limit)
        return height * fade(face, scaled(8, size)), seen


def _light(clean: Tensor, base: BaseRendering, trust: Tensor) -> Tensor:
    """Return (B, 27), the light that explains the crop's skin best under the base shape."""

    def points(x: Tensor) -> Tensor:
        return x[:, :, ::_STRIDE, ::_STRIDE].flatten(2).transpose(1, 2)

    return fit_illumination(
        points(base.albedo), points(base.normals), points(clean), points(trust)[..., 0], ridge=3e-3
    )


def _bare_skin(clean: Tensor, base: BaseRendering) -> Tensor:
    """Return (B, 1, S, S) in [0, 1], where the crop has the colour of the face's own skin: not hair."""
    size = clean.shape[-1]
    likeness = []
    for image, skin in zip(rgb_arrays(clean), planes(base.skin), strict=True):
        f = features(cv2.GaussianBlur(image, (0, 0), max(2.0 * size / 256, 0.3)))
        inside = skin > 0.5
        model = fit_skin(f, inside, np.median(f[inside], axis=0)) if inside.any() else None
        unlike = np.zeros(skin.shape) if model is None else model.unlikeness(f)
        likeness.append(1 / (1 + (unlike / _UNLIKE) ** 4))
    return to_planes(likeness, clean)


def fade(mask: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Return the mask fading from 0 at its border to its own values `width` pixels inside."""
    inner = np.pad((mask > 0.05).astype(np.uint8), 1)
    distance = cv2.distanceTransform(inner, cv2.DIST_L2, 5)[1:-1, 1:-1]
    return np.asarray(mask * np.clip((distance - 1) / width, 0, 1), dtype=np.float32)


def _local_mean(
    values: NDArray[np.float32], weight: NDArray[np.float32], sigma: float
) -> NDArray[np.float32]:
    """Return the weighted Gaussian mean about each pixel; unweighted pixels do not count."""
    total = cv2.GaussianBlur(weight, (0, 0), sigma)
    return np.asarray(cv2.GaussianBlur(values * weight, (0, 0), sigma) / np.maximum(total, 1e-4))
