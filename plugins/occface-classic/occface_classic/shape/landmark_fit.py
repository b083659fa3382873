"""Shape, pose, light and colour without learning: landmarks first, then the pixels' colours."""

from __future__ import annotations

from pathlib import Path

import attrs
import torch
from torch import Tensor

from occface_classic.pixels import REFERENCE_SIZE
from occface_classic.shape.appearance import fit_appearance
from occface_classic.shape.face_model import open_face_model
from occface_classic.shape.landmark_basis import LandmarkBasis
from occface_classic.shape.point_errors import doubt, measured_errors
from occface_classic.shape.solver import solve_landmarks
from occface_core.facemodel import FaceModel
from occface_core.fitting.limits import coefficient_limits
from occface_core.geometry.camera import intrinsics
from occface_core.stages import ShapeRegressor
from occface_core.types import FaceShape, Landmarks


@attrs.define(kw_only=True)
class LandmarkFit(ShapeRegressor):
    """Fit identity, expression and pose to the landmarks, then light and albedo to the skin's colours.

    A maximum a posteriori estimate: landmarks are trusted to within `noise`, coefficients to within their usual
    spread. Depth comes from the model's statistics alone. Points with a detector's confidence are taken to err as
    detectors do (`point_errors`): with a known mean, together, and farther where the confidence is low. Points
    that are all of confidence 1 are taken to be given, and exact but for `noise`.

    Attributes:
        face_model: "embedded", the path of a saved face model, or a `FaceModel`.
        noise: standard deviation of a trusted landmark, pixels at crop size 256; more stays nearer the mean face.
        steps: Gauss-Newton steps; at least 3.
        colour: whether to fit light and albedo; without, they are 0.
    """

    licence = "Apache-2.0; embedded face model CC0-1.0"

    face_model: str | Path | FaceModel = "embedded"
    noise: float = attrs.field(default=2.0, converter=float, validator=attrs.validators.gt(0))
    steps: int = attrs.field(default=8, validator=[attrs.validators.instance_of(int), attrs.validators.ge(3)])
    colour: bool = attrs.field(default=True, validator=attrs.validators.instance_of(bool))
    _model: FaceModel | None = attrs.field(default=None, init=False, repr=False)
    _basis: LandmarkBasis | None = attrs.field(default=None, init=False, repr=False)

    def setup(self, device: str = "cpu") -> None:
        """Load the face model."""
        self._model = open_face_model(self.face_model)
        self._basis = LandmarkBasis.of(self._model)

    def run(self, clean: Tensor, landmarks: Landmarks) -> FaceShape:
        """Estimate the parametric face; see `ShapeRegressor.run`."""
        if self._model is None or self._basis is None:
            self.setup()
        assert self._model is not None and self._basis is not None
        model, size = self._model, int(clean.shape[-1])
        matrix = intrinsics(size)
        spread, lower, upper = coefficient_limits(model)
        confidence = landmarks.confidence.detach().cpu()
        seen = landmarks.visible
        weights = torch.ones_like(confidence) if seen is None else seen.detach().cpu()
        # a detector is never wholly certain; points that are given are what they are
        found = (confidence < 1).any(1)
        # 68 points are too little work for an accelerator
        solution = solve_landmarks(
            self._basis,
            landmarks.points.detach().cpu(),
            weights,
            matrix,
            noise=self.noise * size / REFERENCE_SIZE * doubt(confidence),
            errors=measured_errors(),
            found=found,
            spread=spread,
            lower=lower,
            upper=upper,
            steps=self.steps,
        )
        found = solution.coefficients.to(clean.device, torch.float32)
        identity, expression = found.split([len(model.identity), len(model.expression)], dim=1)
        shape = FaceShape(
            vertices=model.vertices(identity.contiguous(), expression.contiguous()),
            coefficients={
                "identity": identity,
                "expression": expression,
                "albedo": clean.new_zeros(len(clean), len(model.albedo)),
                "illumination": clean.new_zeros(len(clean), 27),
            },
            rotation=solution.rotation.to(clean.device, torch.float32),
            translation=solution.translation.to(clean.device, torch.float32),
            intrinsics=matrix.to(clean.device).expand(len(clean), -1, -1).clone(),
            model=model,
            size=size,
        )
        return fit_appearance(clean, shape) if self.colour else shape
