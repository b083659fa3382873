from __future__ import annotations

import base64
import json
import re
import shutil

import numpy as np
import pytest

from occface_core.results import write_report
from occface_core.types import PROVENANCE


@pytest.fixture(scope="module")
def page(saved):
    path = write_report(saved.parent, failures={"bad.jpg": "bad.jpg: <b>damaged</b>"})
    return path.read_text(encoding="utf-8")


def data(page: str) -> dict:
    return json.loads(re.search(r'id="occface-data">(.*?)</script>', page, re.S)[1].replace("<\\/", "</"))


def test_the_page_needs_no_network(page):
    assert not re.search(r'(src|href)\s*=\s*"(?!data:)', page)
    assert not re.search(r"https?://|@import|url\((?!data:)", page)


def test_the_page_shows_every_face_and_failure(page):
    assert page.count('<canvas class="view"') == 2
    assert page.count('<img class="sheet"') == 2
    assert "<b>damaged</b>" not in page
    assert "&lt;b&gt;damaged" in page
    assert "portrait.jpg" in page
    assert "Mesh rests on: seen" in page


def test_the_mesh_in_the_page_is_the_mesh_on_disk(page, result):
    face = data(page)["faces"]["portrait/face_0"]
    vertices = (
        np.frombuffer(base64.b64decode(face["base"]["data"]), "<i2").reshape(-1, 3) * face["base"]["step"]
    )
    assert np.abs(vertices - result.faces.shape.vertices[0].numpy()).max() <= face["base"]["step"]
    topology = data(page)["topologies"][face["base"]["topology"]]
    triangles = np.frombuffer(base64.b64decode(topology["triangles"]), "<u2").reshape(-1, 3)
    np.testing.assert_array_equal(triangles, result.faces.shape.model.triangles)
    uv = np.frombuffer(base64.b64decode(topology["uv"]), "<u2").reshape(-1, 2) / 65535
    assert np.abs(uv - result.faces.shape.model.uv).max() < 1e-4
    assert face["texture"].startswith("data:image/jpeg;base64,")


def test_the_page_knows_what_each_vertex_rests_on(page, result):
    face = data(page)["faces"]["portrait/face_0"]
    codes = np.frombuffer(base64.b64decode(face["provenance"]), np.uint8)
    np.testing.assert_array_equal(codes, result.faces.detail.provenance[0].numpy())
    assert len(data(page)["colours"]) == len(PROVENANCE)


def test_faces_of_one_model_share_their_triangles(page):
    assert len(data(page)["topologies"]) == 2  # base and detailed, for both faces


def test_a_page_of_nothing(tmp_path):
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "0 photos, 0 faces" in page


def test_warnings_stand_at_the_top_once(saved, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(saved, tmp_path / name)
        content = json.loads((tmp_path / name / "faces.json").read_text())
        content["warnings"] = ["face_inpainter: a stand-in was used"]
        (tmp_path / name / "faces.json").write_text(json.dumps(content))
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert page.count("a stand-in was used") == 1
    assert "(2 of 2 photos)" in page.split("<h2>")[0]


def test_a_long_page_turns_the_first_faces_only_and_says_so(saved, monkeypatch):
    from occface_core.results import report

    monkeypatch.setattr(report, "MAX_VIEWS", 1)
    page = write_report(saved.parent).read_text(encoding="utf-8")
    assert page.count('<canvas class="view"') == 1
    assert "Open portrait/face_1/mesh.glb" in page


def test_the_page_says_what_hides_each_face(page, result):
    assert page.count("<figure>") == 2
    rows = re.findall(
        r'<td>([\w ]+)</td><td class="number">(\d+)%</td>', page.split("<h3>face 0")[1].split("<h3>")[0]
    )
    report = result.faces.occlusion_report(0)
    shown = dict(rows)
    assert int(shown["face in all"]) == round(100 * report["fraction"])
    for name, share in (report["parts"] | report["halves"]).items():
        assert abs(int(shown[name.replace("_", " ")]) - 100 * share) <= 0.51
    assert "hidden: mouth" in page


def test_a_result_of_an_earlier_release_is_still_shown(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "old")
    content = json.loads((tmp_path / "old" / "faces.json").read_text())
    for face in content["faces"]:
        (tmp_path / "old" / face["folder"] / "occlusion.png").unlink()
        for name in ("halves", "landmarks", "beyond_photo"):
            del face["occlusion"][name]
    content["faces"][1]["occlusion"]["fraction"] = None
    content["faces"][1]["occlusion"]["parts"]["nose"] = None
    (tmp_path / "old" / "faces.json").write_text(json.dumps(content))
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "<figure>" not in page
    assert page.count("not in the photo") == 2
    assert page.count('<table class="parts">') == 2


def test_the_page_follows_dark_and_narrow_screens(page):
    assert "prefers-color-scheme: dark" in page
    assert "minmax(min(100%, 290px), 1fr)" in page
