"""SPEC.toml → what to run."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from occface_core.errors import ConfigError, Problem, did_you_mean

_KEYS = ("title", "base", "axes", "design", "suite", "run")


@attrs.define(frozen=True, kw_only=True)
class AblationSpec:
    """What `ablate` is to do.

    Attributes:
        base: configuration that the axes change: preset, stages.
        axes: stage, "stage.option" or "face_model" → values; "*" for all installed.
        design: "full_grid" or "one_at_a_time".
        suite: {"name": …, option: value}.
        run: device, batch_size, examples, lpips, seed.
        title: heading of the tables.
        folder: where the spec lies; relative paths start here.
    """

    base: Any = attrs.field(factory=dict)
    axes: Mapping[str, Any] = attrs.field(factory=dict)
    design: str = "full_grid"
    suite: Any = attrs.field(factory=dict)
    run: Mapping[str, Any] = attrs.field(factory=dict)
    title: str = ""
    folder: Path | None = None


def load_spec(path: str | Path) -> AblationSpec:
    """Read a SPEC.toml.

    Raises:
        ConfigError: it cannot be read, or has unknown keys.
    """
    file = Path(path)
    source = f"file {file}"
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem("file", "a readable file", str(error))], source) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Problem("file", "valid TOML", str(error))], source) from error
    problems = [
        Problem(key, f"one of {', '.join(_KEYS)}", "an unknown key", did_you_mean(key, _KEYS))
        for key in data
        if key not in _KEYS
    ]
    for key, kind, what in (("axes", dict, "a table"), ("run", dict, "a table"), ("title", str, "a text")):
        if not isinstance(data.get(key, kind()), kind):
            problems.append(Problem(key, what, repr(data[key])))
    axes = data.get("axes", {})
    if not axes:
        problems.append(
            Problem("axes", 'values to try, such as face_inpainter = ["telea", "none"]', "nothing")
        )
    run = data.get("run", {})
    wanted = {"device": str, "batch_size": int, "examples": int, "lpips": str, "seed": int}
    for key, value in run.items() if isinstance(run, dict) else ():
        if key not in wanted:
            hint = did_you_mean(key, tuple(wanted))
            problems.append(Problem(f"run.{key}", f"one of {', '.join(wanted)}", "an unknown key", hint))
        elif not isinstance(value, wanted[key]) or isinstance(value, bool):
            problems.append(Problem(f"run.{key}", wanted[key].__name__, repr(value)))
    if problems:
        raise ConfigError(problems, source)
    axes = dict(axes)
    design = data.get("design", "full_grid")
    if isinstance(axes.get("design"), str):  # written below the heading [axes], as is easily done
        design = axes.pop("design")
    return AblationSpec(
        base=data.get("base", {}),
        axes=axes,
        design=design,
        suite=data.get("suite", {}),
        run=run,
        title=data.get("title", file.stem),
        folder=file.parent,
    )
