"""300W: photos with 68 points in .pts files beside them (Sagonas et al., ibug.doc.ic.ac.uk/resources/300-W).

FOLDER/01_Indoor/indoor_001.png   FOLDER/01_Indoor/indoor_001.pts
FOLDER/02_Outdoor/…               also afw, helen, lfpw, ibug and any folder of such pairs
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import attrs
import numpy as np
from numpy.typing import NDArray

from occface_core.ablation.sample import Sample
from occface_core.ablation.suites.folder import FolderSuite
from occface_core.errors import OccfaceError
from occface_core.photo import PHOTO_SUFFIXES, read_photo


@attrs.define(kw_only=True)
class W300(FolderSuite):
    """Photos with .pts files, in all folders below. Files count pixels from 1; here they count from 0."""

    name: ClassVar[str] = "300w"

    def find(self) -> list[Path]:
        """Return the photos that have a .pts file."""
        return sorted(
            path
            for path in self.folder.rglob("*")
            if path.suffix.lower() in PHOTO_SUFFIXES and path.with_suffix(".pts").is_file()
        )

    def read(self, item: Path) -> Sample:
        """Return a photo and its points."""
        points = read_pts(item.with_suffix(".pts"))
        if points.shape != (68, 2):
            raise OccfaceError(f"{item.with_suffix('.pts')}: must hold 68 points, got {len(points)}")
        return Sample(name=self.name_of(item), photo=read_photo(item), points=points)

    def layout(self) -> str:
        """Say what the folder should hold."""
        return "photos (.png or .jpg) with a .pts file of the same name beside each, such as 01_Indoor/indoor_001.pts"


def read_pts(path: Path) -> NDArray[np.float32]:
    """Return the points (N, 2) of a .pts file, moved to pixels counted from 0.

    Raises:
        OccfaceError: the file is not of the format.
    """
    try:
        text = path.read_text(encoding="latin-1")
        inside = text[text.index("{") + 1 : text.index("}")]
        points = np.array(
            [[float(value) for value in line.split()] for line in inside.split("\n") if line.strip()]
        )
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError("rows of two numbers expected")
    except (OSError, ValueError) as error:
        raise OccfaceError(
            f"{path}: is no .pts file ({error}). Expected 'n_points: 68' and {{ x y … }}"
        ) from error
    return (points - 1).astype(np.float32)
