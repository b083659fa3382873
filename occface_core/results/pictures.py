"""One picture a step of the reconstruction of one face, as arrays ready to be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from occface_core.results.writing import to_uint8

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from occface_core.types import FaceBatch

    Picture = NDArray[np.uint8]

CONTOURS = (
    tuple(range(17)),
    tuple(range(17, 22)),
    tuple(range(22, 27)),
    tuple(range(27, 31)),
    tuple(range(31, 36)),
    (*range(36, 42), 36),
    (*range(42, 48), 42),
    (*range(48, 60), 48),
    (*range(60, 68), 60),
)
"""Landmarks that are joined by a line: jaw, brows, nose, eyes, lips."""

BUMP_LEVELS = 257
"""bump.png holds round(257 Φ): 16 bits for Φ of eq. 7, which reaches from 0 to 255."""


def rgb(image: Tensor) -> Picture:
    """Return a (1, 3, H, W) tensor in [0, 1] as (H, W, 3) uint8."""
    return to_uint8(image[0].permute(1, 2, 0).float().cpu().numpy())


def grey(mask: Tensor) -> Picture:
    """Return a (1, 1, H, W) tensor in [0, 1] as (H, W) uint8."""
    return to_uint8(mask[0, 0].float().cpu().numpy())


def step_pictures(face: FaceBatch) -> dict[str, NDArray[np.uint8] | NDArray[np.uint16]]:
    """Return file name → pixels of every step that is known of one face (crop size).

    crop.png, overlay.png (landmarks), mask.png (white = occluder), occlusion.png (what is hidden, with a key),
    hollowed.png, completed.png, bump.png (16-bit grey, round(257 Φ) with Φ of eq. 7), normals.png (x right, y up,
    z towards the viewer, black off the face).
    """
    from occface_core.results.occlusion_picture import occlusion_picture

    pictures: dict[str, NDArray[np.uint8] | NDArray[np.uint16]] = {
        "crop.png": rgb(face.image),
        "overlay.png": overlay(face),
    }
    if face.matte is not None:
        pictures["mask.png"] = grey(face.matte.alpha)
        pictures["occlusion.png"] = occlusion_picture(face)
        pictures["hollowed.png"] = rgb(face.matte.hollow(face.image))
    if face.clean is not None:
        pictures["completed.png"] = rgb(face.clean)
    if face.detail is not None:
        levels = face.detail.encoded()[0, 0].float().cpu().numpy()
        pictures["bump.png"] = np.round(levels * BUMP_LEVELS).clip(0, 65535).astype(np.uint16)
        pictures["normals.png"] = normal_picture(face)
    return pictures


def normal_picture(face: FaceBatch) -> Picture:
    """Return (S, S, 3) uint8 normals of the detailed surface as seen in the crop, coded as (n + 1) / 2."""
    from occface_core.geometry.normals import depth_normals

    if face.detail is None:
        raise ValueError("normal_picture needs a detail")
    size = int(face.image.shape[-1])
    depth = face.detail.depth(size)
    normals = depth_normals(depth, face.detail.shape.scaled_intrinsics(size))[0]
    known = normals.norm(dim=0) > 0.5
    return to_uint8(torch.where(known, (normals + 1) / 2, 0.0).permute(1, 2, 0).cpu().numpy())


def overlay(face: FaceBatch, scale: int = 3) -> Picture:
    """Return the crop, enlarged, with its 68 landmarks: green = seen, orange = unsure, red = hidden.

    The colour goes by confidence times visibility.
    """
    from PIL import Image, ImageDraw

    size = int(face.image.shape[-1]) * scale
    image = Image.fromarray(rgb(face.image)).resize((size, size), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image, "RGBA")
    points = ((face.landmarks.points[0].cpu().double().numpy() + 0.5) * scale - 0.5).clip(-size, 2 * size)
    weights = face.landmarks.weights()[0].cpu().numpy()
    for contour in CONTOURS:
        draw.line([tuple(points[i]) for i in contour], fill=(255, 255, 255, 130), width=max(1, scale // 2))
    radius = 1.5 * scale
    for (x, y), weight in zip(points, weights, strict=True):
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, fill=(*trust_colour(float(weight)), 255), outline=(20, 20, 20, 255))
    return np.asarray(image.convert("RGB"))


def trust_colour(weight: float) -> tuple[int, int, int]:
    """Return red for 0, orange for a half, green for 1."""
    low, middle, high = (214, 40, 40), (247, 160, 30), (60, 190, 80)
    weight = min(max(weight, 0.0), 1.0)
    ends, part = ((low, middle), 2 * weight) if weight < 0.5 else ((middle, high), 2 * weight - 1)
    return tuple(round(a + (b - a) * part) for a, b in zip(*ends, strict=True))  # type: ignore[return-value]


def bump_picture(face: FaceBatch) -> tuple[Picture, float]:
    """Return the bump map in colours (blue = inwards, white = none, red = outwards) and its range in mm."""
    if face.detail is None:
        raise ValueError("bump_picture needs a detail")
    bump = face.detail.bump[0, 0].float().cpu().numpy()
    moved = np.abs(bump[np.abs(bump) > 1e-6])
    reach = float(np.percentile(moved, 99)) if moved.size else 0.0
    value = np.clip(bump / max(reach, 1e-6), -1, 1)[..., None]
    inwards, none, outwards = (
        np.array(c) for c in ((0.13, 0.30, 0.65), (0.97, 0.97, 0.97), (0.70, 0.09, 0.17))
    )
    colours = np.where(value < 0, none + (none - inwards) * value, none + (outwards - none) * value)
    return to_uint8(colours), reach


def photo_with_box(photo: Picture, corners: NDArray[np.floating], size: int) -> Picture:
    """Return the photo, fitted into size x size on light grey, with the outline of the crop in it.

    Args:
        photo: (H, W, 3) uint8.
        corners: (4, 2) photo pixels.
        size: side of the picture, pixels.
    """
    from PIL import Image, ImageDraw

    height, width = photo.shape[:2]
    scale = size / max(height, width)
    image = Image.fromarray(photo).resize(
        (max(1, round(width * scale)), max(1, round(height * scale))),
        Image.Resampling.LANCZOS,
        reducing_gap=2.0,
    )
    draw = ImageDraw.Draw(image)
    draw.polygon([tuple(corner * scale) for corner in corners], outline=(255, 210, 0), width=2)
    ground = Image.new("RGB", (size, size), (240, 240, 240))
    ground.paste(image, ((size - image.width) // 2, (size - image.height) // 2))
    return np.asarray(ground)
