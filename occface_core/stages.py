"""The five stages of a reconstruction, in pipeline order, and nothing else.

A plugin is an `attrs.define(kw_only=True)` class that inherits one of these interfaces. Its public
fields are its options. The constructor does no I/O; `setup(device)` loads weights, once.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import attrs

if TYPE_CHECKING:
    from torch import Tensor

    from occface_core.types import FaceDetail, FaceShape, Landmarks, Matte


class Stage(abc.ABC):
    """What all stages share.

    Attributes:
        stage: key of the stage in a configuration.
        consumes: names of the `FaceBatch` fields that `run` takes, in order ("photo" for the first stage).
        produces: name of the `FaceBatch` field that `run` returns.
        licence: licence of the code and, after a semicolon, of the weights.
    """

    stage: ClassVar[str]
    consumes: ClassVar[tuple[str, ...]]
    produces: ClassVar[str]
    licence: ClassVar[str] = "unknown"

    def setup(self, device: str = "cpu") -> None:  # noqa: B027 - stages without weights need none
        """Load weights onto `device`. Called once, before the first `run`."""

    def weights_sha256(self) -> str | None:
        """Return the hash of the weights file in use, or None if the stage has no weights."""
        return None

    def summary(self) -> str:
        """Return one line: the plugin's class and its options."""
        cls: type = type(self)
        if not attrs.has(cls):
            return cls.__name__
        options = {f.name: getattr(self, f.name) for f in attrs.fields(cls) if f.init}
        return f"{cls.__name__}({', '.join(f'{name}={value!r}' for name, value in options.items())})"


class LandmarkDetector(Stage):
    """Photo → 68 landmarks of every face (paper 3.1)."""

    stage = "landmark_detector"
    consumes = ("photo",)
    produces = "landmarks"

    @abc.abstractmethod
    def run(self, photo: Tensor) -> Landmarks:
        """Find every face.

        Args:
            photo: (1, 3, H, W) float32 RGB in [0, 1], any H and W from 1 up.

        Returns:
            `Landmarks` of F faces in photo pixels, best first; F may be 0.
        """


class OcclusionMatting(Stage):
    """Image, landmarks → matte of what lies in front of the face (paper 3.2, hollowed photo)."""

    stage = "occlusion_matting"
    consumes = ("image", "landmarks")
    produces = "matte"

    @abc.abstractmethod
    def run(self, image: Tensor, landmarks: Landmarks) -> Matte:
        """Say which pixels of the face region are hidden.

        Args:
            image: (B, 3, S, S) aligned crops, RGB in [0, 1].
            landmarks: (B, 68, 2) in crop pixels.

        Returns:
            `Matte` with alpha (B, 1, S, S), 1 = occluder inside the face region.
        """


class FaceInpainter(Stage):
    """Image, matte, landmarks → completed face (paper 3.2, eq. 2-4)."""

    stage = "face_inpainter"
    consumes = ("image", "matte", "landmarks")
    produces = "clean"

    @abc.abstractmethod
    def run(self, image: Tensor, matte: Matte, landmarks: Landmarks) -> Tensor:
        """Complete what the matte hides.

        Args:
            image: (B, 3, S, S) aligned crops, RGB in [0, 1].
            matte: what is hidden.
            landmarks: (B, 68, 2) in crop pixels.

        Returns:
            (B, 3, S, S) completed crops in [0, 1]; pixels where alpha is 0 come back unchanged.
        """


class ShapeRegressor(Stage):
    """Completed face, landmarks → base shape, pose and light (paper 3.3, eq. 5-6)."""

    stage = "shape_regressor"
    consumes = ("clean", "landmarks")
    produces = "shape"

    @abc.abstractmethod
    def run(self, clean: Tensor, landmarks: Landmarks) -> FaceShape:
        """Estimate the parametric face.

        Args:
            clean: (B, 3, S, S) completed crops, RGB in [0, 1].
            landmarks: (B, 68, 2) in crop pixels; confidence and visibility weigh the points.

        Returns:
            `FaceShape` of B faces, lengths in mm.
        """


class DetailRecoverer(Stage):
    """Completed face, shape, matte → bump map and provenance (paper 3.4, eq. 7-8)."""

    stage = "detail_recoverer"
    consumes = ("clean", "shape", "matte")
    produces = "detail"

    @abc.abstractmethod
    def run(self, clean: Tensor, shape: FaceShape, matte: Matte) -> FaceDetail:
        """Estimate the displacement from the base shape along the line of sight.

        Args:
            clean: (B, 3, S, S) completed crops, RGB in [0, 1].
            shape: base shape of the same faces.
            matte: what was hidden.

        Returns:
            `FaceDetail` with bump (B, 1, S, S) in mm, positive towards the camera.
        """


STAGES: Mapping[str, type[Stage]] = MappingProxyType(
    {
        interface.stage: interface
        for interface in (LandmarkDetector, OcclusionMatting, FaceInpainter, ShapeRegressor, DetailRecoverer)
    }
)
