"""The conformance kit over what is installed: one outcome a plugin, never an exception."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import attrs

from occface_core.errors import OccfaceError, PluginNotFound, did_you_mean
from occface_core.registry import Entry, Registry
from occface_core.stages import STAGES
from occface_core.testing.kit import Report, check_stage
from occface_core.testing.subject import Subject


@attrs.define(frozen=True)
class Outcome:
    """What the checks of one installed plugin gave.

    Attributes:
        entry: the plugin.
        report: what was found; None where nothing could be run, and for kinds that have no checks.
        problem: why it cannot be imported or run, or "".
    """

    entry: Entry
    report: Report | None = None
    problem: str = ""

    @property
    def good(self) -> bool:
        """Whether the plugin can be used and passed every check that there is for it."""
        return not self.problem and not (self.report and self.report.failed)


def chosen(registry: Registry, names: Iterable[str]) -> list[Entry]:
    """Return the installed plugins of these names, in the registry's order; all of them for no names.

    Args:
        registry: where they are looked up.
        names: "telea", or "face_inpainter.telea" where several kinds have a plugin of that name.

    Raises:
        PluginNotFound: there is none of that name.
    """
    entries = registry.entries()
    wanted = list(names)
    for name in wanted:
        if not any(name in (entry.name, f"{entry.kind}.{entry.name}") for entry in entries):
            hint = did_you_mean(name, sorted({entry.name for entry in entries}))
            raise PluginNotFound(f"no plugin named '{name}' is installed. {hint} See `occface plugins`")
    return [
        entry for entry in entries if not wanted or {entry.name, f"{entry.kind}.{entry.name}"} & set(wanted)
    ]


def check_installed(
    registry: Registry, entries: Iterable[Entry], before: Callable[[Entry, str], object] | None = None
) -> Iterator[Outcome]:
    """Check plugins one after the other.

    Stages run every check of `occface_core.testing`; other kinds are imported only.

    Args:
        registry: where the plugins come from.
        entries: the plugins.
        before: called with the plugin and the name of each check before it runs.
    """
    for entry in entries:
        try:
            cls = registry.get(entry.kind, entry.name)
            if entry.kind not in STAGES:
                yield Outcome(entry)
                continue
            subject = Subject(cls)
            subject.ready()
            report = check_stage(
                subject,
                raises=False,
                quiet=True,
                before=None if before is None else lambda check, of=entry: before(of, check),  # type: ignore[misc]
            )
        except OccfaceError as error:
            yield Outcome(entry, problem=str(error))
        except Exception as error:
            yield Outcome(entry, problem=f"it cannot be set up: {type(error).__name__}: {error}")
        else:
            yield Outcome(entry, report)
