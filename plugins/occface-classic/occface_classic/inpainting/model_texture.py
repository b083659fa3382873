"""Completion of a face from the face model, lit and coloured like the skin in view."""

from __future__ import annotations

from pathlib import Path

import attrs
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from occface_classic.inpainting.diffusion import inpaint_array
from occface_classic.inpainting.grain import grain_like
from occface_classic.inpainting.hidden_fit import fit_hidden
from occface_classic.inpainting.hole import background_ring, hole_mask, sure_face
from occface_classic.inpainting.membrane import membrane_fill
from occface_classic.inpainting.mirror import mirror_map
from occface_classic.inpainting.portrait import Portrait, draw_portrait
from occface_classic.pixels import planes, rgb_arrays, scaled, to_rgb
from occface_classic.shape.face_model import open_face_model
from occface_classic.shape.landmark_basis import LandmarkBasis
from occface_core.compositing import composite
from occface_core.face_region import face_region
from occface_core.facemodel import FaceModel
from occface_core.stages import FaceInpainter
from occface_core.types import Landmarks, Matte

_FLOOR = 0.05  # colours are compared by the logarithm of colour + floor, so that light is a sum
_RANGE = float(np.log((1 + _FLOOR) / _FLOOR))
_DARKER, _BRIGHTER, _HUE = 0.12, 0.3, 0.13  # in units of the code; 0.12 is about a factor of 1.45
_STRETCH = 2.5  # a mirrored pixel that is magnified more than this in area is too coarse
_LIT = 0.5  # most that mirrored pixels are relit, natural logarithm


@attrs.define(kw_only=True)
class ModelTexture(FaceInpainter):
    """Draw the hidden part of the face with the face model; take its mirror image where that is in view.

    The face model is fitted to the landmarks (hidden ones count little, hidden expressions are at rest), light
    and skin colour to the skin in view. The drawn face fills the hole by its gradients in a logarithmic code,
    so that brightness and hue agree with the photo along the border. Pixels whose mirror image is visible are
    copied from there, relit. Where the model has no surface, Telea's method fills. The photo's grain is added.

    Attributes:
        face_model: "embedded", the path of a saved face model, or a `FaceModel`.
        margin: pixels about the matte not trusted as a source, at crop size 256; 0 and more.
        noise: standard deviation of a landmark in the fit, pixels at crop size 256; positive.
        mirror: whether to copy from the other side of the face where that is in view.
        grain: strength of the photo's grain in the filling; 1 = as in the photo, 0 = none.
        radius: neighbourhood for Telea's method, pixels at crop size 256; positive.
    """

    licence = "Apache-2.0; embedded face model CC0-1.0"

    face_model: str | Path | FaceModel = "embedded"
    margin: float = attrs.field(default=3.0, converter=float, validator=attrs.validators.ge(0))
    noise: float = attrs.field(default=2.0, converter=float, validator=attrs.validators.gt(0))
    mirror: bool = attrs.field(default=True, validator=attrs.validators.instance_of(bool))
    grain: float = attrs.field(default=0.5, converter=float, validator=attrs.validators.ge(0))
    radius: float = attrs.field(default=5.0, converter=float, validator=attrs.validators.gt(0))
    _model: FaceModel | None = attrs.field(default=None, init=False, repr=False)
    _basis: LandmarkBasis | None = attrs.field(default=None, init=False, repr=False)

    def setup(self, device: str = "cpu") -> None:
        """Load the face model."""
        self._model = open_face_model(self.face_model)
        self._basis = LandmarkBasis.of(self._model)

    def run(self, image: Tensor, matte: Matte, landmarks: Landmarks) -> Tensor:
        """Complete what the matte hides; see `FaceInpainter.run`."""
        if self._model is None:
            self.setup()
        faces = planes(face_region(landmarks.points, image.shape[-1]))
        points = landmarks.points.detach().float().cpu()
        trust = landmarks.weights().detach().float().cpu()
        batch = zip(rgb_arrays(image), planes(matte.alpha), faces, points, trust, strict=True)
        return composite(image, to_rgb([self._complete(*face) for face in batch], image), matte.alpha)

    def _complete(
        self,
        image: NDArray[np.float32],
        alpha: NDArray[np.float32],
        face: NDArray[np.float32],
        points: Tensor,
        trust: Tensor,
    ) -> NDArray[np.float32]:
        hole = hole_mask(alpha, self.margin)
        if not hole.any():
            return image
        size = len(image)
        inner = sure_face(face)
        if not bool(torch.isfinite(points).all()) or size < _SMALLEST:
            return self._diffused(image, hole, face, inner)
        assert self._model is not None and self._basis is not None
        trust = trust * (1 - _hidden(hole, points))
        shape = fit_hidden(self._model, self._basis, points[None], trust[None], size, self.noise)
        seen = inner & ~hole
        portrait = draw_portrait(
            torch.from_numpy(image).permute(2, 0, 1)[None],
            torch.from_numpy(_near(seen, hole))[None, None],
            shape,
            closed=bool(trust[48:].mean() < 0.5),
        )
        inside = hole & (portrait.cover > 0.5)
        if not inside.any():
            return self._diffused(image, hole, face, inner)
        code, source = _encode(image), _encode(portrait.colour)
        on_model = seen & (portrait.cover > 0.99)
        agreeing = _agreeing(code, source, on_model, hole)
        # a brow or an eye that is not quite where the model has it says nothing about the skin's colour
        usable, rest = agreeing & portrait.skin, inside
        if self.mirror:
            there = mirror_map(_settled(points, trust, shape.landmarks()[0]), size)
            copied, mirrored = _mirrored(
                image, portrait, agreeing | (on_model & ~portrait.skin), there, inside
            )
            code = membrane_fill(code, copied, mirrored, usable)
            usable, rest = usable | copied, inside & ~copied
        result = _decode(membrane_fill(code, rest, source, usable))
        rng = np.random.default_rng(0)
        result = result + self.grain * grain_like(image, usable & seen, rng) * rest[..., None]
        result = np.where(inside[..., None], result, image).clip(0, 1).astype(np.float32)
        beyond = hole & ~inside
        if not beyond.any():
            return result
        return self._diffused(result, beyond, face, inner | inside)

    def _diffused(
        self,
        image: NDArray[np.float32],
        hole: NDArray[np.bool_],
        face: NDArray[np.float32],
        inner: NDArray[np.bool_],
    ) -> NDArray[np.float32]:
        """Fill a hole by Telea's method: the face from the face, what is off the face from its surroundings."""
        outer = hole & (face <= 0.5)
        if outer.any():
            image = inpaint_array(image, hole, self.radius, cv2.INPAINT_TELEA)
        if not (hole & ~outer).any():
            return image
        on_face = hole & ~outer
        filled = inpaint_array(
            image, on_face | background_ring(on_face, inner) & _about(on_face), self.radius, cv2.INPAINT_TELEA
        )
        return np.where(on_face[..., None], filled, image).astype(np.float32)


