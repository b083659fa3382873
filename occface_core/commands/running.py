"""Run an engine over jobs with a progress bar, and say at the end what came out and what failed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from occface_core.commands.console import fail, print_error, print_warning, remarks
from occface_core.commands.settings import with_timing
from occface_core.engines import Engine, Job, Outcome


def run(
    engine: Engine,
    jobs: Sequence[Job],
    *,
    configuration: Mapping[str, Any],
    device: str,
    folder: Path,
    formats: Sequence[str] = (),
    html: bool = True,
    done_before: int = 0,
) -> None:
    """Work through the jobs, write the report, print a summary.

    Raises:
        typer.Exit: code 1 if photos failed or no face was found in any, 130 if it was stopped.
        OutputError: nothing can be written to `folder`.
        ConfigError: the configuration is wrong.
    """
    from occface_core.results import FORMATS, check_folder

    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is not one of {', '.join(FORMATS)}", param_hint="--format")
    if not jobs and not done_before:
        fail(
            "there are no photos in what was given. Give photos, or a folder with photos in it; "
            f"what lies in the output folder ({folder}) is not taken for photos",
            code=1,
        )
    check_folder(folder)
    outcomes: list[Outcome] = []
    if jobs:
        try:
            outcomes = _work(engine, jobs, with_timing(configuration), device, folder, formats)
        except KeyboardInterrupt:
            rest = "`occface batch --resume` leaves them out, `occface report` shows them"
            fail(f"stopped. Results that were finished are in {folder}: {rest}", code=130)
    if html:
        write_page(folder, {str(o.job.photo): o.error for o in outcomes if o.error})
    _summary(outcomes, folder, html)
    if any(o.error for o in outcomes) or (not any(o.faces for o in outcomes) and not done_before):
        raise typer.Exit(1)


def write_page(folder: Path, failures: Mapping[str, str] | None = None) -> tuple[Path, int]:
    """Write folder/report.html, say which results in it are damaged, and return its path and their number."""
    from occface_core.results.report import ResultDamaged, write_report

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResultDamaged)
        path = write_report(folder, failures=failures)
    damaged = [str(one.message) for one in caught if issubclass(one.category, ResultDamaged)]
    for text in damaged:
        print_warning(text)
    return path, len(damaged)


def _work(
    engine: Engine,
    jobs: Sequence[Job],
    configuration: dict[str, Any],
    device: str,
    folder: Path,
    formats: Sequence[str],
) -> list[Outcome]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = remarks()
    outcomes: list[Outcome] = []
    told: set[str] = set()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("loading" if len(jobs) > 1 else jobs[0].photo.name, total=len(jobs))
        for outcome in engine.run(
            jobs, configuration=configuration, device=device, folder=folder, formats=formats
        ):
            outcomes.append(outcome)
            for text in outcome.warnings:
                if text not in told:
                    told.add(text)
                    print_warning(text)
            if outcome.error:
                print_error(_named(outcome))
            progress.update(task, advance=1, description=outcome.job.photo.name)
    return outcomes


def _named(outcome: Outcome) -> str:
    photo = str(outcome.job.photo)
    return outcome.error if photo in outcome.error else f"{photo}: {outcome.error}"


def _summary(outcomes: Sequence[Outcome], folder: Path, html: bool) -> None:
    """Print where results lie (standard output) and what failed (standard error)."""
    failed = [outcome for outcome in outcomes if outcome.error]
    empty = [outcome for outcome in outcomes if not outcome.error and not outcome.faces]
    for outcome in outcomes:
        if outcome.faces:
            count = f"{outcome.faces} face" + ("s" if outcome.faces > 1 else "")
            typer.echo(
                f"{outcome.job.photo}: {count} in {outcome.seconds:.1f} s -> {folder / outcome.job.name}"
            )
    for outcome in empty:
        print_warning(
            f"{outcome.job.photo}: no face was found. Try a photo in which the face is larger or less turned away"
        )
    if html:
        typer.echo(f"report: {folder / 'report.html'}")
    if failed and len(outcomes) > 1:
        remarks().print(f"{len(failed)} of {len(outcomes)} photos failed:", style="bold")
        for outcome in failed:
            remarks().print(f"  {_named(outcome)}", markup=False)
