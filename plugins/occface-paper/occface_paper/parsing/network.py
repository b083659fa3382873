"""The parsing network of this distribution: a spatial and a context path, as in BiSeNet, small enough for a CPU.

The spatial path keeps the crop's detail at 1/2 and 1/4 and goes down to 1/32; attention gates refine the deep
features, and on the way up each step takes in what a second path, begun from ImageNet's weights, knows of the same
place (`occface_paper.context`). The last layer gives each pixel of the full-size crop its own logits (pixel
shuffle), so that thin rims stay thin.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from occface_core.synthetic.labels import LABEL_NAMES
from occface_paper.context import ContextPath, described, entries, with_context


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """Two convolutions with a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = convolution(inputs, outputs, 3, stride)
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut = (
            nn.Identity()
            if stride == 1 and inputs == outputs
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


class Gate(nn.Module):
    """Every channel times a gate computed from the means of all."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return x * torch.sigmoid(self.weigh(x.mean((2, 3), keepdim=True)))


class ParsingNetwork(nn.Module):
    """Crop (B, 3, S, S), RGB in [0, 1], S a multiple of 32 -> logits (B, classes, S, S).

    Args:
        width: multiplier of all channel counts.
        classes: labels; the library's own by default.
        context: with the second path.
    """

    def __init__(self, width: float = 1.0, classes: int = len(LABEL_NAMES), *, context: bool = False) -> None:
        super().__init__()
        self.width = width
        half, quarter, eighth, sixteenth, deepest = (int(width * c) // 8 * 8 for c in (16, 40, 80, 144, 208))
        up16, up8, up4, up2 = (int(width * c) // 8 * 8 for c in (96, 64, 48, 32))
        self.to2 = convolution(3, half, 3, 2)
        self.to4 = Residual(half, quarter, 2)
        self.to8 = nn.Sequential(Residual(quarter, eighth, 2), Residual(eighth, eighth))
        self.to16 = nn.Sequential(Residual(eighth, sixteenth, 2), Residual(sixteenth, sixteenth))
        self.to32 = nn.Sequential(Residual(sixteenth, deepest, 2), Residual(deepest, deepest))
        self.whole = convolution(deepest, up16, 1)
        self.deep = nn.Sequential(convolution(deepest, up16, 1), Gate(up16))
        self.side16 = nn.Sequential(convolution(sixteenth, up16, 1), Gate(up16))
        self.side8 = convolution(eighth, up8, 1)
        self.side4 = convolution(quarter, up4, 1)
        self.side2 = convolution(half, up2, 1)
        self.merge16 = convolution(up16, up8)
        self.merge8 = convolution(up8, up4)
        self.merge4 = convolution(up4, up2)
        self.merge2 = convolution(up2, up2)
        self.logits = nn.Conv2d(up2, 4 * classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.logits.weight, std=0.01)
        self.context = ContextPath() if context else None
        if context:
            self.entries = entries((up4, up8, up16, up16))

    @classmethod
    def of(cls, metadata: dict[str, str]) -> ParsingNetwork:
        """The network that a weights file's metadata describes."""
        return cls(float(metadata["width"]), context=described(metadata))

    def metadata(self) -> dict[str, str]:
        """What `of` needs."""
        return {"width": str(self.width), "context": "yes" if self.context else "no"}

    def forward(self, crop: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, classes, S, S)."""
        half = self.to2(crop * 2 - 1)
        quarter = self.to4(half)
        eighth = self.to8(quarter)
        sixteenth = self.to16(eighth)
        deepest = self.to32(sixteenth)
        sides = [self.side4(quarter), self.side8(eighth), self.side16(sixteenth), self.deep(deepest)]
        sides = with_context(self, crop, sides)
        x = sides[3] + self.whole(deepest.mean((2, 3), keepdim=True))
        x = self.merge16(doubled(x) + sides[2])
        x = self.merge8(doubled(x) + sides[1])
        x = self.merge4(doubled(x) + sides[0])
        x = self.merge2(doubled(x) + self.side2(half))
        return F.pixel_shuffle(self.logits(x), 2)


def doubled(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, 2H, 2W), bilinear."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