def _about(hole: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels close to a hole: enough to keep the background out, fewer than to be slow."""
    distance = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(distance < scaled(_BAND, len(hole)))


_BAND = 10.0  # pixels at the reference size
_NEAR, _ENOUGH = 70.0, 45.0  # pixels at the reference size; the second squared
_SMALLEST = 16  # pixels; below, there is nothing to draw


def _hidden(hole: NDArray[np.bool_], points: Tensor) -> Tensor:
    """Return (68,) 1 where a landmark lies in the hole."""
    size = len(hole)
    place = points.round().long()
    inside = ((place >= 0) & (place < size)).all(-1)
    place = place.clamp(0, size - 1)
    return torch.from_numpy(hole)[place[:, 1], place[:, 0]].float() * inside


def _near(seen: NDArray[np.bool_], hole: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels in view about the hole if they are enough, else all in view.

    Light with cast shadows, a cap's for example, is not the same all over the face.
    """
    distance = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, 3)
    near = seen & (distance < scaled(_NEAR, len(hole)))
    return np.asarray(near if near.sum() > scaled(_ENOUGH, len(hole)) ** 2 else seen)


def _encode(colour: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logarithm of colours, scaled so that [0, 1] becomes [0, 1]."""
    return np.asarray(np.log(np.clip(colour, 0, 1) / _FLOOR + 1) / _RANGE, dtype=np.float32)


def _decode(code: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(_FLOOR * (np.exp(code * _RANGE) - 1), dtype=np.float32)


def _agreeing(
    code: NDArray[np.float32],
    source: NDArray[np.float32],
    seen: NDArray[np.bool_],
    hole: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return the pixels in view whose difference from the drawn face is near the usual one.

    Elsewhere hair, a beard's edge or a shadow is in view, which must not colour the filling.
    """
    if not seen.any():
        return seen
    difference = cv2.GaussianBlur(code - source, (0, 0), 1.0)
    difference = difference - np.median(difference[_near(seen, hole)], 0)
    tone = difference.mean(-1)
    hue = np.abs(difference - tone[..., None]).max(-1)
    return np.asarray(seen & (tone > -_DARKER) & (tone < _BRIGHTER) & (hue < _HUE))


def _settled(points: Tensor, trust: Tensor, fitted: Tensor) -> NDArray[np.float64]:
    """Return (68, 2) landmarks, the hidden ones where the model has them."""
    share = trust.clamp(0, 1)[:, None]
    return np.asarray((share * points + (1 - share) * fitted).numpy(), dtype=np.float64)


def _mirrored(
    image: NDArray[np.float32],
    portrait: Portrait,
    good: NDArray[np.bool_],
    there: NDArray[np.float32],
    inside: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Return which pixels can be copied from the other side, (S, S), and the code they get, (S, S, 3)."""
    size = len(image)
    mirrored = cv2.remap(image, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.remap(good.astype(np.float32), there, None, cv2.INTER_LINEAR, borderValue=0.0) > 0.99
    here = np.log(np.maximum(portrait.light, 1e-3))
    other = cv2.remap(here, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    relit = np.clip(here - other, -_LIT, _LIT) / _RANGE
    dx, dy = np.gradient(there, axis=1), np.gradient(there, axis=0)
    area = np.abs(dx[..., 0] * dy[..., 1] - dx[..., 1] * dy[..., 0])
    copied = inside & seen & (area > 1 / _STRETCH)
    reach = scaled(2, size)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    # slivers are more seam than face
    copied = cv2.morphologyEx(copied.astype(np.uint8), cv2.MORPH_OPEN, disc) > 0
    return np.asarray(copied), np.asarray(_encode(mirrored) + relit[..., None], dtype=np.float32)
