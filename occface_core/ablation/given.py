"""The "given" value of an axis: what a suite knows of a face takes the place of a stage, as a person's work would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from occface_core.errors import StageError
from occface_core.stages import FaceInpainter, LandmarkDetector, OcclusionMatting, Stage

if TYPE_CHECKING:
    from torch import Tensor

    from occface_core.ablation.sample import Sample
    from occface_core.types import FaceBatch, Landmarks, Matte


@attrs.define(kw_only=True)
class GivenLandmarks(LandmarkDetector):
    """The true landmarks."""

    licence = "Apache-2.0"
    _answer: Any = attrs.field(default=None, init=False, repr=False)

    def prepare(self, samples: list[Sample], faces: FaceBatch | None, device: str) -> None:
        """Set what `run` is to answer for one photo."""
        import torch

        from occface_core.types import Landmarks

        points = samples[0].landmarks68()
        if points is None:
            raise StageError(f"sample '{samples[0].name}' has no 68 true landmarks that could be given")
        self._answer = Landmarks(points=torch.from_numpy(points)[None].to(device))

    def run(self, photo: Tensor) -> Landmarks:
        """Return the true landmarks; see `LandmarkDetector.run`."""
        return self._answer  # type: ignore[no-any-return]


@attrs.define(kw_only=True)
class GivenMatte(OcclusionMatting):
    """The true matte: manual removal of occluders at its best."""

    licence = "Apache-2.0"
    _answer: Any = attrs.field(default=None, init=False, repr=False)

    def prepare(self, samples: list[Sample], faces: FaceBatch | None, device: str) -> None:
        """Set what `run` is to answer for the next faces."""
        import torch

        from occface_core.face_region import face_region
        from occface_core.geometry.align import warp_crop
        from occface_core.types import Matte

        assert faces is not None
        missing = [sample.name for sample in samples if sample.matte is None]
        if missing:
            raise StageError(f"sample '{missing[0]}' has no true matte that could be given")
        size = int(faces.image.shape[-1])
        photos = [torch.from_numpy(sample.matte)[None].to(device) for sample in samples]
        alpha = warp_crop(photos, faces.crop_to_photo, size).clamp(0, 1)
        self._answer = Matte(alpha=alpha, face=face_region(faces.landmarks.points, size))

    def run(self, image: Tensor, landmarks: Landmarks) -> Matte:
        """Return the true matte; see `OcclusionMatting.run`."""
        return self._answer  # type: ignore[no-any-return]


@attrs.define(kw_only=True)
class GivenFace(FaceInpainter):
    """The face as it is without occluders: the bound of every completion."""

    licence = "Apache-2.0"
    _answer: Any = attrs.field(default=None, init=False, repr=False)

    def prepare(self, samples: list[Sample], faces: FaceBatch | None, device: str) -> None:
        """Set what `run` is to answer for the next faces."""
        import numpy as np
        import torch

        from occface_core.geometry.align import warp_crop

        assert faces is not None
        missing = [sample.name for sample in samples if sample.clean is None]
        if missing:
            raise StageError(f"sample '{missing[0]}' has no unoccluded photo that could be given")
        photos = [
            torch.from_numpy(np.ascontiguousarray(sample.clean)).permute(2, 0, 1).float().div(255).to(device)
            for sample in samples
        ]
        self._answer = warp_crop(photos, faces.crop_to_photo, int(faces.image.shape[-1]))

    def run(self, image: Tensor, matte: Matte, landmarks: Landmarks) -> Tensor:
        """Return the unoccluded face; see `FaceInpainter.run`."""
        return self._answer  # type: ignore[no-any-return]


GIVEN: dict[str, type[Stage]] = {
    "landmark_detector": GivenLandmarks,
    "occlusion_matting": GivenMatte,
    "face_inpainter": GivenFace,
}
"""Stage name → what gives its true answer."""
