import pytest

from occface_core import Registry
from occface_core.ablation.design import combinations
from occface_core.ablation.tree import build_tree
from occface_core.errors import ConfigError
from occface_core.facemodel import FaceModel
from occface_core.null import NoInpainting, NoMatting
from tests.ablation.small import BASE, Filling, Marking


@pytest.fixture
def registry():
    made = Registry(discover=False)
    made.register("occlusion_matting", "none", NoMatting)
    made.register("occlusion_matting", "marking", Marking)
    made.register("face_inpainter", "none", NoInpainting)
    made.register("face_inpainter", "filling", Filling)
    return made


def labels(rows):
    return [tuple(row.labels.values()) for row in rows]


def test_full_grid_is_every_combination_with_the_bases_first(registry):
    axes = {"occlusion_matting": ["none", "marking"], "face_inpainter": ["none", "filling"]}
    rows = combinations(BASE, axes, "full_grid", registry)
    # the base's classes are the same plugins as the names' only if name, version and options agree: they do not
    assert labels(rows) == [
        ("none", "none"),
        ("none", "filling"),
        ("marking", "none"),
        ("marking", "filling"),
    ]
    rows = combinations(
        {**BASE, "occlusion_matting": "marking", "face_inpainter": "none"}, axes, "full_grid", registry
    )
    assert labels(rows) == [
        ("marking", "none"),
        ("none", "none"),
        ("none", "filling"),
        ("marking", "filling"),
    ]


def test_one_at_a_time_is_the_base_and_each_value_alone(registry):
    axes = {
        "occlusion_matting": ["none", "marking", {"plugin": "marking", "pause": 0.5}],
        "face_inpainter": ["none"],
    }
    base = {**BASE, "occlusion_matting": "marking", "face_inpainter": "filling"}
    rows = combinations(base, axes, "one_at_a_time", registry)
    assert labels(rows) == [
        ("marking", "filling"),
        ("none", "filling"),
        ("marking(pause=0.5)", "filling"),
        ("marking", "none"),
    ]


def test_values_that_say_the_default_are_the_base(registry):
    base = {**BASE, "occlusion_matting": "marking"}
    axes = {"occlusion_matting": [{"plugin": "marking", "pause": 0.0}]}
    assert len(combinations(base, axes, "one_at_a_time", registry)) == 1


def test_a_star_is_all_that_is_installed(registry):
    rows = combinations(BASE, {"occlusion_matting": "*"}, "full_grid", registry)
    assert sorted(labels(rows)) == [("marking",), ("none",)]
    rows = combinations(BASE, {"occlusion_matting": ["given", "*"]}, "full_grid", registry)
    assert sorted(labels(rows)) == [("given",), ("marking",), ("none",)]


def test_axes_over_options_count_once_where_a_plugin_has_no_such_option(registry):
    axes = {"face_inpainter": ["none", "filling"], "face_inpainter.pause": [0.0, 0.5]}
    rows = combinations(BASE, axes, "full_grid", registry)
    assert labels(rows) == [("none", "-"), ("filling", "0.0"), ("filling", "0.5")]
    assert rows[2].candidates["face_inpainter"].choice.instance.pause == 0.5
    nested = combinations(BASE, {"occlusion_matting": {"pause": [0.0, 1.0]}}, "full_grid", registry)
    assert [row.candidates["occlusion_matting"].choice.instance.pause for row in nested] == [0.0, 1.0]


def test_axis_over_face_models_sets_the_option_of_stages_that_have_one(tmp_path):
    pytest.importorskip("occface_classic")
    model = FaceModel.embedded()
    model.save(tmp_path / "mine.npz")
    base = {**BASE, "shape_regressor": "mean"}
    for value in (str(tmp_path / "mine.npz"), model):
        rows = combinations(base, {"face_model": ["embedded", value]}, "full_grid", Registry())
        assert len(rows) == 2
        assert rows[1].candidates["shape_regressor"].choice.instance.face_model == value


def test_a_registered_face_model_is_named_like_a_plugin():
    pytest.importorskip("occface_classic")
    registry = Registry()
    registry.register("face_models", "mine", FaceModel.embedded)
    rows = combinations({**BASE, "shape_regressor": "mean"}, {"face_model": ["mine"]}, "full_grid", registry)
    assert rows[0].labels["face_model"] == "mine"
    assert rows[0].candidates["shape_regressor"].choice.instance.face_model is FaceModel.embedded()


def test_all_problems_are_told_at_once(registry):
    axes = {
        "face_inpainters": ["none"],
        "occlusion_matting": ["nonesuch", {"plugin": "marking", "paws": 1}],
        "landmark_detector": "mobilenet",
        "detail_recoverer": ["given"],
    }
    with pytest.raises(ConfigError) as caught:
        combinations({**BASE, "matting": "none"}, axes, "grid", registry)
    paths = {problem.path for problem in caught.value.problems}
    assert paths == {"design", "base.matting", "axes.face_inpainters", "axes.landmark_detector"}
    del axes["face_inpainters"], axes["landmark_detector"]
    with pytest.raises(ConfigError) as caught:
        combinations(BASE, axes, "full_grid", registry)
    paths = {problem.path for problem in caught.value.problems}
    assert paths == {
        "axes.occlusion_matting[0]",
        "axes.occlusion_matting[1].paws",
        "axes.detail_recoverer[0]",
    }


def test_an_option_that_no_plugin_has_is_a_mistake(registry):
    with pytest.raises(ConfigError, match="no such option"):
        combinations(BASE, {"face_inpainter.radius": [3, 5]}, "full_grid", registry)


def test_an_installed_plugin_that_cannot_be_imported_is_a_row_with_its_reason(registry, monkeypatch):
    from occface_core.registry import Entry

    broken = Entry("face_inpainter", "broken", "no_such_module:Thing", "acme", "1.0")
    monkeypatch.setattr(registry, "_scan", lambda: {"face_inpainter": {"broken": [broken]}})
    rows = combinations(BASE, {"face_inpainter": ["none", "broken"]}, "full_grid", registry)
    assert "no_such_module" in rows[1].candidates["face_inpainter"].problem


def test_the_tree_holds_every_distinct_prefix_once(registry):
    axes = {"occlusion_matting": ["none", "marking"], "face_inpainter": ["none", "filling"]}
    rows = combinations(BASE, axes, "full_grid", registry)
    nodes = [node for root in build_tree(rows) for node in root.walk()]
    assert len(nodes) == 1 + 2 + 4 + 4 + 4
    assert len({node.key for node in nodes}) == len(nodes)
    assert sorted(number for node in nodes for number in node.rows) == [0, 1, 2, 3]


@pytest.mark.parametrize("preset", [["classic"], {}, "papr"])
def test_a_preset_is_a_name(registry, preset):
    with pytest.raises(ConfigError, match=r"base\.preset: expected one of paper, classic"):
        combinations({"preset": preset}, {"face_inpainter": ["none"]}, "full_grid", registry)
