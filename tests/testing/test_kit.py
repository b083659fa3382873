"""Every check of the conformance kit is proved by a plugin that fails it, and it alone."""

import re
import textwrap

import pytest

from occface_core import OccfaceError, null
from occface_core.testing import CHECKS, CheckFailed, check_stage, checks_for, parametrize_checks
from occface_core.testing.subject import Subject
from tests.testing.wrong_plugins import WRONG, NoLicence, RelativePoints

NULL = (null.NoLandmarks, null.NoMatting, null.NoInpainting, null.NoShape, null.NoDetail)
QUICK = tuple(name for name in CHECKS if name != "import_light")


@pytest.mark.parametrize("make", NULL, ids=lambda make: make.__name__)
def test_the_none_plugins_pass(make, capsys):
    report = check_stage(make)
    assert report.run == len(checks_for(report.stage)) == len(report.passed)
    assert f"{report.run} checks run" in capsys.readouterr().out


@pytest.mark.parametrize(("check", "wrong"), WRONG, ids=lambda value: getattr(value, "__name__", value))
def test_a_wrong_plugin_fails_its_check_alone(check, wrong, monkeypatch):
    if check == "device_respected":
        monkeypatch.setattr(Subject, "devices", lambda self: ("meta",))
    report = check_stage(wrong, only=QUICK, raises=False, quiet=True)
    assert list(report.failed) == [check]
    assert "expected" in report.failed[check] or "Instead" in report.failed[check]


def test_every_check_has_a_wrong_plugin():
    assert {check for check, _ in WRONG} | {"import_light"} == set(CHECKS)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("import gradio", "gradio"),
        ("open(__file__.replace('.py', '.txt')).read()", "opens no files"),
        ("print('hello')", "prints nothing"),
        (
            "import threading, time; threading.Thread(target=time.sleep, args=(30,), daemon=True).start()",
            "thread",
        ),
        ("", None),
    ],
)
def test_import_light(line, found, tmp_path, monkeypatch):
    name = f"plugin_{abs(hash(line))}"
    (tmp_path / "gradio.py").write_text("")
    (tmp_path / f"{name}.txt").write_text("weights")
    code = """
    import attrs
    from occface_core.null import NoDetail
    {line}
    @attrs.define(kw_only=True)
    class Plugin(NoDetail):
        "A plugin."
    """
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(code).format(line=line))
    monkeypatch.syspath_prepend(tmp_path)
    plugin = __import__(name).Plugin
    report = check_stage(plugin, only=("import_light",), raises=False, quiet=True)
    assert report.run == 1
    assert report.passed == ("import_light",) if found is None else found in report.failed["import_light"]


def test_the_message_names_check_expectation_and_cure():
    with pytest.raises(CheckFailed) as error:
        check_stage(RelativePoints, only=("units",))
    assert re.search(
        r"RelativePoints.*units: expected .*pixels.*found .*To mend it: ", str(error.value), re.DOTALL
    )


def test_an_expected_failure_needs_a_reason_and_must_fail():
    report = check_stage(
        NoLicence, {"licence_stated": "asked the authors"}, only=("licence_stated", "shapes")
    )
    assert report.expected == {"licence_stated": "asked the authors"} and report.run == 2
    with pytest.raises(OccfaceError, match="must say why"):
        check_stage(NoLicence, {"licence_stated": " "})
    with pytest.raises(CheckFailed, match="take it out of expected_failures"):
        check_stage(null.NoDetail, {"shapes": "forgotten"}, only=("shapes",))


def test_an_unknown_check_is_refused():
    with pytest.raises(OccfaceError, match="Did you mean 'shapes'"):
        check_stage(null.NoDetail, {"shape": "typo"})
    with pytest.raises(OccfaceError, match="no check 'quick'"):
        check_stage(null.NoDetail, only=("quick",))


def test_what_is_no_stage_is_refused():
    with pytest.raises(CheckFailed, match=r"must inherit one of occface_core\.LandmarkDetector"):
        check_stage(dict)


def test_parametrize_checks_is_one_test_a_check():
    mark = parametrize_checks(NoLicence, {"licence_stated": "asked the authors"})
    rows = mark.mark.args[1]
    assert [row.id for row in rows] == list(checks_for("detail_recoverer"))
    marked = next(row for row in rows if row.id == "licence_stated")
    assert marked.marks[0].name == "xfail" and marked.marks[0].kwargs["strict"]
    with pytest.raises(CheckFailed, match="NoLicence fails the check 'licence_stated'"):
        marked.values[0]()
