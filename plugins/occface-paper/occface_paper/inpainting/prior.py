"""A linear model of the face's colours on the mean face: what is seen says what is likely in the hole."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Side of the textures and of their copies by which coefficients are fitted, px.
TEXTURE, FITTED = 64, 32
#: Variance of a pixel about the linear model; pixels of a picture are not independent, hence so much.
VARIANCE = 0.03


class TexturePrior(nn.Module):
    """Principal components of textures (3, TEXTURE, TEXTURE), each scaled by its standard deviation.

    Attributes:
        mean_shape: (68, 2) landmarks of the mean face, crop units.
        face: (1, TEXTURE, TEXTURE) in [0, 1], the face region of the mean face.
        mean: (3, TEXTURE, TEXTURE).
        basis: (components, 3, TEXTURE, TEXTURE).
    """

    mean_shape: Tensor
    face: Tensor
    mean: Tensor
    basis: Tensor

    def __init__(self, components: int = 96) -> None:
        super().__init__()
        self.register_buffer("mean_shape", torch.full((68, 2), 0.5))
        self.register_buffer("face", torch.ones(1, TEXTURE, TEXTURE))
        self.register_buffer("mean", torch.full((3, TEXTURE, TEXTURE), 0.5))
        self.register_buffer("basis", torch.zeros(components, 3, TEXTURE, TEXTURE))

    def forward(self, texture: Tensor, seen: Tensor) -> Tensor:
        """Most likely textures (B, 3, TEXTURE, TEXTURE) given what is seen of them.

        The posterior mean of coefficients with unit normal prior and independent noise of `VARIANCE`.

        Args:
            texture: (B, 3, TEXTURE, TEXTURE).
            seen: (B, 1, TEXTURE, TEXTURE) in [0, 1]; counted inside `face` only.
        """
        pool = TEXTURE // FITTED
        weight = F.avg_pool2d(seen * self.face, pool)
        known = F.avg_pool2d(seen * self.face * (texture - self.mean), pool)
        small = F.avg_pool2d(self.basis, pool).flatten(1)
        weighted = (small[None] * weight.expand(-1, 3, -1, -1).flatten(1)[:, None]).float()
        eye = VARIANCE * torch.eye(len(small), device=small.device)
        system = weighted @ small.T + eye
        right = known.flatten(1) @ small.T
        coefficients = torch.linalg.solve(system, right)
        return self.mean + (coefficients @ self.basis.flatten(1)).reshape(texture.shape)

    @torch.no_grad()
    def learn(self, textures: Tensor, seen: Tensor, rounds: int = 3, seed: int = 0) -> None:
        """Take mean and components from textures with gaps.

        Args:
            textures: (N, 3, TEXTURE, TEXTURE).
            seen: (N, 1, TEXTURE, TEXTURE) in [0, 1]; the rest is filled by the model itself, in rounds.
            rounds: of filling.
            seed: of the randomised decomposition.
        """
        torch.manual_seed(seed)
        components = min(len(self.basis), len(textures) - 1)
        total = (textures * seen).sum(0)
        self.mean.copy_(total / seen.sum(0).clamp_min(1))
        filled = torch.where(seen > 0.5, textures, self.mean)
        for _ in range(rounds):
            rows = ((filled - self.mean) * self.face).flatten(1)
            _, values, vectors = torch.svd_lowrank(rows, q=components, niter=2)
            scaled = vectors.T * (values / max(len(rows) - 1, 1) ** 0.5)[:, None]
            self.basis.zero_()
            self.basis[: len(scaled)] = scaled.reshape(-1, *self.mean.shape)
            guess = torch.cat(
                [self(t, s) for t, s in zip(textures.split(64), (seen > 0.5).float().split(64), strict=True)]
            )
            filled = torch.where(seen > 0.5, textures, guess)
            self.mean.copy_(filled.mean(0))
