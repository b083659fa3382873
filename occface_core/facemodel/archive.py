"""Read the .npz that `FaceModel.save` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from occface_core.errors import FaceModelError
from occface_core.facemodel.model import FORMAT, FaceModel


def read_arrays(path: Path, expected: str) -> dict[str, Any]:
    """Read all arrays of an .npz whose ``format`` entry is ``expected``; nothing in it is executed.

    Raises:
        FaceModelError: the file is missing, damaged or of another format.
    """
    if not path.is_file():
        raise FaceModelError(f"no face model at {path}; give the path of an .npz written by FaceModel.save")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds for a damaged file
        raise FaceModelError(
            f"{path} is not a readable .npz ({error}); copy it again or write it with FaceModel.save"
        ) from error
    found = str(arrays.get("format", "nothing"))
    if found != expected:
        raise FaceModelError(
            f"{path} has format {found!r}, expected {expected!r}; was it written by FaceModel.save?"
        )
    return arrays


def read_archive(path: Path) -> FaceModel:
    """Read a saved model (see `FaceModel.load`)."""
    arrays = read_arrays(path, FORMAT)
    try:
        names = [str(name) for name in arrays["region_names"]]
        return FaceModel(
            name=str(arrays["name"]),
            licence=str(arrays["licence"]),
            expression_names=tuple(str(name) for name in arrays["expression_names"]),
            regions=dict(zip(names, arrays["region_masks"], strict=True)),
            mirror=arrays.get("mirror"),
            contour=arrays.get("contour"),
            **{
                field: arrays[field]
                for field in (
                    "mean",
                    "identity",
                    "expression",
                    "albedo_mean",
                    "albedo",
                    "triangles",
                    "uv",
                    "landmarks68",
                    "expression_std",
                    "weld",
                )
            },
        )
    except KeyError as error:
        raise FaceModelError(f"{path} lacks {error}; write it again with FaceModel.save") from error
