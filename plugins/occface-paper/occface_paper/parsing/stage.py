"""The stages `landmark_parsing` and `parsing`: what in the face region is not face."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
from attrs import validators

from occface_core.stages import OcclusionMatting

if TYPE_CHECKING:
    from torch import Tensor

    from occface_core.types import Landmarks, Matte


@attrs.define(kw_only=True)
class Parsing(OcclusionMatting):
    """Parse the crop; whatever the parser sees in front of the face is the matte. Landmarks are not used.

    The face is the hull of what is seen of it, and of what stands where the crop's alignment expects it.

    Attributes:
        size: side in px at which the crop is parsed; a multiple of 32. The pipeline's 256 px, enlarged a little, are
            told apart better than as they are, at a quarter more time.
        mirrored: parse the mirrored crop too and take the mean, at twice the time.
        steepness: how hard the matte's edge is; 1 = the parser's own doubt, which leaves less of the object behind
            after completion, more = harder.
        weights: folder of `parsing.safetensors`; None for the installed ones.
        bisenet: a CelebAMask-HQ BiSeNet checkpoint (.pth) of the public release to parse with instead; it knows
            no masks and no hands, and its licence is non-commercial.
    """

    licence: ClassVar[str] = "Apache-2.0; weights trained on research-only photos, see the model card"

    size: int = attrs.field(default=288, validator=[validators.instance_of(int), validators.ge(64)])
    mirrored: bool = False
    steepness: float = attrs.field(default=1.0, converter=float, validator=validators.ge(1.0))
    weights: str | None = None
    bisenet: str | None = None
    _network: Any = attrs.field(default=None, init=False, repr=False, eq=False)

    @size.validator
    def _whole_steps(self, attribute: attrs.Attribute[int], value: int) -> None:
        if value % 32:
            raise ValueError(f"size must be a multiple of 32, got {value}")

    def setup(self, device: str = "cpu") -> None:
        """Read the weights.

        Raises:
            WeightsMissing: a weights file is not there or not whole.
        """
        import torch

        from occface_paper.fuse import folded
        from occface_paper.parsing.bisenet import load_bisenet
        from occface_paper.parsing.network import ParsingNetwork
        from occface_paper.weights import load_weights, weights_path

        if self.bisenet:
            network: torch.nn.Module = load_bisenet(Path(self.bisenet))
        else:
            state, metadata = load_weights(weights_path("parsing", self.weights))
            network = ParsingNetwork.of(metadata)
            network.load_state_dict(state)
        network.requires_grad_(False)
        self._network = folded(network).to(device).to(memory_format=torch.channels_last)

    def weights_sha256(self) -> str | None:
        """Hash of the weights in use; a cache tells results of different weights apart by it."""
        from occface_paper.weights import sha256_of, weights_path

        return sha256_of(Path(self.bisenet) if self.bisenet else weights_path("parsing", self.weights))

    def chances(self, image: Tensor) -> Tensor:
        """Chance of every label: (B, 3, S, S) -> (B, labels, S, S), summing to 1."""
        import torch
        from torch.nn import functional as F

        side = image.shape[-1]
        crop = image if side == self.size else F.interpolate(image, (self.size, self.size), mode="area")
        if side < self.size:
            crop = F.interpolate(image, (self.size, self.size), mode="bilinear", align_corners=False)
        views = torch.cat([crop, crop.flip(3)]) if self.mirrored else crop
        logits = self._network(views.contiguous(memory_format=torch.channels_last))
        chance = self._in_library_labels(logits.float().softmax(1))
        if self.mirrored:
            chance = (chance[: len(crop)] + chance[len(crop) :].flip(3)) / 2
        if side != self.size:
            chance = F.interpolate(chance, (side, side), mode="bilinear", align_corners=False)
        return chance

    def _in_library_labels(self, chance: Tensor) -> Tensor:
        if not self.bisenet:
            return chance
        from occface_core.synthetic.labels import LABEL_NAMES
        from occface_paper.parsing.bisenet import CELEBAMASK

        named = chance.new_zeros(len(chance), len(LABEL_NAMES), *chance.shape[2:])
        for index, name in enumerate(CELEBAMASK):
            named[:, LABEL_NAMES.index(name)] += chance[:, index]
        return named

    def regions(self, labels: Tensor, landmarks: Landmarks) -> Tensor:
        """Face region (B, 1, S, S) from labels (B, S, S)."""
        import numpy as np
        import torch

        from occface_paper.parsing.hidden import expected_face, face_of_labels

        expected = expected_face(labels.shape[-1])
        planes = [face_of_labels(plane, expected) for plane in labels.cpu().numpy()]
        return torch.as_tensor(np.stack(planes), device=labels.device)[:, None]

    def settled(self, alpha: Tensor, landmarks: Landmarks) -> Tensor:
        """The matte (B, 1, S, S), with what else is known of the face."""
        return alpha

    def run(self, image: Tensor, landmarks: Landmarks) -> Matte:
        """Say which pixels of the face region are hidden; see `OcclusionMatting.run`."""
        import torch

        from occface_core.errors import StageError
        from occface_core.synthetic.labels import LABEL_NAMES
        from occface_core.types import Matte
        from occface_paper.parsing.hidden import (
            LEAST_BEYOND,
            hidden_chance,
            overhang,
            soft_alpha,
            without_hairline,
        )

        if self._network is None:
            raise StageError(
                f"{type(self).__name__}.run was called before setup(device); call setup once first"
            )
        if not len(image):
            return Matte(alpha=image[:, :1], face=image[:, :1], label_names=LABEL_NAMES)
        chance = self.chances(image)
        labels = chance.argmax(1).to(torch.uint8)
        region = without_hairline(chance, self.regions(labels, landmarks))
        hidden = hidden_chance(chance, region)
        beyond = overhang(chance, hidden, region)
        region = torch.where(beyond > LEAST_BEYOND, 1.0, region)
        alpha = soft_alpha(torch.maximum(hidden, beyond), region, self.steepness)
        alpha = self.settled(alpha, landmarks)
        return Matte(alpha=alpha, face=region, labels=labels, label_names=LABEL_NAMES)


@attrs.define(kw_only=True)
class LandmarkParsing(Parsing):
    """The paper's matting operator (3.2): landmarks give the face region, parsing says what in it is not face.

    Attributes: as `Parsing`.
    """

    def regions(self, labels: Tensor, landmarks: Landmarks) -> Tensor:
        """Face region (B, 1, S, S) of the landmarks."""
        from occface_core.face_region import face_region

        return face_region(landmarks.points, labels.shape[-1])

    def settled(self, alpha: Tensor, landmarks: Landmarks) -> Tensor:
        """The matte without what an open mouth shows."""
        from occface_paper.parsing.hidden import without_open_mouth

        return without_open_mouth(alpha, landmarks.points)
