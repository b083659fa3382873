"""The stage `coefficient_net`: the shape network of the paper, on the embedded face model or the published one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
from attrs import validators

from occface_core.stages import ShapeRegressor

if TYPE_CHECKING:
    from torch import Tensor

    from occface_core.types import FaceShape, Landmarks
    from occface_paper.shape.coefficients import Estimate


@attrs.define(kw_only=True)
class CoefficientNet(ShapeRegressor):
    """One look at the completed crop and its landmarks gives shape, pose, colour and light (paper 3.3, eq. 5-6).

    How sure the network is goes with the coefficients as ``uncertainty`` (B, 6): the expected root mean square
    error of identity, expression, albedo (in their coefficients), angles (rad), translation (mm) and illumination.

    Attributes:
        size: side in px at which the network sees the crop.
        refine_steps: Gauss-Newton steps from the network's estimate, as far as it is unsure, in which the colours of
            the skin and the landmarks decide together; some 20 ms each. Points of full trust, as placed by hand, are
            met; found ones, which the network has weighed already, pull less. 0: the network alone.
        noise: standard deviation of a landmark of full trust in those steps, pixels at crop size 256.
        colour: whether the steps look at colours; without, at landmarks alone.
        weights: folder of `coefficient_net.safetensors`; None for the installed ones.
        deep3d: checkpoint (.pth) of the public Deep3DFaceRecon_pytorch release to use instead; needs ``bfm``.
        bfm: the user's Basel Face Model 2009 folder, for ``deep3d``.
    """

    licence: ClassVar[str] = "Apache-2.0; weights trained on research-only photos, see the model card"

    size: int = attrs.field(default=128, validator=[validators.instance_of(int), validators.ge(64)])
    refine_steps: int = attrs.field(default=10, validator=[validators.instance_of(int), validators.ge(0)])
    noise: float = attrs.field(default=2.0, converter=float, validator=validators.gt(0))
    colour: bool = attrs.field(default=True, validator=validators.instance_of(bool))
    weights: str | None = None
    deep3d: str | None = None
    bfm: str | None = None
    _network: Any = attrs.field(default=None, init=False, repr=False, eq=False)
    _photometric: Any = attrs.field(default=None, init=False, repr=False, eq=False)
    _basis: Any = attrs.field(default=None, init=False, repr=False, eq=False)
    _model: Any = attrs.field(default=None, init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if bool(self.deep3d) != bool(self.bfm):
            raise ValueError(
                "deep3d and bfm go together: a checkpoint and the face model whose coefficients it gives"
            )

    def setup(self, device: str = "cpu") -> None:
        """Read the weights and the face model.

        Raises:
            WeightsMissing: a weights file is not there or not whole.
            FaceModelError: the Basel model is not there.
        """
        from occface_core.facemodel import FaceModel
        from occface_paper.fuse import folded
        from occface_paper.shape.basis import FaceBasis
        from occface_paper.shape.deep3d import load_deep3d
        from occface_paper.shape.network import CoefficientNetwork
        from occface_paper.shape.photometric import Photometric
        from occface_paper.weights import load_weights, weights_path

        if self.deep3d and self.bfm:
            self._model = FaceModel.from_bfm2009(self.bfm)
            self._network = load_deep3d(Path(self.deep3d)).requires_grad_(False).to(device)
            return
        state, metadata = load_weights(weights_path("coefficient_net", self.weights))
        network = CoefficientNetwork(metadata["trunk"], float(metadata["width"]))
        network.load_state_dict(state)
        network.requires_grad_(False)
        self._network = folded(network).to(device)
        self._model = FaceModel.embedded()
        self._basis = FaceBasis.of(self._model, device=device)
        self._photometric = Photometric.of(self._model)

    def weights_sha256(self) -> str | None:
        """Hash of the weights in use; a cache tells results of different weights apart by it."""
        from occface_paper.weights import sha256_of, weights_path

        return sha256_of(Path(self.deep3d) if self.deep3d else weights_path("coefficient_net", self.weights))

    def estimate(self, clean: Tensor, landmarks: Landmarks) -> tuple[Estimate, Tensor]:
        """The network's estimates, refined, and the expected squared error (B, 204) of every coefficient."""
        import torch
        from torch.nn import functional as F

        from occface_paper.shape.refine import closed_form, pull_of, refined_by_colour, refined_by_points

        side = clean.shape[-1]
        crop = clean
        if side > self.size:
            crop = F.interpolate(clean, (self.size, self.size), mode="area")
        elif side < self.size:
            crop = F.interpolate(clean, (self.size, self.size), mode="bilinear", align_corners=False)
        points = landmarks.points.to(clean.device)
        trust = landmarks.weights().to(clean.device).clamp(0, 1)
        units = (2 * points + 1) / side - 1
        pixels = (units + 1) * 128 - 0.5
        with torch.inference_mode():
            start = closed_form(self._basis, crop, pixels, trust)
            found = self._network(crop.contiguous(memory_format=torch.channels_last), units, trust, start)
            variance = self._network.variance(found)
            if self.refine_steps:
                first = 1 if self.colour else self.refine_steps
                pull = pull_of(trust)
                found = refined_by_points(
                    found, variance, self._basis, pixels, pull, noise=self.noise, steps=first
                )
            if self.refine_steps and self.colour:
                found = refined_by_colour(found, variance, self._basis, clean)
                found = self._photometric.refined(
                    found,
                    variance,
                    clean,
                    pixels,
                    trust,
                    landmarks.visible,
                    noise=self.noise,
                    steps=self.refine_steps,
                )
        return found, variance

    def run(self, clean: Tensor, landmarks: Landmarks) -> FaceShape:
        """Estimate the parametric face; see `ShapeRegressor.run`."""
        import torch

        from occface_core.errors import StageError
        from occface_core.geometry.camera import intrinsics
        from occface_core.types import FaceShape
        from occface_paper.shape.coefficients import split
        from occface_paper.shape.deep3d import Deep3DNetwork, deep3d_shape

        if self._network is None:
            raise StageError(
                f"{type(self).__name__}.run was called before setup(device); call setup once first"
            )
        if isinstance(self._network, Deep3DNetwork):
            return deep3d_shape(self._network, self._model, clean, landmarks.points.to(clean))
        found, variance = self.estimate(clean, landmarks)
        size = int(clean.shape[-1])
        expected = torch.stack([part.mean(1).sqrt() for part in split(variance).values()], 1)
        coefficients = {
            "identity": found.identity.clamp(-3, 3),
            "expression": found.expression.clamp(0, 1),
            "albedo": found.albedo,
            "illumination": found.illumination,
            "uncertainty": expected,
        }
        coefficients = {name: value.clone() for name, value in coefficients.items()}
        return FaceShape(
            vertices=self._model.vertices(coefficients["identity"], coefficients["expression"]),
            coefficients=coefficients,
            rotation=found.rotation(),
            translation=found.translation.clone(),
            intrinsics=intrinsics(size, device=clean.device).expand(len(clean), -1, -1).clone(),
            model=self._model,
            size=size,
        )
