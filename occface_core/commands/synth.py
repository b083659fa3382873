"""`occface synth`: faces with exact ground truth, drawn on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from occface_core.synthetic.options import SynthOptions
    from occface_core.synthetic.sample import SyntheticFace


def synth(
    number: int = typer.Option(16, "--number", "-n", min=1, help="How many samples."),
    output: Path = typer.Option(
        ..., "--output", "-o", help="Folder for the samples; made if it is not there."
    ),
    seed: int = typer.Option(
        0, "--seed", min=0, help="The same seed draws the same samples, on every machine."
    ),
    size: int = typer.Option(256, "--size", min=32, max=1024, help="Side of the pictures, pixels."),
    occluders: list[str] = typer.Option(
        [],
        "--occluder",
        help="Draw from these kinds only: mask, hand, glasses, … Repeatable; all by default.",
    ),
    sheet: bool = typer.Option(
        True, "--sheet/--no-sheet", help="Write OUT/sheet.png, the first 64 side by side."
    ),
) -> None:
    """Draw occluded faces with their exact truth: photo, unoccluded photo, matte, landmarks, depth, …"""
    from occface_core.errors import RecordError
    from occface_core.results import check_folder
    from occface_core.synthetic.options import SynthOptions
    from occface_core.synthetic.writing import write

    try:
        options = (
            SynthOptions(size=size, occluders=tuple(occluders)) if occluders else SynthOptions(size=size)
        )
    except RecordError as error:
        raise typer.BadParameter(str(error), param_hint="--occluder") from error
    check_folder(output)
    written = write(_drawn(number, seed, options), output)
    if sheet:
        _write_sheet(output, seed, min(number, 64))
    typer.echo(f"{written} samples -> {output}")


def _drawn(number: int, seed: int, options: SynthOptions) -> Iterator[SyntheticFace]:
    from rich.progress import track

    from occface_core.commands.console import remarks
    from occface_core.synthetic.generation import generate

    console = remarks()
    indices = range(number)
    for index in track(
        indices, description="drawing faces", console=console, transient=True, disable=not console.is_terminal
    ):
        yield generate(seed, index, options)


def _write_sheet(folder: Path, seed: int, number: int) -> None:
    """Write the first samples side by side."""
    import numpy as np
    from PIL import Image

    from occface_core.results.writing import write_picture

    columns = min(8, number)
    sheet = np.full((-(-number // columns) * 160, columns * 160, 3), 255, np.uint8)
    for index in range(number):
        with Image.open(folder / f"{seed}_{index:06d}.png") as picture:
            tile = np.asarray(picture.convert("RGB").resize((160, 160), Image.Resampling.LANCZOS))
        y, x = divmod(index, columns)
        sheet[y * 160 : (y + 1) * 160, x * 160 : (x + 1) * 160] = tile
    write_picture(folder / "sheet.png", sheet)
