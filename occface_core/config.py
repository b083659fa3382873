"""Configuration → stages: every problem is reported at once, each with its path and what was expected.

A configuration is a preset's name, a dictionary, or the path of a .json or .toml file. Each stage's value
is a plugin (name, class, or "module:Class") or {"plugin": …, option: value, …}; a left-out stage is the
preset's. Options are the fields of the plugin's attrs class.
"""

from __future__ import annotations

import json
import sys
import tomllib
import types
import typing
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import attrs
import cattrs

from occface_core import licences
from occface_core.errors import ConfigError, OccfaceError, PluginError, Problem, did_you_mean
from occface_core.presets import DEFAULT_PRESET, FALLBACKS, PRESETS
from occface_core.registry import Registry, load_object
from occface_core.stages import STAGES

IGNORED = ("provenance",)
"""Keys that `Pipeline.to_config` adds for the record; they change nothing."""

LICENCES = ("any", "commercial")
"""Values of the key `licence`: take every plugin, or refuse those whose terms do not allow commercial use."""

_KEYS = (*STAGES, "hooks", "licence", "preset", *IGNORED)


@attrs.define(frozen=True)
class Choice:
    """A plugin chosen by a configuration, made but not set up.

    Attributes:
        kind: stage name, or "hooks".
        name: as written in the configuration; "module:Class" where a class was given.
        instance: the plugin.
        distribution: where it comes from, "" if not installed as a plugin.
        version: version of that distribution.
        warning: the fall-back that was taken, or "".
    """

    kind: str
    name: str
    instance: Any
    distribution: str = ""
    version: str = ""
    warning: str = ""


