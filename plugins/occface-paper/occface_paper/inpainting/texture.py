"""The stage `texture_prior`: the linear texture model that the network starts from, alone."""

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
WEIGHTS = "texture_prior"


@attrs.define(kw_only=True)
class TexturePriorInpainter(FaceInpainter):
    """Complete a face by the most likely texture given what is seen of it.

    The crop is warped onto the mean face by its landmarks; principal components of faces' textures are fitted to
    what is in view; their answer is warped back, and what the picture has besides them continued smoothly.

    Attributes:
        margin: pixels about the matte that are completed too and compared with the picture, at crop size 256.
        match: follow the picture's tone along the border of the hole.
        grain: strength of the photo's grain in the completed part; 1 = as in the photo, 0 = none.
        weights: folder of `texture_prior.safetensors`; None for the installed one.
    """

    licence: ClassVar[str] = "Apache-2.0; weights trained on research-only photos, see the model card"

    margin: float = attrs.field(default=3.0, converter=float, validator=validators.ge(0))
    match: bool = attrs.field(default=True, validator=validators.instance_of(bool))
    grain: float = attrs.field(default=0.5, converter=float, validator=validators.ge(0))
    weights: str | None = None
    _prior: Any = attrs.field(default=None, init=False, repr=False, eq=False)

    def setup(self, device: str = "cpu") -> None:
        """Read the components.

        Raises:
            WeightsMissing: the weights file is not there or not whole.
        """
        from occface_paper.inpainting.prior import TexturePrior
        from occface_paper.weights import load_weights, weights_path

        state, _ = load_weights(weights_path(WEIGHTS, self.weights))
        prior = TexturePrior(len(state["basis"]))
        prior.load_state_dict(state)
        self._prior = prior.eval().to(device)

    def weights_sha256(self) -> str | None:
        """Return the hash of the components."""
        from occface_paper.weights import sha256_of, weights_path

        return sha256_of(weights_path(WEIGHTS, self.weights))

    def run(self, image: Tensor, matte: Matte, landmarks: Landmarks) -> Tensor:
        """Complete what the matte hides; see `FaceInpainter.run`.

        Raises:
            StageError: `setup` was not called.
        """
        import torch

        from occface_paper.inpainting.compose import finished, hole_of
        from occface_paper.inpainting.hints import hints
        from occface_paper.inpainting.warps import to_units

        if self._prior is None:
            raise StageError(
                "TexturePriorInpainter.run was called before setup(device); call setup once first"
            )
        result = image.clone()
        hidden = (matte.alpha > 0).flatten(1).any(1)
        if not bool(hidden.any()):
            return result
        picture, alpha, face = image[hidden], matte.alpha[hidden], matte.face[hidden]
        with torch.inference_mode():
            hole = hole_of(alpha.float(), self.margin)
            units = to_units(landmarks.points[hidden], image.shape[-1])
            answer = hints(picture.float(), hole, torch.ones_like(hole), units, self._prior)[:, :3]
            result[hidden] = finished(
                answer, picture, alpha, face, margin=self.margin, match=self.match, strength=self.grain
            )
        return result
