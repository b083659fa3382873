"""The aligned crop: where it lies in the photo, and pictures and points taken there and back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import as_file, files

import numpy as np
import torch
from torch import Tensor

from occface_core.errors import FaceModelError, RecordError
from occface_core.geometry.camera import (
    NOMINAL_DISTANCE,
    frontal_rotation,
    intrinsics,
    pixel_grid,
    project,
    to_camera,
)
from occface_core.geometry.resample import resample, transform_points
from occface_core.geometry.weak_perspective import Floats, as_numbers, fit_views

__all__ = [
    "crop_to_photo",
    "inverse",
    "mean_landmarks",
    "nominal_landmarks",
    "photo_cover",
    "transform_points",
    "warp_back",
    "warp_crop",
]


@lru_cache(maxsize=1)
def _mean_landmarks() -> np.ndarray:
    resource = files("occface_core.facemodel") / "data" / "mean_landmarks68.npy"
    try:
        with as_file(resource) as path:
            points = np.load(path, allow_pickle=False)
    except (FileNotFoundError, ValueError) as error:
        raise FaceModelError(
            f"occface_core/facemodel/data/mean_landmarks68.npy cannot be read ({error}); "
            f"install occface-core again"
        ) from error
    if points.shape != (68, 3):
        raise FaceModelError(
            f"occface_core/facemodel/data/mean_landmarks68.npy must have shape (68, 3), got {points.shape}; "
            f"install occface-core again"
        )
    return np.asarray(points, np.float64)


def mean_landmarks() -> Tensor:
    """Return (68, 3) float64 mm: the mean face's landmarks in the face's frame."""
    return torch.from_numpy(_mean_landmarks().copy())


def crop_to_photo(
    landmarks: Tensor, size: int = 256, *, weights: Tensor | None = None, reference: Tensor | None = None
) -> Tensor:
    """Return the crop of each face: upright, and as large and central as the mean face at 1000 mm.

    The mean face's 68 points are fitted to the photo's under scaled orthographic projection, by all three
    rotations, so that a profile is cropped as large as a frontal face. The frontal mean face in the nominal
    camera gives the identity.

    Args:
        landmarks: (B, 68, 2) photo pixels.
        size: crop size in pixels.
        weights: (B, 68) trust in each point, for example confidence times visibility; all alike if None, and
            for a face of which no point is trusted.
        reference: (68, 3) mm other points than the mean face's, in the face's frame.

    Returns:
        (B, 3, 3) similarity from crop pixels to photo pixels.

    Raises:
        RecordError: wrong shape, or points that are not finite.
    """
    if landmarks.ndim != 3 or landmarks.shape[1:] != (68, 2):
        raise RecordError(
            f"crop_to_photo: landmarks must have shape (B, 68, 2), got {tuple(landmarks.shape)}"
        )
    if not bool(torch.isfinite(landmarks).all()):
        raise RecordError("crop_to_photo: landmarks must be finite; leave out the faces that have none")
    face = _mean_landmarks() if reference is None else as_numbers(reference)
    start_scale, start_roll, start_offset = _nominal_view(size) if reference is None else _view(face, size)
    trust = np.broadcast_to(_jaw_trust(), (len(landmarks), 68))
    if weights is not None:
        given = as_numbers(weights)
        trust = trust * np.where((given > 0).any(1, keepdims=True), given, 1)
    scale, rotation, offset = fit_views(as_numbers(landmarks), face, trust)
    turn, growth = _roll(rotation) - start_roll, scale / start_scale
    cos, sin = growth * np.cos(turn), growth * np.sin(turn)
    matrix = np.zeros((len(landmarks), 3, 3))
    matrix[:, 0, 0], matrix[:, 0, 1] = cos, -sin
    matrix[:, 1, 0], matrix[:, 1, 1] = sin, cos
    matrix[:, :2, 2] = offset - matrix[:, :2, :2] @ start_offset
    matrix[:, 2, 2] = 1
    return torch.from_numpy(matrix).to(landmarks)


def nominal_landmarks(size: int = 256) -> Tensor:
    """Return (68, 2) float64 px: where the frontal mean face's landmarks lie in an aligned crop of this size."""
    return _seen_frontal(mean_landmarks(), size)


def _seen_frontal(face: Tensor, size: int) -> Tensor:
    """Return (N, 2) px of points (N, 3) mm of a frontal face in the nominal camera."""
    place = face.new_tensor([0.0, 0.0, NOMINAL_DISTANCE])
    return project(to_camera(face, frontal_rotation(face), place), intrinsics(size).to(face))


def _view(face: Floats, size: int) -> tuple[float, float, Floats]:
    """Return scale, roll and offset at which a frontal face (68, 3) mm is seen in the nominal camera."""
    seen = _seen_frontal(torch.from_numpy(face), size)
    scale, rotation, offset = fit_views(seen.numpy()[None], face, _jaw_trust()[None])
    return float(scale[0]), float(_roll(rotation)[0]), offset[0]


