"""The model that comes with the library: a cage and the matrix that refines it.

Only a cage of control points is stored (float16). One Catmull-Clark step, refined where the face is
and coarse elsewhere, is a sparse matrix in the same file; it turns the cage's mean and components
into the model's. `tools/build_face_model.py` makes the file; its licence lies beside it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from occface_core.facemodel.archive import read_arrays
from occface_core.facemodel.model import FaceModel, Floats

FORMAT = "occface face model, cage, 1"
DATA = Path(__file__).parent / "data"
EXPRESSION_STD = 0.3


def mean_landmarks() -> Floats:
    """Return the mean face's 68 landmarks (68, 3) in mm without loading the model."""
    return np.asarray(np.load(DATA / "mean_landmarks68.npy"), np.float32)


@cache
def embedded_model() -> FaceModel:
    """Load the embedded model (see `FaceModel.embedded`)."""
    from scipy.sparse import csr_matrix

    arrays = read_arrays(DATA / "embedded.npz", FORMAT)
    cage = np.concatenate(
        [arrays["cage_mean"][None], arrays["cage_identity"], arrays["cage_expression"]], dtype=np.float32
    )
    counts = arrays["weight_counts"].astype(np.int64)
    matrix = csr_matrix(
        (
            arrays["weight_data"].astype(np.float32),
            arrays["weight_indices"].astype(np.int32),
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        ),
        shape=(len(counts), cage.shape[1]),
    )
    refined = np.stack([matrix @ layer for layer in cage])
    identities = len(arrays["cage_identity"])
    vertices = len(counts)
    masks = np.unpackbits(arrays["regions"], axis=1, count=vertices).astype(bool)
    names = tuple(str(name) for name in arrays["expression_names"])
    model = FaceModel(
        name=str(arrays["name"]),
        licence=str(arrays["licence"]),
        mean=refined[0],
        identity=refined[1 : 1 + identities],
        expression=refined[1 + identities :],
        albedo_mean=arrays["albedo_mean"].astype(np.float32) / np.float32(65535),
        albedo=arrays["albedo"].astype(np.float32) * arrays["albedo_step"][:, None, None],
        triangles=arrays["triangles"].astype(np.int64),
        uv=arrays["uv"],
        landmarks68=arrays["landmarks68"].astype(np.int64),
        regions={str(name): mask for name, mask in zip(arrays["region_names"], masks, strict=True)},
        expression_names=names,
        expression_std=np.full(len(names), EXPRESSION_STD, np.float32),
        mirror=arrays["mirror"].astype(np.int64),
        weld=arrays["weld"].astype(np.int64),
        contour=arrays["contour"].astype(np.int64),
    )
    for field in ("mean", "identity", "expression", "albedo_mean", "albedo", "triangles", "uv"):
        getattr(model, field).flags.writeable = False
    return model
