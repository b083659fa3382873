"""What light says about slopes: brightness that the base surface does not explain, and what a slope would change.

The light is fitted to the picture over the base surface's normals as nine spherical harmonics, here as the nine
polynomials of a unit normal that span them. Brightness is relative to its mean, so that exposure and the
skin's mean albedo do not matter.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Every so many pixels suffice for the nine numbers of the light.
STRIDE = 4
#: Errors of the relative brightness beyond which a pixel loses its say, one step of the fit after the other.
TOLERANCES = (0.5, 0.25, 0.15)
#: Pull towards even light.
RIDGE = 3e-3
#: Least relative brightness that is told from black.
DARK = 0.08


def shading_cues(brightness: Tensor, normals: Tensor, trust: Tensor) -> Tensor:
    """Return what a linear shape from shading would need, at every pixel.

    Args:
        brightness: (B, 1, H, W) mean of the picture's colours.
        normals: (B, 3, H, W) of the base surface, viewer axes.
        trust: (B, 1, H, W) in [0, 1], how far a pixel shows the face.

    Returns:
        (B, 3, H, W): log brightness less the base surface's own, bounded to ±1; its change by the slope to the
        right and upwards, bounded to ±3. All 0 where there is no surface.
    """
    mean = (brightness * trust).sum((1, 2, 3), keepdim=True) / trust.sum((1, 2, 3), keepdim=True).clamp_min(1)
    relative = brightness / mean.clamp_min(0.02)
    light = fit_light(relative, normals, trust)
    x, y, z = normals.unbind(1)
    k = light[:, :, None, None].unbind(1)
    lit = k[0] + k[1] * x + k[2] * y + k[3] * z
    lit = lit + k[4] * x * y + k[5] * y * z + k[6] * z * x + k[7] * z * z + k[8] * (x * x - y * y)
    lit = lit.clamp_min(DARK)
    gx = k[1] + k[4] * y + k[6] * z + 2 * k[8] * x
    gy = k[2] + k[4] * x + k[5] * z - 2 * k[8] * y
    gz = k[3] + k[5] * y + k[6] * x + 2 * k[7] * z
    along = gx * x + gy * y + gz * z
    # n is along (-dz/dx, -dz/dy, 1): the light's change as the surface rises to the right, and upwards
    right, up = (z * (along * n - g) / lit for n, g in ((x, gx), (y, gy)))
    left_over = relative[:, 0].clamp_min(DARK).log() - lit.log()
    surface = (normals.square().sum(1) > 0.5).to(brightness)
    cues = torch.stack((left_over.clamp(-1, 1), right.clamp(-3, 3), up.clamp(-3, 3)), 1)
    return cues * surface[:, None]


def fit_light(relative: Tensor, normals: Tensor, trust: Tensor) -> Tensor:
    """Return the light (B, 9) that explains relative brightness best, by reweighted least squares.

    Coefficients are those of 1, x, y, z, xy, yz, zx, z², x² - y². Arguments: as `shading_cues`.
    """

    def few(planes: Tensor) -> Tensor:
        return planes[:, :, ::STRIDE, ::STRIDE].flatten(2).float()

    x, y, z = few(normals).unbind(1)
    terms = torch.stack((torch.ones_like(x), x, y, z, x * y, y * z, z * x, z * z, x * x - y * y), 1)
    target, weight = few(relative)[:, 0] - 1, few(trust)[:, 0] * (z > 0.1)
    damping = RIDGE * torch.eye(9, device=terms.device)
    pull, light = weight, torch.zeros_like(terms[:, :, 0])
    for tolerance in TOLERANCES:
        scaled = terms * (pull / weight.sum(1, keepdim=True).clamp_min(1))[:, None]
        light = torch.linalg.solve(
            scaled @ terms.transpose(1, 2) + damping, (scaled @ target[..., None])[..., 0]
        )
        error = target - (light[:, None] @ terms)[:, 0]
        pull = weight / (1 + (error / tolerance) ** 2) ** 2
    return torch.cat((light[:, :1] + 1, light[:, 1:]), 1)
