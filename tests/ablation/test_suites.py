"""Each adapter on a few made files in the layout that its data set is published in."""

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from occface_core import ablate
from occface_core.ablation import SUITES, make_suite
from occface_core.ablation.metrics.landmarks import eye_distance
from occface_core.errors import ConfigError, OccfaceError
from occface_core.facemodel import FaceModel
from tests.ablation.small import BASE, points


def picture(path, size=(256, 256), value=120):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)


def write_pts(path, where):
    rows = "\n".join(f"{x + 1:.4f} {y + 1:.4f}" for x, y in where)
    path.write_text(f"version: 1\nn_points:  {len(where)}\n{{\n{rows}\n}}\n")


@pytest.fixture
def w300(tmp_path):
    for folder, name in (
        ("01_Indoor", "indoor_001"),
        ("01_Indoor", "indoor_002"),
        ("02_Outdoor", "outdoor_001"),
    ):
        picture(tmp_path / folder / f"{name}.png")
        write_pts(tmp_path / folder / f"{name}.pts", points())
    picture(tmp_path / "01_Indoor" / "without_points.png")
    return tmp_path


def test_300w(w300):
    suite = make_suite({"name": "300W", "folder": str(w300)})
    assert len(suite) == 3
    sample = suite.load(2)
    assert sample.name == "02_Outdoor/outdoor_001" and sample.photo.shape == (256, 256, 3)
    assert np.allclose(sample.points, points(), atol=1e-3)  # counted from 0
    assert len(make_suite({"name": "300w", "folder": str(w300), "size": 2})) == 2
    (w300 / "01_Indoor" / "indoor_001.pts").write_text("n_points: 68 { 1 2 3 }")
    with pytest.raises(OccfaceError, match=r"indoor_001\.pts"):
        suite.load(0)


def test_occluders_on_photos_give_matte_and_unoccluded_face_as_truth(w300):
    spec = {"name": "300w", "folder": str(w300), "occluders": ["mask"], "severity": [0.2, 0.8], "seed": 3}
    sample, again = make_suite(spec).load(0), make_suite(spec).load(0)
    assert 0.2 <= sample.hidden_fraction() <= 0.8 and sample.kind == "mask"
    assert (sample.clean == 120).all() and not (sample.photo == 120).all()
    assert np.array_equal(sample.photo, again.photo) and not np.array_equal(
        sample.photo, make_suite(spec).load(1).photo
    )
    assert 0 < sample.visible.sum() < 68
    assert np.abs(sample.matte).max() <= 1 and (sample.matte <= sample.face + 1e-6).all()
    result = ablate(
        BASE, {"occlusion_matting": [BASE["occlusion_matting"], "given"]}, make_suite({**spec, "size": 2})
    )
    assert result.rows[1].figures["matte_iou"].value > 95
    assert result.rows[0].figures["nme"].value < 1e-3 and "vertex_mm" not in result.rows[0].figures


def cofw_points():
    p = points()

    def mean(*ids):
        return p[list(ids)].mean(0)

    rows = [p[17], p[26], p[21], p[22], p[19], p[19], p[24], p[24], p[36], p[45], p[39], p[42], mean(37, 38),
            mean(40, 41), mean(43, 44), mean(46, 47), mean(*range(36, 42)), mean(*range(42, 48)), p[31], p[35], p[30],
            p[33], p[48], p[54], p[51], p[62], p[66], p[57], p[8]]  # fmt: skip
    return np.array(rows)


def cofw_row(hidden=(0, 8)):
    occluded = np.zeros(29)
    occluded[list(hidden)] = 1
    return np.concatenate([*(cofw_points() + 1).T, occluded])


