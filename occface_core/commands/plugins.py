"""`occface plugins`: what is installed for every stage, and what is wrong with it."""

from __future__ import annotations

import json

import typer


def plugins(
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table."),
    check: bool = typer.Option(
        False, "--check", help="Import every plugin to find broken ones (takes longer)."
    ),
) -> None:
    """List what is installed for every stage; a broken plugin is a row with a reason."""
    from occface_core.doctor import plugin_rows

    rows = plugin_rows(check=check)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    problems = any(row["problem"] for row in rows)
    table = Table("kind", "name", "from", *(["problem"] if problems else []), header_style="bold")
    last = ""
    for row in rows:
        cells = [
            Text("" if row["kind"] == last else row["kind"]),
            Text(row["name"], style="bold red" if row["problem"] else "bold"),
            Text(f"{row['distribution']} {row['version']}".strip()),
        ]
        table.add_row(*cells, *([Text(row["problem"], style="red")] if problems else []))
        last = row["kind"]
    Console().print(table)
