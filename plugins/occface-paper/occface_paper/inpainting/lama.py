"""A TorchScript inpainter that the user supplies, such as a published LaMa."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
from attrs import validators

from occface_core.errors import StageError, WeightsMissing
from occface_core.stages import FaceInpainter

if TYPE_CHECKING:
    from torch import Tensor

    from occface_core.types import Landmarks, Matte


@attrs.define(kw_only=True)
class Lama(FaceInpainter):
    """Complete by a scripted network `network(image (B, 3, H, W) in [0, 1], hole (B, 1, H, W)) -> (B, 3, H, W)`.

    Attributes:
        path: of the TorchScript file; it is not part of occface.
        margin: pixels about the matte that are completed too, at crop size 256.
        multiple: the network's pictures must have sides that are a multiple of this.
        scale: the network answers in [0, scale]: 1, or 255.
    """

    licence: ClassVar[str] = "Apache-2.0; the network is the user's own file, under its own licence"

    path: str | None = None
    margin: float = attrs.field(default=3.0, converter=float, validator=validators.ge(0))
    multiple: int = attrs.field(default=8, validator=validators.ge(1))
    scale: float = attrs.field(default=1.0, converter=float, validator=validators.gt(0))
    _network: Any = attrs.field(default=None, init=False, repr=False, eq=False)

    def setup(self, device: str = "cpu") -> None:
        """Load the file. TorchScript runs in its own interpreter: loading runs no Python code of the file.

        Raises:
            WeightsMissing: no path was given, nothing is there, or it is no TorchScript file.
        """
        import torch

        if self.path is None:
            raise WeightsMissing(
                "lama needs a TorchScript file of an inpainting network, which occface does not bring: give it by "
                'the option path, e.g. --set face_inpainter.path=FILE or {"plugin": "lama", "path": FILE}'
            )
        file = Path(self.path)
        if not file.is_file():
            raise WeightsMissing(f"lama: there is no file {file}; give a TorchScript file by the option path")
        try:
            network = torch.jit.load(str(file), map_location=device)
        except RuntimeError as error:
            first = str(error).strip().splitlines()[0]
            raise WeightsMissing(
                f"lama: {file} is not a TorchScript file ({first}); a checkpoint of weights must be scripted first "
                f"with torch.jit.script or torch.jit.trace"
            ) from error
        self._network = network.eval()

    def weights_sha256(self) -> str | None:
        """Return the hash of the user's file."""
        from occface_paper.weights import sha256_of

        return sha256_of(Path(self.path)) if self.path else None

    def run(self, image: Tensor, matte: Matte, landmarks: Landmarks) -> Tensor:
        """Complete what the matte hides; see `FaceInpainter.run`.

        Raises:
            StageError: `setup` was not called, or the network's answer is no picture of the same size.
        """
        import torch
        import torch.nn.functional as F

        from occface_core.compositing import composite
        from occface_paper.inpainting.compose import hole_of

        if self._network is None:
            raise StageError("Lama.run was called before setup(device); call setup once first")
        if not bool((matte.alpha > 0).any()):
            return image.clone()
        size = image.shape[-1]
        extra = -size % self.multiple
        with torch.inference_mode():
            hole = hole_of(matte.alpha, self.margin)
            inputs = [F.pad(x, (0, extra, 0, extra), mode="replicate") for x in (image, hole)]
            answer = self._network(*inputs)
        wanted = (len(image), 3, size + extra, size + extra)
        if not isinstance(answer, torch.Tensor) or tuple(answer.shape) != wanted:
            shape = tuple(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
            raise StageError(f"lama: {self.path} must answer with a picture of shape {wanted}, got {shape}")
        return composite(image, answer[..., :size, :size] / self.scale, matte.alpha)
