"""What the commands print: results on standard output, remarks and errors on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console


def remarks() -> Console:
    """Return the console for progress, warnings and errors: standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def print_error(message: str) -> None:
    """Print what went wrong, once and in full; file names are never taken for markup."""
    from rich.text import Text

    remarks().print(Text("error: ", style="bold red") + Text(message))


def print_warning(message: str) -> None:
    """Print what the user must know about a result."""
    from rich.text import Text

    remarks().print(Text("warning: ", style="yellow") + Text(message))


def fail(message: str, code: int) -> NoReturn:
    """Print an error and leave with `code`."""
    print_error(message)
    raise typer.Exit(code)
