"""`occface synth`: faces with exact ground truth, drawn on this machine."""

from __future__ import annotations

from pathlib import Path

import typer


def synth(
    number: int = typer.Option(16, "--number", "-n", min=1, help="How many samples."),
    output: Path = typer.Option(
        ..., "--output", "-o", help="Folder for the samples; made if it is not there."
    ),
    seed: int = typer.Option(0, "--seed", help="The same seed draws the same samples, on every machine."),
    size: int = typer.Option(256, "--size", min=32, max=1024, help="Side of the pictures, pixels."),
) -> None:
    """Draw occluded faces with their exact truth: photo, unoccluded photo, matte, landmarks, depth, …"""
    from occface_core.commands.console import remarks
    from occface_core.commands.samples import write_samples
    from occface_core.results import check_folder

    check_folder(output)
    written = write_samples(output, number=number, seed=seed, size=size, console=remarks())
    typer.echo(f"{written} samples -> {output}")
