"""Run the checks: all at once (`check_stage`) or as one pytest test each (`parametrize_checks`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import attrs

from occface_core.errors import OccfaceError, did_you_mean
from occface_core.stages import STAGES, Stage
from occface_core.testing import checks, class_checks
from occface_core.testing.failure import CheckFailed
from occface_core.testing.subject import Subject

_ALL = tuple(STAGES)
_FUNCTIONS: dict[str, tuple[Callable[[Subject], None], tuple[str, ...]]] = {
    "constructor_does_no_io": (class_checks.constructor_does_no_io, _ALL),
    "options_explicit": (class_checks.options_explicit, _ALL),
    "licence_stated": (class_checks.licence_stated, _ALL),
    "config_round_trip": (class_checks.config_round_trip, _ALL),
    "picklable": (class_checks.picklable, _ALL),
    "import_light": (class_checks.import_light, _ALL),
    "errors_of_the_right_kind": (class_checks.errors_of_the_right_kind, _ALL),
    "shapes": (checks.shapes, _ALL),
    "ranges": (checks.ranges, _ALL),
    "units": (checks.units, ("landmark_detector", "shape_regressor", "detail_recoverer")),
    "outside_unchanged": (checks.outside_unchanged, ("face_inpainter",)),
    "batch_equals_singles": (checks.batch_equals_singles, checks.CROPPED),
    "inputs_unchanged": (checks.inputs_unchanged, _ALL),
    "deterministic": (checks.deterministic, _ALL),
    "odd_sizes": (checks.odd_sizes, _ALL),
    "empty_and_full_matte": (checks.empty_and_full_matte, ("face_inpainter", "detail_recoverer")),
    "no_faces": (checks.no_faces, _ALL),
    "device_respected": (checks.device_respected, _ALL),
}

CHECKS: Mapping[str, str] = MappingProxyType(
    {name: (function.__doc__ or "").splitlines()[0] for name, (function, _) in _FUNCTIONS.items()}
)
"""Name of each check → what it checks. The names are public and stay."""


@attrs.define(frozen=True, kw_only=True)
class Report:
    """What `check_stage` found.

    Attributes:
        plugin: class name of the plugin.
        stage: stage that it implements.
        passed: names of the checks that passed.
        failed: name → message of those that failed and were expected to pass.
        expected: name → reason of those that failed as expected.
    """

    plugin: str
    stage: str
    passed: tuple[str, ...]
    failed: Mapping[str, str]
    expected: Mapping[str, str]

    @property
    def run(self) -> int:
        """Number of checks that were run."""
        return len(self.passed) + len(self.failed) + len(self.expected)

    def __str__(self) -> str:
        head = f"{self.plugin} ({self.stage}): {self.run} checks run, {len(self.passed)} passed"
        if self.expected:
            head += f", {len(self.expected)} failed as expected"
        if self.failed:
            head += f", {len(self.failed)} failed"
        rows = [f"  {name}: failed as expected, {reason}" for name, reason in self.expected.items()]
        rows += [f"  {name}: {message}" for name, message in self.failed.items()]
        return "\n".join([head, *rows])


def checks_for(stage: str) -> tuple[str, ...]:
    """Return the names of the checks that apply to a stage, in the order in which they run."""
    return tuple(name for name, (_, stages) in _FUNCTIONS.items() if stage in stages)


def check_stage(
    make: Callable[[], Stage] | Subject,
    expected_failures: Mapping[str, str] | None = None,
    *,
    only: tuple[str, ...] | None = None,
    raises: bool = True,
    quiet: bool = False,
    before: Callable[[str], object] | None = None,
) -> Report:
    """Run every check that applies to a plugin, and print how many those were.

    Args:
        make: the plugin's class, or a function that makes an instance.
        expected_failures: name of a check → why it is known to fail. One that passes is a failure.
        only: names of the checks to run; all that apply if None.
        raises: raise if a check fails; False returns the report all the same.
        quiet: print nothing.
        before: called with the name of each check before it runs, to show progress.

    Raises:
        CheckFailed: naming every check that failed, what was expected, and how to mend it.
        OccfaceError: `expected_failures` or `only` names a check that there is not, or gives no reason.
    """
    subject = make if isinstance(make, Subject) else Subject(make)
    known = _known(expected_failures)
    for name in only or ():
        _must_exist(name)
    passed: list[str] = []
    failed: dict[str, str] = {}
    expected: dict[str, str] = {}
    for name in checks_for(subject.kind):
        if only is not None and name not in only:
            continue
        if before is not None:
            before(name)
        message = _message(name, subject)
        if message is None and name in known:
            failed[name] = (
                f"passed, but was expected to fail ({known[name]}); take it out of expected_failures"
            )
        elif message is None:
            passed.append(name)
        elif name in known:
            expected[name] = known[name]
        else:
            failed[name] = message
    report = Report(
        plugin=subject.name, stage=subject.kind, passed=tuple(passed), failed=failed, expected=expected
    )
    if failed and raises:
        raise CheckFailed(str(report))
    if not quiet:
        print(report)
    return report


def parametrize_checks(make: Callable[[], Stage], expected_failures: Mapping[str, str] | None = None) -> Any:
    """Return a pytest decorator: the test below it runs once a check, with the argument `check` to call.

    Args:
        make: the plugin's class, or a function that makes an instance.
        expected_failures: name of a check → why it is known to fail; these tests are strict xfails.
    """
    import pytest

    subject = Subject(make)
    known = _known(expected_failures)
    rows = [
        pytest.param(
            partial(run_check, name, subject),
            id=name,
            marks=[pytest.mark.xfail(strict=True, reason=known[name])] if name in known else [],
        )
        for name in checks_for(subject.kind)
    ]
    return pytest.mark.parametrize("check", rows)


def run_check(name: str, make: Callable[[], Stage] | Subject) -> None:
    """Run one check of one plugin.

    Raises:
        CheckFailed: what was expected, what was found, and how to mend it.
        OccfaceError: there is no such check.
    """
    _must_exist(name)
    subject = make if isinstance(make, Subject) else Subject(make)
    message = _message(name, subject)
    if message is not None:
        raise CheckFailed(f"{subject.name} fails the check '{name}': {message}")


def _message(name: str, subject: Subject) -> str | None:
    """Run one check; return None if it passed, else why it did not."""
    try:
        _FUNCTIONS[name][0](subject)
    except CheckFailed as error:
        return str(error)
    except Exception as error:
        return f"{CHECKS[name]} Instead {type(error).__name__} was raised: {error}"
    return None


def _known(expected_failures: Mapping[str, str] | None) -> dict[str, str]:
    known = dict(expected_failures or {})
    for name, reason in known.items():
        _must_exist(name)
        if not reason.strip():
            raise OccfaceError(f"expected_failures[{name!r}] must say why the check fails")
    return known


def _must_exist(name: str) -> None:
    if name not in _FUNCTIONS:
        raise OccfaceError(f"there is no check '{name}'. {did_you_mean(name, list(_FUNCTIONS))}")
