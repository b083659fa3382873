"""The "none" plugin of each stage: what is left when a stage is taken out, for ablations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from occface_core.stages import (
    DetailRecoverer,
    FaceInpainter,
    LandmarkDetector,
    OcclusionMatting,
    ShapeRegressor,
)
from occface_core.types import FaceDetail, FaceShape, Landmarks, Matte

if TYPE_CHECKING:
    from torch import Tensor


@attrs.define(kw_only=True)
class NoLandmarks(LandmarkDetector):
    """The mean face's landmarks, frontal and upright, in the middle of the photo.

    Attributes:
        face_size: distance from brow to chin as a share of the photo's shorter side.
    """

    licence = "Apache-2.0"
    face_size: float = attrs.field(default=0.5, validator=[attrs.validators.gt(0), attrs.validators.le(2)])

    def run(self, photo: Tensor) -> Landmarks:
        """Return one face in the middle, with confidence 0: nothing was looked at."""
        from occface_core.geometry.align import mean_landmarks

        height, width = photo.shape[-2:]
        mean = mean_landmarks()[:, :2].to(photo) * photo.new_tensor([1.0, -1.0])
        span = mean[:, 1].max() - mean[:, 1].min()
        centre = photo.new_tensor([(width - 1) / 2, (height - 1) / 2])
        points = (mean - mean.mean(0)) / span * (self.face_size * min(height, width)) + centre
        return Landmarks(points=points[None], confidence=photo.new_zeros(1, 68))


@attrs.define(kw_only=True)
class NoMatting(OcclusionMatting):
    """Nothing is hidden."""

    licence = "Apache-2.0"

    def run(self, image: Tensor, landmarks: Landmarks) -> Matte:
        """Return an empty matte over the face region of the landmarks."""
        from occface_core.face_region import face_region

        alpha = image.new_zeros(len(image), 1, *image.shape[-2:])
        return Matte(alpha=alpha, face=face_region(landmarks.points, image.shape[-1]))


@attrs.define(kw_only=True)
class NoInpainting(FaceInpainter):
    """The photo as it is, occluders and all."""

    licence = "Apache-2.0"

    def run(self, image: Tensor, matte: Matte, landmarks: Landmarks) -> Tensor:
        """Return a copy of the image."""
        return image.clone()


@attrs.define(kw_only=True)
class NoShape(ShapeRegressor):
    """The embedded model's mean face, frontal, where the aligned crop puts it."""

    licence = "Apache-2.0; face model CC0-1.0"

    def run(self, clean: Tensor, landmarks: Landmarks) -> FaceShape:
        """Return the mean shape at the nominal pose under the nominal light."""
        from occface_core.facemodel import FaceModel
        from occface_core.geometry.camera import NOMINAL_DISTANCE, frontal_rotation, intrinsics

        model = FaceModel.embedded()
        count, size = len(clean), int(clean.shape[-1])
        matrix = intrinsics(size, device=clean.device)
        return FaceShape(
            vertices=model.tensor("mean", clean.device).expand(count, -1, -1).clone(),
            coefficients={
                "identity": clean.new_zeros(count, len(model.identity)),
                "expression": clean.new_zeros(count, len(model.expression)),
                "albedo": clean.new_zeros(count, len(model.albedo)),
                "illumination": clean.new_zeros(count, 27),
            },
            rotation=frontal_rotation(clean).expand(count, -1, -1).clone(),
            translation=clean.new_tensor([0.0, 0.0, NOMINAL_DISTANCE]).expand(count, -1).clone(),
            intrinsics=matrix.expand(count, -1, -1).clone(),
            model=model,
            size=size,
        )


@attrs.define(kw_only=True)
class NoDetail(DetailRecoverer):
    """A flat bump map: the base shape as it is."""

    licence = "Apache-2.0"

    def run(self, clean: Tensor, shape: FaceShape, matte: Matte) -> FaceDetail:
        """Return zero displacement everywhere."""
        return FaceDetail(bump=clean.new_zeros(len(clean), 1, *clean.shape[-2:]), shape=shape)