@lru_cache(maxsize=16)
def _nominal_view(size: int) -> tuple[float, float, Floats]:
    return _view(_mean_landmarks(), size)


def _roll(rotation: Floats) -> Floats:
    """Return (B,) radians by which faces are turned in the picture, clockwise.

    The Euler angle, along which the eyes lie, up to a yaw of 60 degrees. Towards 80 degrees, where the eyes
    close up in the picture, the upright axis of the face takes over.
    """
    across, down = rotation[:, :2, 0], -rotation[:, :2, 1]
    upright = np.stack((down[:, 1], -down[:, 0]), -1)
    length = np.linalg.norm(across, axis=-1, keepdims=True)
    share = ((length - 0.17) / (0.5 - 0.17)).clip(0, 1)
    direction = share * across / np.maximum(length, 1e-9) + (1 - share) * upright
    return np.asarray(np.arctan2(direction[:, 1], direction[:, 0]))


@lru_cache(maxsize=1)
def _jaw_trust() -> Floats:
    """Return (68,) weights: jaw points slide along the outline as a head turns, the chin's do not."""
    trust = np.ones(68)
    trust[:17] = 0.1 + 0.9 * np.exp(-(((np.arange(17) - 8) / 2.5) ** 2))
    return trust


def inverse(matrix: Tensor) -> Tensor:
    """Return the inverse (B, 3, 3) of similarities, e.g. photo_to_crop of crop_to_photo."""
    linear = torch.linalg.inv(matrix[..., :2, :2])
    top = torch.cat((linear, -linear @ matrix[..., :2, 2:]), -1)
    return torch.cat((top, matrix[..., 2:, :]), -2)


def warp_crop(photo: Tensor | Sequence[Tensor], crop_to_photo: Tensor, size: int = 256) -> Tensor:
    """Cut the aligned crops out of one photo, or each out of its own.

    Args:
        photo: (1, C, H, W) for all faces, (B, C, H, W), or a list of B photos (1, C, H, W) or (C, H, W).
        crop_to_photo: (B, 3, 3) similarity from crop pixels to photo pixels.
        size: crop size in pixels.

    Returns:
        (B, C, size, size). Outside the photo its edge is repeated; smaller crops are averaged, not skipped.

    Raises:
        RecordError: the number of photos fits neither 1 nor B.
    """
    pictures = [each.reshape(each.shape[-3:]) for each in photo]
    if len(pictures) not in (1, len(crop_to_photo)):
        raise RecordError(
            f"warp_crop: there must be 1 photo or one for each of the {len(crop_to_photo)} crops, "
            f"got {len(pictures)}"
        )
    if len(crop_to_photo) == 0:
        return pictures[0].new_zeros((0, pictures[0].shape[0], size, size))
    if len(pictures) == 1:
        pictures = pictures * len(crop_to_photo)
    crops = [
        resample(picture, matrix.to(picture.device), size, size)
        for picture, matrix in zip(pictures, crop_to_photo, strict=True)
    ]
    return torch.stack(crops) if len(crops) > 1 else crops[0][None]


def photo_cover(crop_to_photo: Tensor, photo_size: tuple[int, int], size: int = 256) -> Tensor:
    """Return (B, 1, size, size) 1 where crops show the photo of (height, width) pixels, 0 beyond its edge."""
    place = transform_points(crop_to_photo, pixel_grid(size, size, crop_to_photo))
    edge = place.new_tensor([photo_size[1] - 0.5, photo_size[0] - 0.5])
    within = ((place >= -0.5) & (place <= edge)).all(-1)
    return within.reshape(-1, 1, size, size).to(crop_to_photo.dtype)


def warp_back(crops: Tensor, crop_to_photo: Tensor, height: int, width: int) -> Tensor:
    """Put pictures or masks of crops where they lie in the photo.

    Args:
        crops: (B, C, S, S).
        crop_to_photo: (B, 3, 3) similarity from crop pixels to photo pixels.
        height: height of the photo in pixels.
        width: width of the photo in pixels.

    Returns:
        (B, C, height, width), 0 outside the crop.
    """
    photo = crops.new_zeros((len(crops), crops.shape[1], height, width))
    reach = crops.shape[-1] + 1
    outline = crop_to_photo.new_tensor([[-2, -2], [reach, -2], [-2, reach], [reach, reach]])
    for canvas, crop, there, back in zip(photo, crops, crop_to_photo, inverse(crop_to_photo), strict=True):
        corners = transform_points(there, outline)
        low, high = corners.amin(0).floor() - 1, corners.amax(0).ceil() + 2
        left, right = (min(max(int(bound[0]), 0), width) for bound in (low, high))
        top, bottom = (min(max(int(bound[1]), 0), height) for bound in (low, high))
        if left < right and top < bottom:  # the rest of the photo stays 0
            shift = back.new_tensor([[1, 0, left], [0, 1, top], [0, 0, 1]])
            window = (back @ shift).to(crop.device)
            canvas[:, top:bottom, left:right] = resample(
                crop, window, bottom - top, right - left, outside="zeros"
            )
    return photo
