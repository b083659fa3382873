"""The one place that knows how plugins are found: the entry points of installed distributions.

Nothing is imported here but `entrypoints`; a scan reads text files only. The guards below are for known
defects of `entrypoints` 0.4: one malformed file makes the whole scan raise, "%" in a value raises, a
`Path` on sys.path raises, and the first of two equal names silently wins.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import takewhile

import attrs

PREFIX = "occface."


@attrs.define(frozen=True)
class Found:
    """One entry point as written by a distribution.

    Attributes:
        group: entry-point group, such as "occface.face_inpainter".
        name: name within the group.
        value: "module:Class" as written; may be malformed.
        distribution: name of the distribution.
        version: its version, "" if unknown.
    """

    group: str
    name: str
    value: str
    distribution: str
    version: str


def scan() -> tuple[list[Found], list[str]]:
    """Return every entry point whose group starts with "occface.", and warnings about unreadable files."""
    try:
        return list(_scan_with_entrypoints()), []
    except Exception as error:
        problem = (
            f"reading entry points failed ({type(error).__name__}: {error}); an installed distribution "
            f"has a malformed entry_points.txt. Falling back to importlib.metadata; reinstall that distribution"
        )
        warnings.warn(problem, RuntimeWarning, stacklevel=3)
        found, problems = _scan_with_importlib()
        return found, [problem, *problems]


def licence(distribution: str) -> str:
    """Return what a distribution's METADATA says of its licence, "unknown" if nothing.

    Read by hand: `importlib.metadata` takes longer to import than a list of many plugins may take.
    """
    for folder in _metadata_folders().get(_normal(distribution), ()):
        try:
            with open(os.path.join(folder, "METADATA"), encoding="utf-8", errors="replace") as file:
                head = [line for line in takewhile(str.strip, file) if line.startswith("License")]
        except OSError:
            continue
        fields = dict(line.rstrip("\n").split(": ", 1) for line in head if ": " in line)
        return fields.get("License-Expression") or fields.get("License") or "unknown"
    return "unknown"


def _metadata_folders() -> dict[str, list[str]]:
    """Return name of a distribution → its metadata folders, first on the path first; once for every path."""
    return _metadata_folders_of(tuple(_search_path()))


@lru_cache(maxsize=4)
def _metadata_folders_of(search_path: tuple[str, ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for folder in search_path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            if name.endswith(".dist-info"):
                found.setdefault(_normal(name.partition("-")[0]), []).append(os.path.join(folder, name))
    return found


def _search_path() -> list[str]:
    """Return sys.path as strings without repeats: `entrypoints` calls .rstrip on each item."""
    return list(dict.fromkeys(str(folder) for folder in sys.path))


def _scan_with_entrypoints() -> Iterator[Found]:
    import entrypoints

    for config, distro in entrypoints.iter_files_distros(path=_search_path()):
        for group in config.sections():
            if group.startswith(PREFIX):
                for name, value in config.items(group, raw=True):
                    yield Found(group, name, value, _normal(distro.name), _version(distro.version))


def _scan_with_importlib() -> tuple[list[Found], list[str]]:
    import configparser
    from importlib import metadata

    found: list[Found] = []
    problems: list[str] = []
    seen: set[str] = set()
    for distribution in metadata.distributions(path=_search_path()):
        name = _normal(distribution.metadata["Name"] or "unknown")
        if name in seen:
            continue
        seen.add(name)
        text = distribution.read_text("entry_points.txt")
        if not text:
            continue
        config = configparser.RawConfigParser(delimiters=("=",))
        config.optionxform = str  # type: ignore[method-assign,assignment]
        try:
            config.read_string(text)
        except configparser.Error as error:
            first_line = str(error).splitlines()[0]
            problems.append(f"entry_points.txt of {name} cannot be read ({first_line}); reinstall {name}")
            continue
        found += _entries(config.sections(), config, name, distribution.version)
    return found, problems


def _entries(groups: Iterable[str], config: object, name: str, version: str) -> Iterator[Found]:
    for group in groups:
        if group.startswith(PREFIX):
            for key, value in config.items(group):  # type: ignore[attr-defined]
                yield Found(group, key, value, name, version or "")


def _normal(name: str | None) -> str:
    return (name or "unknown").replace("_", "-").lower()


def _version(text: str | None) -> str:
    """Return the version in "1.0-py3" or "1.0"."""
    return (text or "").split("-py")[0]