def load(config: str | Path | Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the configuration as a dictionary, and what to call it in messages.

    Raises:
        ConfigError: there is no such preset or file, or the file cannot be parsed.
    """
    if isinstance(config, Mapping):
        return dict(config), "configuration"
    if not isinstance(config, (str, Path)):
        wanted = "a preset's name, a dictionary, or a .json/.toml file"
        raise ConfigError([Problem("config", wanted, f"{config!r} ({type(config).__name__})")])
    path = Path(config)
    if path.suffix.lower() not in (".json", ".toml"):
        if str(config) in PRESETS:
            return {"preset": str(config)}, f"preset '{config}'"
        hint = did_you_mean(str(config), list(PRESETS))
        raise ConfigError(
            [Problem("config", "a preset's name or a .json/.toml file", repr(str(config)), hint)]
        )
    source = f"file {path}"
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors put a mark at the beginning
        data = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ConfigError([Problem("file", "a readable file", str(error))], source) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem("file", "text in UTF-8", str(error))], source) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            [Problem("file", f"valid {path.suffix[1:].upper()}", str(error))], source
        ) from error
    if not isinstance(data, dict):
        raise ConfigError([Problem("file", "a table of stages at the top", type(data).__name__)], source)
    return data, source


def resolve(
    config: str | Path | Mapping[str, Any], registry: Registry
) -> tuple[dict[str, Choice], list[Choice]]:
    """Return the chosen stage of every stage name, in pipeline order, and the chosen hooks.

    Raises:
        ConfigError: with all problems.
    """
    data, source = load(config)
    problems: list[Problem] = []
    for key in data:
        if key not in _KEYS:
            problems.append(Problem(str(key), "a stage, 'hooks', 'licence' or 'preset'", "an unknown key",
                                    did_you_mean(str(key), _KEYS)))  # fmt: skip
    preset_name = data.get("preset", DEFAULT_PRESET)
    if not isinstance(preset_name, str) or preset_name not in PRESETS:
        problems.append(Problem("preset", f"one of {', '.join(PRESETS)}", repr(preset_name)))
        preset_name = DEFAULT_PRESET
    stages: dict[str, Choice] = {}
    for stage in STAGES:
        if data.get(stage) is not None:
            choice = _choose(stage, data[stage], stage, registry, problems)
        else:
            choice = _from_preset(stage, preset_name, registry, problems)
        if choice is not None:
            stages[stage] = choice
    hooks = _choose_hooks(data.get("hooks", []), registry, problems)
    problems += _licence_problems(data.get("licence", "any"), stages, registry)
    if problems:
        raise ConfigError(problems, source)
    return stages, hooks


def _licence_problems(wanted: Any, stages: Mapping[str, Choice], registry: Registry) -> list[Problem]:
    """Return a problem for every stage whose plugin may not be used as wanted."""
    if wanted not in LICENCES:
        return [Problem("licence", f"one of {', '.join(map(repr, LICENCES))}", repr(wanted))]
    if wanted == "any":
        return []
    problems = []
    for stage, choice in stages.items():
        options = unstructure(choice.instance)
        terms = licences.plugin_terms(stage, choice.name, type(choice.instance), options)
        base = options.get("base")  # a plugin that builds on another one of its stage
        if isinstance(base, str) and base in registry.names(stage):
            terms += licences.plugin_terms(stage, base, registry.get(stage, base))
        refused = licences.not_commercial(terms)
        if refused:
            nearest = _nearest_commercial(stage, choice.name, registry)
            hint = f"Nearest that allows it: {stage} = '{nearest}'" if nearest else "No other one allows it"
            problems.append(
                Problem(stage, "a plugin that allows commercial use", f"'{choice.name}' ({refused})", hint)
            )
    return problems


def _nearest_commercial(stage: str, refused: str, registry: Registry) -> str:
    """Return the first installed plugin that allows commercial use: stand-ins first, "none" last, "" if none."""
    installed = registry.names(stage)
    order = [*FALLBACKS.get(stage, ()), *(preset[stage] for preset in PRESETS.values()), *installed]
    for name in sorted(dict.fromkeys(order), key=lambda one: one == "none"):
        if name == refused or name not in installed:
            continue
        try:
            terms = licences.plugin_terms(stage, name, registry.get(stage, name))
        except PluginError:
            continue
        if not licences.not_commercial(terms):
            return name
    return ""


def _choose_hooks(value: Any, registry: Registry, problems: list[Problem]) -> list[Choice]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, (list, tuple)):
        problems.append(Problem("hooks", 'a list of hooks such as ["timing"]', repr(value)))
        return []
    chosen = [_choose("hooks", item, f"hooks[{i}]", registry, problems) for i, item in enumerate(value)]
    return [choice for choice in chosen if choice is not None]


def _from_preset(stage: str, preset: str, registry: Registry, problems: list[Problem]) -> Choice | None:
    name = PRESETS[preset][stage]
    installed = registry.names(stage)
    if name in installed:
        return _choose(stage, name, stage, registry, problems)
    for stand_in in FALLBACKS.get(stage, ()):
        if stand_in in installed:
            choice = _choose(stage, stand_in, stage, registry, problems)
            warning = (
                f"{stage}: the preset '{preset}' names '{name}', which no installed distribution offers; "
                f"'{stand_in}' was used instead"
            )
            return choice and attrs.evolve(choice, warning=warning)
    problems.append(
        Problem(
            stage,
            f"the preset's plugin '{name}'",
            "no such plugin installed",
            f"Install the distribution that offers it, or set {stage} to one of: {', '.join(installed) or '-'}",
        )
    )
    return None


def _choose(kind: str, value: Any, path: str, registry: Registry, problems: list[Problem]) -> Choice | None:
    """Return the plugin that `value` names, made with its options; or note why not in `problems`."""
    options: dict[str, Any] = {}
    plugin = value
    if isinstance(value, Mapping):
        options = {str(key): option for key, option in value.items() if key != "plugin"}
        plugin = value.get("plugin")
        if plugin is None:
            problems.append(Problem(f"{path}.plugin", "a plugin's name", "nothing", "Add the key 'plugin'"))
            return None
    try:
        name, cls, distribution, version = _find(kind, plugin, registry)
    except PluginError as error:
        problems.append(Problem(path, f"a usable {kind} plugin", repr(plugin), str(error)))
        return None
    except TypeError:
        problems.append(Problem(path, "a plugin's name, a class, or {'plugin': …}", repr(plugin)))
        return None
    before = len(problems)
    structured = _structure_options(cls, options, path, problems)
    if len(problems) > before:
        return None
    try:
        instance = cls(**structured)
    except Exception as error:
        message = str(error.args[0]) if error.args else str(error)
        if not isinstance(error, (TypeError, ValueError, OccfaceError)):
            message = f"{cls.__name__} cannot be made: {type(error).__name__}: {message}"
        problems.append(Problem(path, f"options that {cls.__name__} accepts", repr(structured), message))
        return None
    return Choice(kind, name, instance, distribution, version)


def _find(kind: str, plugin: Any, registry: Registry) -> tuple[str, Any, str, str]:
    if isinstance(plugin, str) and ":" not in plugin:
        entry = registry.entry(kind, plugin)
        return plugin, registry.get(kind, plugin), entry.distribution, entry.version
    if isinstance(plugin, str):
        cls = load_object(plugin, f"{kind} plugin")
    elif isinstance(plugin, type):
        cls = plugin
    else:
        raise TypeError(plugin)
    Registry(discover=False).register(kind, "given", cls)
    return f"{cls.__module__}:{cls.__qualname__}", cls, "", ""


def option_fields(cls: type) -> Mapping[str, attrs.Attribute[Any]]:
    """Return the options of a plugin class: its attrs fields that the constructor takes, by alias."""
    return _option_fields(cls)


@lru_cache(maxsize=256)
def _option_fields(cls: type) -> Mapping[str, attrs.Attribute[Any]]:
    return {field.alias or field.name: field for field in attrs.fields(cls) if field.init}


def _structure_options(
    cls: type, options: dict[str, Any], path: str, problems: list[Problem]
) -> dict[str, Any]:
    if not attrs.has(cls):
        for key in options:
            problems.append(Problem(f"{path}.{key}", "no options", "an option", f"{cls.__name__} takes none"))
        return {}
    fields = option_fields(cls)
    structured: dict[str, Any] = {}
    for key, value in options.items():
        if key not in fields:
            hint = did_you_mean(key, list(fields)) or f"{cls.__name__} has no options"
            problems.append(Problem(f"{path}.{key}", f"an option of {cls.__name__}", "an unknown name", hint))
            continue
        wanted = _field_type(cls, fields[key])
        try:
            structured[key] = _structure(value, wanted)
        except Exception:
            problems.append(Problem(f"{path}.{key}", _type_name(wanted), repr(value)))
    for key, field in fields.items():
        if field.default is attrs.NOTHING and key not in options:
            problems.append(Problem(f"{path}.{key}", "a value (the option has no default)", "nothing"))
    return structured


def _structure(value: Any, wanted: Any) -> Any:
    ready_made = isinstance(wanted, type) and attrs.has(wanted) and isinstance(value, wanted)
    return value if wanted is Any or ready_made else _converter.structure(value, wanted)


def _field_type(cls: type, field: attrs.Attribute[Any]) -> Any:
    """Return a field's type; Any where there is none or its names exist for the type checker only."""
    if not isinstance(field.type, str):
        return Any if field.type is None else field.type
    for owner in cls.__mro__:
        if field.name in getattr(owner, "__annotations__", {}):
            try:
                return eval(field.type, vars(sys.modules[owner.__module__]))
            except Exception:
                return Any
    return Any


def _type_name(wanted: Any) -> str:
    if typing.get_origin(wanted) is typing.Literal:
        return "one of " + ", ".join(repr(value) for value in typing.get_args(wanted))
    return wanted.__name__ if isinstance(wanted, type) and not typing.get_args(wanted) else str(wanted)


def _make_converter() -> cattrs.Converter:
    """Return a converter that does not guess: "5" is no number, 1 is no truth value."""
    converter = cattrs.Converter(forbid_extra_keys=True)

    def exactly(*accepted: type) -> typing.Callable[[Any, Any], Any]:
        def structure(value: Any, wanted: Any) -> Any:
            if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
                raise TypeError(value)
            return wanted(value)

        return structure

    converter.register_structure_hook(int, exactly(int))
    converter.register_structure_hook(float, exactly(int, float))
    converter.register_structure_hook(str, exactly(str))
    converter.register_structure_hook(bool, exactly(bool))
    converter.register_structure_hook(Path, exactly(str, Path))

    def is_union(wanted: Any) -> bool:
        return typing.get_origin(wanted) in (typing.Union, types.UnionType)

    def structure_union(value: Any, wanted: Any) -> Any:
        for one in typing.get_args(wanted):
            if one is type(None):
                if value is None:
                    return None
                continue
            try:
                return value if one is Any else converter.structure(value, one)
            except Exception:
                if isinstance(one, type) and isinstance(value, one) and not isinstance(value, bool):
                    return value
        raise TypeError(value)

    converter.register_structure_hook_func(is_union, structure_union)
    return converter


_converter = _make_converter()


def unstructure(instance: Any) -> dict[str, Any]:
    """Return every option of a plugin as plain data, ready for JSON."""
    if not attrs.has(type(instance)):
        return {}
    return {alias: _plain(getattr(instance, f.name)) for alias, f in option_fields(type(instance)).items()}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, type):
        return f"{value.__module__}:{value.__qualname__}"
    return str(value)
