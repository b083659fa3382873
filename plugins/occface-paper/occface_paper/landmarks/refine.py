"""A careful second answer for doubtful faces: two starts against a bad crop, several views for the mean.

Where something hides the face, the finder's points and so the first crop can be far off, and the network then
answers for a crop that it seldom saw. Starting from the box as well, and keeping the answer of which the last
network is surest, mends much of it; the mean over a few views takes out what depends on where the crop happens to lie.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from occface_paper.faces.find import FoundFaces
from occface_paper.landmarks.crop import similarity
from occface_paper.landmarks.predict import Halvings, Look, answers, box_crop, confidence

#: Looks from both starts by the network that finds the crop and then by the last one, each cropping by the points of
#: the look before. More starts (the box at other sizes) cost more and find no better ones.
FIRST_LOOKS, LAST_LOOKS = 1, 3
#: The final views: scale, turn in radians, shift in crop units.
VIEWS = ((1.0, 0.0, 0.0), (0.93, 0.1, 0.0), (1.07, -0.1, 0.0), (0.97, -0.12, 0.04), (1.03, 0.12, -0.04))


def moved(to_crop: np.ndarray, scale: float, turn: float = 0.0, shift: float = 0.0) -> np.ndarray:
    """A crop (3, 3) scaled, turned and shifted by as much along x and y."""
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    return np.array([[cos, -sin, shift], [sin, cos, shift], [0, 0, 1.0]]) @ to_crop


@torch.inference_mode()
def refine_landmarks(
    first: Look, last: Look, photo: Halvings, faces: FoundFaces, points: Tensor, *, mirrored: bool
) -> tuple[Tensor, Tensor]:
    """Better points of found faces.

    Args:
        first: the network that finds the right crop.
        last: the one that says which start led to the face, and gives the final views.
        photo: float32 RGB in [0, 1].
        faces: where they were found.
        points: (F, 68, 2) a first answer, photo pixels.
        mirrored: look at the mirrored crops too in the final views.

    Returns:
        Points (F, 68, 2) in photo pixels and confidence (F, 68) in [0, 1].
    """
    mean_shape = first.mean_shape()
    better, scale = np.zeros((len(faces), 68, 2)), np.ones((len(faces), 68))
    rows = zip(faces.boxes.cpu().double().numpy(), points.cpu().double().numpy(), strict=True)
    for face, (box, guess) in enumerate(rows):
        crops = [similarity(guess, mean_shape), box_crop(box)]
        for look in [first] * FIRST_LOOKS + [last] * LAST_LOOKS:
            found, doubt = answers(look, photo, crops, False)
            crops = [similarity(p, mean_shape) for p in found]
        surest = crops[int(doubt.mean(1).argmin())]
        views = [moved(surest, *view) for view in VIEWS]
        found, doubt = answers(last, photo, views, mirrored)
        better[face], scale[face] = found.mean(0), doubt.mean(0)
    return photo.photo.new_tensor(better), photo.photo.new_tensor(confidence(scale))
