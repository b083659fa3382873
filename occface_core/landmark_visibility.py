"""Which landmarks can be seen: what the matte says around each point, and where the photo ends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from occface_core.types import Matte

RADIUS = 0.010
"""Radius of the disc around a landmark, as a share of the crop: 2.6 pixels of 256."""

_RINGS = ((0.0, 1), (0.5, 6), (1.0, 12))  # radius as a share of the disc's, and samples on it
_DISC = [
    (share * math.cos(2 * math.pi * k / count), share * math.sin(2 * math.pi * k / count))
    for share, count in _RINGS
    for k in range(count)
]
_LEAST_FACE = 0.15  # share of face in the disc below which a wider disc is asked


def landmark_visibility(matte: Matte, points: Tensor) -> Tensor:
    """Return how much of the matte's disc around each landmark is free: 1 = seen, 0 = behind something.

    A matte is judged in the face region only, and the jaw's points lie on that region's border: only the part
    of the disc inside the region counts, and a disc twice as wide where that is next to nothing. A disc, not
    a pixel, so that a point beside an edge, which may lie on either side of it, is neither 0 nor 1.
    Points off the crop are judged where the crop ends.

    Args:
        matte: of B faces.
        points: (B, 68, 2) crop pixels.

    Returns:
        (B, 68) in [0, 1].
    """
    import torch

    size = int(matte.alpha.shape[-1])
    maps = torch.cat([matte.alpha.minimum(matte.face), matte.face, matte.alpha], 1)
    place = torch.nan_to_num(points).clamp(0, size - 1).to(maps)
    hidden = torch.zeros_like(place[..., 0])
    unknown = torch.ones_like(hidden, dtype=torch.bool)
    for widening in (1, 2):
        covered, face, plain = _disc_means(maps, place, widening * RADIUS * size)
        settled = unknown & (face >= _LEAST_FACE)
        hidden = torch.where(settled, covered / face.clamp_min(1e-6), hidden)
        unknown = unknown & ~settled
        if not bool(unknown.any()):
            break
    return (1 - torch.where(unknown, plain, hidden)).clamp(0, 1)


def inside_photo(points: Tensor, crop_to_photo: Tensor, photo_size: tuple[int, int] | None) -> Tensor:
    """Return (B, 68) bool: whether a point lies in the photo; all do where the photo's size is not known.

    Args:
        points: (B, 68, 2) crop pixels.
        crop_to_photo: (B, 3, 3).
        photo_size: (height, width) of the photo, pixels.
    """
    import torch

    if photo_size is None:
        return torch.ones(points.shape[:2], dtype=torch.bool, device=points.device)
    from occface_core.geometry.align import transform_points

    place = transform_points(crop_to_photo, points)
    edge = place.new_tensor([photo_size[1] - 0.5, photo_size[0] - 0.5])
    return ((place >= -0.5) & (place <= edge)).all(-1)


def _disc_means(maps: Tensor, place: Tensor, radius: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean of each of three maps (B, 3, S, S) in a disc around each place (B, N, 2): (B, N) each."""
    from occface_core.geometry.resample import sample_pixels

    at = place[:, :, None] + radius * place.new_tensor(_DISC)
    if len(place) == 0:
        empty = place[..., 0]
        return empty, empty, empty
    first, second, third = sample_pixels(maps, at).mean(-1).unbind(1)
    return first, second, third
