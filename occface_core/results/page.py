"""What every part of the HTML report is made of: safe texts, and pictures inside the page."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path


def safe(text: object) -> str:
    """Return a text that is shown as it is, in a page and in quoted attributes."""
    return html.escape(str(text), quote=True)


def jpeg(path: Path, width: int, *, square: bool = False) -> str:
    """Return a picture, reduced to `width`, as a data address; its top square only if `square`."""
    from PIL import Image

    with Image.open(path) as opened:
        image = opened.convert("RGB")
    if square:
        image = image.crop((0, 0, image.width, min(image.width, image.height)))
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=84, optimize=True)
    return address(buffer.getvalue())


def address(jpeg_bytes: bytes) -> str:
    """Return the bytes of a JPEG as a data address."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg_bytes).decode()
