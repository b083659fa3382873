"""The generator: hollowed face and landmarks -> completed face (section 3.2).

Mask-aware encoder of gated convolutions, residual blocks with dilated convolutions, attention to what is in view,
decoder with mask-gated skips, and a light second output at twice the resolution.
"""

from __future__ import annotations

import json

import attrs
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from occface_paper.inpainting.hints import CHANNELS, hints, landmark_map
from occface_paper.inpainting.prior import TexturePrior
from occface_paper.inpainting.warps import to_units


@attrs.frozen(kw_only=True)
class GeneratorSize:
    """What a generator is built from; stored with its weights.

    Attributes:
        size: side of the pictures that encoder and decoder see, px.
        width: channels at that size; doubled by each halving.
        depth: halvings.
        blocks: residual blocks.
        dilation: of the first convolution of each block.
        kernel: of the first convolution.
        norm: "instance", or "none" with blocks that start as the identity.
        attention: whether the attention block is there.
        landmarks: whether the landmarks are given to the network.
        components: of the linear texture model that fills the hole first; 0: no hints, as in the paper.
        refine: channels of the second output at twice the size; 0: only one output.
    """

    size: int = 128
    width: int = 16
    depth: int = 3
    blocks: int = 3
    dilation: int = 2
    kernel: int = 3
    norm: str = attrs.field(default="none", validator=attrs.validators.in_(("none", "instance")))
    attention: bool = True
    landmarks: bool = True
    components: int = 96
    refine: int = 16

    @classmethod
    def paper(cls) -> GeneratorSize:
        """The paper's size: the reference configuration."""
        return cls(size=256, width=64, depth=2, blocks=7, kernel=7, norm="instance", components=0, refine=0)

    @property
    def output(self) -> int:
        """Side of the completed pictures, px."""
        return self.size * (2 if self.refine else 1)

    def to_json(self) -> str:
        """As a line of text for the metadata of a weights file."""
        return json.dumps(attrs.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> GeneratorSize:
        """The inverse of `to_json`."""
        return cls(**json.loads(text))


def _norm(kind: str, channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels, affine=True) if kind == "instance" else nn.Identity()


class GatedDown(nn.Module):
    """Convolution that halves the size, told of the hole, its answer gated by a pixel-wise second one."""

    def __init__(self, inside: int, outside: int, norm: str) -> None:
        super().__init__()
        self.feature = nn.Conv2d(inside + 1, outside, 4, 2, 1)
        self.gate = nn.Conv2d(inside + 1, outside, 2, 2)
        self.norm = _norm(norm, outside)

    def forward(self, x: Tensor, hole: Tensor) -> Tensor:
        """(B, C, H, W) with hole (B, 1, H, W) -> (B, 2C, H/2, W/2)."""
        x = torch.cat((x, hole), 1)
        return F.leaky_relu(self.norm(self.feature(x)), 0.2) * torch.sigmoid(self.gate(x))


class DilatedBlock(nn.Module):
    """x + conv(act(dilated conv(x)))."""

    def __init__(self, channels: int, dilation: int, norm: str) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.norms = nn.ModuleList([_norm(norm, channels), _norm(norm, channels)])

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        y = F.leaky_relu(self.norms[0](self.first(x)), 0.2)
        return x + self.norms[1](self.second(y))


class TwoTermAttention(nn.Module):
    """Attention of every place to every other, applied to the blocks' features and to the encoder's.

    With the attention a of the present features x (short term): x + gamma * a x. The encoder's features e (long
    term) answer by the same attention: alpha * m * a e + (1 - m) * e, with m = 1 in the hole: what is in view
    stays, the hole is filled from it. Both are fused by a pixel-wise convolution. Gamma and alpha start at 0.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels // 4, 1)
        self.gamma = nn.Parameter(torch.zeros(1))
        self.alpha = nn.Parameter(torch.zeros(1))
        self.fuse = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor, encoded: Tensor, hole: Tensor) -> Tensor:
        """x, encoded (B, C, H, W) and hole (B, 1, H, W) -> (B, C, H, W)."""
        query = self.query(x).flatten(2)
        attention = (query.mT @ query).softmax(-1)
        short = x + self.gamma * (x.flatten(2) @ attention.mT).reshape(x.shape)
        answer = (encoded.flatten(2) @ attention.mT).reshape(x.shape)
        context = self.alpha * hole * answer + (1 - hole) * encoded
        return self.fuse(torch.cat((short, context), 1))


class Up(nn.Module):
    """Doubles the size and fuses the skip, of which only what is in view passes.

    With hints there is something to be seen in the hole too: then each channel learns how far the hole shuts it.
    """

    def __init__(self, inside: int, outside: int, norm: str, hinted: bool) -> None:
        super().__init__()
        self.shut = nn.Parameter(torch.zeros(1, outside, 1, 1)) if hinted else None
        self.narrow = nn.Conv2d(inside, outside, 1)
        self.fuse = nn.Conv2d(2 * outside, outside, 1)
        self.conv = nn.Conv2d(outside, outside, 3, padding=1)
        self.norm = _norm(norm, outside)

    def forward(self, x: Tensor, skip: Tensor, hole: Tensor) -> Tensor:
        """(B, 2C, H, W), skip (B, C, 2H, 2W), hole (B, 1, 2H, 2W) -> (B, C, 2H, 2W)."""
        x = F.interpolate(self.narrow(x), scale_factor=2, mode="nearest")
        shut = hole if self.shut is None else hole * torch.sigmoid(self.shut)
        x = F.leaky_relu(self.fuse(torch.cat((x, skip * (1 - shut)), 1)), 0.2)
        return F.leaky_relu(self.norm(self.conv(x)), 0.2)


def _start(network: nn.Module) -> None:
    """First weights: signals keep their size from layer to layer (He et al. 2015), gates are open.

    Without norms the usual smaller weights let the gradients of the deep layers vanish.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=0.2)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    for module in network.modules():
        if isinstance(module, GatedDown):
            nn.init.normal_(module.gate.weight, std=0.02)
            nn.init.constant_(module.gate.bias, 2.0)  # type: ignore[arg-type]
        elif isinstance(module, DilatedBlock) and isinstance(module.norms[1], nn.Identity):
            nn.init.zeros_(module.second.weight)
        elif isinstance(module, TwoTermAttention):
            nn.init.normal_(module.query.weight, std=0.05)


