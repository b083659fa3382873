"""A small suite with exact truth, and stages that are known by their answers and count their calls."""

from __future__ import annotations

import time
from typing import ClassVar

import attrs
import numpy as np
import torch

from occface_core import (
    DetailRecoverer,
    FaceDetail,
    FaceInpainter,
    Landmarks,
    Matte,
    OcclusionMatting,
    ShapeRegressor,
)
from occface_core.ablation import Sample, Suite, Surface
from occface_core.ablation.metrics.shape import skin
from occface_core.facemodel import FaceModel
from occface_core.geometry.align import mean_landmarks
from occface_core.null import NoDetail, NoInpainting, NoMatting, NoShape
from occface_core.stages import LandmarkDetector

CALLS: dict[str, int] = {}
"""Label of a counting stage → calls."""


def points(shift: float = 0.0) -> np.ndarray:
    """The mean face's points, frontal, in the nominal crop."""
    from occface_core.geometry.camera import (
        NOMINAL_DISTANCE,
        frontal_rotation,
        intrinsics,
        project,
        to_camera,
    )

    face = mean_landmarks()
    camera = to_camera(face, frontal_rotation(face), face.new_tensor([0.0, 0.0, NOMINAL_DISTANCE]))
    return (project(camera, intrinsics(256).to(face)).numpy() + shift).astype(np.float32)


@attrs.define(kw_only=True)
class SmallSuite(Suite):
    """Grey faces with a black block in front, more of it from face to face.

    Attributes:
        size: faces.
        surface: whether the shape is known.
    """

    name: ClassVar[str] = "small"
    size: int = 4
    surface: bool = False

    def __len__(self) -> int:
        return self.size

    def load(self, index: int) -> Sample:
        clean = np.full((256, 256, 3), 128, np.uint8)
        clean[..., 0] = np.arange(256)
        face = np.zeros((256, 256), np.float32)
        face[40:216, 50:206] = 1
        matte = np.zeros_like(face)
        matte[40 : 60 + 10 * index, 50:206] = 1
        model = FaceModel.embedded()
        ids = np.flatnonzero(model.region("face") & skin(model))
        surface = Surface(
            vertices=model.mean[ids],
            landmarks=model.mean[model.landmarks68],
            landmark_ids=np.arange(68),
            model=model.name,
            ids=ids,
        )
        return Sample(
            name=f"face {index}",
            photo=np.where(matte[..., None] > 0, np.uint8(0), clean),
            points=points(),
            matte=matte,
            face=face,
            clean=clean,
            visible=np.ones(68, np.float32),
            surface=surface if self.surface else None,
        )


@attrs.define(kw_only=True)
class Detector(LandmarkDetector):
    """The mean face, `off` pixels off.

    Attributes:
        off: pixels.
        faces: how many it finds; the last one is the right one.
    """

    off: float = 0.0
    faces: int = 1

    def run(self, photo):
        CALLS["detector"] = CALLS.get("detector", 0) + 1
        found = [points(self.off + 400.0 * (self.faces - 1 - i)) for i in range(self.faces)]
        return Landmarks(points=torch.from_numpy(np.array(found, np.float32).reshape(-1, 68, 2)))


@attrs.define(kw_only=True)
class Marking(OcclusionMatting):
    """Nothing is hidden, after a pause.

    Attributes:
        label: name for counting.
        pause: seconds.
    """

    label: str = "marking"
    pause: float = 0.0

    def run(self, image, landmarks):
        CALLS[self.label] = CALLS.get(self.label, 0) + 1
        time.sleep(self.pause)
        return NoMatting().run(image, landmarks)


@attrs.define(kw_only=True)
class Filling(FaceInpainter):
    """The image as it is, after a pause.

    Attributes:
        label: name for counting.
        pause: seconds.
    """

    label: str = "filling"
    pause: float = 0.0

    def run(self, image, matte, landmarks):
        CALLS[self.label] = CALLS.get(self.label, 0) + 1
        time.sleep(self.pause)
        return NoInpainting().run(image, matte, landmarks)


@attrs.define(kw_only=True)
class Shaping(ShapeRegressor):
    """The mean shape.

    Attributes:
        scale: of the shape.
    """

    scale: float = 1.0

    def run(self, clean, landmarks):
        CALLS["shaping"] = CALLS.get("shaping", 0) + 1
        shape = NoShape().run(clean, landmarks)
        return attrs.evolve(shape, vertices=shape.vertices * self.scale)


@attrs.define(kw_only=True)
class Detailing(DetailRecoverer):
    """A flat bump map."""

    def run(self, clean, shape, matte) -> FaceDetail:
        CALLS["detailing"] = CALLS.get("detailing", 0) + 1
        return NoDetail().run(clean, shape, matte)


@attrs.define(kw_only=True)
class Failing(FaceInpainter):
    """Fails."""

    def run(self, image, matte: Matte, landmarks):
        raise ZeroDivisionError("by design")


@attrs.define(kw_only=True)
class NotANumber(FaceInpainter):
    """Answers with NaN."""

    def run(self, image, matte, landmarks):
        return image * float("nan")


BASE = {
    "landmark_detector": Detector,
    "occlusion_matting": Marking,
    "face_inpainter": Filling,
    "shape_regressor": Shaping,
    "detail_recoverer": Detailing,
}
