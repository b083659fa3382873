"""Trunks of the shape network: MobileNetV3 for a CPU, ResNet-18, and ResNet-50 as in the paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from occface_paper.landmarks.network import TAPPED_BLOCK, LearnedPool, trunk_channels, trunk_of

TRUNKS = ("mobilenet_v3", "resnet18", "resnet50")


class MobileTrunk(nn.Module):
    """The landmark network's trunk; its modules have the same names, so that its weights load here.

    Two taps: the last feature, pooled from 4x4, and the expansion feature of one block, pooled from 8x8, both by
    a learned weight a place, which keeps where something was seen.

    Args:
        width: multiplier of all channel counts.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        self.stem, self.blocks, self.last = trunk_of(width)
        last, tapped = trunk_channels(width)
        self.last_pool = LearnedPool(last, 4)
        self.expansion_pool = LearnedPool(tapped, 8)
        self.channels = last + tapped

    def freeze(self, blocks: int) -> None:
        """Keep the stem and the first ``blocks`` as they are, batch statistics included: half of the work saved."""
        for module in (self.stem, *self.blocks[:blocks]):
            module.requires_grad_(False).eval()

    def forward(self, crop: Tensor) -> Tensor:
        """(B, 3, S, S) RGB in [0, 1] -> (B, channels)."""
        x = self.stem(crop * 2 - 1)
        expanded = x
        for index, block in enumerate(self.blocks):
            x, feature = block(x)
            if index == TAPPED_BLOCK:
                expanded = feature
        return torch.cat([self.last_pool(self.last(x)), self.expansion_pool(expanded)], 1)


class Residual(nn.Module):
    """A residual block: two 3x3 convolutions, or with ``bottleneck`` 1x1, 3x3 and 1x1 (He et al. 2016).

    Args:
        inputs: channels that come in.
        hidden: channels inside.
        stride: of the 3x3 convolution that shrinks the map.
        bottleneck: three convolutions, with four times ``hidden`` channels going out.
    """

    def __init__(self, inputs: int, hidden: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        outputs = hidden * (4 if bottleneck else 1)
        if bottleneck:
            self.conv1 = nn.Conv2d(inputs, hidden, 1, bias=False)
            self.conv2 = nn.Conv2d(hidden, hidden, 3, stride, 1, bias=False)
            self.conv3 = nn.Conv2d(hidden, outputs, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(outputs)
        else:
            self.conv1 = nn.Conv2d(inputs, hidden, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(hidden, hidden, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(hidden), nn.BatchNorm2d(hidden)
        self.bottleneck = bottleneck
        self.downsample = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
            if stride != 1 or inputs != outputs
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.bottleneck:
            y = self.bn3(self.conv3(torch.relu(y)))
        return torch.relu(y + self.downsample(x))


class ResNet(nn.Module):
    """ResNet without its classifier; module names as in the public PyTorch models.

    Args:
        depth: 18 or 50.
        spatial: pool by a learned weight a place of a 4x4 map; otherwise by the mean, as published networks do.
    """

    def __init__(self, depth: int, spatial: bool = True) -> None:
        super().__init__()
        counts, bottleneck = {18: ((2, 2, 2, 2), False), 50: ((3, 4, 6, 3), True)}[depth]
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        channels = 64
        for stage, (count, hidden) in enumerate(zip(counts, (64, 128, 256, 512), strict=True), 1):
            blocks = []
            for index in range(count):
                stride = 2 if stage > 1 and index == 0 else 1
                blocks.append(Residual(channels, hidden, stride, bottleneck))
                channels = hidden * (4 if bottleneck else 1)
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.channels = channels
        self.pool: nn.Module = (
            LearnedPool(channels, 4) if spatial else nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        )

    def forward(self, crop: Tensor) -> Tensor:
        """(B, 3, S, S) RGB in [0, 1] -> (B, channels)."""
        x = torch.relu(self.bn1(self.conv1(crop)))
        x = nn.functional.max_pool2d(x, 3, 2, 1)
        for stage in (1, 2, 3, 4):
            x = getattr(self, f"layer{stage}")(x)
        pooled: Tensor = self.pool(x)
        return pooled


def build_trunk(name: str, width: float) -> MobileTrunk | ResNet:
    """The trunk called ``name``, one of `TRUNKS`; ``width`` is that of MobileNetV3 alone."""
    if name == "mobilenet_v3":
        return MobileTrunk(width)
    if name not in TRUNKS:
        raise ValueError(f"trunk must be one of {', '.join(TRUNKS)}, got {name!r}")
    return ResNet(int(name.removeprefix("resnet")))
