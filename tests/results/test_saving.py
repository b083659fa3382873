from __future__ import annotations

import json

import attrs
import numpy as np
import pytest
import trimesh
from PIL import Image

from occface_core.errors import OutputError
from occface_core.results import find_results, is_complete, save

PICTURES = {
    "crop.png": ("RGB", 256),
    "overlay.png": ("RGB", 768),
    "mask.png": ("L", 256),
    "occlusion.png": ("RGB", 768),
    "hollowed.png": ("RGB", 256),
    "completed.png": ("RGB", 256),
    "bump.png": ("I;16", 256),
    "normals.png": ("RGB", 256),
}


def pixels(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize(("name", "kind"), PICTURES.items())
def test_every_picture_is_there(saved, name, kind):
    for face in ("face_0", "face_1"):
        with Image.open(saved / face / name) as image:
            assert (image.mode, image.width) == kind
            assert image.height == image.width or name == "occlusion.png"  # its key stands below


def test_the_crop_is_the_photo(saved, result):
    # The photo shows the mean face where the alignment wants it, so that the crop is the photo itself.
    assert np.abs(pixels(saved / "face_0/crop.png").astype(int) - result.photo).mean() < 1.5


def test_masked_pixels_are_hollow_and_completed_and_others_unchanged(saved):
    crop, mask = pixels(saved / "face_0/crop.png"), pixels(saved / "face_0/mask.png")
    hollow, completed = pixels(saved / "face_0/hollowed.png"), pixels(saved / "face_0/completed.png")
    hidden = mask == 255
    assert hidden.any()
    assert not hidden[:150].any()
    assert (hollow[hidden] == 0).all()
    assert (np.abs(completed[hidden].astype(int) - [51, 204, 102]) <= 1).all()
    np.testing.assert_array_equal(hollow[mask == 0], crop[mask == 0])
    np.testing.assert_array_equal(completed[mask == 0], crop[mask == 0])


def test_bump_levels_decode_to_mm(saved, result):
    values = pixels(saved / "face_0/bump.png").astype(float)
    height = (values / 257 - 127) / 9.6  # as faces.json says
    np.testing.assert_allclose(height, 0.75, atol=0.0005)
    assert "(value / 257 - 127) / 9.6" in document(saved)["faces"][0]["detail"]["bump_encoding"]


def test_normals_look_at_the_viewer_on_the_forehead(saved):
    normals = pixels(saved / "face_0/normals.png").astype(float) / 255 * 2 - 1
    forehead = normals[50:60, 122:134].reshape(-1, 3)
    assert (forehead[:, 2] > 0.8).all()
    assert (pixels(saved / "face_0/normals.png")[5, 5] == 0).all()


def test_the_meshes_are_read_back_in_every_format(saved, result):
    vertices = len(result.faces.shape.model.mean)
    for kind in ("glb", "obj", "ply", "stl"):
        base = trimesh.load(saved / f"face_0/base.{kind}", force="mesh", process=False)
        detailed = trimesh.load(saved / f"face_0/mesh.{kind}", force="mesh", process=False)
        assert len(detailed.faces) > 2 * len(base.faces)  # split where detail is seen
        if kind in ("glb", "ply"):
            assert len(base.vertices) == vertices
            assert np.abs(base.vertices - result.faces.shape.vertices[0].numpy()).max() < 1e-3
    textured = trimesh.load(saved / "face_0/mesh.glb", force="mesh", process=False)
    assert textured.visual.material.baseColorTexture.size == (512, 512)


def test_the_sheet_shows_every_step(saved):
    sheet = pixels(saved / "face_0/sheet.png")
    assert sheet.shape[1] > 7 * 256
    assert sheet.shape[0] > 3 * 256


def document(folder) -> dict:
    def refuse(text):
        raise AssertionError(f"{text} is not JSON")

    return json.loads((folder / "faces.json").read_text(encoding="utf-8"), parse_constant=refuse)


def test_faces_json_holds_what_a_program_needs(saved, result):
    content = document(saved)
    assert content["photo"] == {"source": "portrait.jpg", "width": 256, "height": 256}
    assert content["config"] == json.loads(json.dumps(result.configuration))
    assert content["timings"]["total"] == 1.5
    assert set(content["timings"]) >= {"occlusion_matting", "face_inpainter", "shape_regressor"}
    assert [record["stage"] for record in content["lineage"]][:2] == [
        "landmark_detector",
        "occlusion_matting",
    ]
    face, other = content["faces"]
    np.testing.assert_allclose(face["landmarks"], result.points, atol=0.02)
    np.testing.assert_allclose(other["landmarks"], result.points + np.float32([12, -4]), atol=0.02)
    low, high = result.points.min(0), result.points.max(0)
    np.testing.assert_allclose(face["box"], [*low, *(high - low)], atol=0.02)
    assert len(face["confidence"]) == len(face["visible"]) == 68
    assert face["visible"][8] == pytest.approx(0, abs=0.6)
    assert face["visible"][27] == 1
    assert len(face["coefficients"]["identity"]) == 80
    assert face["coefficients"]["expression"]["jawOpen"] == 0
    assert len(face["coefficients"]["illumination"]) == 27
    assert face["pose"]["yaw"] == pytest.approx(0, abs=1e-4)
    assert set(face["occlusion"]["parts"]) >= {"nose", "mouth", "left_eye", "right_eye", "forehead"}
    shares = face["detail"]["provenance"]
    assert sum(shares.values()) == pytest.approx(1, abs=1e-3)
    assert shares["seen"] > 0.1
    assert shares["completed"] > 0.05
    assert set(face["files"]) == {path.name for path in (saved / "face_0").iterdir()}


def test_faces_save_is_the_same(result, tmp_path):
    folder = result.faces[1].save(tmp_path / "one")
    assert len(document(folder)["faces"]) == 1
    assert document(folder)["config"]["face_inpainter"]["plugin"].endswith(":Paint")
    assert sorted(path.name for path in folder.iterdir()) == ["face_0", "faces.json"]


def test_saving_again_replaces_the_old_faces_and_nothing_else(result, tmp_path):
    save(result.faces, tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    (tmp_path / "out" / "face_other").mkdir()
    save(result.faces[0], tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "face_0",
        "face_other",
        "faces.json",
        "notes.txt",
    ]


def test_no_face_is_a_result_too(result, tmp_path):
    folder = save(result.faces[:0], tmp_path / "none", source="wall.jpg")
    assert document(folder)["faces"] == []
    assert is_complete(folder, "wall.jpg")


def test_what_has_not_run_is_left_out(result, tmp_path):
    early = attrs.evolve(result.faces[0], matte=None, clean=None, shape=None, detail=None)
    folder = save(early, tmp_path / "early")
    assert sorted(path.name for path in (folder / "face_0").iterdir()) == [
        "crop.png",
        "overlay.png",
        "sheet.png",
    ]
    assert "occlusion" not in document(folder)["faces"][0]


def test_complete_only_for_its_own_photo(saved, tmp_path):
    assert is_complete(saved, "portrait.jpg")
    assert not is_complete(saved, "other.jpg")
    assert not is_complete(tmp_path, "portrait.jpg")
    (tmp_path / "faces.json").write_text("{")
    assert not is_complete(tmp_path, "portrait.jpg")


def test_results_are_found(saved):
    assert find_results(saved.parent) == [saved]


def test_unknown_formats_are_refused_before_anything_is_written(result, tmp_path):
    with pytest.raises(OutputError, match="not as 'fbx'"):
        save(result.faces, tmp_path / "out", formats=("fbx",))
    assert not (tmp_path / "out").exists()


def test_one_format_may_be_given_as_a_text(result, tmp_path):
    save(result.faces[:0], tmp_path / "out", formats="obj")
    with pytest.raises(OutputError, match="not as 'fbx'"):
        save(result.faces, tmp_path / "out", formats="fbx")


def test_an_unwritable_folder_says_what_to_do(result, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file, but results need a folder"):
        save(result.faces, tmp_path / "file")
    with pytest.raises(OutputError, match=r"cannot be written .*another output folder"):
        save(result.faces, tmp_path / "file" / "below")


def test_a_photo_is_the_same_by_a_relative_path_and_by_a_whole_one(result, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(result.faces[:0], "out", source="in/a.jpg")
    assert is_complete("out", "in/a.jpg") and is_complete("out", tmp_path / "in" / "a.jpg")
    assert not is_complete("out", tmp_path / "a.jpg")