@pytest.mark.parametrize("version", ["old", "7.3"])
def test_cofw(tmp_path, version):
    photos = [np.full((256, 256, 3), 90, np.uint8), np.full((200, 220), 60, np.uint8)]
    phis = np.stack([cofw_row(), cofw_row(())])
    path = tmp_path / "COFW_test_color.mat"
    if version == "old":
        cells = np.empty((2, 1), object)
        cells[:, 0] = photos
        savemat(path, {"IsT": cells, "phisT": phis, "bboxesT": np.zeros((2, 4))})
    else:
        h5py = pytest.importorskip("h5py", reason="MATLAB 7.3 files need h5py")
        with h5py.File(path, "w", userblock_size=512) as file:
            cells = file.create_dataset("IsT", (1, 2), h5py.ref_dtype)
            for k, photo in enumerate(photos):
                cells[0, k] = file.create_dataset(f"#refs#/{k}", data=photo.T).ref
            file["phisT"] = phis.T
        with path.open("r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file")
    suite = make_suite({"name": "cofw", "folder": str(tmp_path)})
    assert len(suite) == 2
    sample = suite.load(0)
    assert sample.photo.shape == (256, 256, 3) and suite.load(1).photo.shape == (200, 220, 3)
    assert sample.points.shape == (27, 2) and sample.visible.sum() == 25
    assert np.allclose(sample.point_map @ points(), sample.points, atol=1e-3)
    assert eye_distance(sample) == pytest.approx(np.linalg.norm(points()[36] - points()[45]), rel=1e-5)
    if version == "old":
        folder = tmp_path / "COFW68_Data" / "test_annotations"
        folder.mkdir(parents=True)
        savemat(folder / "1_points.mat", {"Points": points() + 1, "Occ": np.eye(68)[:, :1]})
        full = suite.load(0)
        assert (
            np.allclose(full.points, points(), atol=1e-4) and full.point_map is None and full.visible[0] == 0
        )
    result = ablate(
        BASE, {"face_inpainter": ["none"]}, make_suite({"name": "cofw", "folder": str(tmp_path), "size": 1})
    )
    assert result.rows[0].figures["nme"].value < 1e-3


def test_aflw2000_3d(tmp_path):
    for name in ("image00002", "image00004"):
        picture(tmp_path / f"{name}.jpg", (450, 450))
        where = np.concatenate([points(90).T + 1, np.zeros((1, 68))])
        savemat(tmp_path / f"{name}.mat", {"pt3d_68": where, "Pose_Para": np.zeros((1, 7))})
    suite = make_suite({"name": "AFLW2000-3D", "folder": str(tmp_path)})
    assert len(suite) == 2 and suite.load(1).name == "image00004"
    assert np.allclose(suite.load(0).points, points(90), atol=1e-3)
    savemat(tmp_path / "image00002.mat", {"pt2d": np.zeros((2, 21))})
    with pytest.raises(OccfaceError, match="lacks pt3d_68"):
        suite.load(0)


def test_celebamask_hq(tmp_path):
    picture(tmp_path / "CelebA-HQ-img" / "2001.jpg", (256, 256))
    picture(tmp_path / "CelebA-HQ-img" / "7.jpg", (256, 256))
    parts = tmp_path / "CelebAMask-HQ-mask-anno"
    for folder, name in (("0", "00007_skin"), ("0", "00007_eye_g"), ("1", "02001_skin")):
        (parts / folder).mkdir(parents=True, exist_ok=True)
        mask = np.zeros((128, 128), np.uint8)
        mask[50:60, 40:90] = 255
        Image.fromarray(mask).save(parts / folder / f"{name}.png")
    suite = make_suite({"name": "celebamask-hq", "folder": str(tmp_path)})
    assert [suite.load(k).name for k in range(2)] == ["7", "2001"]
    sample = suite.load(0)
    assert sample.matte.shape == (256, 256) and sample.matte[110, 120] == 1 and sample.matte[20, 20] == 0
    assert suite.load(1).matte.max() == 0
    result = ablate(
        BASE, {"occlusion_matting": ["given", BASE["occlusion_matting"]]}, suite, design="full_grid"
    )
    assert result.rows[0].figures["matte_iou"].count == 1 and result.rows[0].figures["bare_marked"].value == 0
    assert {row.figures["matte_iou"].value > 95 for row in result.rows} == {True, False}


