"""REALY: photos of faces whose scans are cut into four parts (Chai et al. 2022).

    FOLDER/REALY_HIFI3D_keypoints/<id>.obj      85 points of the scan, the first 68 in iBUG order
    FOLDER/REALY_scan_region/<id>/nose.obj      also mouth.obj, forehead.obj, cheek.obj
    FOLDER/metrical_scale.txt                   one number a line: mm of a unit of scan 1, 2, …
    FOLDER/REALY_image/<id>.jpg                 or <id>_<view>.jpg; .png too, in any folder whose name has "image"

The published evaluation goes on with a non-rigid registration; figures made here do without, so they differ.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import attrs
import numpy as np
from numpy.typing import NDArray

from occface_core.ablation.metrics.estimators import REGIONS
from occface_core.ablation.sample import Sample, Surface
from occface_core.ablation.suites.folder import FolderSuite
from occface_core.ablation.suites.now import obj_vertices
from occface_core.errors import OccfaceError
from occface_core.photo import read_photo

PICTURES = (".jpg", ".jpeg", ".png")


@attrs.define(kw_only=True)
class Realy(FolderSuite):
    """Photos with a scan of the person in four parts."""

    name: ClassVar[str] = "realy"

    def find(self) -> list[Path]:
        """Return the photos whose scan is there; depth maps beside them are left out."""
        photos = [
            path
            for path in self.folder.rglob("*")
            if path.suffix.lower() in PICTURES
            and path.stem.split("_")[0].isdigit()
            and "image" in path.parent.relative_to(self.folder).as_posix().lower()
            and "depth" not in path.relative_to(self.folder).as_posix().lower()
        ]
        scans = {path.name for path in self.folder.rglob("REALY_scan_region/*") if path.is_dir()}
        return sorted(
            (path for path in photos if path.stem.split("_")[0] in scans),
            key=lambda path: (
                [int(part) for part in path.stem.split("_") if part.isdigit()],
                path.as_posix(),
            ),
        )

    def read(self, item: Path) -> Sample:
        """Return a photo and the scan of the person."""
        person = item.stem.split("_")[0]
        points = self._one(f"REALY_HIFI3D_keypoints/{person}.obj")
        regions = self._one(f"REALY_scan_region/{person}")
        scale = self._one("metrical_scale.txt")
        return Sample(
            name=self.name_of(item),
            photo=read_photo(item),
            surface=_read_scan(regions, points, scale, int(person)),
            kind="several views" if "_" in item.stem else "frontal",
        )

    def layout(self) -> str:
        """Say what the folder should hold."""
        return (
            "REALY_HIFI3D_keypoints/<id>.obj, REALY_scan_region/<id>/{nose,mouth,forehead,cheek}.obj, "
            "metrical_scale.txt, REALY_image/<id>.jpg"
        )

    def _one(self, place: str) -> Path:
        found = sorted(self.folder.rglob(place))
        if not found:
            raise OccfaceError(f"{self.folder}: {place} is not there, but a photo needs it")
        return found[0]


@lru_cache(maxsize=8)
def _read_scan(regions: Path, points: Path, scale: Path, number: int) -> Surface:
    """Return the four parts of a scan as one surface, mm."""
    marks = obj_vertices(points)
    if len(marks) != 85:
        raise OccfaceError(f"{points}: must hold 85 points, got {len(marks)}")
    factors = np.atleast_1d(np.loadtxt(scale))
    if not 1 <= number <= len(factors):
        raise OccfaceError(f"{scale}: holds {len(factors)} numbers, but there is a scan {number}")
    parts: list[NDArray[np.float32]] = []
    codes: list[NDArray[np.int8]] = []
    for code, name in enumerate(REGIONS):
        file = regions / f"{name}.obj"
        if not file.is_file():
            raise OccfaceError(f"{file}: is not there, but a scan has four parts")
        parts.append(obj_vertices(file))
        codes.append(np.full(len(parts[-1]), code, np.int8))
    factor = np.float32(factors[number - 1])
    return Surface(
        vertices=np.concatenate(parts) * factor,
        landmarks=marks[:68] * factor,
        landmark_ids=np.arange(68),
        parts=np.concatenate(codes),
    )
