"""The mean face in the right pose: the null method that every shape estimate has to beat."""

from __future__ import annotations

from pathlib import Path

import attrs
import torch
from torch import Tensor

from occface_classic.pixels import REFERENCE_SIZE
from occface_classic.shape.face_model import open_face_model
from occface_classic.shape.landmark_basis import LandmarkBasis
from occface_classic.shape.solver import solve_landmarks
from occface_core.facemodel import FaceModel
from occface_core.geometry.camera import intrinsics
from occface_core.stages import ShapeRegressor
from occface_core.types import FaceShape, Landmarks


@attrs.define(kw_only=True)
class MeanShape(ShapeRegressor):
    """Fit only rotation and translation of the mean face to the landmarks.

    Attributes:
        face_model: "embedded", the path of a saved face model, or a `FaceModel`.
        steps: Gauss-Newton steps; at least 1.
    """

    licence = "Apache-2.0; embedded face model CC0-1.0"

    face_model: str | Path | FaceModel = "embedded"
    steps: int = attrs.field(default=6, validator=[attrs.validators.instance_of(int), attrs.validators.ge(1)])
    _model: FaceModel | None = attrs.field(default=None, init=False, repr=False)
    _basis: LandmarkBasis | None = attrs.field(default=None, init=False, repr=False)

    def setup(self, device: str = "cpu") -> None:
        """Load the face model."""
        self._model = open_face_model(self.face_model)
        basis = LandmarkBasis.of(self._model)
        self._basis = attrs.evolve(basis, components=basis.components[..., :0])

    def run(self, clean: Tensor, landmarks: Landmarks) -> FaceShape:
        """Estimate the pose; see `ShapeRegressor.run`."""
        if self._model is None or self._basis is None:
            self.setup()
        assert self._model is not None and self._basis is not None
        model, count, size = self._model, len(clean), int(clean.shape[-1])
        matrix, none = intrinsics(size), torch.zeros(0, dtype=torch.float64)
        solution = solve_landmarks(
            self._basis,
            landmarks.points.detach().cpu(),
            landmarks.weights().detach().cpu(),
            matrix,
            noise=2.5 * size / REFERENCE_SIZE,
            spread=none,
            lower=none,
            upper=none,
            steps=self.steps,
        )
        return FaceShape(
            vertices=model.tensor("mean", clean.device).expand(count, -1, -1).clone(),
            coefficients={
                "identity": clean.new_zeros(count, len(model.identity)),
                "expression": clean.new_zeros(count, len(model.expression)),
                "albedo": clean.new_zeros(count, len(model.albedo)),
                "illumination": clean.new_zeros(count, 27),
            },
            rotation=solution.rotation.to(clean.device, torch.float32),
            translation=solution.translation.to(clean.device, torch.float32),
            intrinsics=matrix.to(clean.device).expand(count, -1, -1).clone(),
            model=model,
            size=size,
        )
