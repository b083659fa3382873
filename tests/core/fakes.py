"""Stages that are known by their answers: for tests of the core."""

from __future__ import annotations

import attrs
import torch

from occface_core import (
    DetailRecoverer,
    FaceDetail,
    FaceInpainter,
    FaceShape,
    LandmarkDetector,
    Landmarks,
    Matte,
    OcclusionMatting,
    ShapeRegressor,
)
from occface_core.geometry.align import mean_landmarks
from occface_core.null import NoShape


def frontal_points(scale: float = 1.0, x: float = 128.0, y: float = 128.0) -> torch.Tensor:
    """(68, 2) the mean face's points, `scale` pixels a mm, about (x, y)."""
    points = mean_landmarks()[:, :2].float() * torch.tensor([1.0, -1.0])
    return points * scale + torch.tensor([x, y])


@attrs.define(kw_only=True)
class CountingLandmarks(LandmarkDetector):
    """Finds as many faces as asked; counts calls and setups."""

    faces: int = 1
    calls: int = attrs.field(default=0, init=False)
    setups: list[str] = attrs.field(factory=list, init=False)

    def setup(self, device: str = "cpu") -> None:
        self.setups.append(device)

    def run(self, photo):
        self.calls += 1
        points = [frontal_points(1.0 + 0.1 * i) for i in range(self.faces)]
        return Landmarks(points=torch.stack(points) if points else torch.zeros(0, 68, 2))


@attrs.define(kw_only=True)
class LeftHalf(OcclusionMatting):
    """The left half of each crop is hidden."""

    strength: float = attrs.field(default=1.0, validator=[attrs.validators.ge(0), attrs.validators.le(1)])

    def run(self, image, landmarks):
        alpha = torch.zeros(len(image), 1, *image.shape[-2:])
        alpha[..., : image.shape[-1] // 2] = self.strength
        return Matte(alpha=alpha)


@attrs.define(kw_only=True)
class Grey(FaceInpainter):
    """Hidden pixels become grey."""

    level: float = 0.5

    def run(self, image, matte, landmarks):
        return image * (1 - matte.alpha) + self.level * matte.alpha


@attrs.define(kw_only=True)
class MeanShape(ShapeRegressor):
    """The mean shape."""

    def run(self, clean, landmarks) -> FaceShape:
        return NoShape().run(clean, landmarks)


@attrs.define(kw_only=True)
class Constant(DetailRecoverer):
    """A constant bump."""

    millimetres: float = 1.0

    def run(self, clean, shape, matte):
        return FaceDetail(bump=torch.full((len(clean), 1, *clean.shape[-2:]), self.millimetres), shape=shape)


@attrs.define(kw_only=True)
class Failing(OcclusionMatting):
    """Fails."""

    def run(self, image, landmarks):
        raise ZeroDivisionError("by design")


@attrs.define(kw_only=True)
class WrongAnswer(FaceInpainter):
    """Returns a picture of the wrong size."""

    def run(self, image, matte, landmarks):
        return image[..., :10, :10]


FAKE = {
    "landmark_detector": CountingLandmarks,
    "occlusion_matting": LeftHalf,
    "face_inpainter": Grey,
    "shape_regressor": MeanShape,
    "detail_recoverer": Constant,
}
