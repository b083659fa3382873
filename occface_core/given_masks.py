"""Masks that the caller gives in place of the matting: checked, and doubted aloud where they look wrong."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from occface_core.errors import GivenError

if TYPE_CHECKING:
    from torch import Tensor

    from occface_core.types import Matte

_RULE = "white (1) must be what is in front of the face, black (0) everything else"


def given_mask(value: Any, height: int, width: int) -> Tensor:
    """Return a mask as the caller gave it, as numbers from 0 to 1.

    Args:
        value: (H, W) array or tensor with 1 = in front of the face: bool, whole numbers that are 0 and 1 only,
            whole numbers up to 255, or floating point in [0, 1]; or the path of a picture.
        height: of the photo, pixels.
        width: of the photo, pixels.

    Returns:
        (H, W) float32 in [0, 1], on the device of `value`.

    Raises:
        GivenError: another shape, or other values.
        PhotoError: the picture cannot be read, or its size is not the photo's.
    """
    import numpy as np
    import torch

    if isinstance(value, (str, os.PathLike)):
        from occface_core.photo import read_mask

        return torch.from_numpy(read_mask(value, height, width))
    try:
        mask = value if isinstance(value, torch.Tensor) else torch.as_tensor(np.asarray(value))
    except (TypeError, ValueError) as error:
        raise GivenError(
            f"given['matte'] must be an (H, W) array or the path of a picture, got {type(value).__name__}"
        ) from error
    shape = tuple(mask.shape)
    if shape != (height, width):
        raise GivenError(
            f"given['matte'] must have the photo's shape ({height}, {width}), got {shape}"
            f"{_how_to_fit(shape, height, width)}"
        )
    whole_numbers = not mask.dtype.is_floating_point and mask.dtype != torch.bool
    mask = mask.to(torch.float32)
    if whole_numbers and mask.numel() and float(mask.max()) > 1:
        mask = mask / 255
    if not bool(torch.isfinite(mask).all()) or (mask.numel() and (mask.min() < 0 or mask.max() > 1)):
        raise GivenError("given['matte'] must lie in [0, 1] with 1 = occluder (or be uint8 with 255)")
    return mask


def doubts_about_mask(mask: Tensor, matte: Matte) -> str:
    """Return what the user should check about a given mask, or "" where nothing is strange.

    Args:
        mask: (H, W) in [0, 1] in the photo.
        matte: the same in the crops of the photo's faces.
    """
    hidden = matte.fraction()
    if mask.numel() == 0 or len(hidden) == 0:
        return ""
    edge = [mask[0], mask[-1], mask[:, 0], mask[:, -1]]
    white_edge = sum(float(line.mean()) for line in edge) / 4
    grey = float(((mask > 0.1) & (mask < 0.9)).float().mean())
    if float(mask.max()) < 0.1:
        return f"the given mask is black, so that nothing hides a face; {_RULE}"
    if white_edge > 0.9:
        return (
            f"the given mask is white all around the photo's edge and hides {_percent(hidden)} of the face; "
            f"it may be inverted: {_RULE}"
        )
    if float(hidden.min()) > 0.97:
        return f"the given mask hides the whole face; it may be inverted: {_RULE}"
    if grey > 0.5:
        return f"the given mask is grey in {grey:.0%} of the photo; is it a mask? {_RULE}"
    if float(hidden.max()) < 0.002:
        return "the given mask lies on no face that was found; is it drawn over this photo, turned upright?"
    return ""


def _percent(shares: Tensor) -> str:
    low, high = f"{float(shares.min()):.0%}", f"{float(shares.max()):.0%}"
    return low if low == high else f"{low} to {high}"


def _how_to_fit(shape: tuple[int, ...], height: int, width: int) -> str:
    if shape == (width, height):
        return ". Width and height are exchanged: transpose it, or turn it as the photo's EXIF data says"
    if len(shape) == 3 and (height, width) in (shape[:2], shape[1:]):
        axis = "[..., 0]" if shape[:2] == (height, width) else "[0]"
        return f". Give one channel, such as mask{axis}"
    return ". It is drawn over the upright photo, at the photo's full size"
