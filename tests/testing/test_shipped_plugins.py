"""Every stage plugin that is installed here passes the conformance kit, with no expected failures."""

import pytest

from occface_core import STAGES, Registry
from occface_core.errors import PackageMissing
from occface_core.testing import checks_for, run_check
from occface_core.testing.subject import Subject

REGISTRY = Registry()
ENTRIES = [entry for stage in STAGES for entry in REGISTRY.entries(stage)]
NEEDS_A_FILE = {
    ("face_inpainter", "lama"): "needs a network of the user's own; its package's tests check it with one"
}
SUBJECTS = {}
MISSING = {}


def rows():
    for entry in ENTRIES:
        for check in checks_for(entry.kind):
            yield pytest.param(entry, check, id=f"{entry.kind}-{entry.name}-{check}")


@pytest.mark.parametrize(("entry", "check"), rows())
def test_shipped_plugin(entry, check):
    key = entry.kind, entry.name
    if key in NEEDS_A_FILE:
        pytest.skip(NEEDS_A_FILE[key])
    if key not in SUBJECTS:
        SUBJECTS[key] = Subject(REGISTRY.get(*key))
        try:
            SUBJECTS[key].ready()
        except PackageMissing as error:  # a plugin that wraps a package which is no dependency of ours
            MISSING[key] = str(error)
    if key in MISSING:
        pytest.skip(MISSING[key])
    run_check(check, SUBJECTS[key])


def test_the_none_plugin_of_every_stage_is_among_them():
    assert {entry.kind for entry in ENTRIES if entry.name == "none"} == set(STAGES)
