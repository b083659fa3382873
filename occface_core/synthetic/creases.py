"""How much of the light from all around creases keep out, and what light within them gives back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

TEXEL = 0.77
"""Width of a texel of the wrinkle maps on the face, mm; see `wrinkles.SIDE`."""
REACHES = (1, 2, 4, 7)
"""How far away something may stand in the way, texels."""
WAYS = ((0, 1), (1, 1), (1, 0), (1, -1))
"""Directions in which it is looked for, each also backwards: (rows, columns)."""


def closedness(heights: Tensor, texel: float = TEXEL) -> Tensor:
    """Return the share of even light that a height field keeps from each of its own points; 0 far from any height.

    Arguments and result: as `closedness_within`, which works on the part of the maps that is not flat.
    """
    out = torch.zeros_like(heights)
    rough = heights != 0
    rows, columns = (torch.nonzero(rough.any(0).any(axis))[:, 0] for axis in (1, 0))
    if len(rows):
        far = max(REACHES) + 1
        part = [slice(max(int(r[0]) - far, 0), int(r[-1]) + far + 1) for r in (rows, columns)]
        out[:, part[0], part[1]] = closedness_within(heights[:, part[0], part[1]], texel)
    return out


def closedness_within(heights: Tensor, texel: float) -> Tensor:
    """Return the share of even light that a height field keeps from each of its own points.

    Along each direction the surface ends the free view at an angle h above the point's own tangent; of light
    from everywhere, weighed by the cosine that a matt surface weighs it with, sin² h lies below that.

    Args:
        heights: (B, H, W) mm.
        texel: width of a texel, mm.

    Returns:
        (B, H, W) in [0, 1): 0 where nothing stands in the way, as on any plane.
    """
    far = max(REACHES)
    height, width = heights.shape[1:]
    padded = torch.nn.functional.pad(heights[:, None], (far,) * 4, mode="replicate")[:, 0]

    def moved(rows: int, columns: int) -> Tensor:
        return padded[:, far + rows : far + rows + height, far + columns : far + columns + width]

    total, rise = torch.zeros_like(heights), torch.empty_like(heights)
    for way in WAYS:
        unit = texel * float(np.hypot(*way))
        tangent = (moved(*way) - moved(-way[0], -way[1])) / (2 * unit)
        for sign in (1, -1):
            steepest = sign * tangent
            for reach in REACHES:
                torch.sub(moved(sign * reach * way[0], sign * reach * way[1]), heights, out=rise)
                torch.maximum(steepest, rise.div_(reach * unit), out=steepest)
            square = steepest.sub_(tangent, alpha=sign).square_()
            total += square.div_(square + 1)
    return total / (2 * len(WAYS))


def shaded(closed: Tensor, reflectance: Tensor) -> Tensor:
    """Return the factor of even light that skin in a crease sends on, with all bounces between its walls.

    A share c of what a point would send on comes back from walls of its own colour r, which themselves are lit
    as it is: (1 - c) + (1 - c) · r c + … = (1 - c) / (1 - r c). Red light bounces most, so creases are reddish.

    Args:
        closed: share that is kept out, see `closedness`; broadcasts with `reflectance`.
        reflectance: of the skin, in [0, 1].
    """
    return (1 - closed) / (1 - closed * reflectance)
