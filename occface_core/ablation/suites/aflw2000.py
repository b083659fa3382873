"""AFLW2000-3D: faces at all angles with 68 points of a fitted 3D face (Zhu et al. 2016).

FOLDER/image00002.jpg   FOLDER/image00002.mat   (pt3d_68 (3, 68), Pose_Para (1, 7), …)
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import attrs
import numpy as np

from occface_core.ablation.sample import Sample
from occface_core.ablation.suites.folder import FolderSuite
from occface_core.ablation.suites.matlab import read_matlab
from occface_core.errors import OccfaceError
from occface_core.photo import read_photo


@attrs.define(kw_only=True)
class Aflw2000(FolderSuite):
    """Photos with .mat files beside them. At large angles judge by `nme_box`: the eyes close up in the picture."""

    name: ClassVar[str] = "aflw2000-3d"

    def find(self) -> list[Path]:
        """Return the photos that have a .mat file."""
        return sorted(path for path in self.folder.rglob("*.jpg") if path.with_suffix(".mat").is_file())

    def read(self, item: Path) -> Sample:
        """Return a photo and the picture coordinates of its 68 points."""
        file = item.with_suffix(".mat")
        points = np.asarray(read_matlab(file, "pt3d_68")["pt3d_68"], np.float32)
        if points.shape != (3, 68):
            raise OccfaceError(f"{file}: pt3d_68 must have shape (3, 68), got {points.shape}")
        return Sample(
            name=self.name_of(item), photo=read_photo(item), points=np.ascontiguousarray(points[:2].T - 1)
        )

    def layout(self) -> str:
        """Say what the folder should hold."""
        return "image00002.jpg with image00002.mat beside it, and so on"
