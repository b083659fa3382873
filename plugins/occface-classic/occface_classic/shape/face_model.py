"""Which face model a fit uses: the embedded one, a file, or a ready object."""

from __future__ import annotations

from pathlib import Path

from occface_core.facemodel import FaceModel


def open_face_model(choice: str | Path | FaceModel) -> FaceModel:
    """Return the face model that an option names.

    Args:
        choice: "embedded", the path of a file that `FaceModel.save` wrote, or a `FaceModel`.

    Raises:
        FaceModelError: the file is missing or is not a face model.
    """
    if isinstance(choice, FaceModel):
        return choice
    if choice == "embedded":
        return FaceModel.embedded()
    return FaceModel.load(choice)
