"""Every error that occface raises on purpose: what went wrong, where, and how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import attrs


class OccfaceError(Exception):
    """Base of all errors of this library. Catch it to go on with the next photo."""


class RecordError(OccfaceError, ValueError):
    """A record was built with a wrong shape, dtype or batch size."""


class PhotoError(OccfaceError, ValueError):
    """A photo is missing, corrupt, too large, too small or of a kind that cannot be read."""


class GivenError(OccfaceError, ValueError):
    """What the caller gave in place of a stage does not fit the photo."""


class OutputError(OccfaceError, OSError):
    """A result could not be written."""


class WeightsMissing(OccfaceError, FileNotFoundError):
    """A stage's weights file is not where it should be."""


class FaceModelError(OccfaceError, ValueError):
    """A face model's file is missing or does not have the published format."""


class StageError(OccfaceError, RuntimeError):
    """A stage failed or returned something that its interface does not allow."""


class PluginError(OccfaceError):
    """Base of what can be wrong with an installed plugin."""


class PluginNotFound(PluginError, LookupError):
    """No installed distribution offers a plugin of that name."""


class PluginBroken(PluginError, ImportError):
    """A plugin is installed but cannot be imported, or is not what its entry point says."""


class PluginConflict(PluginError):
    """Two distributions offer the same name for one stage."""


class PackageMissing(PluginError, ImportError):
    """A plugin wraps a package that is not installed; the message says what to install."""


class FallbackWarning(UserWarning):
    """A preset's plugin is not available, and its stand-in was taken; the result's lineage says so."""


@attrs.define(frozen=True)
class Problem:
    """One thing wrong in a configuration: where, what was expected, what was found."""

    path: str
    expected: str
    got: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.path}: expected {self.expected}, got {self.got}"
        return f"{text}. {self.hint}" if self.hint else text


class ConfigError(OccfaceError, ValueError):
    """A configuration has problems; all of them are in `problems`, not only the first."""

    def __init__(self, problems: Sequence[Problem], source: str = "configuration") -> None:
        self.problems = tuple(problems)
        self.source = source
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(f"{len(self.problems)} problem(s) in the {source}:{lines}")

    def __reduce__(self) -> tuple[type[ConfigError], tuple[tuple[Problem, ...], str]]:
        return type(self), (self.problems, self.source)


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Return "Did you mean 'x'?" for the nearest known name, or the list of known names."""
    near = get_close_matches(name, known, n=1, cutoff=0.55)
    if near:
        return f"Did you mean '{near[0]}'?"
    return f"Known: {', '.join(sorted(known))}." if known else ""
