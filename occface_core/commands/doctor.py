"""`occface doctor`: what is installed, what works, and what to do about the rest."""

from __future__ import annotations

import json

import typer


def doctor(
    as_json: bool = typer.Option(False, "--json", help="Print JSON, to go with a report of a defect."),
) -> None:
    """Check the installation: versions, plugins, weights, face model, device, places to write."""
    from occface_core.doctor import examine

    findings = examine()
    if as_json:
        typer.echo(json.dumps([finding.as_dict() for finding in findings], indent=2))
    else:
        from rich.console import Console
        from rich.text import Text

        console = Console(highlight=False, soft_wrap=True)
        marks = {"ok": ("ok  ", "green"), "note": ("note", "yellow"), "bad": ("BAD ", "bold red")}
        for finding in findings:
            mark, style = marks[finding.state]
            console.print(
                Text(mark, style=style) + Text(f"  {finding.what}: ", style="bold") + Text(finding.found)
            )
            if finding.advice:
                console.print(Text(f"        {finding.advice}"))
    if any(finding.state == "bad" for finding in findings):
        raise typer.Exit(1)
