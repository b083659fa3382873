"""Analysis by synthesis: `landmark_fit`, then pose, shape, albedo and light until the model looks like the crop."""

from __future__ import annotations

from pathlib import Path

import attrs
import torch
from torch import Tensor

from occface_classic.pixels import REFERENCE_SIZE
from occface_classic.shape.face_model import open_face_model
from occface_classic.shape.landmark_basis import LandmarkBasis
from occface_classic.shape.landmark_fit import LandmarkFit
from occface_classic.shape.landmark_term import LandmarkTerm
from occface_classic.shape.point_errors import doubt, measured_errors
from occface_classic.shape.solver import DISTANCE_SPREAD
from occface_core.facemodel import FaceModel
from occface_core.fitting.analysis import Analysis, Belief, calm
from occface_core.fitting.colour_term import ColourTerm, View
from occface_core.fitting.limits import coefficient_limits
from occface_core.geometry.camera import NOMINAL_DISTANCE
from occface_core.stages import ShapeRegressor
from occface_core.types import FaceShape, Landmarks


@attrs.define(kw_only=True)
class PhotometricFit(ShapeRegressor):
    """Gauss-Newton on the colours of visible triangles, the landmarks and the coefficients' usual spread, together.

    Colours count robustly: hair, shadows and make-up, which the model cannot explain, lose their say; skin near
    hidden landmarks, which is completed and no evidence, has little. Light is spherical harmonics (MATHS section 4).

    Attributes:
        face_model: "embedded", the path of a saved face model, or a `FaceModel`.
        noise: standard deviation of a trusted landmark, pixels at crop size 256.
        steps: Gauss-Newton steps; 0 gives what `landmark_fit` gives.
        colour_share: how much colours count against landmarks; 1 takes a face's pixels for 120 independent ones.
        blur: standard deviation of the first steps' blur, pixels at crop size 256; it shrinks to a third.
    """

    licence = "Apache-2.0; embedded face model CC0-1.0"

    face_model: str | Path | FaceModel = "embedded"
    noise: float = attrs.field(default=2.0, converter=float, validator=attrs.validators.gt(0))
    steps: int = attrs.field(default=8, validator=[attrs.validators.instance_of(int), attrs.validators.ge(0)])
    colour_share: float = attrs.field(default=2.0, converter=float, validator=attrs.validators.gt(0))
    blur: float = attrs.field(default=3.0, converter=float, validator=attrs.validators.gt(0))
    _start: LandmarkFit | None = attrs.field(default=None, init=False, repr=False)
    _model: FaceModel | None = attrs.field(default=None, init=False, repr=False)
    _basis: LandmarkBasis | None = attrs.field(default=None, init=False, repr=False)
    _term: ColourTerm | None = attrs.field(default=None, init=False, repr=False)

    def setup(self, device: str = "cpu") -> None:
        """Load the face model and choose its triangles."""
        self._model = open_face_model(self.face_model)
        self._start = LandmarkFit(face_model=self._model, noise=self.noise)
        self._start.setup()
        self._basis, self._term = LandmarkBasis.of(self._model), ColourTerm.of(self._model)

    def run(self, clean: Tensor, landmarks: Landmarks) -> FaceShape:
        """Estimate the parametric face; see `ShapeRegressor.run`."""
        if self._start is None:
            self.setup()
        assert self._start is not None and self._model is not None
        shape = self._start.run(clean, landmarks)
        if self.steps == 0 or len(shape) == 0:
            return shape
        views = [self._fit(clean[i : i + 1].cpu(), landmarks, i, shape) for i in range(len(shape))]

        def stack(name: str) -> Tensor:
            return torch.stack([getattr(view, name) for view in views]).to(clean.device)

        count = len(self._model.identity)
        identity, expression = stack("shape")[:, :count], stack("shape")[:, count:]
        return attrs.evolve(
            shape,
            vertices=self._model.vertices(identity.contiguous(), expression.contiguous()),
            coefficients={
                "identity": identity,
                "expression": expression,
                "albedo": stack("albedo"),
                "illumination": stack("light"),
            },
            rotation=stack("rotation"),
            translation=stack("translation"),
        )

    def _fit(self, clean: Tensor, landmarks: Landmarks, i: int, start: FaceShape) -> View:
        """Return the estimate of face `i`."""
        assert self._model is not None and self._term is not None
        assert self._basis is not None
        model, size = self._model, int(clean.shape[-1])
        matrix = start.intrinsics[i].cpu()
        view = View(
            rotation=start.rotation[i].cpu(),
            translation=start.translation[i].cpu(),
            shape=torch.cat([start.coefficients[name][i] for name in ("identity", "expression")]).cpu(),
            albedo=start.coefficients["albedo"][i].cpu(),
            light=start.coefficients["illumination"][i].cpu(),
        )
        points = self._points(landmarks, i, view, matrix, size)

        def pull(at: View) -> tuple[Tensor, Tensor]:
            given = (x[None].double() for x in (at.rotation, at.translation, at.shape))
            normal, gradient = points.equations(*given)
            return normal[0], gradient[0]

        seen = None if landmarks.visible is None else landmarks.visible[i]
        analysis = Analysis(
            model=model, term=self._term, steps=self.steps, share=self.colour_share, blur=self.blur
        )
        belief = usual_face(model, view)
        return analysis.fit(clean, view, belief, calm(self._term, model, seen), matrix, pull)

    def _points(self, landmarks: Landmarks, i: int, view: View, matrix: Tensor, size: int) -> LandmarkTerm:
        assert self._basis is not None
        confidence = landmarks.confidence[i : i + 1].detach().cpu().double()
        seen = landmarks.visible
        weights = torch.ones_like(confidence) if seen is None else seen[i : i + 1].detach().cpu().double()
        return LandmarkTerm.of(
            self._basis,
            landmarks.points[i : i + 1].detach().cpu().double(),
            weights.clamp_min(1e-3),
            matrix.double(),
            noise=self.noise * size / REFERENCE_SIZE * doubt(confidence),
            rotation=view.rotation[None].double(),
            errors=measured_errors(),
            found=(confidence < 1).any(1),
        )


def usual_face(model: FaceModel, start: View) -> Belief:
    """Return what is believed of any face: the mean one, as far away as a crop's size says, anywhere else."""
    spread, lower, upper = coefficient_limits(model)
    free = (spread > 0).double()
    precision = torch.cat(
        [
            torch.full((6,), 1e-6, dtype=torch.float64),
            torch.where(spread > 0, 1 / spread.clamp_min(1e-12) ** 2, 1.0),
            torch.ones(len(start.albedo), dtype=torch.float64),
        ]
    )
    precision[5] += 1 / DISTANCE_SPREAD**2
    place = torch.cat((start.translation[:2], start.translation.new_tensor([NOMINAL_DISTANCE])))
    centre = attrs.evolve(
        start, translation=place, shape=torch.zeros_like(start.shape), albedo=torch.zeros_like(start.albedo)
    )
    return Belief(view=centre, precision=precision, lower=lower, upper=upper, free=free)
