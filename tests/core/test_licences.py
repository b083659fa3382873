"""Terms of code and weights: what is stated, what it allows, and `licence = "commercial"`."""

import json
import sys
import tomllib
from pathlib import Path

import attrs
import pytest

from occface_core import Pipeline, Registry, null
from occface_core.errors import ConfigError, PluginBroken
from occface_core.licences import ALLOWING, Terms, _read, entry_terms, not_commercial, plugin_terms
from occface_core.registry import Entry

ROOT = Path(__file__).resolve().parents[2]
NULL = (null.NoLandmarks, null.NoMatting, null.NoInpainting, null.NoShape, null.NoDetail)
NONE = dict.fromkeys((cls.stage for cls in NULL), "none")


def with_licence(text, **options):
    body = {"licence": text, "__doc__": "A plugin.", "__annotations__": dict.fromkeys(options, "str | None")}
    return attrs.define(kw_only=True)(type("Filler", (null.NoInpainting,), body | options))


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("Apache-2.0", True),
        ("MIT; no weights", True),
        ("Apache-2.0; a few numbers fitted on portraits, no weights file", True),
        ("MIT OR GPL-3.0-only; weights CC-BY-4.0", True),
        ("(MIT AND BSD-3-Clause) OR LicenseRef-mine", True),
        ("Apache-2.0; embedded face model CC0-1.0", True),
        ("unknown", False),
        ("", False),
        ("CC-BY-NC-4.0; no weights", False),
        ("MIT AND CC-BY-NC-4.0", False),
        ("MIT; weights CC-BY-NC-4.0", False),
        ("MIT; weights Apache-2.0 but for non-commercial use", False),
        ("Apache-2.0; weights trained on research-only photos", False),
        ("Apache-2.0; weights of somebody", False),
    ],
)
def test_what_a_class_states(text, allowed):
    assert (not_commercial(plugin_terms("face_inpainter", "own", with_licence(text))) == "") is allowed


