"""Integral regression (Sun et al. 2018): points as the means of heatmaps, on the trunk of the landmark network.

The paper's network pools its features and says 136 numbers; this one keeps them in place, at a quarter of the
crop's resolution, and takes the mean place of a heatmap of each point. It is the alternate to compare with.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from occface_paper.context import ContextPath, entries, with_context
from occface_paper.landmarks.network import resampled, trunk_of

#: Blocks of the trunk whose outputs lie at a quarter, an eighth and a sixteenth of the crop.
LEVELS = (2, 5, 11)
#: How far the maps reach beyond the crop, in crop units: points may lie a little outside.
REACH = 1.15


class HeatmapNetwork(nn.Module):
    """Crop (B, 3, S, S), RGB in [0, 1] -> 68 points and how sure each is, as `LandmarkNetwork` gives them.

    Args:
        width: of the trunk.
        channels: of the way up.
        context: with a second path, begun from ImageNet's weights, whose features are added on the way up.
    """

    def __init__(self, width: float = 0.75, channels: int = 64, *, context: bool = False) -> None:
        super().__init__()
        self.width, self.channels = width, channels
        self.stem, self.blocks, self.last = trunk_of(width)
        sides = [self.blocks[i].projection[-1].num_features for i in LEVELS]
        deepest = self.last[1].num_features
        self.deepest = lateral(deepest, channels)
        self.sides = nn.ModuleList(lateral(side, channels) for side in sides)
        self.merges = nn.ModuleList(separable(channels) for _ in sides)
        self.maps = nn.Conv2d(channels, 68, 1)
        self.sharpness = nn.Parameter(torch.zeros(68))
        self.scale_of_spread = nn.Parameter(torch.tensor([1.0, -1.0]).repeat(68, 1))
        self.register_buffer("mean_shape", torch.zeros(68, 2))
        self.frozen = False
        self.context = ContextPath() if context else None
        if context:
            self.entries = entries((channels,) * 4)

    def freeze_trunk(self) -> None:
        """Train the way up alone, on the features that the trunk has already."""
        self.frozen = True
        for part in (self.stem, self.blocks, self.last):
            part.requires_grad_(False).eval()

    def trunk_state(self, state: dict[str, Tensor]) -> None:
        """Take over the trunk and the mean shape of a `LandmarkNetwork`'s state."""
        own = {
            name: value
            for name, value in state.items()
            if name.startswith(("stem.", "blocks.", "last.")) or name == "mean_shape"
        }
        self.load_state_dict(own, strict=False)

    def heatmaps(self, crop: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, 68, S/4, S/4), each summing to 1."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            x = self.stem(crop * 2 - 1)
            levels = []
            for index, block in enumerate(self.blocks):
                x, _ = block(x)
                if index in LEVELS:
                    levels.append(x)
            x = self.last(x)
        steps = [side(level) for side, level in zip(self.sides, levels, strict=True)]
        steps.append(self.deepest(x))
        steps = with_context(self, crop, steps)
        x = steps.pop()
        for merge, step in zip(reversed(self.merges), reversed(steps), strict=True):
            x = merge(resampled(x, step.shape[-1]) + step)
        logits = self.maps(x) * self.sharpness.exp()[:, None, None]
        return logits.flatten(2).softmax(2).reshape(logits.shape)

    def forward(self, crop: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) -> points (B, 68, 2) and log scale (B, 68), both in crop units."""
        chance = self.heatmaps(crop)
        side = chance.shape[-1]
        place = torch.linspace(-1 + 1 / side, 1 - 1 / side, side, device=crop.device) * REACH
        across, down = chance.sum(2), chance.sum(3)  # marginals over x and over y
        x, y = across @ place, down @ place
        variance = (across @ place.square() - x.square()) + (down @ place.square() - y.square())
        spread = 0.5 * (variance + 1e-6).log()
        log_scale = self.scale_of_spread[:, 0] * spread + self.scale_of_spread[:, 1]
        return torch.stack([x, y], 2), log_scale


def lateral(inputs: int, outputs: int) -> nn.Sequential:
    """1x1 convolution and batch norm."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


def separable(channels: int) -> nn.Sequential:
    """ReLU, depthwise 5x5 and pointwise convolution, each with batch norm, and h-swish."""
    return nn.Sequential(
        nn.Hardswish(inplace=True),
        nn.Conv2d(channels, channels, 5, 1, 2, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.Hardswish(inplace=True),
    )
