"""Losses of the shape network; every one is a mean over the batch and has the unit that its name says."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from occface_core.geometry.illumination import shade
from occface_core.geometry.normals import facing, to_viewer

#: Colour error beyond which a pixel counts less and less: make-up, beard, shadow, an unnoticed occluder.
COLOUR_TOLERANCE = 0.1
#: Cosine to the line of sight at which skin starts to count, and counts fully.
GRAZING, FRONTAL = 0.2, 0.5
#: Weight of the points' reprojection on photos: outline of the jaw, its far side, brows, nose, eyes, mouth.
POINT_WEIGHT = (*[0.35] * 17, *[0.7] * 10, *[1.5] * 9, *[1.5] * 12, *[1.2] * 20)


def smooth_norm(vectors: Tensor) -> Tensor:
    """Length (..., ) of vectors (..., D) with a gradient at 0."""
    return (vectors.square().sum(-1) + 1e-6).sqrt()


def vertex_loss(found: Tensor, truth: Tensor) -> Tensor:
    """(1/N) Σ ‖S'_v - S*_v‖ in mm, pose left out; both (B, N, 3) in the face's frame."""
    return smooth_norm(found - truth).mean()


def form_loss(found: Tensor, truth: Tensor) -> Tensor:
    """Mean of ‖s (S'_v - mean S') - (S*_v - mean S*)‖ in mm with the best s: what a photo can tell.

    A photo says nothing about a face's size and little about where in its frame it lies.
    """
    a, b = found - found.mean(1, keepdim=True), truth - truth.mean(1, keepdim=True)
    scale = (a * b).sum((1, 2)) / a.square().sum((1, 2)).clamp_min(1e-6)
    return smooth_norm(scale[:, None, None] * a - b).mean()


def point_loss(found: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """(1/68) Σ w_i ‖π(S'_i) - l_i‖ in px; points (B, 68, 2), weights (B, 68)."""
    distance = smooth_norm(found - truth)
    if weight is None:
        return distance.mean()
    return (distance * weight).sum() / weight.sum().clamp_min(1e-6)


def photo_point_loss(found: Tensor, truth: Tensor, far: Tensor) -> Tensor:
    """`point_loss` of hand-marked points, in px.

    Jaw points count across the outline alone, as nothing says how far along it a person puts them; far-side ones
    half.

    Args:
        found: (B, 68, 2) projected, the jaw on the visible outline.
        truth: (B, 68, 2) marked.
        far: (B, 17) bool, jaw points on the side that is turned away.
    """
    error = found - truth
    jaw = truth[:, :17]
    along = torch.cat((jaw[:, 1:2] - jaw[:, :1], jaw[:, 2:] - jaw[:, :-2], jaw[:, -1:] - jaw[:, -2:-1]), 1)
    along = along / along.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    slide = 0.85 * (error[:, :17] * along).sum(-1, keepdim=True) * along
    error = torch.cat([error[:, :17] - slide, error[:, 17:]], 1)
    weight = error.new_tensor(POINT_WEIGHT).expand(len(error), -1).clone()
    weight[:, :17] *= 1 - 0.5 * far.to(weight)
    # one face with wild marks shall not rule the batch: beyond 6 px an error grows slower (square root)
    distance = smooth_norm(error)
    distance = torch.where(distance < 6, distance, 2 * (6 * distance.clamp_min(6)).sqrt() - 6)
    return (distance * weight).sum() / weight.sum()


def rotation_loss(found: Tensor, truth: Tensor) -> Tensor:
    """Mean angle between rotations (B, 3, 3) in degrees, from their Frobenius distance: ‖R - R*‖ = 2√2 sin(θ/2)."""
    chord = ((found - truth).square().sum((1, 2)) + 1e-8).sqrt()
    return torch.rad2deg(2 * torch.asin((chord / 8**0.5).clamp_max(0.999))).mean()


def spread_loss(found: Tensor, truth: Tensor, spread: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean squared error of coefficients (B, C) in squared spreads (C,), of the rows in ``mask`` (B,)."""
    error = ((found - truth) / spread).square().mean(1)
    if mask is None:
        return error.mean()
    return (error * mask).sum() / mask.sum().clamp_min(1)


def doubt_loss(log_variance: Tensor, squared: Tensor, mask: Tensor | None = None) -> Tensor:
    """Gaussian negative log-likelihood ½ (e² / σ² + log σ²) of one group, e not differentiated.

    Args:
        log_variance: (B,) predicted log σ² beside the usual squared error.
        squared: (B,) mean squared error of the group beside the usual one.
        mask: (B,) rows that count.
    """
    loss = 0.5 * (squared.detach().clamp_max(20) * torch.exp(-log_variance) + log_variance)
    if mask is None:
        return loss.mean()
    return (loss * mask).sum() / mask.sum().clamp_min(1)


def prior_loss(identity: Tensor, expression: Tensor, expression_spread: Tensor | float) -> Tensor:
    """Mean α² + mean (β / spread)² plus what expression weights overstep [0, 1] by, in spreads."""
    beyond = (-expression).clamp_min(0) + (expression - 1).clamp_min(0)
    return (
        identity.square().mean()
        + (expression / expression_spread).square().mean()
        + (beyond / expression_spread).mean()
    )


def skin_colours(image: Tensor, pixels: Tensor) -> Tensor:
    """(B, M, 3) colours of (B, 3, S, S) at pixels (B, M, 2); bilinear."""
    grid = (2 * pixels + 1) / image.shape[-1] - 1
    values = F.grid_sample(image, grid[:, :, None], padding_mode="border", align_corners=False)
    return values[..., 0].transpose(1, 2)


def photometric_loss(
    image: Tensor,
    pixels: Tensor,
    camera: Tensor,
    normals: Tensor,
    albedo: Tensor,
    illumination: Tensor,
    matte: Tensor | None = None,
) -> Tensor:
    """Robust colour error of visible skin, after MATHS §4's photometric term: mean ρ(‖C - I‖).

    ρ(e) = e² / (e² + t²) · t, Geman and McClure's: outliers of any size count alike.

    Args:
        image: (B, 3, S, S) in [0, 1].
        pixels: (B, M, 2) where the skin points lie in it.
        camera: (B, M, 3) mm, the points in camera space.
        normals: (B, M, 3) unit normals in camera axes.
        albedo: (B, M, 3).
        illumination: (B, 27).
        matte: (B, 1, S, S) what is hidden, and does not count.
    """
    size = image.shape[-1]
    seen = ((facing(camera, normals) - GRAZING) / (FRONTAL - GRAZING)).clamp(0, 1).detach()
    inside = ((pixels > 0) & (pixels < size - 1)).all(-1)
    colours = skin_colours(image, pixels)
    clear = (colours.amax(-1) < 0.985) & (colours.amax(-1) > 0.03)
    weight = seen * inside * clear
    if matte is not None:
        weight = weight * (1 - skin_colours(matte, pixels.detach())[..., 0])
    drawn = shade(albedo, to_viewer(normals), illumination)
    error = (drawn - colours).square().mean(-1)
    robust = COLOUR_TOLERANCE * error / (error + COLOUR_TOLERANCE**2)
    return (robust * weight).sum() / weight.sum().clamp_min(1)
