"""A careful second answer for doubtful faces: two starts against a bad crop.

Where something hides the face, the finder's points and so the first crop can be far off, and the network then
answers for a crop that it seldom saw. Starting from the box as well, and keeping the answer of which the last
network is surest, mends much of it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from occface_paper.faces.find import FoundFaces
from occface_paper.landmarks.crop import similarity
from occface_paper.landmarks.predict import Halvings, Look, answers, box_crop, confidence

#: Looks from both starts by the network that finds the crop and then by the last one, each cropping by the points of
#: the look before. More starts (the box at other sizes) cost more and find no better ones.
FIRST_LOOKS, LAST_LOOKS = 1, 3


@torch.inference_mode()
def refine_landmarks(
    first: Look, last: Look, photo: Halvings, faces: FoundFaces, points: Tensor, *, mirrored: bool
) -> tuple[Tensor, Tensor]:
    """Better points of found faces.

    Args:
        first: the network that finds the right crop.
        last: the one that says which start led to the face, and gives the answer.
        photo: float32 RGB in [0, 1].
        faces: where they were found.
        points: (F, 68, 2) a first answer, photo pixels.
        mirrored: look at the mirrored crop too for the answer.

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
        found, doubt = answers(last, photo, [surest], mirrored)
        better[face], scale[face] = found[0], doubt[0]
    return photo.photo.new_tensor(better), photo.photo.new_tensor(confidence(scale))
