"""A suite's name and options → the suite."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from occface_core import config
from occface_core.ablation.suites.base import Suite
from occface_core.errors import ConfigError, OccfaceError, PluginError, Problem, did_you_mean
from occface_core.registry import load_object

_HERE = "occface_core.ablation.suites"

SUITES: Mapping[str, str] = MappingProxyType(
    {
        "synthetic": f"{_HERE}.synthetic:Synthetic",
        "300w": f"{_HERE}.w300:W300",
        "cofw": f"{_HERE}.cofw:Cofw",
        "aflw2000-3d": f"{_HERE}.aflw2000:Aflw2000",
        "celebamask-hq": f"{_HERE}.celebamask:CelebAMask",
        "now": f"{_HERE}.now:Now",
        "realy": f"{_HERE}.realy:Realy",
    }
)
"""Name → "module:Class" of the suites that come with the library."""


def make_suite(spec: str | Mapping[str, Any] | Suite, folder: Path | None = None) -> Suite:
    """Return the suite that a spec names.

    Args:
        spec: name, {"name": …, option: value}, or a ready suite. A name is one of `SUITES`, in any case, or
            "module:Class" of a suite of one's own.
        folder: what relative paths in options start from; the working directory if None.

    Raises:
        ConfigError: with all problems.
    """
    if isinstance(spec, Suite):
        return spec
    options = {"name": spec} if isinstance(spec, str) else dict(spec)
    name = options.pop("name", "synthetic")
    if not isinstance(name, str):
        raise ConfigError([Problem("suite.name", "a suite's name", repr(name))], "ablation")
    place = name if ":" in name else SUITES.get(name.lower())
    if place is None:
        hint = did_you_mean(name.lower(), tuple(SUITES))
        raise ConfigError(
            [Problem("suite.name", f"one of {', '.join(SUITES)}", repr(name), hint)], "ablation"
        )
    try:
        cls: Any = load_object(place, f"suite '{name}'")
    except PluginError as error:
        raise ConfigError([Problem("suite.name", "a suite that can be imported", repr(name), str(error))],
                          "ablation") from error  # fmt: skip
    if isinstance(options.get("folder"), str):
        given = Path(options["folder"]).expanduser()
        options["folder"] = str(given if given.is_absolute() or folder is None else folder / given)
    problems: list[Problem] = []
    structured = config._structure_options(cls, options, "suite", problems)
    if problems:
        raise ConfigError(problems, "ablation")
    try:
        suite = cls(**structured)
        if not len(suite):
            raise OccfaceError("it holds no sample")
    except (TypeError, ValueError, OccfaceError) as error:
        message = str(error.args[0]) if error.args else str(error)
        raise ConfigError([Problem("suite", f"options that suite '{name}' accepts", repr(structured), message)],
                          "ablation") from error  # fmt: skip
    if not isinstance(suite, Suite):
        raise ConfigError([Problem("suite.name", f"a class that inherits {_HERE}.Suite", place)], "ablation")
    return suite
