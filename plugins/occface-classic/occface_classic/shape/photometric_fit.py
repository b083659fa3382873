"""Analysis by synthesis: `landmark_fit`, then pose, shape, albedo and light until the model looks like the crop."""

from __future__ import annotations

from pathlib import Path

import attrs
import torch
import torch.nn.functional as F
from torch import Tensor

from occface_classic.pixels import REFERENCE_SIZE
from occface_classic.shape.colour_term import ColourTerm, View
from occface_classic.shape.face_model import open_face_model
from occface_classic.shape.landmark_basis import LandmarkBasis
from occface_classic.shape.landmark_fit import LandmarkFit, coefficient_limits
from occface_classic.shape.landmark_term import LandmarkTerm
from occface_classic.shape.point_errors import doubt, measured_errors
from occface_classic.shape.solver import DISTANCE_SPREAD, moved
from occface_core.facemodel import FaceModel
from occface_core.geometry.camera import NOMINAL_DISTANCE
from occface_core.stages import ShapeRegressor
from occface_core.types import FaceShape, Landmarks

LIGHT_SPREAD = 1.0
NEAREST_POINTS = 4
SEEN_AGAIN = 3  # steps after which is asked again what the camera sees


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
        model, term, size = self._model, self._term, int(clean.shape[-1])
        matrix = start.intrinsics[i].cpu()
        view = View(
            rotation=start.rotation[i].cpu(),
            translation=start.translation[i].cpu(),
            shape=torch.cat([start.coefficients[name][i] for name in ("identity", "expression")]).cpu(),
            albedo=start.coefficients["albedo"][i].cpu(),
            light=start.coefficients["illumination"][i].cpu(),
        )
        points = self._points(landmarks, i, view, matrix, size)
        spread, lower, upper = coefficient_limits(model)
        free = (spread > 0).double()
        counts = (6, len(spread), len(view.albedo), 27)
        precision = torch.cat(
            [
                torch.full((6,), 1e-6, dtype=torch.float64),
                torch.where(spread > 0, 1 / spread.clamp_min(1e-12) ** 2, 1.0),
                torch.ones(counts[2], dtype=torch.float64),
                torch.full((27,), 1 / LIGHT_SPREAD**2, dtype=torch.float64),
            ]
        )
        precision[5] += 1 / DISTANCE_SPREAD**2
        calm = self._calm(landmarks, i)
        held, trust = torch.zeros_like(free, dtype=torch.bool), calm
        first_light = view.light.double()
        for step in range(self.steps):
            if step % SEEN_AGAIN == 0:
                parts = view.shape[None].split([len(model.identity), len(model.expression)], dim=1)
                vertices = model.vertices(*(part.contiguous() for part in parts))[0]
                trust = calm * term.seen(view, vertices, model.tensor("triangles"), matrix, size)
            sigma = self.blur * size / REFERENCE_SIZE * 3 ** (-step / max(self.steps - 1, 1))
            normal, gradient = term.equations(_with_slopes(clean, sigma), view, trust, matrix)
            mobile = free * ~held
            share = torch.cat((torch.ones(6), mobile, torch.ones(sum(counts[2:]))))  # of the step, by unknown
            normal = normal * share * share[:, None] * self.colour_share
            gradient = gradient * share * self.colour_share
            inner = slice(0, 6 + counts[1])
            marked, pulled = points.equations(
                view.rotation[None].double(), view.translation[None].double(), view.shape[None].double(), mobile[None]
            )  # fmt: skip
            normal[inner, inner] += marked[0]
            gradient[inner] += pulled[0]
            away = torch.cat(
                [torch.zeros(6), view.shape * mobile, view.albedo, view.light.double() - first_light]
            ).double()
            away[5] = float(view.translation[2]) - NOMINAL_DISTANCE
            gradient = gradient - precision * away
            change = torch.linalg.solve(normal + torch.diag(precision), gradient)
            view, held = _moved(view, change, lower, upper, step)
        return view

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

    def _calm(self, landmarks: Landmarks, i: int) -> Tensor:
        """Return (N,) 0.2 to 1: how far what is around each triangle is in view, by the nearest landmarks."""
        assert self._term is not None and self._model is not None
        if landmarks.visible is None:
            return torch.ones(len(self._term.middle))
        marks = torch.as_tensor(self._model.mean[self._model.landmarks68])
        nearest = torch.cdist(self._term.middle, marks).topk(NEAREST_POINTS, largest=False).indices
        return 0.2 + 0.8 * landmarks.visible[i].detach().cpu().float()[nearest].mean(1)


def _moved(view: View, change: Tensor, lower: Tensor, upper: Tensor, step: int) -> tuple[View, Tensor]:
    """Return the estimate after a step, and which coefficients their bounds hold for the next one."""
    count, paints = len(view.shape), len(view.albedo)
    rotation, translation = moved(view.rotation[None].double(), view.translation[None].double(), change[None])
    wanted = view.shape.double() + change[6 : 6 + count]
    light = view.light.double() + change[6 + count + paints :]
    made = View(
        rotation=rotation[0].float(),
        translation=translation[0].float(),
        shape=wanted.maximum(lower).minimum(upper).float(),
        albedo=(view.albedo.double() + change[6 + count : 6 + count + paints]).clamp(-3, 3).float(),
        light=light.float(),
    )
    return made, ((wanted < lower) | (wanted > upper)) & (step % 2 == 0)


def _with_slopes(clean: Tensor, sigma: float) -> Tensor:
    """Return (9, S, S): the blurred crop (1, 3, S, S), its change to the right and its change downwards."""
    reach = max(int(2.5 * sigma), 1)
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    line = (line / line.sum()).to(clean).expand(3, 1, 1, -1)
    soft = F.conv2d(F.pad(clean, (reach,) * 4, mode="replicate"), line, groups=3)
    soft = F.conv2d(soft, line.transpose(2, 3), groups=3)
    wide = F.pad(soft, (1, 1, 1, 1), mode="replicate")
    across = (wide[:, :, 1:-1, 2:] - wide[:, :, 1:-1, :-2]) / 2
    down = (wide[:, :, 2:, 1:-1] - wide[:, :, :-2, 1:-1]) / 2
    return torch.cat((soft, across, down), 1)[0]
