"""The patch discriminator: does each patch of a picture with these landmarks look like a photo? (section 3.2)"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


def _conv(inside: int, outside: int, kernel: int, stride: int = 1) -> nn.Module:
    return spectral_norm(nn.Conv2d(inside, outside, kernel, stride, (kernel - 1) // 2))


class SelfAttention(nn.Module):
    """x + gamma * attention(x) (Zhang et al. 2019); gamma starts at 0."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = _conv(channels, max(channels // 8, 1), 1)
        self.key = _conv(channels, max(channels // 8, 1), 1)
        self.value = _conv(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        query, key, value = (layer(x).flatten(2) for layer in (self.query, self.key, self.value))
        attention = (query.mT @ key).softmax(-1)
        return x + self.gamma * (value @ attention.mT).reshape(x.shape)


class PatchDiscriminator(nn.Module):
    """Spectral-norm convolutions on picture and landmark map; attention after the second halving."""

    def __init__(self, width: int = 64, landmarks: bool = True, attention: bool = True) -> None:
        super().__init__()
        self.landmarks = landmarks
        self.first = _conv(3 + landmarks, width, 4, 2)
        self.second = _conv(width, 2 * width, 4, 2)
        self.attention = SelfAttention(2 * width) if attention else nn.Identity()
        self.third = _conv(2 * width, 4 * width, 4, 2)
        self.fourth = _conv(4 * width, 4 * width, 3)
        self.last = _conv(4 * width, 1, 3)

    def forward(self, image: Tensor, landmarks: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) and landmark maps (B, 1, H, W) -> opinions (B, 1, H/8, W/8), near 1 = real."""
        x = torch.cat((image, landmarks), 1) if self.landmarks else image
        x = F.leaky_relu(self.first(x), 0.2)
        x = self.attention(F.leaky_relu(self.second(x), 0.2))
        x = F.leaky_relu(self.third(x), 0.2)
        x = F.leaky_relu(self.fourth(x), 0.2)
        return self.last(x)
