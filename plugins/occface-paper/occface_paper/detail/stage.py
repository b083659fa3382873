"""The stage `bump_unet`: completed face, base shape, matte -> bump map."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
from attrs import validators

from occface_core.errors import StageError
from occface_core.stages import DetailRecoverer

if TYPE_CHECKING:
    from torch import Tensor

    from occface_core.types import FaceDetail, FaceShape, Matte

#: Name of the weights file.
WEIGHTS = "bump_unet"
#: Side of the crops that the network was trained on, px.
SIDE = 256
#: Parsing labels on which there may be detail; lips and brows are left to the base shape.
SKIN = ("skin", "nose")
#: Standard deviation in px of the fade along the border of what is valid.
FADE = 2.5


@attrs.define(kw_only=True)
class BumpUNet(DetailRecoverer):
    """The paper's bump network (3.4, eq. 7-8).

    Attributes:
        size: side of the bump map, px; None for the crop's.
        strength: factor on the heights; 1 as estimated, 0 flat.
        mirror: give the hidden part the fine relief of the seen side, where the face model has a mirror map.
        weights: folder of `bump_unet.safetensors`; None for the installed one.
    """

    licence: ClassVar[str] = "Apache-2.0; weights trained on synthetic faces, see the model card"

    size: int | None = attrs.field(
        default=None, validator=validators.optional([validators.instance_of(int), validators.ge(16)])
    )
    strength: float = attrs.field(default=1.0, converter=float, validator=validators.ge(0))
    mirror: bool = attrs.field(default=True, validator=validators.instance_of(bool))
    weights: str | None = None
    _network: Any = attrs.field(default=None, init=False, repr=False, eq=False)

    def setup(self, device: str = "cpu") -> None:
        """Read the network's weights.

        Raises:
            WeightsMissing: the weights file is not there or not whole.
        """
        import torch

        from occface_paper.detail.network import BumpNetwork
        from occface_paper.fuse import folded
        from occface_paper.weights import load_weights, weights_path

        state, metadata = load_weights(weights_path(WEIGHTS, self.weights))
        network = BumpNetwork(tuple(json.loads(metadata["widths"])), int(metadata["fold"]))
        network.load_state_dict(state)
        network.requires_grad_(False)
        self._network = folded(network).to(device).to(memory_format=torch.channels_last)

    def weights_sha256(self) -> str | None:
        """Return the hash of the network's weights."""
        from occface_paper.weights import sha256_of, weights_path

        return sha256_of(weights_path(WEIGHTS, self.weights))

    def run(self, clean: Tensor, shape: FaceShape, matte: Matte) -> FaceDetail:
        """Estimate the displacement from the base shape; see `DetailRecoverer.run`.

        The network sees the crop at 256 px, the scale it was trained at; the bump map is enlarged to `size`.

        Raises:
            StageError: `setup` was not called.
        """
        import torch
        from torch.nn import functional as F

        from occface_core.types import FaceDetail
        from occface_paper.detail.mirror import mirrored_detail

        if self._network is None:
            raise StageError("BumpUNet.run was called before setup(device); call setup once first")
        size = self.size or int(clean.shape[-1])
        if not len(clean):
            return FaceDetail(bump=clean.new_zeros(0, 1, size, size), shape=shape)
        with torch.inference_mode():
            picture, alpha = (_at(x.float(), SIDE) for x in (clean, matte.alpha.to(clean)))
            bump, valid = self._estimate(picture, alpha, shape, _bare(matte, alpha))
            if self.mirror and shape.model.mirror is not None and bool((alpha > 0.3).any()):
                bump = mirrored_detail(bump, valid, alpha, shape)
            bump = self.strength * bump * valid
            if size != SIDE:
                bump = F.interpolate(bump, (size, size), mode="bicubic", align_corners=False)
                valid = F.interpolate(valid, (size, size), mode="bilinear", align_corners=False)
        return FaceDetail(bump=bump, shape=shape, valid=valid)

    def _estimate(
        self, picture: Tensor, alpha: Tensor, shape: FaceShape, bare: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Bump (B, 1, 256, 256) mm, and how far it is valid, fading to 0 at the borders."""
        import torch

        from occface_paper.detail.base import draw_base
        from occface_paper.detail.inputs import blurred, network_input

        base = draw_base(
            shape.model,
            shape.vertices,
            shape.rotation,
            shape.translation,
            shape.scaled_intrinsics(SIDE),
            SIDE,
        )
        given = network_input(
            picture, alpha, base.normals, base.depth, base.face, shape.translation[:, 2]
        ).contiguous(memory_format=torch.channels_last)
        bump, logits = self._network(given)
        valid = torch.sigmoid(logits.float()) * base.face * bare
        return bump.float(), ((blurred(valid, FADE) - 0.5) / 0.4).clamp(0, 1)


def _bare(matte: Matte, alpha: Tensor) -> Tensor:
    """(B, 1, 256, 256) 1 where the parser, if one has run, sees skin, or something hidden that is completed.

    Hair and rims of glasses that the matte leaves out would become ridges.
    """
    import torch
    from torch.nn import functional as F

    if matte.labels is None or not matte.label_names:
        return torch.ones_like(alpha)
    bare = [code for code, name in enumerate(matte.label_names) if name in SKIN]
    seen = torch.isin(matte.labels, torch.as_tensor(bare, device=matte.labels.device).to(matte.labels))
    side = alpha.shape[-1]
    seen = F.interpolate(seen[:, None].float(), (side, side), mode="area").to(alpha)
    return torch.maximum(seen, (alpha > 0.3).to(alpha))


def _at(planes: Tensor, side: int) -> Tensor:
    """Planes (B, C, S, S) at another side."""
    from torch.nn import functional as F

    if planes.shape[-1] == side:
        return planes
    return F.interpolate(planes, (side, side), mode="bilinear", align_corners=False, antialias=True)
