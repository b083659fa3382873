"""Linear face models: the embedded one and loaders of well-known ones from the user's own files."""

from __future__ import annotations

from occface_core.facemodel.model import FaceModel

__all__ = ["FaceModel"]
