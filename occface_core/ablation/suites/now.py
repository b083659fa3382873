"""NoW: photos of people whose neutral faces were scanned (Sanyal et al. 2019).

    FOLDER/imagepathsvalidation.txt                         FaMoS_…/multiview_neutral/IMG_0045.jpg a line
    FOLDER/final_release_version/iphone_pictures/<that>     the photos (or iphone_pictures/ at the top)
    FOLDER/scans/<person>/<anything>.obj                    mm
    FOLDER/scans_lmks_onlypp/<person>/<anything>.pp         seven points on the scan

Scans are public for the validation set only. Distances are not scaled, so figures differ from the challenge's,
which fits the scale.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import attrs
import numpy as np
from numpy.typing import NDArray

from occface_core.ablation.sample import Sample, Surface
from occface_core.ablation.suites.folder import FolderSuite
from occface_core.errors import OccfaceError
from occface_core.photo import read_photo

SEVEN = np.array([36, 39, 42, 45, 33, 48, 54])
"""The scan's points among the 68: eye corners from the viewer's left to right, base of the nose, mouth corners."""

RADIUS = 90.0
"""The scan is judged this far around the mean of its points, mm: brows, cheeks and chin, not ears and neck."""

KINDS = ("multiview_neutral", "multiview_expressions", "multiview_occlusions", "selfie")
"""Conditions of the photos."""


@attrs.define(kw_only=True)
class Now(FolderSuite):
    """Photos with a scan of the person.

    Attributes:
        conditions: which kinds of photos, see `KINDS`.
    """

    name: ClassVar[str] = "now"

    conditions: tuple[str, ...] = attrs.field(
        default=KINDS, validator=attrs.validators.deep_iterable(attrs.validators.in_(KINDS))
    )

    def find(self) -> list[str]:
        """Return the photos of the validation list."""
        lists = sorted(self.folder.rglob("imagepathsvalidation.txt"))
        lines = [line.strip().lstrip("/") for path in lists[:1] for line in path.read_text().splitlines()]
        return [
            line
            for line in lines
            if line and Path(line).parts[1:2] and Path(line).parts[1] in self.conditions
        ]

    def read(self, item: str) -> Sample:
        """Return a photo and the scan of the person."""
        person, condition = Path(item).parts[:2]
        scan = self._one("scans", person, ".obj")
        points = self._one("scans_lmks_onlypp", person, ".pp")
        return Sample(
            name=Path(item).with_suffix("").as_posix(),
            photo=read_photo(self._photo(item)),
            surface=_read_scan(scan, points),
            kind=condition,
        )

    def layout(self) -> str:
        """Say what the folder should hold."""
        return "imagepathsvalidation.txt, iphone_pictures/, scans/<person>/*.obj, scans_lmks_onlypp/<person>/*.pp"

    def _photo(self, item: str) -> Path:
        for top in (
            self.folder / "final_release_version" / "iphone_pictures",
            self.folder / "iphone_pictures",
        ):
            if (top / item).is_file():
                return top / item
        found = sorted(self.folder.rglob(f"iphone_pictures/{item}"))
        if not found:
            raise OccfaceError(f"{self.folder}: iphone_pictures/{item} is not there, but the list names it")
        return found[0]

    def _one(self, folder: str, person: str, ending: str) -> Path:
        found = sorted(self.folder.rglob(f"{folder}/{person}/*{ending}"))
        if not found:
            raise OccfaceError(
                f"{self.folder}: {folder}/{person}/*{ending} is not there, but a photo needs it"
            )
        return found[0]


@lru_cache(maxsize=8)
def _read_scan(scan: Path, points: Path) -> Surface:
    """Return the scan around its seven points."""
    vertices = obj_vertices(scan)
    landmarks = read_pp(points)
    if landmarks.shape != (7, 3):
        raise OccfaceError(f"{points}: must hold seven points, got {len(landmarks)}")
    near = np.linalg.norm(vertices - landmarks.mean(0), axis=1) <= RADIUS
    if not near.any():
        raise OccfaceError(f"{scan}: no vertex lies within {RADIUS:g} mm of its points; both must be in mm")
    return Surface(vertices=vertices[near], landmarks=landmarks, landmark_ids=SEVEN)


def read_pp(path: Path) -> NDArray[np.float32]:
    """Return the points (N, 3) of a MeshLab .pp file."""
    rows = []
    for tag in re.findall(r"<point\b[^>]*>", path.read_text(encoding="utf-8", errors="replace")):
        found = dict(re.findall(r'\b([xyz])="([^"]+)"', tag))
        if len(found) == 3:
            rows.append([float(found[axis]) for axis in "xyz"])
    return np.array(rows, np.float32).reshape(-1, 3)


def obj_vertices(path: Path) -> NDArray[np.float32]:
    """Return the vertices (V, 3) of an .obj file."""
    with path.open("rb") as file:
        rows = [line.split()[1:4] for line in file if line.startswith(b"v ")]
    if not rows:
        raise OccfaceError(f"{path}: holds no vertices")
    return np.array(rows, np.float64).astype(np.float32)
