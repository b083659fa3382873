"""Write files whole or not at all; what the system refuses becomes an `OutputError` with a remedy."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from occface_core.errors import OutputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@contextmanager
def output_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn `OSError` into `OutputError` that names the path and says what to do."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{path}: cannot be written ({reason}). Give another output folder, or free space and permissions there"
        ) from error


def check_folder(folder: str | os.PathLike[str]) -> Path:
    """Make a folder and try whether files can be written there.

    Raises:
        OutputError: it is a file, cannot be made, or nothing can be written in it.
    """
    path = Path(folder)
    # unlike pathlib's, no error for a name that is too long
    if os.path.exists(path) and not os.path.isdir(path):
        raise OutputError(f"{path}: is a file, but results need a folder. Give another output folder")
    with output_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"occface")
    return path


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file through a temporary one beside it, so that it is never half there."""
    part = path.with_name(f".{path.name}.part")
    with output_errors(path):
        try:
            part.write_bytes(data)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all; bytes of file names that are no text become \\udcff."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_picture(path: Path, pixels: NDArray[Any]) -> None:
    """Write a PNG.

    Args:
        path: file ending in .png.
        pixels: (H, W) or (H, W, 3) uint8, or (H, W) uint16 for 16-bit grey.
    """
    write_bytes(path, encode_picture(pixels, "PNG", compress_level=3))


def encode_picture(pixels: NDArray[Any], kind: str, **options: Any) -> bytes:
    """Return the bytes of a picture file of `kind` ("PNG", "JPEG")."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def to_uint8(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Return [0, 1] as [0, 255], rounded; NaN is 0."""
    import numpy as np

    levels: NDArray[np.uint8] = (np.clip(np.nan_to_num(values), 0, 1) * 255).round().astype(np.uint8)
    return levels
