"""FLAME (Max Planck Institute, user's own copy): its pickle, read without executing it.

Used: ``v_template`` (V, 3) m, ``shapedirs`` (V, 3, 400: 300 shape, then 100 expression; unit variance)
and ``f`` (T, 3). Pose blend shapes and joints are left out: head pose is the library's, and the jaw
opens through expression components only. The 68 landmarks lie in ``landmark_embedding.npy`` (public
FLAME-based reconstruction code ships it), next to the pickle; each becomes the nearest vertex.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from occface_core.errors import FaceModelError
from occface_core.facemodel.loaders.assemble import assemble
from occface_core.facemodel.loaders.restricted_pickle import as_array, read_object_npy, read_pickle
from occface_core.facemodel.model import FaceModel

EMBEDDING = "landmark_embedding.npy"
SHAPES, IDENTITIES, EXPRESSIONS = 300, 100, 50
SOURCE = "get it at flame.is.tue.mpg.de (registration), file generic_model.pkl"


def load_flame(path: Path) -> FaceModel:
    """Read a FLAME pickle, or a folder with ``generic_model.pkl``; keeps 100 shapes and 50 expressions.

    Raises:
        FaceModelError: a file is missing, is not FLAME's, or would have to be executed.
    """
    file = path / "generic_model.pkl" if path.is_dir() else path
    if not file.is_file():
        raise FaceModelError(f"FLAME: no file {file}; {SOURCE}")
    embedding_path = file.with_name(EMBEDDING)
    if not embedding_path.is_file():
        raise FaceModelError(
            f"FLAME: {embedding_path} is missing; public FLAME-based reconstruction code ships it "
            f"(keys full_lmk_faces_idx and full_lmk_bary_coords), put it beside {file.name}"
        )
    content = read_pickle(file.read_bytes(), file)
    template, directions, triangles = (_field(content, key, file) for key in ("v_template", "shapedirs", "f"))
    count = len(template)
    if template.shape != (count, 3) or directions.ndim != 3 or directions.shape[:2] != (count, 3):
        raise FaceModelError(
            f"{file}: v_template {template.shape} and shapedirs {directions.shape} do not fit together; {SOURCE}"
        )
    components = np.moveaxis(directions, 2, 0)
    triangles = triangles.astype(np.int64)
    split = SHAPES if len(components) > SHAPES else max(len(components) - EXPRESSIONS, 0)
    expression = components[split:][:EXPRESSIONS]
    return assemble(
        name="flame",
        licence="FLAME licence (user's own copy)",
        mean=template,
        identity=components[:split][:IDENTITIES],
        expression=expression,
        triangles=triangles,
        landmarks68=_landmarks(embedding_path, triangles),
        expression_names=tuple(f"expression_{index:02d}" for index in range(len(expression))),
    )


def _field(content: Any, key: str, path: Path) -> Any:
    if not isinstance(content, dict) or key not in content:
        raise FaceModelError(f"{path} has no {key!r}; {SOURCE}")
    return as_array(content[key])


def _landmarks(path: Path, triangles: Any) -> Any:
    """Return (68,) vertices: of each landmark's triangle the corner it lies nearest to."""
    embedding = read_object_npy(path)
    try:
        faces = as_array(embedding["full_lmk_faces_idx"], np.int64).ravel()
        weights = as_array(embedding["full_lmk_bary_coords"]).reshape(-1, 3)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise FaceModelError(
            f"{path} lacks full_lmk_faces_idx or full_lmk_bary_coords ({error!r})"
        ) from error
    if faces.shape != (68,) or weights.shape != (68, 3) or faces.max() >= len(triangles):
        raise FaceModelError(f"{path} does not hold 68 landmarks of this mesh")
    return triangles[faces, weights.argmax(axis=1)]
