"""One face's 68 points by a dlib shape predictor, asked from several boxes."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Boxes from which the predictor starts: shift right, shift down (in widths of the box) and scale.
STARTS = (
    (0.0, 0.0, 1.0),
    (0.04, 0.0, 1.0),
    (-0.04, 0.0, 1.0),
    (0.0, 0.04, 1.0),
    (0.0, -0.04, 1.0),
    (0.0, 0.0, 1.06),
    (0.0, 0.0, 0.94),
    (0.03, 0.03, 1.03),
    (-0.03, -0.03, 0.97),
)
#: Width in px to which a face's box is brought: the predictor rounds its points to whole pixels.
BOX_WIDTH = 300
#: A point whose answers differ by this share of the box's width has confidence 0.5.
HALF_SPREAD = 0.02


def predict(
    dlib: Any, predictor: Any, pixels: np.ndarray, box: np.ndarray, starts: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of one face and how much its answers agree.

    Args:
        dlib: the module.
        predictor: `dlib.shape_predictor` of 68 points.
        pixels: (H, W, 3) uint8 RGB.
        box: (4,) left, top, right, bottom in px, (0, 0) the centre of the top-left pixel.
        starts: how many of `STARTS` are asked, at least 1.

    Returns:
        Points (68, 2) in px of `pixels`, their mean over the starts, and the root mean square distance of the
        answers from it (68,), in widths of the box.
    """
    import cv2

    width = float(box[2] - box[0])
    scale, side = BOX_WIDTH / width, 2 * BOX_WIDTH
    middle = (side - 1) / 2
    shift = middle - scale * (box[:2] + box[2:]) / 2
    to_crop = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    crop = cv2.warpAffine(
        pixels, to_crop, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    answers = np.array([_answer(dlib, predictor, crop, middle, start) for start in STARTS[:starts]])
    mean = answers.mean(0)
    spread = np.sqrt(((answers - mean) ** 2).sum(-1).mean(0)) / BOX_WIDTH
    return (mean - shift) / scale, spread


def _answer(
    dlib: Any, predictor: Any, crop: np.ndarray, middle: float, start: tuple[float, float, float]
) -> np.ndarray:
    """Return (68, 2) in px of the crop, from one box."""
    right, down, size = start
    x, y, half = middle + right * BOX_WIDTH, middle + down * BOX_WIDTH, size * BOX_WIDTH / 2
    box = dlib.rectangle(round(x - half), round(y - half), round(x + half), round(y + half))
    return np.array([(part.x, part.y) for part in predictor(crop, box).parts()], dtype=np.float64)


def confidence(spread: np.ndarray) -> np.ndarray:
    """Return confidences in (0, 1] of points with this spread; 0.5 at `HALF_SPREAD`."""
    return 0.5 ** (spread / HALF_SPREAD)
