"""The face finder's network: small, anchor-free, three strides.

Each cell of the maps at stride 8, 16 and 32 says whether the centre of a face of its size range lies there, and
gives the box and five points (eyes, nose tip, mouth corners) relative to the cell, in the manner of FCOS (Tian et
al. 2019) and CenterNet-like detectors. Its features come from a few dense convolutions (about 0.2 million
parameters) or from the trunk of the landmark network, which has learnt from faces what they look like half hidden.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from occface_paper.landmarks.network import trunk_of

STRIDES = (8, 16, 32)
#: Values a cell gives: score logit, box (centre x, y, log width, log height), five points.
VALUES = 1 + 4 + 10


#: Blocks of the landmark network's trunk whose outputs have these strides.
TRUNK_LEVELS = (5, 11, 14)


class ConvolutionBlock(nn.Sequential):
    """3x3 convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class ResidualBlock(nn.Module):
    """x + convolution(convolution(x)), then ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvolutionBlock(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return torch.relu(x + self.second(self.first(x)))


class DenseFeatures(nn.Module):
    """(B, 3, H, W) in [-1, 1] -> maps of stride 8, 16 and 32 by dense convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        deep = width + width // 4
        self.channels = (width, deep, deep)
        self.stem = nn.Sequential(ConvolutionBlock(3, 16, 2), ConvolutionBlock(16, 24, 2))
        self.stride8 = nn.Sequential(ConvolutionBlock(24, width, 2), ResidualBlock(width))
        self.stride16 = nn.Sequential(ConvolutionBlock(width, deep, 2), ResidualBlock(deep))
        self.stride32 = nn.Sequential(ConvolutionBlock(deep, deep, 2), ResidualBlock(deep))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, C8, H/8, W/8), (B, C16, H/16, W/16), (B, C32, H/32, W/32)]."""
        c8 = self.stride8(self.stem(x))
        c16 = self.stride16(c8)
        return [c8, c16, self.stride32(c16)]


class TrunkFeatures(nn.Module):
    """The same maps from the trunk of the landmark network, at this multiplier of its channels."""

    def __init__(self, multiplier: float) -> None:
        super().__init__()
        self.stem, self.blocks, _ = trunk_of(multiplier)
        self.channels = tuple(self.blocks[i].projection[-1].num_features for i in TRUNK_LEVELS)

    def forward(self, x: Tensor) -> list[Tensor]:
        """As `DenseFeatures`."""
        x = self.stem(x)
        levels = []
        for index, block in enumerate(self.blocks):
            x, _ = block(x)
            if index in TRUNK_LEVELS:
                levels.append(x)
        return levels


class FaceNetwork(nn.Module):
    """Photo (B, 3, H, W), RGB in [0, 1], H and W multiples of 32 -> three maps of raw values.

    Args:
        width: channels of the maps that the heads see.
        trunk: multiplier of the landmark network's trunk whose features are used; 0 for dense convolutions.
    """

    def __init__(self, width: int = 40, trunk: float = 0.0) -> None:
        super().__init__()
        self.width, self.trunk = width, trunk
        self.features = TrunkFeatures(trunk) if trunk else DenseFeatures(width)
        self.lateral = nn.ModuleList([nn.Conv2d(c, width, 1) for c in self.features.channels])
        self.towers = nn.ModuleList([ConvolutionBlock(width, width) for _ in STRIDES])
        self.heads = nn.ModuleList([nn.Conv2d(width, VALUES, 1) for _ in STRIDES])
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for head in self.heads:
            nn.init.normal_(head.weight, std=0.01)
            nn.init.constant_(
                head.bias[:1], -4.6
            )  # one face in a hundred cells, so that training starts calm

    @classmethod
    def of(cls, metadata: dict[str, str]) -> FaceNetwork:
        """The network that a weights file's metadata describes."""
        return cls(int(metadata.get("width", 40)), float(metadata.get("trunk", 0)))

    def begin_with(self, state: dict[str, Tensor]) -> None:
        """Take over the weights of a finder, or those of a landmark network's trunk."""
        if "heads.0.weight" in state:
            self.load_state_dict(state)
        else:
            own = {f"features.{k}": v for k, v in state.items() if k.startswith(("stem.", "blocks."))}
            self.load_state_dict(own, strict=False)

    def forward(self, photo: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, 15, H/8, W/8), (B, 15, H/16, W/16), (B, 15, H/32, W/32)]."""
        c8, c16, c32 = self.features(photo * 2 - 1)
        p32 = self.lateral[2](c32)
        p16 = self.lateral[1](c16) + upsampled(p32)
        p8 = self.lateral[0](c8) + upsampled(p16)
        return [
            head(tower(p)) for p, tower, head in zip((p8, p16, p32), self.towers, self.heads, strict=True)
        ]


def upsampled(x: Tensor) -> Tensor:
    """Twice the size, by repetition."""
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


def decode(raw: Tensor, stride: int) -> tuple[Tensor, Tensor, Tensor]:
    """Raw map (B, 15, h, w) -> score (B, n), boxes (B, n, 4) as x0, y0, x1, y1 and points (B, n, 5, 2), px.

    Pixel (0, 0) is the centre of the top-left pixel: the centre of cell i lies at (i + 0.5) * stride - 0.5.
    """
    batch, _, height, width = raw.shape
    y, x = torch.meshgrid(
        torch.arange(height, device=raw.device), torch.arange(width, device=raw.device), indexing="ij"
    )
    cell = (torch.stack([x, y], -1).reshape(-1, 2).to(raw.dtype) + 0.5) * stride - 0.5
    flat = raw.flatten(2).transpose(1, 2)
    centre = cell + flat[..., 1:3] * stride
    half = flat[..., 3:5].clamp(-4, 4).exp() * stride / 2
    points = cell[:, None] + flat[..., 5:].reshape(batch, -1, 5, 2) * stride
    return flat[..., 0].sigmoid(), torch.cat([centre - half, centre + half], -1), points
