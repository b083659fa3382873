"""Which cell of which map has to answer for which face."""

from __future__ import annotations

import numpy as np

from occface_paper.faces.network import STRIDES

#: Face size (root of the box area, px) that each stride answers for; neighbours overlap.
SIZE_RANGE = ((0.0, 44.0), (30.0, 100.0), (72.0, 1e9))
#: Cells whose centre is this near to the face's (in strides and in face sizes) say yes ...
RADIUS_STRIDES, RADIUS_FACES = 1.2, 0.3
#: ... those a little farther away are not asked.
IGNORED = 1.8


def targets(
    boxes: np.ndarray, points: np.ndarray, height: int, width: int, ignored: np.ndarray | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Targets of the three maps for the faces of one picture.

    Args:
        boxes: (F, 4) x0, y0, x1, y1 px.
        points: (F, 5, 2) px.
        height: of the picture, a multiple of 32.
        width: as height.
        ignored: (F,) bool, faces that are neither to be found nor to be missed.

    Returns:
        For each stride: label (h, w) float32 (1 face, 0 none, -1 not asked) and values (14, h, w) float32.
    """
    sizes = np.sqrt(np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0), 1)) if len(boxes) else np.zeros(0)
    result = []
    for stride, (low, high) in zip(STRIDES, SIZE_RANGE, strict=True):
        h, w = height // stride, width // stride
        label, values = np.zeros((h, w), np.float32), np.zeros((14, h, w), np.float32)
        nearest = np.full((h, w), np.inf, np.float32)
        x, y = (np.arange(w) + 0.5) * stride - 0.5, (np.arange(h) + 0.5) * stride - 0.5
        for i in range(len(boxes)):
            centre, extent = (boxes[i, :2] + boxes[i, 2:]) / 2, boxes[i, 2:] - boxes[i, :2]
            distance = np.hypot(x[None] - centre[0], y[:, None] - centre[1]).astype(np.float32)
            radius = max(0.75 * stride, min(RADIUS_STRIDES * stride, RADIUS_FACES * sizes[i]))
            within = low <= sizes[i] < high
            if ignored is not None and ignored[i]:
                label[(distance < max(radius, 0.5 * sizes[i])) & (label == 0)] = -1
                continue
            if not within:
                # The other maps see the same face at the wrong size: only its very border sizes are not asked.
                if 0.7 * low <= sizes[i] < 1.4 * high:
                    label[(distance < IGNORED * radius) & (label == 0)] = -1
                continue
            label[(distance < IGNORED * radius) & (label == 0)] = -1
            mine = (distance < radius) & (distance < nearest)
            nearest[mine], label[mine] = distance[mine], 1.0
            rows, columns = np.nonzero(mine)
            cells = np.stack([x[columns], y[rows]], 1)
            values[0:2, rows, columns] = ((centre - cells) / stride).T
            values[2:4, rows, columns] = np.log(np.maximum(extent, 1.0) / stride)[:, None]
            values[4:, rows, columns] = ((points[i][None] - cells[:, None]) / stride).reshape(-1, 10).T
        result.append((label, values))
    return result
