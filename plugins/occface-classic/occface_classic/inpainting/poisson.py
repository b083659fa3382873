"""Gradient-domain filling of a hole: a sparse Poisson solve (Perez et al. 2003)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import splu

_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


def poisson_fill(
    image: NDArray[np.float32],
    hole: NDArray[np.bool_],
    source: NDArray[np.float32],
    usable: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Return `image` with the hole filled so that its gradients are those of `source`.

    Minimises the sum over neighbouring pixels p, q, at least one of them in the hole, of
    ((f_p - f_q) - (s_p - s_q))², with f = image at usable pixels outside the hole. Pairs with a pixel
    that is neither in the hole nor usable are left out, which is a free border.

    Args:
        image: (S, S, C).
        hole: (S, S), the pixels to compute.
        source: (S, S, C), gives the gradients.
        usable: (S, S), pixels whose colour the filling has to meet.

    Returns:
        (S, S, C); a part of the hole that touches no usable pixel is the source itself.
    """
    if not hole.any():
        return image
    border = usable & ~hole
    if not (cv2.dilate(hole.astype(np.uint8), _CROSS).astype(bool) & border).any():
        return np.where(hole[..., None], source, image)
    height, width = hole.shape
    index = np.full(hole.shape, -1)
    index[hole] = np.arange(int(hole.sum()))
    rows: list[NDArray[np.int64]] = []
    columns: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float64]] = []
    count = int(hole.sum())
    diagonal = np.zeros(count)
    right = np.zeros((count, image.shape[2]))
    for dy, dx in ((0, 1), (1, 0)):
        first = (slice(0, height - dy), slice(0, width - dx))
        second = (slice(dy, height), slice(dx, width))
        for here, there in ((first, second), (second, first)):
            both = hole[here] & hole[there]
            i, j = index[here][both], index[there][both]
            rows.append(i)
            columns.append(j)
            values.append(np.full(len(i), -1.0))
            np.add.at(diagonal, i, 1)
            np.add.at(right, i, (source[here] - source[there])[both])
            meets = hole[here] & border[there]
            k = index[here][meets]
            np.add.at(diagonal, k, 1)
            np.add.at(right, k, (image[there] + source[here] - source[there])[meets])
    # a whisper of the source itself keeps islands without a border solvable
    diagonal += 1e-6
    right += 1e-6 * source[hole]
    rows.append(np.arange(count))
    columns.append(np.arange(count))
    values.append(diagonal)
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    solved = splu(coo_matrix(entries, shape=(count, count)).tocsc()).solve(right)
    filled = image.copy()
    filled[hole] = solved
    return filled
