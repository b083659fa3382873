"""What is installed, as plain data for a list: read from files, nothing is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from occface_core import licences

if TYPE_CHECKING:
    from occface_core.registry import Entry


def plugin_row(entry: Entry) -> dict[str, Any]:
    """Return a plugin's entry with its terms.

    Returns:
        The fields of `Entry`; `licence` of the code as its distribution states it; `weights`, the terms of each
        weights file; `commercial`: whether all of them allow commercial use, None where no weights are listed,
        since the class may say more than its distribution.
    """
    terms = () if entry.problem else licences.entry_terms(entry)
    code = next((one.licence for one in terms if one.part == "code"), "")
    weights = [attrs.asdict(one) for one in terms if one.part != "code"]
    allowed: bool | None = None
    if licences.not_commercial(terms):
        allowed = False
    elif weights:
        allowed = True
    return {**attrs.asdict(entry), "licence": code, "weights": weights, "commercial": allowed}
