"""Which plugins are installed, by kind and name. Nothing is imported until it is named."""

from __future__ import annotations

import importlib
import re
from typing import Any

import attrs

from occface_core import _discovery
from occface_core.errors import PluginBroken, PluginConflict, PluginNotFound, did_you_mean
from occface_core.stages import STAGES

KINDS = (*STAGES, "hooks", "face_models", "engines", "commands")
"""What can be registered: a stage's name, or one of the other four kinds; the group is "occface.<kind>"."""

_VALUE = re.compile(r"^\s*(?P<module>\w+(\.\w+)*)\s*:\s*(?P<object>\w+(\.\w+)*)\s*(\[.*\])?\s*$")


@attrs.define(frozen=True)
class Entry:
    """One installed plugin.

    Attributes:
        kind: one of `KINDS`.
        name: name in configurations.
        value: "module:Class".
        distribution: where it comes from; "" if registered by hand.
        version: version of that distribution.
        problem: why it cannot be used, or "".
    """

    kind: str
    name: str
    value: str
    distribution: str = ""
    version: str = ""
    problem: str = ""


class Registry:
    """Find plugins by name.

    Args:
        discover: scan installed distributions (once, on first use). False gives an empty registry.
    """

    def __init__(self, discover: bool = True) -> None:
        self._discover = discover
        self._scanned: dict[str, dict[str, list[Entry]]] | None = None
        self._registered: dict[tuple[str, str], Any] = {}
        self.problems: tuple[str, ...] = ()

    def register(self, kind: str, name: str, cls: Any) -> None:
        """Add a plugin by hand; it goes before an installed one of the same name.

        Raises:
            PluginBroken: `cls` does not implement the stage's interface.
        """
        self._check_kind(kind)
        self._check_interface(kind, name, cls)
        self._registered[kind, name] = cls

    def names(self, kind: str) -> list[str]:
        """Return the sorted names of a kind, broken plugins included."""
        return sorted({entry.name for entry in self.entries(kind)})

    def entries(self, kind: str | None = None) -> list[Entry]:
        """Return what is installed, of one kind or all, without importing any of it.

        Two distributions with the same name for one kind are two entries, each with the conflict as problem.
        """
        if kind is not None:
            self._check_kind(kind)
        scanned = self._scan()
        rows: list[Entry] = []
        for one in KINDS if kind is None else (kind,):
            for name, found in scanned.get(one, {}).items():
                if (one, name) not in self._registered:
                    rows += found
            for (registered_kind, name), cls in self._registered.items():
                if registered_kind == one:
                    rows.append(Entry(one, name, f"{cls.__module__}:{cls.__qualname__}"))
        return sorted(rows, key=lambda entry: (KINDS.index(entry.kind), entry.name, entry.distribution))

    def entry(self, kind: str, name: str) -> Entry:
        """Return the entry of one plugin.

        Raises:
            PluginNotFound: nothing of that name is installed.
            PluginConflict: two distributions offer it.
        """
        self._check_kind(kind)
        if (kind, name) in self._registered:
            cls = self._registered[kind, name]
            return Entry(kind, name, f"{cls.__module__}:{cls.__qualname__}")
        found = self._scan().get(kind, {}).get(name, [])
        if not found:
            raise PluginNotFound(
                f"no {kind} plugin named '{name}' is installed. {did_you_mean(name, self.names(kind))} "
                f"Install the distribution that offers it, or see `occface plugins`"
            )
        if len(found) > 1:
            raise PluginConflict(found[0].problem)
        return found[0]

    def get(self, kind: str, name: str) -> Any:
        """Import and return one plugin's class.

        Raises:
            PluginNotFound: nothing of that name is installed.
            PluginConflict: two distributions offer it.
            PluginBroken: it cannot be imported, or does not implement the stage's interface.
        """
        entry = self.entry(kind, name)
        if (kind, name) in self._registered:
            return self._registered[kind, name]
        if entry.problem:
            raise PluginBroken(entry.problem)
        cls = load_object(entry.value, f"{kind} plugin '{name}' of {entry.distribution} {entry.version}")
        self._check_interface(kind, name, cls)
        return cls

    def _scan(self) -> dict[str, dict[str, list[Entry]]]:
        if self._scanned is None:
            self._scanned = {}
            if self._discover:
                found, problems = _discovery.scan()
                self.problems = tuple(problems)
                self._scanned = _by_kind(found)
        return self._scanned

    @staticmethod
    def _check_kind(kind: str) -> None:
        if kind not in KINDS:
            raise PluginNotFound(f"there is no plugin kind '{kind}'. {did_you_mean(kind, KINDS)}")

    @staticmethod
    def _check_interface(kind: str, name: str, cls: Any) -> None:
        interface = STAGES.get(kind)
        if interface is None:
            if kind == "hooks" and not isinstance(cls, type):
                raise PluginBroken(f"hook '{name}' ({cls!r}) must be a class")
            return
        if not (isinstance(cls, type) and issubclass(cls, interface)):
            raise PluginBroken(
                f"{kind} plugin '{name}' ({cls!r}) must be a class that inherits "
                f"occface_core.stages.{interface.__name__}"
            )
        if getattr(cls, "__abstractmethods__", None):
            raise PluginBroken(f"{kind} plugin '{name}' ({cls!r}) does not define run()")
        if not attrs.has(cls):
            raise PluginBroken(
                f"{kind} plugin '{name}' ({cls!r}) must be decorated with @attrs.define(kw_only=True); "
                f"its fields are its options"
            )


def load_object(value: str, what: str) -> Any:
    """Import "module:Class" and return the object.

    Raises:
        PluginBroken: the text is malformed, the import fails, or the object is not there.
    """
    match = _VALUE.match(value)
    if not match:
        raise PluginBroken(f"{what}: '{value}' is not of the form 'module:Class'")
    try:
        found: Any = importlib.import_module(match["module"])
        for part in match["object"].split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # a script without a main guard leaves when it is imported
        raise PluginBroken(
            f"{what} cannot be imported from '{value}': {type(error).__name__}: {error}. "
            f"Reinstall it, or install what it is missing"
        ) from error
    return found


def _by_kind(found: list[_discovery.Found]) -> dict[str, dict[str, list[Entry]]]:
    table: dict[str, dict[str, list[Entry]]] = {}
    for item in found:
        kind = item.group.removeprefix(_discovery.PREFIX)
        problem = (
            ""
            if _VALUE.match(item.value)
            else f"'{item.name} = {item.value}' is not of the form 'module:Class'"
        )
        entry = Entry(kind, item.name, item.value, item.distribution, item.version, problem)
        same = table.setdefault(kind, {}).setdefault(item.name, [])
        if entry not in same:
            same.append(entry)
    for kind, names in table.items():
        for name, entries in names.items():
            if len(entries) > 1:
                owners = " and ".join(f"{entry.distribution} {entry.version}".strip() for entry in entries)
                problem = f"{owners} both offer the {kind} plugin '{name}'; uninstall one of them"
                names[name] = [attrs.evolve(entry, problem=problem) for entry in entries]
    return table
