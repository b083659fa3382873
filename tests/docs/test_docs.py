"""README and docs are true: links lead somewhere, names exist, commands and examples work."""

import csv
import importlib
import json
import re
import shlex
import sys
import tomllib
import types

import pytest

from occface_core import STAGES, Registry, config
from occface_core.presets import PRESETS
from occface_core.testing import CHECKS
from tests.docs.pages import PAGES, ROOT, anchors, blocks, links, name, prose

every_page = pytest.mark.parametrize("page", PAGES, ids=name)


@every_page
def test_links_lead_somewhere(page):
    for target in links(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        goal = (page.parent / path).resolve() if path else page
        assert goal.exists(), f"{name(page)} links to {target}"
        if anchor and goal.suffix == ".md":
            assert anchor in anchors(goal), f"{name(page)} links to {target}"


def test_every_page_of_docs_is_in_its_index():
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / target.partition("#")[0]).resolve() for target in links(index)}
    missing = [name(page) for page in ROOT.glob("docs/**/*.md") if page != index and page not in listed]
    assert not missing


@every_page
def test_dotted_names_exist(page):
    for dotted in re.findall(r"`(occface_\w+(?:\.\w+)+)(?:\([^`]*\))?`", prose(page)):
        if not dotted.endswith((".py", ".md", ".toml")):
            assert _exists(dotted), f"{name(page)} names {dotted}"


def _exists(dotted):
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if not hasattr(found, part) and part not in getattr(found, "__annotations__", {}):
                return False
            found = getattr(found, part, None)
        return True
    return False


@every_page
def test_files_named_in_prose_exist(page):
    pattern = r"`((?:occface_core|plugins|docs|tests|tools|benchmarks|examples)/[\w./-]+\.(?:py|md|toml|csv|jpg|npz))`"
    for path in re.findall(pattern, prose(page)):
        assert (ROOT / path).exists(), f"{name(page)} names {path}"


@every_page
def test_commands_exist(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for block in blocks(page):
        if block.language != "bash":
            continue
        for line in block.code.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["make"]:
                assert set(words[1:]) - {w for w in words if "=" in w} <= targets, f"{name(page)}: {line}"
            if words[:1] == ["occface"]:
                _check_occface(words[1:], f"{name(page)}: {line}")


def _check_occface(words, where):
    import typer

    from occface_core.cli import app

    command = typer.main.get_command(app)
    context = command.context_class(command, info_name="occface")
    while words and hasattr(command, "resolve_command") and not words[0].startswith("-"):
        _, command, words = command.resolve_command(context, words)
    if "--" in words:
        words = words[: words.index("--")]
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    for word in words:
        if word.startswith("-") and word != "-":
            assert word.partition("=")[0] in known | {"--help"}, where


@every_page
def test_data_blocks_parse(page):
    registry = Registry()
    for block in blocks(page):
        if block.language in ("toml", "json"):
            data = tomllib.loads(block.code) if block.language == "toml" else json.loads(block.code)
            if "config" in block.words:
                config.resolve(data, registry)


def examples(page):
    return [block for block in blocks(page) if block.language == "python"]


@pytest.mark.parametrize("page", [page for page in PAGES if examples(page)], ids=name)
def test_python_examples_run(page, tmp_path, monkeypatch):
    """Every Python block of a page runs, in order and in one namespace, unless it is marked no-run."""
    _copy_photos(tmp_path)
    monkeypatch.chdir(tmp_path)
    example = types.ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", example)  # so that classes of the page can be found again
    for block in examples(page):
        code = compile("\n" * block.line + block.code, str(page), "exec")
        if "no-run" not in block.words:
            exec(code, vars(example))


def _copy_photos(folder):
    import cv2

    photo = cv2.imread(str(ROOT / "examples" / "astronaut.jpg"))
    cv2.imwrite(str(folder / "photo.jpg"), photo)
    mask = photo[..., 0] * 0
    mask[110:150, 190:260] = 255
    cv2.imwrite(str(folder / "mask.png"), mask)


def test_every_check_of_the_kit_is_explained():
    text = (ROOT / "docs" / "write-a-plugin.md").read_text(encoding="utf-8")
    assert [check for check in CHECKS if f"`{check}`" not in text] == []


def test_the_presets_are_as_the_page_says():
    text = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    for stage in STAGES:
        row = f"| `{stage}` | `{PRESETS['paper'][stage]}` | `{PRESETS['classic'][stage]}` |"
        assert row in text, row


def test_the_readme_names_every_plugin_that_comes_with_it():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    ours = ("occface-core", "occface-paper", "occface-classic")
    for stage in STAGES:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{stage}`"))
        for entry in Registry().entries(stage):
            assert entry.distribution not in ours or f"`{entry.name}`" in row, f"{stage}: {entry.name}"


def test_the_figures_of_the_readme_are_those_of_the_benchmarks():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"benchmarks/results/(\w+\.csv)", text))
    assert named
    cells = {
        cell
        for file in named
        for row in csv.reader((ROOT / "benchmarks" / "results" / file).open(encoding="utf-8"))
        for cell in row
    }
    numbers = {float(cell) for cell in cells if re.fullmatch(r"-?\d+(\.\d+)?", cell)}
    section = text[text.index("## Figures") : text.index("## Limits")]
    for line in section.splitlines():
        if line.startswith("|") and re.search(r"\d", line):
            for figure in re.findall(r"(?<=\| )\d+\.\d+(?= )", line):
                digits = len(figure.partition(".")[2])
                found = any(abs(number - float(figure)) <= 0.5001 * 10**-digits for number in numbers)
                assert found, f"{figure} in '{line}' is in none of {named}"


def test_equations_name_only_functions_that_exist_and_cover_all_eight():
    text = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")
    for number in range(1, 9):
        assert re.search(rf"eq\. {number}\b", text), f"eq. {number} is missing"


def test_pages_hold_no_machine_paths():
    for page in PAGES:
        assert not re.search(r"(?<![\w.])/(?:work|root|home|tmp)/", page.read_text(encoding="utf-8")), name(
            page
        )


def test_the_papers_ablation_is_told_as_measured(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import paper_ablation

    assert paper_ablation.section(paper_ablation.read()) in paper_ablation.PAGE.read_text(encoding="utf-8")
