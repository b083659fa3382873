"""The command line: `occface reconstruct | batch | plugins | doctor | synth | ablate | demo`, and what plugins add.

Commands import what they need when they run, so `occface --help` stays quick. Commands of other
distributions come from the entry-point group "occface.commands" (a Typer app or a function); they are
listed without being imported.
"""

from __future__ import annotations

import io
import sys
from functools import cache
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from occface_core.commands import ablate, batch, demo, doctor, plugins, reconstruct, report, synth
from occface_core.commands.console import fail, print_error
from occface_core.errors import (
    ConfigError,
    GivenError,
    OccfaceError,
    OutputError,
    PluginError,
    WeightsMissing,
    did_you_mean,
)


class Commands(TyperGroup):
    """The core's commands and the installed ones, imported when called; errors without tracebacks."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the core's commands in the order of their definition, then the installed ones."""
        return [*self.commands, *(name for name in _installed() if name not in self.commands)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; for an installed one a stand-in that has its name and origin only."""
        if cmd_name in self.commands or cmd_name not in _installed():
            return self.commands.get(cmd_name)
        return TyperCommand(cmd_name, help=f"{_installed()[cmd_name]}")

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command to run, importing it if it is an installed one."""
        name = args[0] if args else ""
        if name not in self.commands and name in _installed():
            return name, _load(name), args[1:]
        if name not in self.list_commands(ctx) and not name.startswith("-"):
            hint = did_you_mean(name, self.list_commands(ctx))
            fail(f"there is no command '{name}'. {hint} `occface --help` lists them", code=2)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; what goes wrong becomes one message and an exit code."""
        try:
            return super().invoke(ctx)
        except (ConfigError, PluginError, GivenError, OutputError, WeightsMissing) as error:
            print_error(str(error))
            raise typer.Exit(2) from error
        except OccfaceError as error:
            print_error(str(error))
            raise typer.Exit(1) from error


def _print_version(wanted: bool) -> None:
    if wanted:
        from occface_core import __version__

        typer.echo(f"occface {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="occface",
    cls=Commands,
    help="Complete, detailed 3D faces from photos in which something hides part of the face.",
    epilog="Exit codes: 0 done; 1 nothing found or some photos failed; 2 wrong usage, configuration or installation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("reconstruct")(reconstruct.reconstruct)
app.command("batch")(batch.batch)
app.command("demo")(demo.demo)
app.command("report")(report.report)
app.command("plugins")(plugins.plugins)
app.command("doctor")(doctor.doctor)
app.command("synth")(synth.synth)
app.command("ablate")(ablate.ablate)


@app.callback()
def occface(
    version: bool = typer.Option(
        False, "--version", is_eager=True, callback=_print_version, help="Print the version and leave."
    ),
) -> None:
    """Complete, detailed 3D faces from photos in which something hides part of the face."""


def main() -> None:
    """Run the command line; what a terminal cannot show, such as odd bytes of a file name, is shown as \\udcff."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()


@cache
def _installed() -> dict[str, str]:
    """Return the commands that other distributions offer: name → where it comes from."""
    from occface_core.registry import Registry

    entries = Registry().entries("commands")
    return {
        entry.name: f"Added by {entry.distribution} {entry.version}: occface {entry.name} --help."
        for entry in entries
    }


def _load(name: str) -> Any:
    from occface_core.registry import Registry

    found = Registry().get("commands", name)
    if not isinstance(found, typer.Typer):
        command, found = found, typer.Typer()
        found.command(name)(command)
    loaded = typer.main.get_command(found)
    loaded.name = name
    return loaded
