"""The smooth difference that makes a drawn picture agree with a photo along the border of a hole."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from occface_classic.inpainting.poisson import poisson_fill


def membrane_fill(
    image: NDArray[np.float32],
    hole: NDArray[np.bool_],
    source: NDArray[np.float32],
    usable: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Return `image` with `source` + membrane in the hole, a fast form of `poisson_fill`.

    Poisson filling with all gradients of one source is the source plus a harmonic function that meets the
    difference at the border. That function is smooth, so it is solved for on every second pixel.

    Args:
        image: (S, S, C) in [0, 1].
        hole: (S, S), the pixels to compute.
        source: (S, S, C) in [0, 1].
        usable: (S, S), pixels whose colour the filling has to meet.

    Returns:
        (S, S, C) in [0, 1]; where no usable pixel is met, the source itself.
    """
    if not hole.any():
        return image
    size = len(image)
    known = usable & ~hole
    weight = _blocks(known[..., None].astype(np.float32))
    difference = _blocks((image - source) * known[..., None]) / np.maximum(weight, 1e-6)
    border = weight[..., 0] > 0
    inside = (_blocks(hole[..., None].astype(np.float32))[..., 0] > 0) & ~border
    coded = (0.5 + 0.5 * np.clip(difference, -1, 1)).astype(np.float32)
    solved = 2 * poisson_fill(coded, inside, np.full_like(coded, 0.5), border) - 1
    # blocks that are neither must not leak into the interpolation
    solved = np.where((border | inside)[..., None], solved, 0).astype(np.float32)
    share = (border | inside).astype(np.float32)
    wide = (2 * len(solved), 2 * len(solved))
    smooth = cv2.resize(solved, wide, interpolation=cv2.INTER_LINEAR).reshape(*wide, -1)
    share = cv2.resize(share, wide, interpolation=cv2.INTER_LINEAR)
    smooth = (smooth / np.maximum(share, 1e-3)[..., None])[:size, :size]
    return np.where(hole[..., None], np.clip(source + smooth, 0, 1), image).astype(np.float32)


def _blocks(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means of 2 x 2 blocks; an odd side is extended by zeros."""
    size = len(values)
    padded = np.pad(values, ((0, size % 2), (0, size % 2), (0, 0)))
    half = len(padded) // 2
    return np.asarray(padded.reshape(half, 2, half, 2, -1).mean((1, 3)), dtype=np.float32)
