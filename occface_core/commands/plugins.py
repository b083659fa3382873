"""`occface plugins`: what is installed for every stage, under which terms, and what is wrong with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from occface_core.listing import plugin_row

if TYPE_CHECKING:
    from occface_core.registry import Entry, Registry
    from occface_core.testing.installed import Outcome


def plugins(
    names: list[str] = typer.Argument(
        None, metavar="[NAME]...", help="Only these, such as telea or face_inpainter.telea."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table."),
    check: bool = typer.Option(
        False, "--check", help="Run the conformance checks of every plugin named, or of all (takes minutes)."
    ),
) -> None:
    """List what is installed, with licences; a broken plugin is a row with a reason. --check tests them."""
    from occface_core.registry import Registry

    registry = Registry()
    if check:
        _check(registry, names or [], as_json)
        return
    rows = [plugin_row(entry) for entry in _chosen(registry, names or [])]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        _print_list(rows)


def _chosen(registry: Registry, names: list[str]) -> list[Entry]:
    if not names:
        return registry.entries()
    from occface_core.testing.installed import chosen  # loads torch

    return chosen(registry, names)


def _print_list(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    problems = any(row["problem"] for row in rows)
    table = Table("kind", "name", "from", header_style="bold")
    table.add_column("licence", overflow="fold")
    if problems:
        table.add_column("problem")
    last = ""
    for row in rows:
        terms = [row["licence"], *_weights_lines(row)]
        cells = [
            Text("" if row["kind"] == last else row["kind"]),
            Text(row["name"], style="bold red" if row["problem"] else "bold"),
            Text(f"{row['distribution']} {row['version']}".strip()),
            Text("\n".join(line for line in terms if line)),
        ]
        table.add_row(*cells, *([Text(row["problem"], style="red")] if problems else []))
        last = row["kind"]
    Console().print(table)


def _weights_lines(row: dict[str, Any]) -> list[str]:
    """Return what to say of a plugin's weights files: a line a licence, then why commercial use is not allowed."""
    files: dict[str, list[str]] = {}
    for one in row["weights"]:
        files.setdefault(one["licence"], []).append(one["part"])
    lines = [f"{licence}: {', '.join(parts)}" for licence, parts in files.items()]
    reasons = dict.fromkeys(one["reason"] for one in row["weights"] if not one["commercial"])
    return [*lines, "no commercial use: " + "; ".join(reasons)] if reasons else lines


def _check(registry: Registry, names: list[str], as_json: bool) -> None:
    """Run the checks, print what they gave, and leave with 1 unless all is well."""
    from occface_core.commands.console import remarks
    from occface_core.testing.installed import check_installed, chosen

    entries = chosen(registry, names)
    outcomes: list[Outcome] = []
    with remarks().status("importing") as status:

        def tell(entry: Entry, name: str) -> None:
            status.update(f"{entry.kind} {entry.name}: {name} ({len(outcomes) + 1} of {len(entries)})")

        for outcome in check_installed(registry, entries, tell):
            outcomes.append(outcome)
    if as_json:
        typer.echo(json.dumps([_checked_row(one) for one in outcomes], indent=2))
    elif len(outcomes) == 1 and outcomes[0].report is not None:
        _print_checks(outcomes[0])
    else:
        _print_outcomes(outcomes)
    if not all(one.good for one in outcomes):
        raise typer.Exit(1)


def _checked_row(outcome: Outcome) -> dict[str, Any]:
    report = outcome.report
    found = None
    if report is not None:
        found = {"run": report.run, "passed": list(report.passed), "failed": dict(report.failed)}
    return {**plugin_row(outcome.entry), "problem": outcome.problem, "checks": found}


def _print_checks(outcome: Outcome) -> None:
    """Print one plugin: a row a check."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from occface_core.testing import CHECKS, checks_for

    assert outcome.report is not None
    table = Table("check", "result", "what it holds", header_style="bold")
    for name in checks_for(outcome.report.stage):
        message = outcome.report.failed.get(name)
        result = Text("passed", style="green") if message is None else Text("failed", style="bold red")
        table.add_row(name, result, Text(CHECKS[name] if message is None else message))
    console = Console()
    console.print(table)
    console.print(_summary([outcome]))


def _print_outcomes(outcomes: list[Outcome]) -> None:
    """Print several plugins: a row each, then what failed."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("kind", "name", "from", "checks", "passed", "failed", header_style="bold")
    last = ""
    for one in outcomes:
        entry, report = one.entry, one.report
        counts = ["-", "-", "-"] if report is None else [report.run, len(report.passed), len(report.failed)]
        table.add_row(
            "" if entry.kind == last else entry.kind,
            Text(entry.name, style="bold" if one.good else "bold red"),
            f"{entry.distribution} {entry.version}".strip(),
            *map(str, counts),
        )
        last = entry.kind
    console = Console()
    console.print(table)
    for one in outcomes:
        where = f"{one.entry.kind} '{one.entry.name}'"
        if one.problem:
            console.print(Text(f"{where} could not be checked: {one.problem}", style="red"))
        for name, message in one.report.failed.items() if one.report else ():
            console.print(Text(f"{where} fails {name}: {message}", style="red"))
    console.print(_summary(outcomes))


def _summary(outcomes: list[Outcome]) -> str:
    reports = [one.report for one in outcomes if one.report is not None]
    run, failed = sum(report.run for report in reports), sum(len(report.failed) for report in reports)
    line = f"{run} checks run on {len(reports)} plugin(s): {run - failed} passed, {failed} failed"
    missing = sum(bool(one.problem) for one in outcomes)
    return line + (f"; {missing} plugin(s) could not be checked" if missing else "")
