import json
from typing import Literal

import attrs
import pytest

from occface_core import Pipeline, Registry
from occface_core.errors import ConfigError, FallbackWarning
from occface_core.null import NoInpainting
from tests.core.fakes import FAKE, Grey, LeftHalf


@pytest.fixture
def registry():
    registry = Registry(discover=False)
    for stage, cls in FAKE.items():
        registry.register(stage, "fake", cls)
    return registry


def config(**changes):
    return {**dict.fromkeys(FAKE, "fake"), **changes}


def problems(value, registry):
    with pytest.raises(ConfigError) as caught:
        Pipeline.from_config(value, registry=registry)
    return {problem.path: str(problem) for problem in caught.value.problems}


def test_all_problems_are_reported_at_once(registry):
    found = problems(
        config(
            face_inpaniter="fake",
            occlusion_matting={"plugin": "fake", "strenght": 1.0},
            face_inpainter={"plugin": "fake", "level": "high"},
            shape_regressor="missing",
            hooks="timing",
        ),
        registry,
    )
    assert set(found) == {
        "face_inpaniter",
        "occlusion_matting.strenght",
        "face_inpainter.level",
        "shape_regressor",
        "hooks",
    }
    assert "Did you mean 'face_inpainter'" in found["face_inpaniter"]
    assert "Did you mean 'strength'" in found["occlusion_matting.strenght"]
    assert "expected float, got 'high'" in found["face_inpainter.level"]


def test_values_are_not_guessed(registry):
    assert "face_inpainter.level" in problems(
        config(face_inpainter={"plugin": "fake", "level": True}), registry
    )
    made = Pipeline.from_config(config(face_inpainter={"plugin": "fake", "level": 1}), registry=registry)
    assert made.stage("face_inpainter").level == 1.0


def test_validators_speak_with_the_path(registry):
    found = problems(config(occlusion_matting={"plugin": "fake", "strength": 2.0}), registry)
    assert "strength" in found["occlusion_matting"]


def test_plugin_may_be_a_class_or_module_colon_class(registry):
    for plugin in (Grey, {"plugin": Grey, "level": 0.25}, "occface_core.null:NoInpainting"):
        made = Pipeline.from_config(config(face_inpainter=plugin), registry=registry)
        assert isinstance(made.stage("face_inpainter"), (Grey, NoInpainting))
    assert "face_inpainter" in problems(config(face_inpainter=LeftHalf), registry)
    assert "face_inpainter" in problems(config(face_inpainter="no_such_module:X"), registry)
    assert "face_inpainter" in problems(config(face_inpainter=7), registry)
    assert "face_inpainter.plugin" in problems(config(face_inpainter={"level": 1.0}), registry)


def test_literals_and_optionals(registry):
    @attrs.define(kw_only=True)
    class Choosy(NoInpainting):
        mode: Literal["fast", "good"] = "fast"
        limit: int | None = None

    spec = {"plugin": Choosy, "mode": "good", "limit": 3}
    made = Pipeline.from_config(config(face_inpainter=spec), registry=registry).stage("face_inpainter")
    assert (made.mode, made.limit) == ("good", 3)
    found = problems(config(face_inpainter={"plugin": Choosy, "mode": "slow", "limit": 1.5}), registry)
    assert "'fast', 'good'" in found["face_inpainter.mode"]
    assert "face_inpainter.limit" in found


def test_files(registry, tmp_path):
    good = tmp_path / "good.json"
    good.write_text(json.dumps(config()))
    Pipeline.from_config(good, registry=registry)
    toml = tmp_path / "good.toml"
    toml.write_text("".join(f'{stage} = "fake"\n' for stage in FAKE) + "[face_inpainter_]\n")
    assert "face_inpainter_" in problems(str(toml), registry)
    bad = tmp_path / "bad.toml"
    bad.write_text("= nonsense")
    assert "valid TOML" in problems(bad, registry)["file"]
    assert "readable" in problems(tmp_path / "absent.json", registry)["file"]
    assert "Did you mean 'classic'" in problems("clasic", registry)["config"]


def test_presets_fall_back_visibly_and_named_plugins_never(registry):
    registry.register("landmark_detector", "mobilenet_v3", FAKE["landmark_detector"])
    registry.register("occlusion_matting", "grabcut", LeftHalf)
    registry.register("face_inpainter", "telea", Grey)
    registry.register("shape_regressor", "landmark_fit", FAKE["shape_regressor"])
    registry.register("detail_recoverer", "none", FAKE["detail_recoverer"])
    with pytest.warns(FallbackWarning, match="'telea' was used instead"):
        pipeline = Pipeline.from_config("paper", registry=registry)
    warned = pipeline.to_config()["provenance"]["stages"]["face_inpainter"]["warning"]
    assert "landmark_gan" in warned
    assert "face_inpainter" in problems({"face_inpainter": "landmark_gan"}, registry)


def test_round_trip(registry):
    pipeline = Pipeline.from_config(
        config(face_inpainter={"plugin": "fake", "level": 0.25}), registry=registry
    )
    resolved = json.loads(json.dumps(pipeline.to_config()))
    again = Pipeline.from_config(resolved, registry=registry)
    assert again.to_config() == pipeline.to_config()
    assert again.stage("face_inpainter").level == 0.25


@pytest.mark.parametrize("value", [None, 3, ["paper"], b"paper"])
def test_what_is_no_configuration_says_what_is_one(value, registry):
    assert "a dictionary" in problems(value, registry)["config"]


@pytest.mark.parametrize("preset", [["classic"], {}, None, 1])
def test_a_preset_is_a_name(preset, registry):
    assert "one of paper, classic" in problems(config(preset=preset), registry)["preset"]


def test_files_of_any_editor(registry, tmp_path):
    path = tmp_path / "marked.toml"
    path.write_bytes(b"\xef\xbb\xbf" + "\n".join(f'{stage} = "fake"' for stage in FAKE).encode())
    Pipeline.from_config(path, registry=registry)
    path.write_bytes("# caf\xe9".encode("latin-1"))
    assert "UTF-8" in problems(path, registry)["file"]
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 100_000 + "]" * 100_000)
    assert "valid JSON" in problems(deep, registry)["file"]


def test_a_plugin_that_leaves_when_imported_is_told(registry, tmp_path, monkeypatch):
    (tmp_path / "leaves.py").write_text("raise SystemExit(0)")
    monkeypatch.syspath_prepend(tmp_path)
    assert "SystemExit" in problems(config(face_inpainter="leaves:Any"), registry)["face_inpainter"]


def test_a_constructor_that_raises_anything_is_told(registry):
    @attrs.define(kw_only=True)
    class Broken(Grey):
        def __attrs_post_init__(self):
            raise RuntimeError("by design")

    assert "RuntimeError: by design" in problems(config(face_inpainter=Broken), registry)["face_inpainter"]


@pytest.mark.parametrize("hook", ["os:path", "os.path:join", int, "collections:OrderedDict"])
def test_what_is_no_hook_is_refused(hook, registry):
    assert any(path.startswith("hooks") for path in problems(config(hooks=[hook]), registry))


def test_a_hook_twice_is_told_in_words(registry):
    from occface_core.hooks import Timing

    assert str(problems(config(hooks=[Timing, Timing]), registry)["hooks"]).endswith("Timing' twice")
