"""The listed defects of entry-point scanning, each with a deliberately broken installed distribution."""

import sys
import textwrap
import warnings
from pathlib import Path

import pytest

from occface_core import Registry
from occface_core.errors import PluginBroken, PluginConflict, PluginNotFound


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put distributions on sys.path as pip would: a module and a .dist-info folder."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name, entry_points, version="1.0", module=None, code=""):
        info = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(textwrap.dedent(entry_points))
        if module:
            (tmp_path / f"{module}.py").write_text(textwrap.dedent(code))

    return write


GOOD = """
    import attrs
    from occface_core import FaceInpainter

    @attrs.define(kw_only=True)
    class Copy(FaceInpainter):
        def run(self, image, matte, landmarks):
            return image.clone()
"""


def test_a_third_party_plugin_is_found_and_loaded(install):
    install("acme-copy", "[occface.face_inpainter]\ncopy = acme_copy:Copy\n", "2.5", "acme_copy", GOOD)
    registry = Registry()
    entry = registry.entry("face_inpainter", "copy")
    assert (entry.distribution, entry.version) == ("acme-copy", "2.5")
    assert registry.get("face_inpainter", "copy").__name__ == "Copy"


def test_listing_imports_nothing(install):
    install("acme-boom", "[occface.face_inpainter]\nboom = acme_boom:X\n", module="acme_boom", code="1/0")
    assert "boom" in Registry().names("face_inpainter")
    assert "acme_boom" not in sys.modules


def test_a_broken_plugin_is_a_reason_not_a_crash(install):
    install("acme-boom2", "[occface.face_inpainter]\nboom = acme_boom2:X\n", module="acme_boom2", code="1/0")
    with pytest.raises(PluginBroken, match=r"acme-boom2 1\.0.*ZeroDivisionError"):
        Registry().get("face_inpainter", "boom")


def test_two_distributions_with_one_name_are_an_error_that_names_both(install):
    install("acme-one", "[occface.face_inpainter]\nsame = acme_one:Copy\n", module="acme_one", code=GOOD)
    install("acme-two", "[occface.face_inpainter]\nsame = acme_two:Copy\n", module="acme_two", code=GOOD)
    registry = Registry()
    with pytest.raises(
        PluginConflict, match=r"acme-one 1\.0 and acme-two 1\.0|acme-two 1\.0 and acme-one 1\.0"
    ):
        registry.get("face_inpainter", "same")
    assert [e.problem != "" for e in registry.entries("face_inpainter") if e.name == "same"] == [True, True]


@pytest.mark.parametrize(
    "text",
    ["no section at all\n", "[occface.face_inpainter]\nx = a:B\nx = c:D\n", "[unclosed\nx = y\n"],
    ids=["no-section", "duplicate-key", "bad-header"],
)
def test_a_malformed_file_of_anybody_does_not_hide_the_others(install, text):
    install("acme-malformed", text)
    install("acme-fine", "[occface.face_inpainter]\nfine = acme_fine:Copy\n", module="acme_fine", code=GOOD)
    registry = Registry()
    with pytest.warns(RuntimeWarning, match=r"malformed entry_points\.txt"):
        names = registry.names("face_inpainter")
    assert "fine" in names and "none" in names
    assert any("acme-malformed" in problem for problem in registry.problems)


def test_percent_signs_are_read_raw(install):
    install(
        "acme-percent", "[console_scripts]\nx = a%b:c\n[occface.face_inpainter]\np = acme_percent:%(x)s\n"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        registry = Registry()
        assert registry.entry("face_inpainter", "p").value == "acme_percent:%(x)s"
    with pytest.raises(PluginBroken, match="module:Class"):
        registry.get("face_inpainter", "p")


def test_a_path_object_on_sys_path_does_no_harm(install, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [Path(tmp_path), *sys.path])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "none" in Registry().names("face_inpainter")


def test_a_folder_twice_on_sys_path_is_no_conflict(install, monkeypatch, tmp_path):
    install(
        "acme-twice", "[occface.face_inpainter]\ntwice = acme_twice:Copy\n", module="acme_twice", code=GOOD
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path, str(tmp_path) + "/"])
    assert Registry().get("face_inpainter", "twice").__name__ == "Copy"


def test_a_class_without_the_interface_is_refused(install):
    install("acme-dict", "[occface.face_inpainter]\nd = builtins:dict\n")
    with pytest.raises(PluginBroken, match="FaceInpainter"):
        Registry().get("face_inpainter", "d")


def test_unknown_names_get_a_suggestion():
    with pytest.raises(PluginNotFound, match="Did you mean 'none'"):
        Registry().get("face_inpainter", "nonee")
    with pytest.raises(PluginNotFound, match="Did you mean 'face_inpainter'"):
        Registry().names("face_inpaniter")


def test_registering_by_hand_without_discovery():
    from occface_core.null import NoInpainting

    registry = Registry(discover=False)
    assert registry.names("face_inpainter") == []
    registry.register("face_inpainter", "mine", NoInpainting)
    assert registry.get("face_inpainter", "mine") is NoInpainting
    with pytest.raises(PluginBroken, match="OcclusionMatting"):
        registry.register("occlusion_matting", "mine", NoInpainting)
    with pytest.raises(PluginBroken, match=r"attrs\.define"):

        class Plain(NoInpainting.__mro__[1]):
            def run(self, image, matte, landmarks):
                return image

        registry.register("face_inpainter", "plain", Plain)
