"""Which terms hold for a plugin's code and for each of its weights files, and whether they allow commercial use.

Code: the first part of the class attribute `licence`. Weights: the file `licences.toml` at the top of the
plugin's package, one table a file, read without importing anything:

    [[weights]]
    file = "weights/landmarks.safetensors"
    plugins = ["landmark_detector.mobilenet_v3"]
    licence = "research only"
    commercial = false
    reason = "trained on photos whose licence excludes commercial use"

Weights that the user names by the option `weights` or `model` have terms of their own: a `licences.toml` beside
them. What nobody states is not taken for allowed. This is bookkeeping, not legal advice.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from occface_core import _discovery
from occface_core.errors import PluginBroken

if TYPE_CHECKING:
    from occface_core.registry import Entry

ALLOWING = (
    "0BSD", "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0",
    "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "EPL-2.0", "GPL-2.0-only", "GPL-2.0-or-later",
    "GPL-3.0-only", "GPL-3.0-or-later", "ISC", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later",
    "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib",
)  # fmt: skip
"""SPDX identifiers of licences that allow commercial use, under their conditions."""

FILE = "licences.toml"
OWN_FILES = ("weights", "model")
"""Options by which a user names weights of their own."""

_FORBIDDING = re.compile(r"non-?commercial|research|\bNC\b|-NC-|unknown|no licence", re.IGNORECASE)


@attrs.define(frozen=True)
class Terms:
    """What one part of a plugin may be used for.

    Attributes:
        part: "code", "data" or the name of a weights file.
        licence: SPDX expression, or in words.
        commercial: whether it allows commercial use.
        reason: why it does not, or "".
    """

    part: str
    licence: str
    commercial: bool
    reason: str = ""


def plugin_terms(
    kind: str, name: str, cls: type, options: Mapping[str, Any] | None = None
) -> tuple[Terms, ...]:
    """Return the terms of a plugin as it would be used with these options.

    Args:
        kind: stage name.
        name: name in the registry, or "module:Class".
        cls: the plugin's class.
        options: its options; the defaults if None. Those in `OWN_FILES` replace the package's weights.
    """
    given = options or {}
    code, *rest = _split(str(getattr(cls, "licence", "unknown")))
    own = [value for key in OWN_FILES if (value := given.get(key)) is not None]
    listed = weights_terms(cls.__module__, kind, name)
    if own:
        weights = tuple(terms for value in own for terms in _own_terms(Path(str(value))))
    elif listed:
        weights = listed
    else:
        weights = tuple(_stated("data", text) for text in rest if not re.search(r"\bno weights\b", text))
    return (_code(code), *weights)


def entry_terms(entry: Entry) -> tuple[Terms, ...]:
    """Return the terms of an installed plugin without importing it: its distribution's licence, its weights."""
    code = _code(_discovery.licence(entry.distribution)) if entry.distribution else None
    try:
        weights = weights_terms(entry.value.partition(":")[0].strip(), entry.kind, entry.name)
    except PluginBroken as error:
        weights = (Terms("weights", "cannot be read", False, str(error)),)
    return (code, *weights) if code else weights


def weights_terms(module: str, kind: str, name: str) -> tuple[Terms, ...]:
    """Return the terms of the weights files that a plugin's package lists for it.

    Raises:
        PluginBroken: the package's `licences.toml` cannot be read.
    """
    package = module.partition(".")[0]
    try:
        spec = find_spec(package)  # of a package's top: it is found, not imported
    except (ImportError, ValueError):
        return ()
    for folder in (spec and spec.submodule_search_locations) or ():
        rows = _read(Path(folder) / FILE)
        return tuple(terms for terms, plugins in rows if f"{kind}.{name}" in plugins)
    return ()


def not_commercial(terms: tuple[Terms, ...]) -> str:
    """Return why commercial use is not allowed, parts of the same terms together, or "" if it is."""
    parts: dict[tuple[str, str], list[str]] = {}
    for one in terms:
        if not one.commercial:
            parts.setdefault((one.licence, one.reason), []).append(one.part)
    return "; ".join(
        f"{', '.join(names)}: {licence}" + (f" ({reason})" if reason else "")
        for (licence, reason), names in parts.items()
    )


def _split(licence: str) -> list[str]:
    return [part.strip() for part in licence.split(";") if part.strip()] or ["unknown"]


def _code(expression: str) -> Terms:
    """Return the terms of an SPDX expression: one alternative must consist of known licences only."""
    for alternative in re.split(r"\s+OR\s+", expression.strip("() ")):
        parts = re.split(r"\s+(?:AND|WITH)\s+", alternative.strip("() "))
        if all(part.strip("() ") in ALLOWING for part in parts):
            return Terms("code", expression, True)
    return Terms("code", expression, False, "no licence that is known to allow commercial use")


def _stated(part: str, text: str) -> Terms:
    """Return the terms of a sentence: a known licence must be named, and nothing that forbids."""
    named = any(re.search(rf"(?<![\w-]){re.escape(one)}(?![\w-])", text) for one in ALLOWING)
    if named and not _FORBIDDING.search(text):
        return Terms(part, text, True)
    return Terms(part, text, False, "does not say that it allows commercial use")


def _own_terms(path: Path) -> tuple[Terms, ...]:
    """Return the terms of a user's own weights: of one file, or of all that a folder's list names."""
    folder = path if path.is_dir() else path.parent
    rows = _read(folder / FILE)
    found = tuple(terms for terms, _ in rows if path.is_dir() or terms.part == path.name)
    missing = Terms(path.name, "not stated", False, f"say so in {folder / FILE}")
    return found or (missing,)


@lru_cache(maxsize=64)
def _read(path: Path) -> tuple[tuple[Terms, tuple[str, ...]], ...]:
    """Return the rows of a `licences.toml`, each with the plugins that use the file; none if there is no file."""
    if not path.is_file():
        return ()
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("weights", [])
        return tuple(_row(table) for table in tables)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PluginBroken(
            f"{path} cannot be read ({type(error).__name__}: {error}). It must hold [[weights]] tables with "
            f"file, plugins, licence, commercial and, where that is false, reason"
        ) from error


def _row(table: Mapping[str, Any]) -> tuple[Terms, tuple[str, ...]]:
    commercial = table["commercial"]
    if not isinstance(commercial, bool):
        raise TypeError("commercial must be true or false")
    if not commercial and not str(table.get("reason", "")).strip():
        raise ValueError(f"reason is missing for {table['file']}")
    name = Path(str(table["file"])).name
    terms = Terms(name, str(table["licence"]), commercial, str(table.get("reason", "")))
    return terms, tuple(map(str, table.get("plugins", ())))
