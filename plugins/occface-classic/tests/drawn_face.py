"""A face drawn by hand, symmetric about the middle column, for tests with a known answer."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

SKIN = (0.80, 0.60, 0.50)
SIZE = 256


def points(size: int = SIZE) -> Tensor:
    """Return (1, 68, 2) landmarks of an upright, exactly symmetric face."""
    jaw = [(-80 * np.cos(a), 10 + 85 * np.sin(a)) for a in np.linspace(0, np.pi, 17)]
    right_brow = [(x, -48 - 8 * np.sin((x + 65) / 45 * np.pi)) for x in np.linspace(-65, -20, 5)]
    left_brow = [(-x, y) for x, y in right_brow[::-1]]
    nose = [(0, -30), (0, -15), (0, 0), (0, 14), (-14, 24), (-7, 27), (0, 29), (7, 27), (14, 24)]
    right_eye = [(-52, -28), (-42, -34), (-30, -34), (-20, -27), (-30, -23), (-42, -23)]
    left_eye = [(-x, y) for x, y in (right_eye[i] for i in (3, 2, 1, 0, 5, 4))]
    outer = [(26 * np.cos(a), 52 + 11 * np.sin(a)) for a in np.pi + np.arange(12) * np.pi / 6]
    inner = [(20 * np.cos(a), 52 + 3 * np.sin(a)) for a in np.pi + np.arange(8) * np.pi / 4]
    drawn = np.array(jaw + right_brow + left_brow + nose + right_eye + left_eye + outer + inner)
    return torch.tensor(drawn * size / 256 + (size - 1) / 2, dtype=torch.float32)[None]


def picture(size: int = SIZE, skin: tuple[float, float, float] = SKIN) -> Tensor:
    """Return (1, 3, size, size): skin everywhere, with brows, eyes and lips drawn in."""
    p = points(size)[0].numpy()
    image = np.ones((size, size, 3), np.float32) * np.array(skin, np.float32)

    def fill(corners: np.ndarray, colour: tuple[float, float, float]) -> None:
        shifted = np.round(corners * 16).astype(np.int32)
        cv2.fillPoly(image, [shifted], colour, lineType=cv2.LINE_AA, shift=4)

    brow = np.array(skin) * 0.35
    for start in (17, 22):
        stroke = p[start : start + 5]
        down = np.array([0, 5 * size / 256])
        fill(np.concatenate([stroke - down / 2, (stroke + down / 2)[::-1]]), tuple(brow.tolist()))
    for start in (36, 42):
        fill(p[start : start + 6], (0.9, 0.9, 0.9))
        centre = p[start : start + 6].mean(0)
        cv2.circle(image, tuple(round(v) for v in centre), max(1, size // 50), (0.15, 0.1, 0.08), -1)
    fill(p[48:60], (0.65, 0.30, 0.30))
    fill(p[60:68], (0.30, 0.10, 0.10))
    return torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()


def polygon(corners: list[tuple[float, float]], size: int = SIZE) -> Tensor:
    """Return (1, 1, size, size) of 0 and 1: the inside of a polygon in pixels about the middle."""
    mask = np.zeros((size, size), np.uint8)
    shifted = np.array(corners) * size / 256 + (size - 1) / 2
    cv2.fillPoly(mask, [np.round(shifted).astype(np.int32)], 1)
    return torch.from_numpy(mask.astype(np.float32))[None, None]


def paint(image: Tensor, mask: Tensor, colour: tuple[float, float, float]) -> Tensor:
    """Return the image with a colour where the mask is 1."""
    return image * (1 - mask) + mask * torch.tensor(colour)[None, :, None, None]
