"""Loaders of other models, on small files made here in the published formats."""

from __future__ import annotations

import json
import os
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix

from occface_core.errors import FaceModelError
from occface_core.facemodel import FaceModel
from occface_core.facemodel.embedded import mean_landmarks
from occface_core.facemodel.loaders.restricted_pickle import read_pickle

REGIONS = {"face", "lips", "eyes", "nose", "brows", "jaw", "ears"}
MEAN = np.concatenate([mean_landmarks(), mean_landmarks()[17:31] + np.array([0, 3, -6])]).astype(np.float64)
COUNT = len(MEAN)
# Any surface through the points that faces the viewer.
TRIANGLES = np.array([[i, i + 1, 30] if k else [i + 1, i, 30] for i, k in ((i, 0) for i in range(27))])


def check_common(model: FaceModel, name: str) -> None:
    assert model.name == name
    points = model.mean[model.landmarks68]
    np.testing.assert_allclose(points, mean_landmarks(), atol=0.01)
    assert set(model.regions) >= REGIONS
    assert model.region("face").any() and model.region("nose").any()
    assert model.uv.min() >= 0 and model.uv.max() <= 1
    a, b, c = (model.mean[model.triangles[:, k]] for k in range(3))
    assert np.cross(b - a, c - a)[:, 2].sum() > 0


def columns(modes: np.ndarray) -> np.ndarray:
    return modes.reshape(len(modes), -1).T


@pytest.fixture()
def modes() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {name: generator.normal(size=(3, COUNT, 3)) for name in ("identity", "expression", "texture")}


def test_bfm_front(tmp_path: Path, modes: dict[str, np.ndarray]) -> None:
    savemat(
        tmp_path / "BFM_model_front.mat",
        {
            "meanshape": MEAN.reshape(1, -1) / 100,
            "idBase": columns(modes["identity"]) / 100,
            "exBase": columns(modes["expression"]) / 100,
            "meantex": np.full((1, 3 * COUNT), 127.5),
            "texBase": columns(modes["texture"]),
            "tri": TRIANGLES + 1,
            "keypoints": np.arange(1, 69)[None],
        },
    )
    for path in (tmp_path, tmp_path / "BFM_model_front.mat"):
        model = FaceModel.from_bfm2009(path)
        check_common(model, "bfm2009")
        np.testing.assert_allclose(model.identity, modes["identity"], atol=1e-4)
        np.testing.assert_allclose(model.expression, modes["expression"], atol=1e-4)
        np.testing.assert_allclose(model.albedo_mean, 0.5)
        np.testing.assert_allclose(model.albedo, modes["texture"] / 255, atol=1e-5)


def test_bfm_raw(tmp_path: Path, modes: dict[str, np.ndarray]) -> None:
    """The full model has two vertices more than the expression's, which has three more than the front."""
    generator = np.random.default_rng(1)
    full = COUNT + 5
    trim = np.sort(generator.permutation(full)[: COUNT + 3])
    front = generator.permutation(COUNT + 3)[:COUNT]
    rows = trim[front]
    deviation = np.array([2.0, 0.5, 4.0])

    def spread(values: np.ndarray, where: np.ndarray, size: int) -> np.ndarray:
        out = generator.normal(size=(*values.shape[:-2], size, 3))
        out[..., where, :] = values
        return out

    mean = spread(MEAN * 1000, rows, full)
    identity = spread(modes["identity"] * 1000 / deviation[:, None, None], rows, full)
    texture = spread(modes["texture"] / deviation[:, None, None], rows, full)
    savemat(
        tmp_path / "01_MorphableModel.mat",
        {
            "shapeMU": mean.reshape(-1, 1),
            "shapePC": columns(identity),
            "shapeEV": deviation[:, None],
            "texMU": np.full((3 * full, 1), 51.0),
            "texPC": columns(texture),
            "texEV": deviation[:, None],
        },
    )
    expression = spread(modes["expression"] * 1000 / deviation[:, None, None], front, COUNT + 3)
    blob = np.int32(3).tobytes() + np.zeros(3 * (COUNT + 3), np.float32).tobytes()
    (tmp_path / "Exp_Pca.bin").write_bytes(blob + expression.astype(np.float32).tobytes())
    (tmp_path / "std_exp.txt").write_text(" ".join(map(str, deviation)), encoding="utf-8")
    savemat(tmp_path / "BFM_front_idx.mat", {"idx": front[:, None] + 1})
    savemat(tmp_path / "BFM_exp_idx.mat", {"trimIndex": trim[:, None] + 1})
    with pytest.raises(FaceModelError, match=r"lacks facemodel_info.mat; ask for"):
        FaceModel.from_bfm2009(tmp_path)
    savemat(tmp_path / "facemodel_info.mat", {"tri": TRIANGLES + 1, "keypoints": np.arange(1, 69)[None]})
    model = FaceModel.from_bfm2009(tmp_path)
    check_common(model, "bfm2009")
    np.testing.assert_allclose(model.identity, modes["identity"], atol=1e-4)
    np.testing.assert_allclose(model.expression, modes["expression"], atol=1e-4)
    np.testing.assert_allclose(model.albedo_mean, 0.2)
    (tmp_path / "Exp_Pca.bin").write_bytes(blob)
    with pytest.raises(FaceModelError, match=r"holds \d+ bytes, expected"):
        FaceModel.from_bfm2009(tmp_path)


