"""Plugins that each break one promise, and only that one."""

from __future__ import annotations

import os
import threading
from typing import Any

import attrs
import torch

from occface_core import null
from occface_core.types import FaceDetail, Landmarks, Matte


@attrs.define(kw_only=True)
class ReadsInConstructor(null.NoDetail):
    def __attrs_post_init__(self) -> None:
        with open(os.devnull) as file:
            file.read()


@attrs.define(kw_only=True)
class UndocumentedOption(null.NoDetail):
    """Has an option, and does not say so."""

    sharpness: float = 1.0


@attrs.define(kw_only=True)
class NoLicence(null.NoDetail):
    licence = "unknown"


def double(value: float) -> float:
    return 2 * value


@attrs.define(kw_only=True)
class ChangesItsOption(null.NoDetail):
    """Attributes: scale."""

    scale: float = attrs.field(default=1.0, converter=double)


@attrs.define(kw_only=True)
class HoldsALock(null.NoDetail):
    lock: Any = attrs.field(factory=threading.Lock, init=False)


@attrs.define(kw_only=True)
class Double(null.NoInpainting):
    def run(self, image, matte, landmarks):
        return image.double()


@attrs.define(kw_only=True)
class TooSure(null.NoLandmarks):
    def run(self, photo):
        return Landmarks(
            points=null.NoLandmarks.run(self, photo).points, confidence=photo.new_full((1, 68), 2.0)
        )


@attrs.define(kw_only=True)
class MatteBesideTheFace(null.NoMatting):
    def run(self, image, landmarks):
        empty = null.NoMatting.run(self, image, landmarks)
        return Matte(alpha=1 - empty.face, face=empty.face)


@attrs.define(kw_only=True)
class LevelsForMillimetres(null.NoDetail):
    def run(self, clean, shape, matte):
        return FaceDetail(bump=clean.new_full((len(clean), 1, *clean.shape[-2:]), 127.0), shape=shape)


@attrs.define(kw_only=True)
class RelativePoints(null.NoLandmarks):
    def run(self, photo):
        points = null.NoLandmarks.run(self, photo).points
        return Landmarks(points=points / max(photo.shape[-2:]))


@attrs.define(kw_only=True)
class Stretched(null.NoShape):
    def run(self, clean, landmarks):
        shape = null.NoShape.run(self, clean, landmarks)
        return attrs.evolve(shape, rotation=shape.rotation * 1.1)


@attrs.define(kw_only=True)
class Metres(null.NoShape):
    def run(self, clean, landmarks):
        shape = null.NoShape.run(self, clean, landmarks)
        return attrs.evolve(shape, vertices=shape.vertices / 1000, translation=shape.translation / 1000)


@attrs.define(kw_only=True)
class ThroughBytes(null.NoInpainting):
    def run(self, image, matte, landmarks):
        hidden = matte.alpha.amax((1, 2, 3), keepdim=True) > 0
        return torch.where(hidden, (image * 255).round() / 255, image)


@attrs.define(kw_only=True)
class BatchMean(null.NoMatting):
    def run(self, image, landmarks):
        empty = null.NoMatting.run(self, image, landmarks)
        return Matte(alpha=empty.face * (image.mean() if len(image) else 0), face=empty.face)


@attrs.define(kw_only=True)
class WritesToItsInput(null.NoDetail):
    def run(self, clean, shape, matte):
        matte.alpha.zero_()
        return null.NoDetail.run(self, clean, shape, matte)


@attrs.define(kw_only=True)
class RandomSetup(null.NoDetail):
    offset: float = attrs.field(default=0.0, init=False)

    def setup(self, device="cpu"):
        self.offset = float(torch.rand(()))

    def run(self, clean, shape, matte):
        flat = null.NoDetail.run(self, clean, shape, matte)
        return attrs.evolve(flat, bump=flat.bump + self.offset)


@attrs.define(kw_only=True)
class OnlySize256(null.NoMatting):
    def run(self, image, landmarks):
        if image.shape[-1] != 256:
            raise IndexError("index 256 is out of bounds")
        return null.NoMatting.run(self, image, landmarks)


@attrs.define(kw_only=True)
class OnlyLargePhotos(null.NoLandmarks):
    def run(self, photo):
        if min(photo.shape[-2:]) < 32:
            raise ZeroDivisionError("division by zero")
        return null.NoLandmarks.run(self, photo)


@attrs.define(kw_only=True)
class MeanOfTheVisibleFace(null.NoInpainting):
    def run(self, image, matte, landmarks):
        seen = matte.face * (1 - matte.alpha)
        colour = (image * seen).sum((2, 3), keepdim=True) / seen.sum((2, 3), keepdim=True)
        return image * (1 - matte.alpha) + colour * matte.alpha


@attrs.define(kw_only=True)
class StacksFaces(null.NoDetail):
    def run(self, clean, shape, matte):
        return FaceDetail(bump=torch.stack([0 * one[:1] for one in clean]), shape=shape)


@attrs.define(kw_only=True)
class AlwaysOnTheCpu(null.NoDetail):
    def run(self, clean, shape, matte):
        return FaceDetail(bump=torch.zeros(len(clean), 1, *clean.shape[-2:]), shape=shape)


@attrs.define(kw_only=True)
class NeedsSetup(null.NoDetail):
    scale: Any = attrs.field(default=None, init=False)

    def setup(self, device="cpu"):
        self.scale = 1.0

    def run(self, clean, shape, matte):
        flat = null.NoDetail.run(self, clean, shape, matte)
        return attrs.evolve(flat, bump=flat.bump * self.scale)


@attrs.define(kw_only=True)
class OpensAnything(null.NoDetail):
    """Attributes: weights."""

    weights: str | None = None

    def setup(self, device="cpu"):
        if self.weights is not None:
            open(self.weights).close()


@attrs.define(kw_only=True)
class ForgetsItsWeights(null.NoDetail):
    """Attributes: weights."""

    weights: str | None = None


WRONG = [
    ("constructor_does_no_io", ReadsInConstructor),
    ("options_explicit", UndocumentedOption),
    ("licence_stated", NoLicence),
    ("config_round_trip", ChangesItsOption),
    ("picklable", HoldsALock),
    ("shapes", Double),
    ("ranges", TooSure),
    ("ranges", MatteBesideTheFace),
    ("ranges", Stretched),
    ("units", LevelsForMillimetres),
    ("units", RelativePoints),
    ("units", Metres),
    ("outside_unchanged", ThroughBytes),
    ("batch_equals_singles", BatchMean),
    ("inputs_unchanged", WritesToItsInput),
    ("deterministic", RandomSetup),
    ("odd_sizes", OnlySize256),
    ("odd_sizes", OnlyLargePhotos),
    ("empty_and_full_matte", MeanOfTheVisibleFace),
    ("no_faces", StacksFaces),
    ("device_respected", AlwaysOnTheCpu),
    ("errors_of_the_right_kind", NeedsSetup),
    ("errors_of_the_right_kind", OpensAnything),
    ("errors_of_the_right_kind", ForgetsItsWeights),
]
"""Check → a plugin that fails it alone; `import_light` has modules of its own in the tests."""
