"""Learned perceptual distance (Zhang et al. 2018, AlexNet variant), from weights that the user has.

The weights do not come with this library. A file is a PyTorch or safetensors state dict with the names of the
reference implementation (``torch.save(lpips.LPIPS(net="alex").state_dict(), "lpips_alex.pth")``).
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from occface_core.errors import WeightsMissing

_LAYERS = (
    ("slice1.0", 4, 2),
    ("slice2.3", 1, 2),
    ("slice3.6", 1, 1),
    ("slice4.8", 1, 1),
    ("slice5.10", 1, 1),
)
"""Name, stride and padding of AlexNet's five convolutions."""

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""ImageNet's mean and spread for pictures in [-1, 1]."""


class Lpips:
    """Distance of two pictures; 0 = alike.

    Args:
        path: state dict, .pth, .pt or .safetensors.

    Raises:
        WeightsMissing: the file is not there or lacks weights.
    """

    def __init__(self, path: str | Path) -> None:
        file = Path(path)
        try:
            if file.suffix == ".safetensors":
                from safetensors.torch import load_file

                state = load_file(file)
            else:
                state = torch.load(file, map_location="cpu", weights_only=True)
            self._layers = [
                (state[f"net.{name}.weight"].float(), state[f"net.{name}.bias"].float(), stride, padding)
                for name, stride, padding in _LAYERS
            ]
            self._linear = [state[f"lin{k}.model.1.weight"].float() for k in range(len(_LAYERS))]
        except Exception as error:
            raise WeightsMissing(
                f"{file}: cannot be read as LPIPS weights ({type(error).__name__}: {error}). Give the state dict of "
                f"the reference implementation's LPIPS(net='alex'), or leave out 'lpips'"
            ) from error

    def __call__(self, a: Tensor, b: Tensor) -> float:
        """Return the distance of two pictures (3, S, S), RGB in [0, 1]."""
        shift, scale = (torch.tensor(value).reshape(3, 1, 1) for value in (_SHIFT, _SCALE))
        x = (torch.stack((a, b)) * 2 - 1 - shift) / scale
        total = 0.0
        for number, (weight, bias, stride, padding) in enumerate(self._layers):
            if number in (1, 2):
                x = F.max_pool2d(x, 3, 2)
            x = F.relu(F.conv2d(x, weight, bias, stride, padding))
            unit = x / (x.norm(dim=1, keepdim=True) + 1e-10)
            total += float(F.conv2d((unit[:1] - unit[1:]) ** 2, self._linear[number]).mean())
        return total
