"""Axes and a design → the combinations to run, the base first."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from occface_core.ablation.choices import (
    Candidate,
    as_spec,
    find,
    find_in_preset,
    has_option,
    label_of,
    options_of,
    with_option,
)
from occface_core.errors import ConfigError, Problem, did_you_mean
from occface_core.presets import DEFAULT_PRESET, PRESETS
from occface_core.registry import Registry
from occface_core.stages import STAGES

DESIGNS = ("full_grid", "one_at_a_time")
"""Every combination of all values; or the base, and each value alone in the base's place."""

FACE_MODEL = "face_model"
"""Axis over face models: it sets the option of this name of every stage that has one."""

NOT_THERE = "-"
"""Label of an option's axis where the plugin has no such option."""

_BASE = object()


@attrs.define(frozen=True, kw_only=True, eq=False)
class Combination:
    """One row of the table.

    Attributes:
        labels: axis → short text.
        candidates: stage → what stands there, in pipeline order.
    """

    labels: Mapping[str, str]
    candidates: Mapping[str, Candidate]

    def key(self) -> tuple[str, ...]:
        """Return what is the same for combinations that give the same answers."""
        return tuple(candidate.key for candidate in self.candidates.values())


def combinations(
    base: Mapping[str, Any], axes: Mapping[str, Any], design: str, registry: Registry
) -> list[Combination]:
    """Return the combinations, the base's first.

    The base row of a full grid is the combination that equals the base; if the grid does not hold it, the
    first one. Values of an option's axis count once for plugins that have no such option.

    Args:
        base: configuration: preset, stages.
        axes: stage, "stage.option" or "face_model" → list of values; "*" stands for all installed.
        design: one of `DESIGNS`.
        registry: where plugins are looked up.

    Raises:
        ConfigError: with all problems.
    """
    return _Designer(base, axes, design, registry).build()


