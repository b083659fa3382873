"""`occface report`: write report.html again from results that lie in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import typer


def report(
    folder: Path = typer.Argument(help="Folder that `reconstruct` or `batch` wrote.", show_default=False),
) -> None:
    """Write FOLDER/report.html from the results that lie in FOLDER."""
    from occface_core.commands.console import fail
    from occface_core.commands.running import write_page
    from occface_core.results import find_results

    if not os.path.isdir(folder) or not find_results(folder):
        fail(
            f"{folder} holds no results (no faces.json in a subfolder). Run `occface reconstruct` first",
            code=2,
        )
    path, damaged = write_page(folder)
    typer.echo(path)
    if damaged:
        raise typer.Exit(1)
