"""The Basel Face Model 2009 with the expression components that go with it.

Two forms are read from one folder:

* ``BFM_model_front.mat``: the 35,709-vertex frontal model that public reconstruction code makes once
  (meanshape, idBase, exBase in dm; meantex, texBase in 0…255; tri and keypoints 1-based);
* ``01_MorphableModel.mat`` as the University of Basel gives it (µm) with ``Exp_Pca.bin``,
  ``std_exp.txt``, ``BFM_front_idx.mat``, ``BFM_exp_idx.mat`` and ``facemodel_info.mat``, from which the
  same frontal model is computed: identity = components · standard deviations, cut to 80; expression
  likewise, cut to 64; both restricted to the front.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from occface_core.errors import FaceModelError
from occface_core.facemodel.loaders.assemble import assemble, require
from occface_core.facemodel.model import FaceModel

LICENCE = "Basel Face Model 2009 licence (non-commercial, user's own copy)"
FRONT = "BFM_model_front.mat"
RAW = (
    "01_MorphableModel.mat",
    "Exp_Pca.bin",
    "std_exp.txt",
    "BFM_front_idx.mat",
    "BFM_exp_idx.mat",
    "facemodel_info.mat",
)
SOURCE = (
    "ask for the Basel Face Model 2009 at faces.dmi.unibas.ch (01_MorphableModel.mat) and put the expression "
    "files of public BFM-based reconstruction code beside it, or give a folder with " + FRONT
)
IDENTITIES, EXPRESSIONS = 80, 64


def load_bfm2009(path: Path) -> FaceModel:
    """Read a BFM 2009 folder, or the path of its ``BFM_model_front.mat``.

    Raises:
        FaceModelError: files are missing or not in the published format.
    """
    folder = path if path.is_dir() else path.parent
    if (folder / FRONT).is_file():
        return _front(folder / FRONT)
    return _raw(require(folder, RAW, "BFM 2009", SOURCE))


def _mat(path: Path, *names: str) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        content = loadmat(path)
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise FaceModelError(f"{path} cannot be read as a MATLAB file ({error}); copy it again") from error
    missing = [name for name in names if name not in content]
    if missing:
        raise FaceModelError(f"{path} lacks {', '.join(missing)}; it is not the published file")
    return {name: np.asarray(content[name]) for name in names}


def _basis(values: Any) -> Any:
    """Turn (3V, K) columns into (K, V, 3)."""
    return np.ascontiguousarray(np.asarray(values, np.float64).T).reshape(values.shape[1], -1, 3)


def _build(
    mean: Any, identity: Any, expression: Any, mean_texture: Any, texture: Any, info: dict[str, Any]
) -> FaceModel:
    return assemble(
        name="bfm2009",
        licence=LICENCE,
        mean=mean,
        identity=identity,
        expression=expression,
        triangles=info["tri"].astype(np.int64) - 1,
        landmarks68=info["keypoints"].astype(np.int64).ravel() - 1,
        expression_names=tuple(f"expression_{index:02d}" for index in range(len(expression))),
        albedo_mean=np.asarray(mean_texture, np.float64).reshape(-1, 3) / 255.0,
        albedo=texture / 255.0,
    )


def _front(path: Path) -> FaceModel:
    names = ("meanshape", "idBase", "exBase", "meantex", "texBase", "tri", "keypoints")
    data = _mat(path, *names)
    return _build(
        data["meanshape"].reshape(-1, 3),
        _basis(data["idBase"]),
        _basis(data["exBase"]),
        data["meantex"],
        _basis(data["texBase"]),
        data,
    )


def _raw(paths: list[Path]) -> FaceModel:
    model_path, expression_path, deviation_path, front_path, trim_path, info_path = paths
    model = _mat(model_path, "shapeMU", "shapePC", "shapeEV", "texMU", "texPC", "texEV")
    front = _mat(front_path, "idx")["idx"].astype(np.int64).ravel() - 1
    trimmed = _mat(trim_path, "trimIndex")["trimIndex"].astype(np.int64).ravel() - 1
    rows = trimmed[front]
    identity = _basis((model["shapePC"] * model["shapeEV"].reshape(1, -1))[:, :IDENTITIES])
    texture = _basis((model["texPC"] * model["texEV"].reshape(1, -1))[:, :IDENTITIES])
    expression = _expressions(expression_path, deviation_path, len(trimmed))
    return _build(
        model["shapeMU"].reshape(-1, 3)[rows],
        identity[:, rows],
        expression[:, front],
        model["texMU"].reshape(-1, 3)[rows],
        texture[:, rows],
        _mat(info_path, "tri", "keypoints"),
    )


def _expressions(path: Path, deviations: Path, vertices: int) -> Any:
    """Read ``Exp_Pca.bin``: int32 count, mean (3V) and components (count × 3V), all float32."""
    data = path.read_bytes()
    count = int(np.frombuffer(data, np.int32, 1)[0]) if len(data) >= 4 else 0
    expected = 4 + 4 * 3 * vertices * (count + 1)
    if count <= 0 or len(data) < expected:
        raise FaceModelError(f"{path} holds {len(data)} bytes, expected {expected}; copy it again")
    values = np.frombuffer(data, np.float32, 3 * vertices * (count + 1), offset=4).astype(np.float64)
    components = values[3 * vertices :].reshape(count, vertices, 3)
    try:
        scale = np.loadtxt(deviations).ravel()
    except ValueError as error:
        raise FaceModelError(f"{deviations} is not a list of numbers ({error})") from error
    kept = min(count, len(scale), EXPRESSIONS)
    return components[:kept] * scale[:kept, None, None]
