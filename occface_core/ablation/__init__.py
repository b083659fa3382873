"""Combinations of plugins, measured on a suite of faces with known truth: which is better, how surely, at what cost.

The names below load what they need when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from occface_core.ablation.api import ablate
    from occface_core.ablation.figures import FIGURES, Figure
    from occface_core.ablation.result import AblationResult
    from occface_core.ablation.sample import Sample, Surface
    from occface_core.ablation.spec import AblationSpec, load_spec
    from occface_core.ablation.suites import SUITES, Suite, make_suite

_HOME = {
    "AblationResult": "result",
    "AblationSpec": "spec",
    "FIGURES": "figures",
    "Figure": "figures",
    "SUITES": "suites",
    "Sample": "sample",
    "Suite": "suites",
    "Surface": "sample",
    "ablate": "api",
    "load_spec": "spec",
    "make_suite": "suites",
}

__all__ = [
    "FIGURES",
    "SUITES",
    "AblationResult",
    "AblationSpec",
    "Figure",
    "Sample",
    "Suite",
    "Surface",
    "ablate",
    "load_spec",
    "make_suite",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
