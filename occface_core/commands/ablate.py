"""`occface ablate`: combinations of plugins, measured on a suite with known truth."""

from __future__ import annotations

from pathlib import Path

import typer


def ablate(
    spec: Path = typer.Argument(metavar="SPEC.toml", help="What to compare, on what.", show_default=False),
    output: Path | None = typer.Option(
        None, "--output", "--out", "-o", help="Folder for the tables; SPEC's name in this folder by default."
    ),
    resume: bool = typer.Option(
        True, "--resume/--fresh", help="Go on with what is in OUT, or start anew there."
    ),
    device: str | None = typer.Option(
        None, "--device", "-d", help="cpu, cuda or auto; the spec's by default."
    ),
    size: int | None = typer.Option(None, "--size", "-n", min=1, help="Faces, in place of the suite's size."),
) -> None:
    """Compare combinations of plugins: accuracy with intervals and tests, time and memory, in tables and a page."""
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from occface_core.ablation.api import ablate as run
    from occface_core.ablation.spec import load_spec
    from occface_core.commands.console import fail, print_warning, remarks

    wanted = load_spec(spec)
    target = output or Path(f"{spec.stem}-results")
    suite = {"name": wanted.suite} if isinstance(wanted.suite, str) else dict(wanted.suite)
    if size is not None:
        suite["size"] = size
    options = dict(wanted.run)
    if device is not None:
        options["device"] = device
    if isinstance(options.get("lpips"), str) and wanted.folder is not None:
        options["lpips"] = str(wanted.folder / options["lpips"])
    console = remarks()
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("loading", total=None)

        def listen(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        result = run(
            wanted.base,
            wanted.axes,
            suite,
            design=wanted.design,
            out=target,
            resume=resume,
            title=wanted.title,
            folder=wanted.folder,
            listener=listen,
            **options,
        )
    for text in result.warnings():
        print_warning(text)
    failed: dict[str, list[str]] = {}
    for row, name in zip(result.rows, result.short_names(), strict=True):
        if row.reason:
            failed.setdefault(row.reason, []).append(name)
    for reason, names in failed.items():
        print_warning(f"failed: {'; '.join(names)}. Why: {reason}")
    _print_table(result)
    work = result.work
    typer.echo(
        f"{len(result.rows)} combinations on {len(result.samples)} faces; {len(work.executed)} prefixes run now, "
        f"{work.resumed} resumed, {work.prefixes} in all for {work.stages} stages"
    )
    typer.echo(f"tables: {target / 'results.csv'}, results.md, results.json")
    typer.echo(f"report: {target / 'report.html'}")
    if all(row.reason for row in result.rows):
        fail("every combination failed; the reasons are above and in results.csv", code=1)


def _print_table(result: object) -> None:
    from rich.console import Console
    from rich.table import Table

    from occface_core.ablation.figures import FIGURES
    from occface_core.ablation.result import AblationResult
    from occface_core.ablation.tables import arrow, mark, short

    assert isinstance(result, AblationResult)
    names = [name for name in result.figure_names() if FIGURES[name].main and not name.endswith("_hidden")]
    rows = result.short_names()
    columns: list[tuple[str, list[str]]] = []
    for name in names:
        cells = [
            f"{short(row.figures[name].value, name)} {mark(row, name)}".rstrip()
            if name in row.figures
            else ""
            for row in result.rows
        ]
        columns.append((f"{name.replace('_', ' ')} {arrow(name)}", cells))
    totals = [row.milliseconds.get("total") for row in result.rows]
    time = ("ms", [f"{one.median:.0f}" if one else "" for one in totals])
    status = ["failed" if row.reason else "" for row in result.rows]
    if any(status):
        columns.insert(0, ("status", status))
    console = Console(highlight=False)
    left = console.width - max(map(len, rows)) - 4 - _width(time)
    shown = 0
    while shown < len(columns) and (not console.is_terminal or left >= _width(columns[shown])):
        left -= _width(columns[shown])
        shown += 1
    caption = "+ better, - worse than the base (p < 0.05, corrected); = the same by construction"
    if shown < len(columns):
        caption += f"; {len(columns) - shown} more columns in results.csv"
    table = Table(title=f"base: {result.rows[0].name()}", caption=caption)
    table.add_column("row", no_wrap=True)
    for head, _ in (*columns[:shown], time):
        table.add_column(head, justify="right", min_width=max(map(len, head.split())))
    for number, name in enumerate(rows):
        table.add_row(name, *(cells[number] for _, cells in columns[:shown]), time[1][number])
    if not console.is_terminal:  # a file has no edge that a table must keep to
        console = Console(highlight=False, width=console.width + max(0, 2 - left))
    console.print(table)


def _width(column: tuple[str, list[str]]) -> int:
    """Return the characters that a column takes, frame and padding included."""
    head, cells = column
    return max(map(len, [*cells, *head.split()])) + 3
