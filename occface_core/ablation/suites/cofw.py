"""COFW: occluded faces with 29 points, and with 68 where the re-annotation lies beside it.

    FOLDER/COFW_test_color.mat                   IsT (507 photos), bboxesT, phisT (x, y, occluded of 29 points)
    FOLDER/COFW68_Data/test_annotations/1_points.mat …   Points (68, 2), Occ (68, 1); optional

(Burgos-Artizzu et al. 2013; Ghiasi & Fowlkes 2015.) The test set is used.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import attrs
import numpy as np
from numpy.typing import NDArray

from occface_core.ablation.sample import Sample
from occface_core.ablation.suites.folder import FolderSuite
from occface_core.ablation.suites.matlab import read_matlab
from occface_core.errors import OccfaceError

_FROM_68: tuple[tuple[int, ...], ...] = (
    (17,), (26,), (21,), (22,), (19,), (), (24,), (),
    (36,), (45,), (39,), (42,), (37, 38), (40, 41), (43, 44), (46, 47), (36, 37, 38, 39, 40, 41),
    (42, 43, 44, 45, 46, 47), (31,), (35,), (30,), (33,), (48,), (54,), (51,), (62,), (66,), (57,), (8,),
)  # fmt: skip
"""Each of the 29 points as the mean of some of the 68. The brows' lower edges have none and are left out."""

_EYES = (8, 9)
"""Outer corners of the eyes among the 29."""


@attrs.define(kw_only=True)
class Cofw(FolderSuite):
    """The 507 test faces, with what is occluded of their points."""

    name: ClassVar[str] = "cofw"

    def find(self) -> list[int]:
        """Return the numbers of the test faces."""
        path = self._file()
        return [] if path is None else list(range(len(_content(path)["IsT"])))

    def read(self, item: int) -> Sample:
        """Return a photo, its points, and which of them are occluded."""
        path = self._file()
        assert path is not None
        content = _content(path)
        photo = _picture(content["IsT"][item])
        name = f"test_{item + 1:04d}"
        full = self._points68(item)
        if full is not None:
            points, hidden = full
            return Sample(name=name, photo=photo, points=points, visible=1 - hidden)
        row = np.asarray(content["phisT"], np.float64)[item]
        if row.size != 87:
            raise OccfaceError(f"{path}: phisT must have 87 columns (29 points), got {row.size}")
        points, hidden = row[:58].reshape(2, 29).T - 1, row[58:]
        kept = [k for k, sources in enumerate(_FROM_68) if sources]
        mapping = np.zeros((len(kept), 68), np.float32)
        for place, k in enumerate(kept):
            mapping[place, list(_FROM_68[k])] = 1 / len(_FROM_68[k])
        return Sample(
            name=name,
            photo=photo,
            points=points[kept].astype(np.float32),
            point_map=mapping,
            normaliser=float(np.linalg.norm(points[_EYES[0]] - points[_EYES[1]])),
            visible=(1 - np.clip(hidden[kept], 0, 1)).astype(np.float32),
        )

    def layout(self) -> str:
        """Say what the folder should hold."""
        return "COFW_test_color.mat (or COFW_test.mat), and optionally COFW68_Data/test_annotations/1_points.mat …"

    def _file(self) -> Path | None:
        for name in ("COFW_test_color.mat", "COFW_test.mat"):
            found = sorted(self.folder.rglob(name))
            if found:
                return found[0]
        return None

    def _points68(self, item: int) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        found = sorted(self.folder.rglob(f"test_annotations/{item + 1}_points.mat"))
        if not found:
            return None
        content = read_matlab(found[0], "Points", "Occ")
        points = np.asarray(content["Points"], np.float32)
        if points.shape != (68, 2):
            raise OccfaceError(f"{found[0]}: Points must have shape (68, 2), got {points.shape}")
        return points - 1, np.asarray(content["Occ"], np.float32).ravel()


@lru_cache(maxsize=1)
def _content(path: Path) -> dict[str, Any]:
    return read_matlab(path, "IsT", "phisT")


def _picture(pixels: Any) -> NDArray[np.uint8]:
    picture = np.asarray(pixels, np.uint8)
    return np.ascontiguousarray(
        np.repeat(picture[..., None], 3, 2) if picture.ndim == 2 else picture[..., :3]
    )