def test_now(tmp_path):
    model = FaceModel.embedded()
    turn = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0.0]])
    person, photo = "FaMoS_180424_03335_TA", "multiview_neutral/IMG_0045.jpg"
    (tmp_path / "imagepathsvalidation.txt").write_text(f"{person}/{photo}\n{person}/selfie/IMG_0101.jpg\n")
    for one in (photo, "selfie/IMG_0101.jpg"):
        picture(tmp_path / "final_release_version" / "iphone_pictures" / person / one)
    scans, marks = tmp_path / "scans" / person, tmp_path / "scans_lmks_onlypp" / person
    scans.mkdir(parents=True)
    marks.mkdir(parents=True)
    vertices = model.mean[model.region("face")] @ turn.T + 5
    (scans / "scan.obj").write_text(
        "".join(f"v {x:.4f} {y:.4f} {z:.4f}\n" for x, y, z in vertices) + "f 1 2 3\n"
    )
    seven = model.mean[model.landmarks68[[36, 39, 42, 45, 33, 48, 54]]] @ turn.T + 5
    rows = "".join(
        f'<point x="{x}" y="{y}" z="{z}" name="{k}" active="1"/>' for k, (x, y, z) in enumerate(seven)
    )
    (marks / "scan_picked_points.pp").write_text(
        f"<!DOCTYPE PickedPoints><PickedPoints>{rows}</PickedPoints>"
    )
    suite = make_suite({"name": "now", "folder": str(tmp_path)})
    assert len(suite) == 2 and suite.load(1).kind == "selfie"
    assert len(make_suite({"name": "now", "folder": str(tmp_path), "conditions": ["selfie"]})) == 1
    result = ablate(BASE, {"shape_regressor": [BASE["shape_regressor"]]}, suite)
    figures = result.rows[0].figures
    assert (
        figures["surface_mm"].value < 0.3
        and figures["landmark_mm"].value < 0.3
        and "vertex_mm" not in figures
    )
    assert result.reference["mean_face_surface_mm"].value < 0.3


def test_synthetic_faces_in_a_range_of_severity_and_from_one_kind():
    spec = {
        "name": "synthetic",
        "size": 2,
        "pixels": 96,
        "occluders": ["mask", "hand"],
        "severity": [0.15, 0.7],
    }
    suite = make_suite(spec)
    for k in range(2):
        sample = suite.load(k)
        assert 0.15 <= sample.hidden_fraction() <= 0.7 and set(sample.kind.split("+")) <= {"mask", "hand"}
        assert sample.surface.state.max() <= 2 and (sample.surface.state == 1).any()
        assert np.abs(np.linalg.norm(sample.normals, axis=0)[sample.face > 0.9] - 1).max() < 1.01
    bare = make_suite({"name": "synthetic", "size": 1, "pixels": 96, "occluders": []}).load(0)
    assert bare.hidden_fraction() == 0 and bare.kind == "none"


def test_faces_are_others_than_those_that_networks_were_trained_on():
    """A seed and a number make a person, whatever the pictures' options: training drew from seeds 0 and 41."""
    settings = {"name": "synthetic", "size": 1, "pixels": 96, "occluders": []}
    usual = make_suite(settings).load(0)
    for trained in (0, 41):
        other = make_suite(settings | {"seed": trained}).load(0)
        assert not np.allclose(usual.surface.landmarks, other.surface.landmarks, atol=1.0)


@pytest.mark.parametrize("name", [name for name in SUITES if name != "synthetic"])
def test_a_wrong_folder_is_told_with_what_is_expected(name, tmp_path):
    with pytest.raises(ConfigError, match=r"no sample found\. Expected"):
        make_suite({"name": name, "folder": str(tmp_path)})
    with pytest.raises(ConfigError, match="no such folder"):
        make_suite({"name": name, "folder": str(tmp_path / "nowhere")})
    with pytest.raises(ConfigError, match="folder"):
        make_suite({"name": name})


def test_a_suite_of_ones_own_is_named_by_its_place():
    suite = make_suite({"name": "tests.ablation.small:SmallSuite", "size": 3})
    assert len(suite) == 3
    with pytest.raises(ConfigError, match="sise"):
        make_suite({"name": "tests.ablation.small:SmallSuite", "sise": 3})
