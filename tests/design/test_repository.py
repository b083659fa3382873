"""What must stay true of the repository as a whole."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = [ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]
SOURCES = sorted([*ROOT.glob("occface_core/**/*.py"), *ROOT.glob("plugins/*/occface_*/**/*.py")])
PACKAGES = sorted(path.parent.name for path in ROOT.glob("plugins/*/occface_*/__init__.py"))


def project(path):
    return tomllib.loads(path.read_text(encoding="utf-8"))["project"]


def name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nothing_unfinished_is_left_in_the_code(path):
    text = path.read_text(encoding="utf-8")
    for word in ("NotImplementedError", "TO" + "DO", "FIX" + "ME", "XXX"):
        assert word not in text
    assert path.name not in ("utils.py", "helpers.py", "misc.py", "common.py")


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_plugins_import_no_other_plugin(path):
    mine = path.relative_to(ROOT).parts
    others = [package for package in PACKAGES if package not in mine]
    text = path.read_text(encoding="utf-8")
    for package in others:
        assert not re.search(rf"^\s*(from|import) {package}\b", text, re.MULTILINE)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_plugins_package_loads_nothing_heavy(package):
    code = (
        f"import sys, {package}; print([m for m in ('torch', 'cv2', 'numba', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", PROJECTS, ids=name)
def test_every_dependency_has_a_tested_version(path):
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    tested = {canonicalize_name(line.partition("==")[0]) for line in text.splitlines() if "==" in line}
    ours = {canonicalize_name(project(one)["name"]) for one in PROJECTS}
    extras = project(path).get("optional-dependencies", {}).values()
    for line in [*project(path)["dependencies"], *(line for extra in extras for line in extra)]:
        wanted = Requirement(line)
        assert canonicalize_name(wanted.name) in tested | ours, line
        assert "headless" not in wanted.name, "two OpenCV distributions overwrite each other"
        assert not any(one.operator == "==" for one in wanted.specifier), (
            "exact versions are for constraints.txt"
        )


@pytest.mark.parametrize("path", PROJECTS, ids=name)
def test_every_entry_point_leads_to_something(path):
    import importlib

    for group, entries in project(path).get("entry-points", {}).items():
        assert group.startswith("occface.")
        for value in entries.values():
            module, _, wanted = value.partition(":")
            assert hasattr(importlib.import_module(module), wanted), value


def test_all_parts_are_one_release():
    releases = {project(path)["version"] for path in PROJECTS}
    assert len(releases) == 1
    assert {project(path)["license"] for path in PROJECTS} == {"Apache-2.0"}


def test_every_weights_file_has_a_card():
    for weights in ROOT.glob("plugins/**/*.safetensors"):
        cards = [card.read_text(encoding="utf-8") for card in weights.parent.glob("*.md")]
        mine = [text.lower() for text in cards if weights.name in text]
        assert mine, f"no .md file beside {name(weights)} describes it"
        for word in ("licence", "data", "occface train"):
            assert any(word in text for text in mine), (
                f"the card of {name(weights)} does not speak of: {word}"
            )


def test_the_two_commands_open_the_readme_and_ci_runs_one_of_them():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first = re.search(r"```bash\n(.*?)```", readme, re.DOTALL)
    assert first and "make demo" in first[1] and "make test" in first[1]
    ci = ROOT / ".ci" / "run"
    assert ci.stat().st_mode & 0o111
    assert "make test" in ci.read_text(encoding="utf-8")


def tracked():
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / one for one in listed.stdout.split("\0") if one and (ROOT / one).is_file()]


def test_no_file_is_larger_than_a_repository_likes():
    assert [name(path) for path in tracked() if path.stat().st_size > 25_000_000] == []


def test_texts_name_no_machine_and_no_index():
    places = re.compile(
        r"(?<![\w.\-])/(?:work|opt|home/\w+)/\w|find-links|extra-index-url|pypi\.org|npmjs", re.IGNORECASE
    )
    for path in tracked():
        if (
            path.suffix in (".py", ".md", ".toml", ".txt", ".csv", ".json", "")
            and path != Path(__file__).resolve()
        ):
            text = path.read_text(encoding="utf-8", errors="ignore")
            assert not places.search(text), f"{name(path)}: {places.search(text)[0]}"
