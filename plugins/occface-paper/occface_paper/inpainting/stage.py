"""The stage `landmark_gan`: image, matte, landmarks -> completed face."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs
from attrs import validators

from occface_core.errors import StageError
from occface_core.stages import FaceInpainter

if TYPE_CHECKING:
    from torch import Tensor

    from occface_core.types import Landmarks, Matte

#: Name of the weights file.
WEIGHTS = "landmark_gan"


@attrs.define(kw_only=True)
class LandmarkGAN(FaceInpainter):
    """The paper's face synthesis network (3.2, eq. 2-4).

    Attributes:
        margin: pixels about the matte that are completed too and compared with the picture, at crop size 256.
        guided: tell the network where this face's landmarks are; off, for ablation, it is told those of the
            mean face, frontal, in the crop's middle.
        mirror: let the network see the mirrored half of the face; off for faces that are not symmetric.
        match: follow the picture's tone along the border of the hole.
        grain: strength of the photo's grain in the completed part; 1 = as in the photo, 0 = none.
        weights: folder of `landmark_gan.safetensors`; None for the installed one.
    """

    licence: ClassVar[str] = "Apache-2.0; weights trained on research-only photos, see the model card"

    margin: float = attrs.field(default=3.0, converter=float, validator=validators.ge(0))
    guided: bool = attrs.field(default=True, validator=validators.instance_of(bool))
    mirror: bool = attrs.field(default=True, validator=validators.instance_of(bool))
    match: bool = attrs.field(default=True, validator=validators.instance_of(bool))
    grain: float = attrs.field(default=0.4, converter=float, validator=validators.ge(0))
    weights: str | None = None
    _network: Any = attrs.field(default=None, init=False, repr=False, eq=False)

    def setup(self, device: str = "cpu") -> None:
        """Read the generator's weights.

        Raises:
            WeightsMissing: the weights file is not there or not whole.
        """
        import torch

        from occface_paper.inpainting.network import Generator, GeneratorSize
        from occface_paper.weights import load_weights, weights_path

        state, metadata = load_weights(weights_path(WEIGHTS, self.weights))
        network = Generator(GeneratorSize.from_json(metadata.get("generator", "{}")))
        network.load_state_dict(state)
        self._network = network.eval().to(device).to(memory_format=torch.channels_last)

    def weights_sha256(self) -> str | None:
        """Return the hash of the generator's weights."""
        from occface_paper.weights import sha256_of, weights_path

        return sha256_of(weights_path(WEIGHTS, self.weights))

    def run(self, image: Tensor, matte: Matte, landmarks: Landmarks) -> Tensor:
        """Complete what the matte hides; see `FaceInpainter.run`.

        Raises:
            StageError: `setup` was not called.
        """
        import torch

        if self._network is None:
            raise StageError("LandmarkGAN.run was called before setup(device); call setup once first")
        hidden = (matte.alpha > 0).flatten(1).any(1)
        if not bool(hidden.any()):
            return image.clone()
        with torch.inference_mode():
            completed = self._complete(
                image[hidden], matte.alpha[hidden], matte.face[hidden], landmarks.points[hidden]
            )
        result = image.clone()
        result[hidden] = completed
        return result

    def _complete(self, image: Tensor, alpha: Tensor, face: Tensor, points: Tensor) -> Tensor:
        """Faces with something to complete, (B, 3, S, S)."""
        import torch
        import torch.nn.functional as F

        from occface_core.geometry.align import nominal_landmarks
        from occface_paper.inpainting.compose import finished, hole_of

        device = next(self._network.parameters()).device
        size, side = image.shape[-1], self._network.options.output
        picture, cover = image.to(device).float(), alpha.to(device).float()
        place = (points.to(device).float() + 0.5) * (side / size) - 0.5
        if not self.guided:
            place = nominal_landmarks(side).to(place).expand_as(place)
        if size != side:
            picture = F.interpolate(picture, size=(side, side), mode="bilinear", antialias=True)
            cover = F.interpolate(cover, size=(side, side), mode="bilinear", antialias=True)
        hole = hole_of(cover, self.margin)
        given = self._network.inputs(picture, hole, place)
        if not self.mirror and self._network.prior is not None:
            given[:, 5:9] = 0
        given = given.contiguous(memory_format=torch.channels_last)
        coarse, fine = self._network(picture, hole, place, given=given)
        answer = fine if fine is not None else coarse
        return finished(answer, image, alpha, face, margin=self.margin, match=self.match, strength=self.grain)
