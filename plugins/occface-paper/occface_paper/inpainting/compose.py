"""What goes into the network and how its answer goes back into the crop."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from occface_core.compositing import composite
from occface_paper.inpainting.warps import spread

#: A pixel whose alpha exceeds this shows the occluder and may not be looked at.
HIDDEN = 0.02
#: Crop side to which pixel units refer.
REFERENCE = 256
#: Largest correction along the border of a hole: more is a piece of the occluder, not an error of tone.
_MOST = 0.08
#: Reach of that correction into the hole, px at the reference side.
_REACH = 24.0

#: Deviation of colours from their line, of a photo without colours and of one with; pixels that are enough to say.
_GREY, _COLOURED = 0.008, 0.016
_ENOUGH = 200

#: Deviations of the blurs between which the bands of the grain lie, px; most of one band; 0.6745 is a normal's.
_BANDS = (0.0, 0.7, 1.4, 2.8)
_MOST_GRAIN, _MEDIAN_OF_NORMAL = 0.02, 0.6745


def hole_of(alpha: Tensor, margin: float) -> Tensor:
    """(B, 1, S, S) of 0 and 1: what alpha (B, 1, S, S) hides and a margin in px at the reference side."""
    hole = (alpha > HIDDEN).to(alpha)
    for reach in range(round(margin * alpha.shape[-1] / REFERENCE)):
        # a square and a cross in turn grow a rounder shape than squares alone
        if reach % 2:
            hole = F.max_pool2d(hole, 3, 1, 1)
        else:
            hole = F.max_pool2d(hole, (3, 1), 1, (1, 0)).maximum(F.max_pool2d(hole, (1, 3), 1, (0, 1)))
    return hole


def matched(answer: Tensor, image: Tensor, hole: Tensor, alpha: Tensor) -> Tensor:
    """The answer with the tone of the picture along the border of the hole.

    The margin of the hole is in view: there the answer can be compared. The difference is continued into the
    hole, where it fades out.

    Args:
        answer: (B, 3, S, S), valid in the hole.
        image: (B, 3, S, S).
        hole: (B, 1, S, S), see `hole_of`.
        alpha: (B, 1, S, S).
    """
    rim = hole * (alpha <= 0)
    difference = ((image - answer) * rim).clamp(-_MOST, _MOST)
    size = image.shape[-1]
    small = max(size // 4, 1)
    weight = F.interpolate(rim, size=(small, small), mode="area")
    mean = F.interpolate(difference, size=(small, small), mode="area") / weight.clamp_min(1e-3)
    known = (weight > 0.2).to(image)
    correction = spread(mean * known, known)
    fade = _faded(known, max(round(_REACH * size / REFERENCE / 4), 1))
    correction = correction * fade
    return answer + F.interpolate(correction, size=(size, size), mode="bilinear", align_corners=False)


def toned(answer: Tensor, image: Tensor, seen: Tensor) -> Tensor:
    """The answer without colours that the picture does not have: a grey or sepia photo stays one.

    The colours of a face in view spread along one line through colour space and, less, away from it. Where they
    hardly leave it, those of the answer are put onto it.

    Args:
        answer: (B, 3, S, S).
        image: (B, 3, S, S).
        seen: (B, 1, S, S) in [0, 1], the part of the face that is in view.
    """
    weight = seen.flatten(2)
    total = weight.sum(-1, keepdim=True)
    mean = (image.flatten(2) * weight).sum(-1, keepdim=True) / total.clamp_min(1)
    centred = image.flatten(2) - mean
    covariance = (centred * weight) @ centred.mT / total.clamp_min(1)
    values, vectors = torch.linalg.eigh(covariance.double())
    line = vectors[..., -1:].to(image)
    beside = values[..., :-1].sum(-1).clamp_min(0).sqrt().to(image)
    share = ((_COLOURED - beside) / (_COLOURED - _GREY)).clamp(0, 1)[:, None, None]
    share = share * (total > _ENOUGH)
    flat = answer.flatten(2) - mean
    projected = line @ (line.mT @ flat)
    return (mean + flat + share * (projected - flat)).reshape(answer.shape)


def grain(image: Tensor, seen: Tensor) -> Tensor:
    """(B, 1, S, S) grey noise of mean 0 with as much of each fineness as the face in view has.

    Median deviations of three bands of the picture, which edges hardly move, and band-passed white noise, the same
    for every face.

    Args:
        image: (B, 3, S, S).
        seen: (B, 1, S, S) in [0, 1], the part of the face that is in view.
    """
    size = image.shape[-1]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 1, size, size, generator=generator).to(image)
    grey = image.mean(1, keepdim=True)
    unseen = seen <= 0.5
    total = torch.zeros_like(grey)
    for fine, rough in pairwise(_BANDS):
        band = (_smoothed(grey, fine) - _smoothed(grey, rough)).abs()
        band = band.masked_fill(unseen, torch.nan).flatten(1)
        deviation = (band.nanmedian(1).values / _MEDIAN_OF_NORMAL).nan_to_num(0.0).clamp(0, _MOST_GRAIN)
        drawn = _smoothed(noise, fine) - _smoothed(noise, rough)
        total = total + drawn / drawn.std().clamp_min(1e-6) * deviation[:, None, None, None]
    return total


def _smoothed(values: Tensor, deviation: float) -> Tensor:
    """Gaussian blur of (B, 1, S, S); a deviation of 0 px changes nothing."""
    if deviation <= 0:
        return values
    reach = int(3 * deviation + 0.5)
    at = torch.arange(-reach, reach + 1, device=values.device, dtype=values.dtype)
    kernel = torch.exp(-0.5 * (at / deviation) ** 2)
    kernel = kernel / kernel.sum()
    across = F.conv2d(F.pad(values, (reach, reach, 0, 0), mode="replicate"), kernel[None, None, None])
    return F.conv2d(F.pad(across, (0, 0, reach, reach), mode="replicate"), kernel[None, None, :, None])


def _faded(places: Tensor, reach: int) -> Tensor:
    """1 at places (B, 1, H, W) of 0 and 1, falling evenly to 0 beyond `reach` pixels of them."""
    total, grown = places, places
    for _ in range(reach):
        grown = F.max_pool2d(grown, 3, 1, 1)
        total = total + grown
    return total / (reach + 1)


def finished(
    answer: Tensor,
    image: Tensor,
    alpha: Tensor,
    face: Tensor,
    *,
    margin: float,
    match: bool,
    strength: float,
) -> Tensor:
    """A crop with an answer for its hole put in, as a photo of that tone, colour and grain.

    Args:
        answer: (B, 3, R, R), of any size R.
        image: (B, 3, S, S) in [0, 1].
        alpha: (B, 1, S, S) in [0, 1].
        face: (B, 1, S, S) in [0, 1], the face region.
        margin: see `hole_of`.
        match: whether to follow the tone along the border, see `matched`.
        strength: of the grain, see `grain`.
    """
    size = image.shape[-1]
    picture, cover = image.to(answer), alpha.to(answer)
    if answer.shape[-1] != size:
        answer = F.interpolate(answer, size=(size, size), mode="bilinear", antialias=True)
    hole = hole_of(cover, margin)
    if match:
        answer = matched(answer, picture, hole, cover)
    seen = face.to(answer) * (1 - hole)
    answer = toned(answer, picture, seen)
    if strength:
        answer = answer + strength * grain(picture, seen)
    return composite(image, answer.to(image), alpha)
