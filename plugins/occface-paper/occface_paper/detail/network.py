"""The bump network of the paper: a U-Net from completed crop and base surface to bump map and valid mask (3.4)."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Channels of the input: see `occface_paper.detail.inputs.network_input`.
CHANNELS = 13
#: Channels of each level of the paper's network.
PAPER_WIDTHS = (16, 32, 64, 128, 256, 512, 1024)
#: Channels of the network that comes with the package, which a CPU can train; it begins at half the side.
WIDTHS = (32, 48, 80, 112, 160)
#: Displacement at which the bump head saturates, mm.
REACH = 4.0


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3 x 3 convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class BumpNetwork(nn.Module):
    """Crop and base surface (B, 13, S, S), S a multiple of fold * 2 ** (levels - 1) -> bump map and valid mask.

    Strided convolutions go down; on the way up the deeper level is enlarged, joined with the skip of its own
    level and convolved. One head gives the bump by a tanh, the other the valid mask. With a fold of 2, four
    neighbouring pixels enter as channels of one and leave as four pixels: at the full side, where a U-Net
    spends most of its time, nothing is computed and nothing is lost.

    Args:
        widths: channels of every level, the largest first.
        fold: 1 as in the paper, or 2.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS, fold: int = 2) -> None:
        super().__init__()
        self.widths, self.fold = tuple(widths), fold
        self.enter = convolution(CHANNELS * fold**2, widths[0])
        self.down = nn.ModuleList(convolution(above, below, 2) for above, below in itertools.pairwise(widths))
        self.deepest = convolution(widths[-1], widths[-1])
        self.up = nn.ModuleList(
            convolution(below + above, above) for above, below in itertools.pairwise(widths)
        )
        self.bump = nn.Conv2d(widths[0], fold**2, 3, 1, 1)
        self.valid = nn.Conv2d(widths[0], fold**2, 3, 1, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        for head in (self.bump, self.valid):  # flat, and undecided
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 13, S, S) -> bump (B, 1, S, S) mm within ±`REACH`, and logits of the valid mask (B, 1, S, S)."""
        skips = [self.enter(F.pixel_unshuffle(x, self.fold))]
        for step in self.down:
            skips.append(step(skips[-1]))
        x = self.deepest(skips.pop())
        for step in reversed(self.up):
            enlarged = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = step(torch.cat((enlarged, skips.pop()), 1))
        bump, valid = (F.pixel_shuffle(head(x), self.fold) for head in (self.bump, self.valid))
        return REACH * torch.tanh(bump / REACH), valid
