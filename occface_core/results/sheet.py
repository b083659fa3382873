"""sheet.png: every step of one face side by side, with titles, for a person to judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

TILE, GAP, TITLE = 256, 10, 24
_GROUND, _INK, _PALE = (255, 255, 255), (25, 25, 25), (110, 110, 110)


def compose(
    rows: Sequence[Sequence[tuple[str, Picture | None]]], heading: str, notes: Sequence[str]
) -> Picture:
    """Return one picture of titled tiles.

    Args:
        rows: rows of (title, (H, W, 3) uint8 or None for an empty place); tiles are fitted to 256 pixels.
        heading: one line at the top.
        notes: lines at the bottom.

    Returns:
        (H, W, 3) uint8.
    """
    from PIL import Image, ImageDraw, ImageFont

    columns = max(len(row) for row in rows)
    width = GAP + columns * (TILE + GAP)
    small, large = ImageFont.load_default(14), ImageFont.load_default(20)
    lines = [line for note in notes for line in _wrap(note, small, width - 2 * GAP)]
    top = 44
    height = top + len(rows) * (TITLE + TILE + GAP) + 20 * len(lines) + GAP
    sheet = Image.new("RGB", (width, height), _GROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, 11), heading, font=large, fill=_INK)
    for y, row in enumerate(rows):
        for x, (title, picture) in enumerate(row):
            if picture is None:
                continue
            left, up = GAP + x * (TILE + GAP), top + y * (TITLE + TILE + GAP)
            draw.text((left, up + 3), title, font=small, fill=_INK)
            tile = Image.fromarray(picture).convert("RGB")
            if tile.size != (TILE, TILE):
                tile = tile.resize((TILE, TILE), Image.Resampling.LANCZOS)
            sheet.paste(tile, (left, up + TITLE))
    for i, line in enumerate(lines):
        draw.text((GAP, height - GAP - 20 * (len(lines) - i)), line, font=small, fill=_PALE)
    return np.asarray(sheet)


def _wrap(text: str, font: object, width: int) -> list[str]:
    """Break a text into lines that fit."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:  # type: ignore[attr-defined]
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
