"""What can stand at a stage: plugins and options from a spec, made ready, each with a label and a key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from occface_core import config
from occface_core.ablation.given import GIVEN
from occface_core.errors import ConfigError, PluginError, Problem
from occface_core.null import NoDetail, NoInpainting, NoLandmarks, NoMatting, NoShape
from occface_core.presets import DEFAULT_PRESET
from occface_core.registry import Registry

_NEUTRAL: dict[str, Any] = {
    "landmark_detector": NoLandmarks,
    "occlusion_matting": NoMatting,
    "face_inpainter": NoInpainting,
    "shape_regressor": NoShape,
    "detail_recoverer": NoDetail,
}
"""Stands at the other stages while one is resolved."""


@attrs.define(frozen=True, kw_only=True, eq=False)
class Candidate:
    """One plugin with its options at one stage.

    Attributes:
        stage: stage name.
        label: short text for tables.
        spec: {"plugin": …, option: value} as asked for.
        choice: the plugin, made but not set up; None if it cannot be used.
        problem: why it cannot be used, or "".
        key: the same for candidates that give the same answers: plugin, version, options, weights.
    """

    stage: str
    label: str
    spec: Mapping[str, Any]
    choice: config.Choice | None
    problem: str = ""
    key: str = ""


def as_spec(value: Any) -> dict[str, Any]:
    """Return {"plugin": …, option: value} of any way to name a plugin."""
    return dict(value) if isinstance(value, Mapping) else {"plugin": value}


def label_of(value: Any) -> str:
    """Return "name" or "name(option=value)"."""
    spec = as_spec(value)
    plugin = spec.pop("plugin", "?")
    name = f"{plugin.__module__}:{plugin.__qualname__}" if isinstance(plugin, type) else str(plugin)
    options = ", ".join(f"{key}={_plain(option)}" for key, option in spec.items())
    return f"{name}({options})" if options else name


def find(stage: str, value: Any, where: str, registry: Registry, problems: list[Problem]) -> Candidate | None:
    """Return the candidate that a spec names; what is mistaken in the spec goes to `problems`.

    An installed plugin that cannot be imported is no mistake of the spec: it is a candidate with a problem.

    Args:
        stage: stage name.
        value: plugin name, class, "module:Class", {"plugin": …, option: …}, or "given".
        where: path of the value in the spec, for messages.
        registry: where plugins are looked up.
        problems: takes what is wrong.
    """
    spec, label = as_spec(value), label_of(value)
    name = spec.get("plugin")
    if name == "given":
        if stage not in GIVEN:
            known = ", ".join(GIVEN)
            problems.append(Problem(where, f"a plugin ('given' is for {known})", "'given'"))
            return None
        choice = config.Choice(stage, "given", GIVEN[stage]())
        return Candidate(stage=stage, label=label, spec=spec, choice=choice, key=f"{stage} given")
    if isinstance(name, str) and ":" not in name and name in registry.names(stage):
        try:
            registry.get(stage, name)
        except PluginError as error:
            return Candidate(
                stage=stage,
                label=label,
                spec=spec,
                choice=None,
                problem=str(error),
                key=f"{stage} broken {label}",
            )
    try:
        stages, _ = config.resolve({**_NEUTRAL, stage: value}, registry)
    except ConfigError as error:
        for problem in error.problems:
            problems.append(attrs.evolve(problem, path=where + problem.path.removeprefix(stage)))
        return None
    return _candidate(stage, label, spec, stages[stage])


def find_in_preset(stage: str, preset: str, registry: Registry, problems: list[Problem]) -> Candidate | None:
    """Return a preset's candidate at a stage, or its stand-in."""
    others = {other: cls for other, cls in _NEUTRAL.items() if other != stage}
    try:
        stages, _ = config.resolve({"preset": preset or DEFAULT_PRESET, **others}, registry)
    except ConfigError as error:
        problems += [attrs.evolve(problem, path=f"base.{problem.path}") for problem in error.problems]
        return None
    choice = stages[stage]
    return _candidate(stage, choice.name, {"plugin": choice.name}, choice)


def with_option(
    candidate: Candidate, option: str, value: Any, where: str, registry: Registry, problems: list[Problem]
) -> Candidate | None:
    """Return the candidate with one option changed; the candidate itself if it has no such option."""
    if candidate.choice is None or option not in options_of(candidate.choice.instance):
        return candidate
    stage, spec = candidate.stage, {**candidate.spec, option: value}
    found = find(stage, spec, f"{where}", registry, problems)
    return found and attrs.evolve(found, label=candidate.label)


def has_option(candidate: Candidate, option: str) -> bool:
    """Say whether the candidate's plugin has an option."""
    return candidate.choice is not None and option in options_of(candidate.choice.instance)


def options_of(instance: Any) -> dict[str, Any]:
    """Return every option of a plugin as short plain data."""
    if not attrs.has(type(instance)):
        return {}
    fields = config.option_fields(type(instance))
    return {alias: _plain(getattr(instance, field.name)) for alias, field in fields.items()}


def _candidate(stage: str, label: str, spec: Mapping[str, Any], choice: config.Choice) -> Candidate:
    try:
        weights = choice.instance.weights_sha256()
    except Exception:  # weights that are not there are reported when the stage is set up
        weights = "missing"
    parts = [stage, choice.name, options_of(choice.instance), choice.distribution, choice.version, weights]
    return Candidate(
        stage=stage, label=label, spec=spec, choice=choice, key=json.dumps(parts, sort_keys=True)
    )


def _plain(value: Any) -> Any:
    from occface_core.facemodel import FaceModel

    if isinstance(value, FaceModel):
        return value.name
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return f"{value.__module__}:{value.__qualname__}" if isinstance(value, type) else str(value)
