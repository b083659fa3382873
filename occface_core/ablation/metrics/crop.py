"""The truth of a sample as an aligned crop sees it."""

from __future__ import annotations

import attrs
import numpy as np
import torch
from torch import Tensor

from occface_core.ablation.sample import Sample
from occface_core.face_region import face_region
from occface_core.geometry.align import photo_cover, warp_crop


@attrs.define(frozen=True, kw_only=True, eq=False)
class TruthInCrop:
    """What is known of a face, in crop pixels on the CPU; None where the data set does not know it.

    Attributes:
        region: (S, S) bool, where faces are judged: on the true face, in the photo.
        hidden: (S, S) bool, where an occluder is in front of the face.
        clean: (3, S, S) RGB in [0, 1].
        normals: (3, S, S) unit normals in viewer axes of the crop, 0 where there is no surface.
    """

    region: Tensor
    hidden: Tensor | None
    clean: Tensor | None
    normals: Tensor | None


def truth_in_crop(sample: Sample, crop_to_photo: Tensor, points: Tensor, size: int) -> TruthInCrop:
    """Return the truth where one crop lies.

    Args:
        sample: the truth in photo pixels.
        crop_to_photo: (1, 3, 3).
        points: (1, 68, 2) landmarks found, crop px; their face region is judged where the true one is not known.
        size: S.
    """
    matrix = crop_to_photo.cpu()
    cover = photo_cover(matrix, sample.photo.shape[:2], size)[0, 0] > 0.5
    maps = [
        torch.from_numpy(np.ascontiguousarray(part, np.float32))
        for part in (sample.face, sample.matte, sample.normals)
        if part is not None
    ]
    stacked = torch.cat([part.reshape(-1, *part.shape[-2:]) for part in maps])[None] if maps else None
    warped = list(warp_crop(stacked, matrix, size)[0]) if stacked is not None else []
    face = warped.pop(0) if sample.face is not None else face_region(points.cpu(), size)[0, 0]
    region = (face > 0.5) & cover
    hidden = (warped.pop(0) > 0.5) & region if sample.matte is not None else None
    clean = None
    if sample.clean is not None:
        picture = torch.from_numpy(np.ascontiguousarray(sample.clean)).permute(2, 0, 1).float() / 255
        clean = warp_crop(picture[None], matrix, size)[0]
    normals = turned(torch.stack(warped), matrix[0]) if warped else None
    return TruthInCrop(region=region, hidden=hidden, clean=clean, normals=normals)


def turned(normals: Tensor, crop_to_photo: Tensor) -> Tensor:
    """Return normals (3, S, S) of the photo's axes in the crop's, which may be rolled; unit length again."""
    linear = crop_to_photo[:2, :2].to(normals)
    turn = linear / torch.linalg.det(linear).abs().sqrt()
    flip = torch.diag(normals.new_tensor([1.0, -1.0]))  # the picture's y runs down, the viewer's up
    back = (flip @ turn @ flip).T
    across = torch.einsum("ij,jyx->iyx", back, normals[:2])
    whole = torch.cat((across, normals[2:]))
    length = whole.norm(dim=0, keepdim=True)
    return torch.where(length > 0.5, whole / length.clamp_min(1e-6), 0)
