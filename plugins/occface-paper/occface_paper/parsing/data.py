"""Crops with parsing labels for training, held in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from attrs import frozen

from occface_core.synthetic.labels import LABEL_NAMES
from occface_paper.errors import DataMissing
from occface_paper.parsing.teachers import SOME_FACE


@frozen(kw_only=True, eq=False)
class LabelledCrops:
    """Crops aligned as the pipeline aligns them, perhaps with a margin; S is their side.

    Attributes:
        images: (N, S, S, 3) uint8 RGB.
        labels: (N, S, S) uint8, codes of `LABEL_NAMES`; 254 some part of the face, 255 unknown.
        points: (N, 68, 2) float32 px.
        is_val: (N,) bool, kept out of training.
        masked: (N,) bool, really occluded faces, on which nothing more is pasted.
        names: (N,) str.
    """

    images: np.ndarray
    labels: np.ndarray
    points: np.ndarray
    is_val: np.ndarray
    masked: np.ndarray
    names: np.ndarray

    def __attrs_post_init__(self) -> None:
        known = self.labels[self.labels < SOME_FACE]
        if known.size and known.max() >= len(LABEL_NAMES):
            raise DataMissing(
                f"parsing labels go up to {known.max()}, but the library's codes end at {len(LABEL_NAMES) - 1}"
            )

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def load(cls, path: Path) -> LabelledCrops:
        """Read a file that `save` wrote.

        Raises:
            DataMissing: the file is not there or lacks an array.
        """
        if not path.is_file():
            raise DataMissing(f"{path} is not there; make it by tools/label_faces.py")
        with np.load(path) as file:
            missing = {"images", "labels", "points", "is_val", "masked", "names"} - set(file)
            if missing:
                raise DataMissing(
                    f"{path} lacks {', '.join(sorted(missing))}; make it by tools/label_faces.py"
                )
            return cls(
                **{name: file[name] for name in ("images", "labels", "points", "is_val", "masked", "names")}
            )

    def save(self, path: Path) -> None:
        """Write all arrays as .npz."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            path,
            images=self.images,
            labels=self.labels,
            points=self.points,
            is_val=self.is_val,
            masked=self.masked,
            names=self.names,
        )
