"""Read a photo of any common kind as (H, W, 3) uint8 RGB, or say what is wrong with it.

What a reader of photos meets in the wild is settled here once: EXIF rotation, greyscale, palettes,
transparency (over white), CMYK, 16 bits, animations (their first frame), and photos so large that one
float copy of them would not fit into memory (reduced while decoding, with a warning).
"""

from __future__ import annotations

import math
import os
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from occface_core.errors import PhotoError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor

MAX_PIXELS = 64_000_000
"""Photos with more pixels are reduced by a whole factor when read; 64 MP is 770 MB as float32."""

PHOTO_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".jp2", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
)
"""File endings that are taken for photos when a folder is given."""

_CONVERT = "Convert it to JPEG or PNG with an image editor, or give another file"


class PhotoReduced(UserWarning):
    """A photo was too large to work on and was reduced; pixel coordinates are those of the reduced photo."""


def read_photo(
    source: str | os.PathLike[str] | NDArray[Any], *, max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint8]:
    """Read a photo, upright and in RGB.

    Args:
        source: path of a picture file, or an (H, W, 3) uint8 RGB array, which is checked and returned.
        max_pixels: a file with more pixels is reduced by the least whole factor that brings it under
            this, with a `PhotoReduced` warning. Landmarks and mattes are then in pixels of the reduced
            photo. Arrays are never reduced.

    Returns:
        (H, W, 3) uint8 RGB, H and W from 1 up, C-contiguous.

    Raises:
        PhotoError: the file is missing, a folder, empty, corrupt, truncated, unreadable, of a kind that
            cannot be decoded or beyond any sensible size (about 179 megapixels); or the array has
            another shape or dtype. The message says what to do.
    """
    if isinstance(source, (str, os.PathLike)):
        return _read_file(Path(source), max_pixels)
    return _check_array(source)


