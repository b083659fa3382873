"""BiSeNet (Yu et al. 2018) with a ResNet-18 context path, in the layout of the public CelebAMask-HQ checkpoint.

Only for users who bring that checkpoint: it was trained on CelebAMask-HQ, whose licence is non-commercial, it knows
no hand and no mask, and it is slower than the network of this distribution. The attribute names are those of the
checkpoint's state dict.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from occface_core.errors import WeightsMissing
from occface_core.synthetic import LABEL_NAMES

#: CelebAMask-HQ's 19 classes in the order of the public checkpoint, as names of this library's labels.
CELEBAMASK = (
    "background",
    "skin",
    "brows",
    "brows",
    "eyes",
    "eyes",
    "eyeglasses",
    "ears",
    "ears",
    "ears",  # an earring hangs there; this library has no class for it
    "nose",
    "mouth",
    "lips",
    "lips",
    "neck",
    "neck",  # likewise a necklace
    "cloth",
    "hair",
    "hat",
)
#: ImageNet's mean and standard deviation, which the checkpoint expects to be taken off.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ConvBNReLU(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        return torch.relu(self.bn(self.conv(x)))


class BasicBlock(nn.Module):
    """The residual block of ResNet-18."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        else:
            self.downsample = nn.Sequential()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class ResNet18(nn.Module):
    """The trunk: features at 1/8, 1/16 and 1/32."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        widths = (64, 64, 128, 256, 512)
        for index, (inputs, outputs) in enumerate(itertools.pairwise(widths), 1):
            blocks = BasicBlock(inputs, outputs, 1 if index == 1 else 2), BasicBlock(outputs, outputs)
            setattr(self, f"layer{index}", nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) -> (B, 128, H/8, W/8), (B, 256, H/16, W/16), (B, 512, H/32, W/32)."""
        x = F.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        eighth = self.layer2(self.layer1(x))
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


class AttentionRefinement(nn.Module):
    """Features times a gate from their own mean."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = ConvBNReLU(inputs, outputs)
        self.conv_atten = nn.Conv2d(outputs, outputs, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        x = self.conv(x)
        return x * torch.sigmoid(self.bn_atten(self.conv_atten(x.mean((2, 3), keepdim=True))))


class ContextPath(nn.Module):
    """Wide view: refined deep features, brought up to 1/8."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = ResNet18()
        self.arm16 = AttentionRefinement(256, 128)
        self.arm32 = AttentionRefinement(512, 128)
        self.conv_head32 = ConvBNReLU(128, 128)
        self.conv_head16 = ConvBNReLU(128, 128)
        self.conv_avg = ConvBNReLU(512, 128, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) -> trunk at 1/8, context at 1/8, context at 1/16: (B, 128, ...) each."""
        eighth, sixteenth, deepest = self.resnet(x)
        whole = self.conv_avg(deepest.mean((2, 3), keepdim=True))
        deep = F.interpolate(self.arm32(deepest) + whole, sixteenth.shape[2:], mode="nearest")
        deep = self.conv_head32(deep)
        near = F.interpolate(self.arm16(sixteenth) + deep, eighth.shape[2:], mode="nearest")
        return eighth, self.conv_head16(near), deep


class FeatureFusion(nn.Module):
    """Both paths together, each channel weighed by the whole picture."""

    def __init__(self) -> None:
        super().__init__()
        self.convblk = ConvBNReLU(256, 256, 1)
        self.conv1 = nn.Conv2d(256, 64, 1, bias=False)
        self.conv2 = nn.Conv2d(64, 256, 1, bias=False)

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        """Twice (B, 128, H, W) -> (B, 256, H, W)."""
        x = self.convblk(torch.cat([spatial, context], 1))
        return x + x * torch.sigmoid(self.conv2(torch.relu(self.conv1(x.mean((2, 3), keepdim=True)))))


class Output(nn.Module):
    """The last two convolutions."""

    def __init__(self, inputs: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.conv = ConvBNReLU(inputs, hidden)
        self.conv_out = nn.Conv2d(hidden, classes, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, classes, H, W)."""
        return self.conv_out(self.conv(x))


class BiSeNet(nn.Module):
    """Photo (B, 3, H, W) RGB in [0, 1] -> logits of the 19 classes at its size; made for 512 x 512."""

    def __init__(self) -> None:
        super().__init__()
        self.cp = ContextPath()
        self.ffm = FeatureFusion()
        self.conv_out = Output(256, 256, len(CELEBAMASK))
        self.conv_out16 = Output(
            128, 64, len(CELEBAMASK)
        )  # deep supervision: in the file, used in training only
        self.conv_out32 = Output(128, 64, len(CELEBAMASK))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 19, H, W) logits."""
        scale = x.new_tensor(DEVIATION)[:, None, None]
        trunk, context, _ = self.cp((x - x.new_tensor(MEAN)[:, None, None]) / scale)
        logits = self.conv_out(self.ffm(trunk, context))
        return F.interpolate(logits, x.shape[2:], mode="bilinear", align_corners=True)


def load_bisenet(path: Path) -> BiSeNet:
    """Read the public checkpoint (.pth).

    Raises:
        WeightsMissing: no such file, or not a state dict of this network.
    """
    if not path.is_file():
        raise WeightsMissing(f"{path} is not there; give the path of a BiSeNet checkpoint (.pth)")
    network = BiSeNet()
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        raise WeightsMissing(f"{path} is not a CelebAMask-HQ BiSeNet checkpoint: {error}") from error
    return network.eval()


def to_library_labels(classes: Tensor) -> Tensor:
    """CelebAMask-HQ classes -> codes of `occface_core.synthetic.LABEL_NAMES`; any shape, int64."""
    table = classes.new_tensor([LABEL_NAMES.index(name) for name in CELEBAMASK])
    return table[classes]
