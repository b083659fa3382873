"""`--config` and `--set key=value` → one configuration dictionary."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from occface_core import config
from occface_core.errors import ConfigError, Problem
from occface_core.presets import DEFAULT_PRESET, PRESETS
from occface_core.stages import STAGES


def settings(name_or_path: str, changes: Sequence[str]) -> dict[str, Any]:
    """Return a configuration with changes made to it.

    Args:
        name_or_path: preset name, or path of a .json or .toml file.
        changes: texts such as "face_inpainter=telea", "face_inpainter.radius=7" or
            'face_inpainter={plugin = "telea", radius = 7}'. An option without a plugin is given to the plugin
            that the configuration already names.

    Raises:
        ConfigError: the configuration cannot be read, or changes are not of this form (all at once).
    """
    data, source = config.load(name_or_path)
    problems: list[Problem] = []
    for change in changes:
        key, equals, text = change.partition("=")
        key = key.strip()
        if not equals or not key:
            problems.append(
                Problem(f"--set {change}", "KEY=VALUE", repr(change), "Such as face_inpainter=telea")
            )
            continue
        stage, dot, option = key.partition(".")
        value = _value(text.strip())
        if not dot:
            data[stage] = value
        elif stage not in STAGES:
            problems.append(
                Problem(f"--set {change}", f"a stage before the dot: {', '.join(STAGES)}", repr(stage))
            )
        else:
            data[stage] = {**_as_table(data, stage), option: value}
    if problems:
        raise ConfigError(problems, f"changes to the {source}")
    return data


def with_timing(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with the hook `timing`, once; one whose hooks are no list is left as it is."""
    hooks = configuration.get("hooks", [])
    if not isinstance(hooks, (list, tuple)):
        return dict(configuration)
    named = [hook.get("plugin") if isinstance(hook, Mapping) else hook for hook in hooks]
    return {**configuration, "hooks": [*hooks, *(() if "timing" in named else ("timing",))]}


def _as_table(data: dict[str, Any], stage: str) -> dict[str, Any]:
    """Return what is chosen for a stage as {"plugin": name, option: value, …}."""
    chosen = data.get(stage)
    if isinstance(chosen, dict):
        return dict(chosen)
    if chosen is None:
        preset = str(data.get("preset", DEFAULT_PRESET))
        return {"plugin": PRESETS.get(preset, PRESETS[DEFAULT_PRESET])[stage]}
    return {"plugin": chosen}


def _value(text: str) -> Any:
    """Return a number, truth value, list or table where the text is one in TOML or JSON, else the text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        pass
    try:
        return json.loads(text)
    except ValueError:
        return text
