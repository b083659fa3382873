"""`occface plugins --check`: the kit over what is installed, from the shell."""

import json

import attrs
import pytest
from typer.testing import CliRunner

from occface_core import Registry, cli, null
from occface_core.errors import PackageMissing, PluginNotFound
from occface_core.testing import CHECKS, checks_for, installed, kit
from tests.testing.wrong_plugins import NoLicence

QUICK = ("licence_stated", "options_explicit")


@attrs.define(kw_only=True)
class Unready(null.NoMatting):
    def setup(self, device="cpu"):
        raise PackageMissing("needs a package that is not there: python -m pip install it")


@attrs.define(kw_only=True)
class Crashing(null.NoMatting):
    def setup(self, device="cpu"):
        raise ZeroDivisionError("by design")


@pytest.fixture
def registry(monkeypatch):
    """Five plugins and a hook, and two checks only, so that it is quick."""
    registry = Registry(discover=False)
    registry.register("detail_recoverer", "none", null.NoDetail)
    registry.register("detail_recoverer", "nameless", NoLicence)
    registry.register("occlusion_matting", "none", null.NoMatting)
    registry.register("occlusion_matting", "unready", Unready)
    registry.register("occlusion_matting", "crashing", Crashing)
    registry.register("hooks", "none", object)
    monkeypatch.setattr("occface_core.registry.Registry", lambda: registry)
    few = {name: both for name, both in kit._FUNCTIONS.items() if name in QUICK}
    monkeypatch.setattr(kit, "_FUNCTIONS", few)
    return registry


def run(*words):
    return CliRunner().invoke(cli.app, ["plugins", *words])


def flat(result):
    return " ".join(result.stdout.replace("│", " ").split())


def test_one_plugin_is_a_row_a_check(registry):
    result = run("--check", "detail_recoverer.none")
    assert result.exit_code == 0, result.output
    assert "2 checks run on 1 plugin(s): 2 passed, 0 failed" in flat(result)
    assert all(name in flat(result) for name in QUICK)


def test_a_failed_check_is_exit_code_1_and_says_how_to_mend_it(registry):
    result = run("--check", "nameless")
    assert result.exit_code == 1
    assert "failed" in flat(result) and "To mend it" in flat(result)


def test_all_of_them_are_checked_without_a_name(registry):
    result = run("--check")
    assert result.exit_code == 1
    text = flat(result)
    assert "6 checks run on 3 plugin(s): 5 passed, 1 failed; 2 plugin(s) could not be checked" in text
    assert "'unready' could not be checked: needs a package" in text
    assert "'crashing' could not be checked: it cannot be set up: ZeroDivisionError" in text
    assert "'nameless' fails licence_stated" in text


def test_a_name_that_several_kinds_have_means_all_of_them(registry):
    rows = json.loads(run("--check", "none", "--json").stdout)
    assert [row["kind"] for row in rows] == ["occlusion_matting", "detail_recoverer", "hooks"]
    assert [row["checks"] and row["checks"]["run"] for row in rows] == [2, 2, None]


def test_an_unknown_name_is_wrong_usage(registry):
    result = run("--check", "namless")
    assert result.exit_code == 2
    assert "Did you mean 'nameless'" in result.output
    with pytest.raises(PluginNotFound):
        installed.chosen(registry, ["telea"])


def test_as_json_each_failed_check_has_its_message(registry):
    (row,) = json.loads(run("--check", "nameless", "--json").stdout)
    assert row["checks"]["passed"] == ["options_explicit"]
    assert "a class attribute `licence`" in row["checks"]["failed"]["licence_stated"]


def test_names_choose_what_is_listed(registry):
    rows = json.loads(run("nameless", "--json").stdout)
    assert [(row["kind"], row["name"]) for row in rows] == [("detail_recoverer", "nameless")]


def test_progress_names_every_check(registry):
    seen = []
    entries = installed.chosen(registry, ["detail_recoverer.none"])
    list(installed.check_installed(registry, entries, lambda entry, name: seen.append((entry.name, name))))
    assert seen == [("none", name) for name in checks_for("detail_recoverer")]


def test_every_check_that_plugins_are_promised_exists():
    promised = (
        "shapes ranges units options_explicit batch_equals_singles inputs_unchanged deterministic odd_sizes "
        "empty_and_full_matte no_faces device_respected picklable constructor_does_no_io import_light "
        "config_round_trip errors_of_the_right_kind"
    )
    assert set(promised.split()) <= set(CHECKS)
