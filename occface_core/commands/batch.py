"""`occface batch`: a folder of photos through an engine, resumable."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from occface_core.commands.reconstruct import CONFIG, DEVICE, FORMAT, OUTPUT, SET


def batch(
    folder: Path = typer.Argument(help="Folder of photos; subfolders are searched too.", show_default=False),
    output: Path = OUTPUT,
    engine: str = typer.Option(
        "local", "--engine", "-e", help="How photos are worked on; see `occface plugins`."
    ),
    resume: bool = typer.Option(False, "--resume", help="Leave out photos whose results are already in OUT."),
    config: str = CONFIG,
    set_: list[str] = SET,
    device: str = DEVICE,
    formats: list[str] = FORMAT,
    html: bool = typer.Option(True, "--report/--no-report", help="Write OUT/report.html."),
) -> None:
    """Reconstruct every photo of a folder; goes on after failures, and lists them at the end."""
    from occface_core.commands.console import remarks
    from occface_core.commands.inputs import find_photos, name_jobs
    from occface_core.commands.running import run
    from occface_core.commands.settings import settings
    from occface_core.engines import find_engine
    from occface_core.results import is_complete

    if not os.path.isdir(folder):
        raise typer.BadParameter(f"'{folder}' is not a folder", param_hint="FOLDER")
    configuration = settings(config, set_)
    jobs = name_jobs(find_photos([str(folder)], leave_out=output))
    left = [job for job in jobs if not (resume and is_complete(output / job.name, job.photo))]
    if len(left) < len(jobs):
        remarks().print(f"{len(jobs) - len(left)} of {len(jobs)} photos are done already")
    run(
        find_engine(engine),
        left,
        configuration=configuration,
        device=device,
        folder=output,
        formats=formats,
        html=html,
        done_before=len(jobs) - len(left),
    )
