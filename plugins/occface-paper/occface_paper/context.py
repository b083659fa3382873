"""A context path that has seen more than faces: MobileNetV2 (Sandler et al. 2018), begun from ImageNet's weights.

A few thousand labelled faces do not teach a network what hands, cups and noise look like; a million photos of
everything do. Batch norms are folded into the convolutions when the public weights are read, and stay so in training:
on a CPU they cost as much as the convolutions.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from occface_core.errors import WeightsMissing
from occface_paper.fuse import folded
from occface_paper.parsing.bisenet import DEVIATION, MEAN

#: Expansion, channels, number of blocks and stride of the first, as in the paper's table 2.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
#: Layers whose outputs lie at 1/4, 1/8, 1/16 and 1/32, and their channels.
LEVELS = {3: 24, 6: 32, 13: 96, 17: 320}
#: Layers up to this one keep ImageNet's weights: edges and colours are the same on faces.
FROZEN = 3


def layer(inputs: int, outputs: int, kernel: int, stride: int, groups: int, norms: bool) -> list[nn.Module]:
    """Convolution and batch norm, or the two folded into one."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=not norms)
    return [convolution, nn.BatchNorm2d(outputs) if norms else nn.Identity()]


class InvertedResidual(nn.Module):
    """Widen, look around, narrow; with a shortcut where the shapes allow one."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int, norms: bool) -> None:
        super().__init__()
        wide = inputs * expansion
        parts: list[nn.Module] = []
        if expansion != 1:
            parts.append(nn.Sequential(*layer(inputs, wide, 1, 1, 1, norms), nn.ReLU6(inplace=True)))
        parts.append(nn.Sequential(*layer(wide, wide, 3, stride, wide, norms), nn.ReLU6(inplace=True)))
        self.conv = nn.Sequential(*parts, *layer(wide, outputs, 1, 1, 1, norms))
        self.short = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        y: Tensor = self.conv(x)
        return x + y if self.short else y


class ContextPath(nn.Module):
    """Crop (B, 3, S, S), RGB in [0, 1] -> features at 1/4, 1/8, 1/16 and 1/32, channels as in `LEVELS`.

    Args:
        norms: with batch norms of their own, as the public weights have them.
    """

    def __init__(self, norms: bool = False) -> None:
        super().__init__()
        layers = [nn.Sequential(*layer(3, 32, 3, 2, 1, norms), nn.ReLU6(inplace=True))]
        inputs = 32
        for expansion, outputs, count, stride in STAGES:
            for index in range(count):
                layers.append(
                    InvertedResidual(inputs, outputs, 1 if index else stride, expansion, norms)  # type: ignore[arg-type]
                )
                inputs = outputs
        self.features = nn.Sequential(*layers)

    def forward(self, crop: Tensor) -> list[Tensor]:
        """See the class."""
        x = (crop - crop.new_tensor(MEAN)[:, None, None]) / crop.new_tensor(DEVIATION)[:, None, None]
        found = []
        for index, part in enumerate(self.features):
            with torch.set_grad_enabled(torch.is_grad_enabled() and index > FROZEN):
                x = part(x)
            if index in LEVELS:
                found.append(x)
        return found


def entries(channels: tuple[int, int, int, int]) -> nn.ModuleList:
    """1x1 convolutions from the four features to so many channels, all 0: a network that adds them is as it was."""
    made = nn.ModuleList(nn.Conv2d(n, m, 1) for n, m in zip(LEVELS.values(), channels, strict=True))
    for entry in made:
        nn.init.zeros_(entry.weight)
        nn.init.zeros_(entry.bias)
    return made


def with_context(network: nn.Module, crop: Tensor, steps: list[Tensor]) -> list[Tensor]:
    """Features at 1/4 to 1/32 of a network with attributes ``context`` and ``entries``, plus what the path sees."""
    path = network.context
    if not isinstance(path, ContextPath):
        return steps
    return [step + entry(seen) for step, entry, seen in zip(steps, network.entries, path(crop), strict=True)]


def described(metadata: dict[str, str]) -> bool:
    """Whether the metadata of a weights file say that its network has the second path."""
    return metadata.get("context") == "yes"


def has_path(state: Iterable[str]) -> bool:
    """Whether weights of these names have the second path."""
    return any(name.startswith("context.") for name in state)


def take_over(network: nn.Module, state: dict[str, Tensor], source: Path | None) -> None:
    """Load weights into a network with attributes ``context`` and ``entries``, which the weights may lack.

    Raises:
        WeightsMissing: they are those of another network.
    """
    mine = network.state_dict()
    wrong = [name for name in mine if name not in state and not name.startswith(("context.", "entries."))]
    wrong += [name for name in state if name not in mine or state[name].shape != mine[name].shape]
    if wrong:
        raise WeightsMissing(
            f"{source or 'the weights'} cannot begin a {type(network).__name__} of this width: "
            f"{len(wrong)} tensors differ, the first is {wrong[0]}"
        )
    network.load_state_dict(state, strict=False)


def begin_context(network: nn.Module, path: Path | None) -> None:
    """Give the second path of a network ImageNet's weights, if a file is given; its first layers stay as they are."""
    context = network.context
    if isinstance(context, ContextPath):
        if path:
            context.load_state_dict(imagenet_context(path))
        context.features[: FROZEN + 1].requires_grad_(False)


def imagenet_context(path: Path) -> dict[str, Tensor]:
    """State of a `ContextPath` from torchvision's MobileNetV2 file, mobilenet_v2-b0353104.pth.

    Raises:
        WeightsMissing: no such file, or not these weights.
    """
    if not path.is_file():
        raise WeightsMissing(f"{path} is not there; give the path of torchvision's mobilenet_v2-b0353104.pth")
    network = ContextPath(norms=True)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict({name: state[name] for name in network.state_dict()})
    except Exception as error:
        raise WeightsMissing(f"{path} does not hold torchvision's MobileNetV2: {error}") from error
    return folded(network).state_dict()
