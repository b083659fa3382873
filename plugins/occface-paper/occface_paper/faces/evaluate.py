"""Recall and false faces of the finder on photos with known boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from occface_paper.faces.data import Photo
from occface_paper.faces.find import FoundFaces, find_faces
from occface_paper.faces.network import FaceNetwork


def overlaps(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (A, 4) and (B, 4): (A, B)."""
    low = np.maximum(found[:, None, :2], truth[None, :, :2])
    high = np.minimum(found[:, None, 2:], truth[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), 2)
    area = [np.prod(b[:, 2:] - b[:, :2], 1) for b in (found, truth)]
    return shared / (area[0][:, None] + area[1][None] - shared)


def measure(
    network: FaceNetwork, photos: Sequence[Photo], threshold: float = 0.5, smallest: float = 16.0
) -> dict[str, float]:
    """Share of the faces found (IoU >= 0.4, at least ``smallest`` px) and false faces by true faces.

    Faces marked as ignored, and smaller ones, count neither way.
    """
    hit = total = false = answers = 0
    for photo in photos:
        image = torch.from_numpy(np.ascontiguousarray(photo.image)).permute(2, 0, 1)[None].float() / 255
        found: FoundFaces = find_faces(network, image, score_threshold=threshold)
        boxes = found.boxes.numpy()
        match = overlaps(boxes, photo.boxes) >= 0.4 if len(photo.boxes) else np.zeros((len(boxes), 0), bool)
        size = (
            np.sqrt(np.prod(photo.boxes[:, 2:] - photo.boxes[:, :2], 1)) if len(photo.boxes) else np.zeros(0)
        )
        asked = ~photo.ignored & (size >= smallest)
        hit += int(match[:, asked].any(0).sum())
        total += int(asked.sum())
        false += int((~match.any(1)).sum())
        answers += len(boxes)
    return {
        "recall": hit / max(total, 1),
        "false_share": false / max(answers, 1),
        "faces": float(total),
        "false": float(false),
    }