def write_obj(path: Path, vertices: np.ndarray, faces: bool = False) -> None:
    lines = ["v {:.6f} {:.6f} {:.6f}".format(*row) for row in vertices]
    if faces:
        lines += [f"vt {0.1 + 0.001 * k:.4f} 0.5" for k in range(len(vertices))]
        lines += ["f " + " ".join(f"{v + 1}/{v + 1}/{v + 1}" for v in row) for row in TRIANGLES]
    path.write_text("\n".join(lines), encoding="utf-8")


def test_ict(tmp_path: Path, modes: dict[str, np.ndarray]) -> None:
    folder = tmp_path / "FaceXModel"
    folder.mkdir()
    with pytest.raises(FaceModelError, match=r"lacks generic_neutral_mesh.obj, vertex_indices.json"):
        FaceModel.from_ict(tmp_path)
    write_obj(folder / "generic_neutral_mesh.obj", MEAN / 10, faces=True)
    for index in range(3):
        write_obj(folder / f"identity{index:03d}.obj", (MEAN + modes["identity"][index]) / 10)
    for name, mode in zip(("jawOpen", "eyeBlink_L"), modes["expression"], strict=False):
        write_obj(folder / f"{name}.obj", (MEAN + mode) / 10)
    content = {"idx_to_landmark_verts": list(range(68)), "expressions": ["jawOpen", "eyeBlink_L"]}
    (folder / "vertex_indices.json").write_text(json.dumps(content), encoding="utf-8")
    model = FaceModel.from_ict(tmp_path)
    check_common(model, "ict-facekit")
    assert model.expression_names == ("jawOpen", "eyeBlink_L")
    np.testing.assert_allclose(model.identity, modes["identity"], atol=1e-4)
    np.testing.assert_allclose(model.expression, modes["expression"][:2], atol=1e-4)
    np.testing.assert_allclose(model.uv[4], [0.104, 0.5], atol=1e-6)
    write_obj(folder / "identity001.obj", MEAN[:5])
    with pytest.raises(FaceModelError, match=r"identity001.obj has 5 vertices"):
        FaceModel.from_ict(folder)
    (folder / "vertex_indices.json").write_text("[]", encoding="utf-8")
    with pytest.raises(FaceModelError, match="not ICT-FaceKit's index file"):
        FaceModel.from_ict(folder)


def flame_files(
    folder: Path, modes: dict[str, np.ndarray], template: object = None, protocol: int = 2
) -> Path:
    directions = np.concatenate([np.zeros((300, COUNT, 3)), modes["expression"] / 1000])
    directions[:3] = modes["identity"] / 1000
    content = {
        "v_template": MEAN / 1000 if template is None else template,
        "shapedirs": np.moveaxis(directions, 0, 2),
        "f": TRIANGLES.astype(np.uint32),
        "J_regressor": csc_matrix(np.eye(5)),
        "kintree_table": np.zeros((2, 5), np.int64),
        "bs_type": "lrotmin",
    }
    path = folder / "generic_model.pkl"
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def write_embedding(folder: Path) -> None:
    faces = np.zeros((1, 68), np.int64)
    weights = np.zeros((1, 68, 3))
    for landmark in range(68):
        hits = np.argwhere(landmark == TRIANGLES)
        faces[0, landmark], corner = hits[0] if len(hits) else (0, 0)
        weights[0, landmark, corner] = 1
    np.save(
        folder / "landmark_embedding.npy",
        {"full_lmk_faces_idx": faces, "full_lmk_bary_coords": weights},  # type: ignore[arg-type]
        allow_pickle=True,
    )


