"""The landmark network of the paper: a MobileNetV3 trunk, three fused taps, one linear layer (eq. 1's G_L)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: MobileNetV3-Large (Howard et al. 2019, table 1): kernel, expansion, output channels, squeeze-excite, h-swish, stride.
LARGE = (
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
)
#: The block whose expansion feature (stride 16, so 8x8 for a 128 px crop) feeds the second and third tap.
TAPPED_BLOCK = 12


def scaled(channels: int, width: float) -> int:
    """Channels at this width: the nearest multiple of eight that keeps at least 90 % of them."""
    value = max(8, int(channels * width + 4) // 8 * 8)
    return value + 8 if value < 0.9 * channels * width else value


def activation(h_swish: bool) -> nn.Module:
    """h-swish in the deep half of the trunk, ReLU in the shallow half."""
    return nn.Hardswish(inplace=True) if h_swish else nn.ReLU(inplace=True)


class SqueezeExcite(nn.Module):
    """Channel attention: (B, C, H, W) times a hard sigmoid of its pooled self."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = scaled(channels // 4, 1.0)
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        pooled = x.mean((2, 3), keepdim=True)
        return x * nn.functional.hardsigmoid(self.expand(torch.relu(self.reduce(pooled))))


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, optional squeeze-excite, linear projection; a shortcut where shapes agree."""

    def __init__(
        self, inputs: int, kernel: int, hidden: int, outputs: int, squeeze: bool, h_swish: bool, stride: int
    ) -> None:
        super().__init__()
        self.shortcut = stride == 1 and inputs == outputs
        self.expansion = (
            nn.Sequential(
                nn.Conv2d(inputs, hidden, 1, bias=False), nn.BatchNorm2d(hidden), activation(h_swish)
            )
            if hidden != inputs
            else nn.Identity()
        )
        self.projection = nn.Sequential(
            nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            activation(h_swish),
            SqueezeExcite(hidden) if squeeze else nn.Identity(),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, inputs, H, W) -> the block's output and its expansion feature (B, hidden, H, W)."""
        expanded = self.expansion(x)
        y = self.projection(expanded)
        return (x + y if self.shortcut else y), expanded


class LearnedPool(nn.Module):
    """Pooling to one value a channel with a learned weight a place; starts as the plain average.

    An average forgets where a feature was seen, which is what a landmark network is asked for.
    Maps of another size are resampled to ``size`` first, so that smaller crops can be trained on.
    """

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.weight = nn.Parameter(torch.full((channels, size, size), 1.0 / size**2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C)."""
        return torch.einsum("bchw,chw->bc", resampled(x, self.size), self.weight)


def resampled(x: Tensor, size: int) -> Tensor:
    """(B, C, H, W) -> (B, C, size, size); untouched where it has that size already."""
    if x.shape[-2:] == (size, size):
        return x
    return nn.functional.interpolate(x, (size, size), mode="bilinear", align_corners=False)


def trunk_of(width: float) -> tuple[nn.Sequential, nn.ModuleList, nn.Sequential]:
    """MobileNetV3-Large's stem, blocks and last convolution at this multiplier of all channel counts."""
    channels = scaled(16, width)
    stem = nn.Sequential(
        nn.Conv2d(3, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels), activation(True)
    )
    blocks = nn.ModuleList()
    for kernel, hidden, outputs, squeeze, h_swish, stride in LARGE:
        hidden, outputs = scaled(hidden, width), scaled(outputs, width)
        blocks.append(InvertedResidual(channels, kernel, hidden, outputs, squeeze, h_swish, stride))
        channels = outputs
    last, _ = trunk_channels(width)
    return (
        stem,
        blocks,
        nn.Sequential(nn.Conv2d(channels, last, 1, bias=False), nn.BatchNorm2d(last), activation(True)),
    )


def trunk_channels(width: float) -> tuple[int, int]:
    """Channels of the trunk's last feature and of the tapped block's expansion."""
    return scaled(960, width), scaled(LARGE[TAPPED_BLOCK][1], width)


class LandmarkNetwork(nn.Module):
    """Crop (B, 3, S, S), RGB in [0, 1], S = 128 -> 68 points and how sure each is (MATHS §1).

    Three taps are fused before the last layer: the pooled last feature (128), the pooled expansion feature
    (128) and the 8x8 expansion feature (64, PReLU); their 320 values give the 136 coordinates by one linear layer.

    Args:
        width: multiplier of all channel counts of the trunk.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.width = width
        self.stem, self.blocks, self.last = trunk_of(width)
        last, tapped = trunk_channels(width)
        self.last_pool = LearnedPool(last, 4)
        self.last_tap = nn.Sequential(nn.Linear(last, 128), nn.Hardswish())
        self.expansion_pool = LearnedPool(tapped, 8)
        self.expansion_tap = nn.Sequential(nn.Linear(tapped, 128), nn.Hardswish())
        self.map_squeeze = nn.Sequential(
            nn.Conv2d(tapped, 64, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)
        )
        self.map_tap = nn.Sequential(nn.Linear(64 * 8 * 8, 64), nn.PReLU(64))
        self.points = nn.Linear(320, 136)
        self.log_scale = nn.Linear(320, 68)
        self.register_buffer("mean_shape", torch.zeros(68, 2))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
        for head in (self.points, self.log_scale):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)

    def fused(self, crop: Tensor) -> Tensor:
        """(B, 3, S, S) RGB in [0, 1] -> the 320 fused values (B, 320)."""
        x = self.stem(crop * 2 - 1)
        expanded = x
        for index, block in enumerate(self.blocks):
            x, feature = block(x)
            if index == TAPPED_BLOCK:
                expanded = feature
        last = self.last_tap(self.last_pool(self.last(x)))
        pooled = self.expansion_tap(self.expansion_pool(expanded))
        spread = self.map_tap(resampled(self.map_squeeze(expanded), 8).flatten(1))
        return torch.cat([last, pooled, spread], 1)

    def forward(self, crop: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) -> points (B, 68, 2) and log scale (B, 68).

        Points are in units of the crop: x and y in [-1, 1] from its left and top to its right and bottom edge.
        The scale is the expected distance of the point from the truth, in the same units.
        """
        fused = self.fused(crop)
        points = self.points(fused).reshape(-1, 68, 2) + self.mean_shape
        return points, self.log_scale(fused) - 3.0