class _Designer:
    """Collects problems while it makes combinations."""

    def __init__(
        self, base: Mapping[str, Any], axes: Mapping[str, Any], design: str, registry: Registry
    ) -> None:
        self.problems: list[Problem] = []
        self.registry = registry
        self.base = dict(base)
        self.design = design
        if design not in DESIGNS:
            self.problems.append(Problem("design", f"one of {', '.join(DESIGNS)}", repr(design),
                                         did_you_mean(str(design), DESIGNS)))  # fmt: skip
        self._check_base()
        self.axes = self._axes(axes)
        self._at_base: dict[str, Candidate | None] = {}
        self._found: dict[tuple[str, int], Candidate | None] = {}
        self._optioned: dict[tuple[str, str, str], Candidate | None] = {}

    def build(self) -> list[Combination]:
        made: list[Combination] = []
        if not self.problems:
            assignments = self._grid() if self.design == "full_grid" else self._one_at_a_time()
            made = [one for one in map(self._combination, assignments) if one is not None]
            self._check_options(made)
        if self.problems:
            seen = list(dict.fromkeys(self.problems))
            raise ConfigError(seen, "ablation")
        if self.design == "one_at_a_time":
            first, *others = made
            return _without_doubles([first, *(one for one in others if one.key() != first.key())])
        unique = _without_doubles(made)
        place = self._place_of_base(unique)
        return [unique[place], *unique[:place], *unique[place + 1 :]]

    def _check_base(self) -> None:
        for key in self.base:
            if key not in (*STAGES, "preset", "hooks", "provenance"):
                self.problems.append(Problem(f"base.{key}", "a stage or 'preset'", "an unknown key",
                                             did_you_mean(str(key), (*STAGES, "preset"))))  # fmt: skip
        preset = self.base.get("preset", DEFAULT_PRESET)
        if not isinstance(preset, str) or preset not in PRESETS:
            self.problems.append(Problem("base.preset", f"one of {', '.join(PRESETS)}", repr(preset)))

    def _axes(self, axes: Mapping[str, Any]) -> dict[str, list[Any]]:
        flat: dict[str, Any] = {}
        for name, values in axes.items():
            if isinstance(values, Mapping):
                flat.update({f"{name}.{option}": inner for option, inner in values.items()})
            else:
                flat[name] = values
        checked: dict[str, list[Any]] = {}
        for name, values in flat.items():
            stage = name.partition(".")[0]
            if stage not in (*STAGES, FACE_MODEL) or name == f"{FACE_MODEL}.":
                known = (*STAGES, FACE_MODEL)
                self.problems.append(Problem(f"axes.{name}", "a stage, stage.option or face_model",
                                             "an unknown axis", did_you_mean(stage, known)))  # fmt: skip
                continue
            if values == "*":
                values = ["*"]
            if not isinstance(values, Sequence) or isinstance(values, str) or not values:
                self.problems.append(Problem(f"axes.{name}", 'a list of values, or "*"', repr(values)))
                continue
            checked[name] = self._expanded(name, list(values))
        return checked

    def _expanded(self, axis: str, values: list[Any]) -> list[Any]:
        """Return the values with "*" replaced by all that is installed and not named beside it."""
        if "." in axis or "*" not in [value for value in values if isinstance(value, str)]:
            return values
        kind = "face_models" if axis == FACE_MODEL else axis
        installed = [*(["embedded"] if axis == FACE_MODEL else []), *self.registry.names(kind)]
        named = [value for value in values if isinstance(value, str)]
        star = values.index("*")
        rest = [value for value in values[star + 1 :] if value != "*"]
        return [*values[:star], *(name for name in installed if name not in named), *rest]

    def _grid(self) -> list[dict[str, Any]]:
        names = list(self.axes)
        numbers = [range(len(values)) for values in self.axes.values()]
        return [dict(zip(names, each, strict=True)) for each in itertools.product(*numbers)]

    def _one_at_a_time(self) -> list[dict[str, Any]]:
        at_base: dict[str, Any] = dict.fromkeys(self.axes, _BASE)
        changed = [at_base | {name: i} for name, values in self.axes.items() for i in range(len(values))]
        return [at_base, *changed]

    def _combination(self, assignment: Mapping[str, Any]) -> Combination | None:
        chosen: dict[str, Candidate | None] = {}
        for stage in STAGES:
            number = assignment.get(stage, _BASE)
            chosen[stage] = self._base_candidate(stage) if number is _BASE else self._candidate(stage, number)
        if any(candidate is None for candidate in chosen.values()):
            return None
        candidates = {stage: candidate for stage, candidate in chosen.items() if candidate is not None}
        labels = {axis: candidates[axis].label for axis in self.axes if axis in STAGES}
        for axis, number in assignment.items():
            if axis in STAGES:
                continue
            stage, _, option = axis.partition(".")
            stages = list(STAGES) if axis == FACE_MODEL else [stage]
            option = option or FACE_MODEL
            holders = [one for one in stages if has_option(candidates[one], option)]
            if not holders:
                labels[axis] = NOT_THERE
                continue
            if number is _BASE:
                choice = candidates[holders[0]].choice
                labels[axis] = str(options_of(choice.instance)[option]) if choice else NOT_THERE
                continue
            labels[axis] = (
                label_of(self.axes[axis][number])
                if axis != FACE_MODEL
                else str(getattr(self.axes[axis][number], "name", self.axes[axis][number]))
            )
            for holder in holders:
                changed = self._with_option(candidates[holder], option, axis, number)
                if changed is None:
                    return None
                candidates[holder] = changed
        return Combination(labels={axis: labels[axis] for axis in self.axes}, candidates=candidates)

    def _candidate(self, stage: str, number: int) -> Candidate | None:
        if (stage, number) not in self._found:
            where = f"axes.{stage}[{number}]"
            value = self.axes[stage][number]
            self._found[stage, number] = find(stage, value, where, self.registry, self.problems)
        return self._found[stage, number]

    def _with_option(self, candidate: Candidate, option: str, axis: str, number: int) -> Candidate | None:
        key = (candidate.key, axis, str(number))
        if key not in self._optioned:
            value = self.axes[axis][number]
            if axis == FACE_MODEL:
                value = self._face_model(value)
            where = f"axes.{axis}[{number}]"
            self._optioned[key] = with_option(candidate, option, value, where, self.registry, self.problems)
        return self._optioned[key]

    def _face_model(self, value: Any) -> Any:
        """Return a registered face model as the object, anything else (a path, "embedded") as it is."""
        if not isinstance(value, str) or value not in self.registry.names("face_models"):
            return value
        found = self.registry.get("face_models", value)
        return found() if callable(found) else found

    def _base_candidate(self, stage: str) -> Candidate | None:
        if stage not in self._at_base:
            value = self.base.get(stage)
            if value is None:
                preset = self.base.get("preset", DEFAULT_PRESET)
                self._at_base[stage] = find_in_preset(stage, preset, self.registry, self.problems)
            else:
                self._at_base[stage] = find(stage, value, f"base.{stage}", self.registry, self.problems)
        return self._at_base[stage]

    def _check_options(self, made: Sequence[Combination]) -> None:
        """Note axes over options that no plugin of the table has."""
        for axis in self.axes:
            if axis not in STAGES and made and all(one.labels[axis] == NOT_THERE for one in made):
                self.problems.append(
                    Problem(f"axes.{axis}", "an option that a plugin of the table has", "no such option")
                )

    def _place_of_base(self, rows: Sequence[Combination]) -> int:
        problems, self.problems = self.problems, []
        base = self._combination(dict.fromkeys(self.axes, _BASE))
        self.problems = problems
        for number, row in enumerate(rows):
            if base is not None and row.key() == base.key():
                return number
        return 0


def _without_doubles(rows: Sequence[Combination]) -> list[Combination]:
    return list({tuple(row.labels.values()): row for row in reversed(rows)}.values())[::-1]


__all__ = ["DESIGNS", "FACE_MODEL", "Combination", "as_spec", "combinations"]
