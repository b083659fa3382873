"""What a failing check says."""

from __future__ import annotations

from occface_core.errors import OccfaceError


class CheckFailed(OccfaceError, AssertionError):
    """A plugin does not keep a promise of its stage: what was expected, what was found, how to mend it."""


def require(holds: bool, expected: str, found: str, mend: str) -> None:
    """Raise `CheckFailed` unless `holds`."""
    if not holds:
        raise CheckFailed(f"expected {expected}; found {found}. To mend it: {mend}")