def to_tensor(photo: NDArray[np.uint8]) -> Tensor:
    """Return an (H, W, 3) uint8 photo as a (1, 3, H, W) float32 tensor in [0, 1]."""
    import torch

    pixels = torch.from_numpy(np.ascontiguousarray(photo).copy() if not photo.flags.writeable else photo)
    return pixels.permute(2, 0, 1)[None].to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def read_mask(
    path: str | os.PathLike[str], height: int, width: int, *, max_pixels: int = MAX_PIXELS
) -> NDArray[np.float32]:
    """Read a hand-drawn mask: white = occluder, black = face.

    Args:
        path: picture file of the photo's size. A colour counts as the strongest of its channels, so that paint
            of any bright colour is white; transparency is black; a file of zeros and ones is black and white.
        height: height of the photo, pixels.
        width: width of the photo, pixels.
        max_pixels: as in `read_photo`, so that the mask of a photo that was reduced is reduced alike.

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        PhotoError: as `read_photo`, or the mask's size is not the photo's.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PhotoReduced)  # said of the photo already
        image = _decode(Path(path), max_pixels=max_pixels)
    if image.size != (width, height):
        raise PhotoError(
            f"{path}: the mask is {image.width} x {image.height} pixels, its photo {width} x {height}. "
            f"{_how_to_fit_mask(image.size, width, height)} (white = in front of the face)"
        )
    if "A" in image.getbands() or "transparency" in image.info:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA"))
    image = _eight_bits(image)
    values = np.asarray(image if image.mode == "L" else image.convert("RGB"))
    levels = values if values.ndim == 2 else values.max(-1)
    top = 1 if levels.max(initial=0) == 1 else 255
    return np.asarray(levels, dtype=np.float32) / np.float32(top)


def _how_to_fit_mask(size: tuple[int, int], width: int, height: int) -> str:
    if size == (height, width) and width != height:
        return "It lies on its side: turn it as the photo stands upright"
    if abs(size[0] * height - size[1] * width) <= max(width, height):
        return "It has the photo's shape: scale it to the photo's size"
    return "Draw it over the upright photo at full size"


def _read_file(path: Path, max_pixels: int) -> NDArray[np.uint8]:
    return np.array(_to_rgb(_decode(path, max_pixels)), dtype=np.uint8)


def _decode(path: Path, max_pixels: int | None) -> Image.Image:
    """Open, reduce and turn upright one picture file; everything that fails becomes a `PhotoError`."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    _check_path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # Pillow's remarks on size and metadata; the size is handled below
            with Image.open(path) as image:
                if getattr(image, "n_frames", 1) > 1:
                    image.seek(0)
                full = image.size
                factor = math.ceil(math.sqrt(full[0] * full[1] / max_pixels)) if max_pixels else 1
                if factor > 1:
                    image.draft(image.mode, (full[0] // factor, full[1] // factor))
                image.load()
                factor = math.ceil(math.sqrt(image.width * image.height / max_pixels)) if max_pixels else 1
                reduced = image.reduce(factor) if factor > 1 else image
                upright = ImageOps.exif_transpose(reduced).copy()
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise PhotoError(
            f"{path}: has more than {limit:.0f} megapixels, which may be a decompression bomb. "
            f"Reduce the picture first (a few thousand pixels a side are plenty)"
        ) from error
    except UnidentifiedImageError as error:
        raise PhotoError(f"{path}: {_why_unknown(path)}. {_CONVERT}") from error
    except PermissionError as error:
        raise PhotoError(f"{path}: may not be read ({error.strerror}). Change its permissions") from error
    except MemoryError as error:
        raise PhotoError(f"{path}: does not fit into memory. Reduce the picture first") from error
    except (
        Exception
    ) as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, … on bad files
        raise PhotoError(
            f"{path}: the picture is damaged or cut off ({error}). "
            f"Copy or download it again, or give another file"
        ) from error
    if upright.width * upright.height < full[0] * full[1]:
        warnings.warn(
            f"{path}: {full[0]} x {full[1]} pixels, more than {(max_pixels or 0) / 1e6:.0f} MP; read "
            f"at {upright.width} x {upright.height}; all pixel coordinates are those of the reduced photo",
            PhotoReduced,
            stacklevel=4,
        )
    return upright


def _check_path(path: Path) -> None:
    if str(path).startswith(("http:/", "https:/")):
        raise PhotoError(f"{path}: is a web address. Download the picture and give the file's path")
    try:
        state = path.stat()
    except PermissionError as error:
        raise PhotoError(f"{path}: may not be read ({error.strerror}). Change its permissions") from error
    except (OSError, ValueError) as error:  # also a name that is too long, or links that lead to each other
        raise PhotoError(f"{path}: there is no such file. Check the path (now in {Path.cwd()})") from error
    if stat.S_ISDIR(state.st_mode):
        raise PhotoError(f"{path}: is a folder, not a photo. Give the files in it one by one")
    if not stat.S_ISREG(state.st_mode):
        raise PhotoError(
            f"{path}: is a pipe or a device, not a file. Save the picture and give the file's path"
        )
    if state.st_size == 0:
        raise PhotoError(f"{path}: the file is empty. Copy or download it again, or give another file")


def _why_unknown(path: Path) -> str:
    """Say what a file is that Pillow does not take for a picture, from its first bytes."""
    head = path.read_bytes()[:32] if path.stat().st_size < 1 << 28 else b""
    if head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif"):
        return "is a HEIC or AVIF picture, which this Pillow cannot decode"
    if head.startswith(b"%PDF"):
        return "is a PDF document, not a picture"
    if head.lstrip().startswith((b"<svg", b"<?xml", b"<!DOC", b"<html")):
        return "is a text (SVG, XML or HTML), not a picture"
    return "is not a picture, or its beginning is damaged, or of a kind that cannot be read"


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return any decoded picture as 8-bit RGB, transparency laid over white."""
    from PIL import Image

    image = _eight_bits(image)
    if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return pictures of 16 bits, 32 bits or floats as 8-bit grey; others unchanged.

    16 bits are scaled by 65535, floats taken as [0, 1] unless they reach further, then as [0, 255] or
    [0, 65535].
    """
    from PIL import Image

    if not (image.mode.startswith("I") or image.mode == "F"):
        return image
    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    if image.mode.startswith("I"):
        top = 65535.0 if image.mode != "I" or values.max(initial=0) > 255 else 255.0
    else:
        top = next((t for t in (1.0, 255.0, 65535.0) if values.max(initial=0) <= t), float(values.max()))
    return Image.fromarray((np.clip(values / top, 0, 1) * 255).round().astype(np.uint8))


def _check_array(array: Any) -> NDArray[np.uint8]:
    """Return the array if it is an RGB photo, else say how to make it one."""
    if hasattr(array, "detach") and hasattr(array, "permute"):
        raise PhotoError(
            "the photo is a torch tensor, expected a numpy array (H, W, 3) of uint8 RGB. "
            "Convert (3, H, W) in [0, 1] with (t * 255).round().byte().permute(1, 2, 0).cpu().numpy()"
        )
    if not isinstance(array, np.ndarray):
        raise PhotoError(
            f"the photo must be a path or a numpy array (H, W, 3) of uint8 RGB, got {type(array).__name__}. "
            f"A Pillow image becomes one with numpy.asarray(image.convert('RGB'))"
        )
    found = f"got shape {array.shape} of {array.dtype}"
    expected = "the photo must be an array (H, W, 3) of uint8 RGB"
    if array.ndim == 2:
        raise PhotoError(f"{expected}, {found}. Make grey to RGB with numpy.stack([a] * 3, axis=-1)")
    if array.ndim == 4:
        raise PhotoError(f"{expected}, {found}. Give one photo a call, or use pipeline.map for many")
    if array.ndim == 3 and array.shape[2] != 3:
        if array.shape[0] == 3:
            raise PhotoError(f"{expected}, {found}. Put the channels last with a.transpose(1, 2, 0)")
        if array.shape[2] == 4:
            raise PhotoError(f"{expected}, {found}. Drop the alpha channel with a[..., :3]")
        if array.shape[2] == 1:
            raise PhotoError(f"{expected}, {found}. Make grey to RGB with numpy.repeat(a, 3, axis=2)")
    if array.ndim != 3 or array.shape[2] != 3:
        raise PhotoError(f"{expected}, {found}")
    if 0 in array.shape:
        raise PhotoError(f"{expected} with at least one pixel, {found}")
    if array.dtype != np.uint8:
        raise PhotoError(f"{expected}, {found}. {_how_to_uint8(array)}")
    return np.ascontiguousarray(array)


def _how_to_uint8(array: NDArray[Any]) -> str:
    if array.dtype == np.bool_:
        return "Convert with a.astype('uint8') * 255"
    if not np.issubdtype(array.dtype, np.number) or np.issubdtype(array.dtype, np.complexfloating):
        return "Give real numbers from 0 to 255 as uint8"
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        return "It holds NaN or infinite values; replace them, then convert to uint8"
    low, high = float(array.min()), float(array.max())
    seen = f"Its values reach from {low:g} to {high:g}"
    if low < 0:
        return f"{seen}; undo the normalisation (black 0, white 255), then a.round().astype('uint8')"
    if high <= 1 and np.issubdtype(array.dtype, np.floating):
        return f"{seen}; convert [0, 1] with (a * 255).round().astype('uint8')"
    if high <= 255:
        return f"{seen}; convert with a.round().astype('uint8')"
    return f"{seen}; convert 16 bits with (a / 257).round().astype('uint8')"