def test_no_known_licence_forbids_what_the_list_allows():
    assert not any("NC" in one or "ND" in one for one in ALLOWING)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that lists its weights; importing it fails, so that nobody does."""
    folder = tmp_path / "listed_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "licences.toml").write_text(
        """
        [[weights]]
        file = "weights/free.safetensors"
        plugins = ["face_inpainter.free", "face_inpainter.both"]
        licence = "CC-BY-4.0"
        commercial = true
        [[weights]]
        file = "weights/bound.safetensors"
        plugins = ["face_inpainter.bound", "face_inpainter.both"]
        licence = "research only"
        commercial = false
        reason = "the photos were"
        """
    )
    monkeypatch.syspath_prepend(tmp_path)
    _read.cache_clear()
    return folder


def test_the_list_of_a_package_is_read_without_importing_it(package):
    found = entry_terms(Entry("face_inpainter", "both", "listed_package.deep.down:Both"))
    assert found == (
        Terms("free.safetensors", "CC-BY-4.0", True),
        Terms("bound.safetensors", "research only", False, "the photos were"),
    )
    assert "listed_package" not in sys.modules


@pytest.mark.parametrize(
    ("name", "reason"), [("free", ""), ("bound", "bound.safetensors"), ("both", "bound")]
)
def test_listed_weights_decide_for_their_plugin(package, name, reason):
    cls = with_licence("MIT; weights, see the card")
    cls.__module__ = "listed_package.deep"
    why = not_commercial(plugin_terms("face_inpainter", name, cls))
    assert why == "" if not reason else reason in why and "the photos were" in why


@pytest.mark.parametrize(
    "text",
    ["[[weights]]\nfile = 1", "weights = 3", "not toml",
     '[[weights]]\nfile="a"\nlicence="x"\ncommercial="no"', '[[weights]]\nfile="a"\nlicence="x"\ncommercial=false'],
)  # fmt: skip
def test_a_list_that_cannot_be_read_is_said(package, text):
    (package / "licences.toml").write_text(text)
    with pytest.raises(PluginBroken, match=r"licences\.toml cannot be read"):
        _read(package / "licences.toml")
    _read.cache_clear()
    assert "cannot be read" in entry_terms(Entry("face_inpainter", "free", "listed_package:Free"))[0].licence


def test_weights_of_the_users_own_have_terms_of_their_own(tmp_path):
    cls = with_licence("MIT; weights research only", weights=None)
    assert "research" in not_commercial(plugin_terms("face_inpainter", "own", cls))
    mine = tmp_path / "mine.safetensors"
    options = {"weights": str(mine)}
    assert "say so in" in not_commercial(plugin_terms("face_inpainter", "own", cls, options))
    _read.cache_clear()
    (tmp_path / "licences.toml").write_text(
        '[[weights]]\nfile = "mine.safetensors"\nlicence = "MIT"\ncommercial = true\n'
    )
    assert not_commercial(plugin_terms("face_inpainter", "own", cls, options)) == ""
    assert not_commercial(plugin_terms("face_inpainter", "own", cls, {"weights": str(tmp_path)})) == ""


def test_commercial_refuses_with_reason_and_nearest_alternate():
    registry = Registry(discover=False)
    registry.register("face_inpainter", "bound", with_licence("MIT; weights research only"))
    registry.register("face_inpainter", "telea", with_licence("MIT; no weights"))
    for cls in NULL:
        registry.register(cls.stage, "none", cls)
    chosen = {**NONE, "face_inpainter": "bound", "licence": "commercial"}
    with pytest.raises(ConfigError) as error:
        Pipeline.from_config(chosen, registry=registry)
    (problem,) = error.value.problems
    assert problem.path == "face_inpainter"
    assert "bound" in problem.got and "research only" in problem.got
    assert problem.hint == "Nearest that allows it: face_inpainter = 'telea'"
    pipeline = Pipeline.from_config({**chosen, "face_inpainter": "telea"}, registry=registry)
    assert pipeline.to_config()["licence"] == "commercial"
    again = Pipeline.from_config(pipeline.to_config(), registry=registry)
    assert again.to_config() == pipeline.to_config()
    assert "licence" not in Pipeline.from_config({**NONE}, registry=registry).to_config()


def test_the_licence_wanted_is_one_of_two():
    with pytest.raises(ConfigError, match="licence: expected one of 'any', 'commercial', got 'free'"):
        Pipeline.from_config({**NONE, "licence": "free"})


def test_a_plugin_that_builds_on_another_has_its_terms_too():
    registry = Registry(discover=False)
    builds = attrs.define(kw_only=True)(
        type(
            "Builds", (null.NoDetail,), {"__annotations__": {"base": str}, "base": "bound", "__doc__": "base"}
        )
    )
    bound = attrs.define(kw_only=True)(
        type("Bound", (null.NoDetail,), {"licence": "MIT; weights research only", "__doc__": ""})
    )
    registry.register("detail_recoverer", "bound", bound)
    for cls in NULL:
        registry.register(cls.stage, "none", cls)
    with pytest.raises(ConfigError, match="research only"):
        Pipeline.from_config({**NONE, "detail_recoverer": builds, "licence": "commercial"}, registry=registry)


def test_every_weights_file_of_the_repository_is_listed():
    for weights in ROOT.glob("plugins/*/occface_*/**/*.safetensors"):
        top = ROOT.joinpath(*weights.relative_to(ROOT).parts[:3])
        listed = tomllib.loads((top / "licences.toml").read_text(encoding="utf-8"))["weights"]
        rows = [row for row in listed if top / row["file"] == weights]
        assert rows, f"{top.name}/licences.toml does not name {weights.relative_to(top)}"
        assert all(row["licence"] and row["plugins"] for row in rows)


def test_the_committed_landmark_weights_are_for_research():
    if "mobilenet_v3" not in Registry().names("landmark_detector"):
        pytest.skip("occface-paper is not installed")
    with pytest.raises(ConfigError, match=r"landmarks\.safetensors, .*: research only \(trained on"):
        Pipeline.from_config({**NONE, "landmark_detector": "mobilenet_v3", "licence": "commercial"})


def test_listing_is_plain_data(package):
    from occface_core.listing import plugin_row

    row = plugin_row(Entry("face_inpainter", "both", "listed_package.deep:Both"))
    assert json.loads(json.dumps(row)) == row
    assert row["commercial"] is False and len(row["weights"]) == 2
