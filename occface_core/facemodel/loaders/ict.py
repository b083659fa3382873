"""ICT-FaceKit (University of Southern California, MIT licence): a folder of OBJ files.

``generic_neutral_mesh.obj``, ``identity000.obj`` … and one OBJ an expression; ``vertex_indices.json``
lists the expressions and the 68 landmarks (``idx_to_landmark_verts``). Every OBJ is the neutral face
with one mode fully on, so a component is its difference from the neutral.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from occface_core.errors import FaceModelError
from occface_core.facemodel.loaders.assemble import assemble, require
from occface_core.facemodel.loaders.obj import read_mesh, read_positions
from occface_core.facemodel.model import FaceModel

NEUTRAL, INDICES = "generic_neutral_mesh.obj", "vertex_indices.json"
SOURCE = "give the FaceXModel folder of a clone of github.com/ICT-VGL/ICT-FaceKit"
EXPRESSION_STD = 0.3


def load_ict(path: Path) -> FaceModel:
    """Read an ICT-FaceKit folder (the clone or its ``FaceXModel``).

    Raises:
        FaceModelError: files are missing or do not belong together.
    """
    folder = path / "FaceXModel" if (path / "FaceXModel").is_dir() else path
    neutral_path, indices_path = require(folder, (NEUTRAL, INDICES), "ICT-FaceKit", SOURCE)
    try:
        indices = json.loads(indices_path.read_text(encoding="utf-8"))
        landmarks = np.array(indices["idx_to_landmark_verts"], np.int64).ravel()
    except (ValueError, KeyError, TypeError) as error:
        raise FaceModelError(
            f"{indices_path} is not ICT-FaceKit's index file ({error!r}); {SOURCE}"
        ) from error
    if landmarks.shape != (68,):
        raise FaceModelError(f"{indices_path} lists {landmarks.size} landmarks, expected 68; {SOURCE}")
    neutral, triangles, uv = read_mesh(neutral_path)
    identities = sorted(folder.glob("identity*.obj"))
    if not identities:
        raise FaceModelError(f"ICT-FaceKit: {folder} holds no identity*.obj; {SOURCE}")
    listed = [str(name) for name in indices.get("expressions", [])]
    if not listed:
        other = {NEUTRAL, *(mode.name for mode in identities)}
        listed = sorted(mode.stem for mode in folder.glob("*.obj") if mode.name not in other)
    expressions = require(folder, tuple(f"{name}.obj" for name in listed), "ICT-FaceKit", SOURCE)

    def modes(paths: list[Path]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        result = np.zeros((len(paths), *neutral.shape))
        for index, mode in enumerate(paths):
            positions = read_positions(mode)
            if positions.shape != neutral.shape:
                raise FaceModelError(
                    f"{mode} has {len(positions)} vertices, the neutral mesh {len(neutral)}; are they of one version?"
                )
            result[index] = positions - neutral
        return result

    return assemble(
        name="ict-facekit",
        licence="MIT (ICT-FaceKit, user's own copy)",
        mean=neutral,
        identity=modes(identities),
        expression=modes(expressions),
        triangles=triangles,
        landmarks68=landmarks,
        expression_names=tuple(listed),
        expression_std=np.full(len(listed), EXPRESSION_STD),
        uv=None if uv is None else np.mod(uv, 1.0 + 1e-9),
    )