class Generator(nn.Module):
    """Completes hollowed faces.

    Attributes:
        options: what it was built from.
        prior: the linear texture model of the hints, or None.
    """

    def __init__(self, options: GeneratorSize | None = None) -> None:
        super().__init__()
        self.options = o = options or GeneratorSize()
        self.prior = TexturePrior(o.components) if o.components else None
        widths = [o.width * 2**i for i in range(o.depth + 1)]
        inside = CHANNELS if o.components else 4
        self.stem = nn.Conv2d(inside, o.width, o.kernel, padding=o.kernel // 2)
        self.down = nn.ModuleList([GatedDown(widths[i], widths[i + 1], o.norm) for i in range(o.depth)])
        self.blocks = nn.ModuleList([DilatedBlock(widths[-1], o.dilation, o.norm) for _ in range(o.blocks)])
        self.attention = TwoTermAttention(widths[-1]) if o.attention else None
        self.up = nn.ModuleList(
            [Up(widths[i + 1], widths[i], o.norm, bool(o.components)) for i in reversed(range(o.depth))]
        )
        self.out = nn.Conv2d(o.width, 3, 3, padding=1)
        if o.refine:
            self.detail = nn.Conv2d(o.width + 16, o.refine, 3, padding=1)
            self.fine = nn.Conv2d(o.refine, 12, 3, padding=1)
        _start(self)
        if o.refine:  # the first large answer is the enlarged first one
            nn.init.zeros_(self.fine.weight)
        if o.components:  # the first answer is the prefilled picture
            nn.init.zeros_(self.out.weight)

    def inputs(self, image: Tensor, hole: Tensor, points: Tensor, seen: Tensor | None = None) -> Tensor:
        """What the network sees, at its size: hints, or hollowed picture and landmark map (4 channels).

        Args:
            image: (B, 3, S, S) in [0, 1].
            hole: (B, 1, S, S) of 0 and 1.
            points: (B, 68, 2) px of that picture.
            seen: (B, 1, S, S) of 0 and 1, pixels that are photo; all if None.
        """
        size = self.options.size
        units = to_units(points, image.shape[-1])
        small = _resized(image * (1 - hole), size)
        open_share = _resized(1 - hole, size)
        covered = (open_share < 0.99).to(image)
        small = small / open_share.clamp_min(1e-3) * (1 - covered)
        if self.prior is None:
            drawn = landmark_map(units, size)
            return torch.cat(
                (small, drawn if self.options.landmarks else torch.zeros_like(drawn), covered), 1
            )
        known = torch.ones_like(covered) if seen is None else (_resized(seen, size) > 0.99).to(image)
        x = hints(small, covered, known, units, self.prior)
        if not self.options.landmarks:
            x = torch.cat((x[:, :4], torch.zeros_like(x[:, 4:5]), x[:, 5:]), 1)
        return x

    def forward(
        self,
        image: Tensor,
        hole: Tensor,
        points: Tensor,
        seen: Tensor | None = None,
        *,
        given: Tensor | None = None,
        fine: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """Complete the holes.

        Args:
            image: (B, 3, S, S) in [0, 1], S = `options.output`.
            hole: (B, 1, S, S) of 0 and 1.
            points: (B, 68, 2) px of that picture.
            seen: (B, 1, S, S) of 0 and 1, pixels that are photo; all if None.
            given: what `inputs` returned, if it is known already.
            fine: whether to compute the second output.

        Returns:
            (B, 3, size, size) in [0, 1], and (B, 3, 2 size, 2 size) or None. Both are the network's answer
            everywhere: what is in view has to be put back.
        """
        with torch.no_grad():
            x = self.inputs(image, hole, points, seen) if given is None else given
        covered = x[:, 3:4] if self.prior is not None else x[:, 4:5]
        base = x[:, :3]
        if self.prior is None:
            x = x[:, :4]
        x = F.leaky_relu(self.stem(2 * x - 1), 0.2)
        skips, holes = [x], [covered]
        for down in self.down:
            x = down(x, holes[-1])
            skips.append(x)
            holes.append(F.max_pool2d(holes[-1], 2))
        encoded = x
        for block in self.blocks:
            x = block(x)
        if self.attention is not None:
            x = self.attention(x, encoded, holes[-1])
        for level, up in enumerate(self.up):
            at = len(skips) - 2 - level
            x = up(x, skips[at], holes[at])
        answer = self.out(x)
        coarse = (base + torch.tanh(answer)) if self.prior is not None else (torch.tanh(answer) + 1) / 2
        if not (fine and self.options.refine):
            return coarse, None
        above = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        picture = torch.cat((torch.where(hole > 0.5, above, image), hole), 1)
        detail = F.leaky_relu(self.detail(torch.cat((x, F.pixel_unshuffle(picture, 2)), 1)), 0.2)
        return coarse, above + F.pixel_shuffle(self.fine(detail), 2)


def _resized(values: Tensor, size: int) -> Tensor:
    """(B, C, S, S) -> (B, C, size, size), averaged where it gets smaller."""
    if values.shape[-1] == size:
        return values
    if values.shape[-1] % size == 0:
        return F.avg_pool2d(values, values.shape[-1] // size)
    return F.interpolate(values, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