@pytest.fixture()
def all_landmarks_on_triangles(monkeypatch: pytest.MonkeyPatch) -> None:
    more = np.array([[i + 1, i, 30] for i in range(67) if i not in (29, 30)])
    monkeypatch.setattr(sys.modules[__name__], "TRIANGLES", np.concatenate([TRIANGLES, more]))


@pytest.mark.usefixtures("all_landmarks_on_triangles")
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_flame(tmp_path: Path, modes: dict[str, np.ndarray], protocol: int) -> None:
    path = flame_files(tmp_path, modes, protocol=protocol)
    with pytest.raises(FaceModelError, match=r"landmark_embedding.npy is missing"):
        FaceModel.from_flame(path)
    write_embedding(tmp_path)
    for given in (path, tmp_path):
        model = FaceModel.from_flame(given)
        check_common(model, "flame")
        assert model.identity.shape == (100, COUNT, 3) and model.expression.shape == (3, COUNT, 3)
        np.testing.assert_allclose(model.identity[:3], modes["identity"], atol=1e-4)
        np.testing.assert_allclose(model.expression, modes["expression"], atol=1e-4)


@pytest.mark.usefixtures("all_landmarks_on_triangles")
def test_flame_with_chumpy_arrays(
    tmp_path: Path, modes: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old files hold chumpy objects; chumpy need not be installed to read them."""
    module = types.ModuleType("chumpy.ch")

    class Ch:
        def __init__(self, x: np.ndarray) -> None:
            self.x = x

    Ch.__module__, Ch.__qualname__ = "chumpy.ch", "Ch"
    module.Ch = Ch  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    monkeypatch.setitem(sys.modules, "chumpy.ch", module)
    flame_files(tmp_path, modes, template=Ch(MEAN / 1000))
    write_embedding(tmp_path)
    monkeypatch.delitem(sys.modules, "chumpy.ch")
    monkeypatch.delitem(sys.modules, "chumpy")
    check_common(FaceModel.from_flame(tmp_path), "flame")


class Evil:
    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.target,)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_runs_something_is_refused(
    tmp_path: Path, modes: dict[str, np.ndarray], protocol: int
) -> None:
    target = tmp_path / "made"
    path = flame_files(tmp_path, modes, template=Evil(str(target)), protocol=protocol)
    write_embedding(tmp_path)
    with pytest.raises(FaceModelError, match=r"wants to use (posix|nt|os)\.mkdir"):
        FaceModel.from_flame(path)
    assert not target.exists()


def test_an_embedding_that_runs_something_is_refused(tmp_path: Path, modes: dict[str, np.ndarray]) -> None:
    target = tmp_path / "made"
    path = flame_files(tmp_path, modes)
    np.save(tmp_path / "landmark_embedding.npy", {"x": Evil(str(target))}, allow_pickle=True)  # type: ignore[arg-type]
    with pytest.raises(FaceModelError, match="not a plain pickle of arrays"):
        FaceModel.from_flame(path)
    assert not target.exists()


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x80\x04."])
def test_damaged_pickles(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(FaceModelError, match="not a plain pickle"):
        read_pickle(data, tmp_path / "x.pkl")


def test_wrong_flame(tmp_path: Path) -> None:
    with pytest.raises(FaceModelError, match="no file"):
        FaceModel.from_flame(tmp_path)
    (tmp_path / "generic_model.pkl").write_bytes(pickle.dumps({"v_template": np.zeros((3, 3))}))
    (tmp_path / "landmark_embedding.npy").write_bytes(b"not numpy")
    with pytest.raises(FaceModelError, match="has no 'shapedirs'"):
        FaceModel.from_flame(tmp_path)
