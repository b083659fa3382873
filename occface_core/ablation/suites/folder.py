"""What suites of photos in a folder share: how many, which, and occluders that are put on them."""

from __future__ import annotations

import abc
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from occface_core.ablation.sample import Sample
from occface_core.ablation.suites.base import Suite
from occface_core.errors import OccfaceError

TRIES = 12
"""Occluders drawn for one photo until the hidden share lies in the range asked for; the nearest is taken then."""


@attrs.define(kw_only=True)
class FolderSuite(Suite):
    """Photos of a published data set in their own folder layout.

    Attributes:
        folder: where the data set lies.
        size: photos taken, spread evenly; None: all.
        seed: seed of the occluders that are put on.
        occluders: kinds put in front of the faces, which gives the matte and the unoccluded photo as truth; needs
            68 true points. Empty: photos as they are.
        severity: least and largest hidden share of the face region, with `occluders`.
    """

    folder: Path
    size: int | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.ge(1)))
    seed: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    occluders: tuple[str, ...] = ()
    severity: tuple[float, float] = (0.0, 1.0)
    _items: list[Any] = attrs.field(factory=list, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if not self.folder.is_dir():
            raise OccfaceError(f"{self.folder}: there is no such folder. Give the data set's own folder")
        found = self.find()
        if not found:
            raise OccfaceError(f"{self.folder}: no sample found. Expected: {self.layout()}")
        if self.size is not None and self.size < len(found):
            found = [found[int(i)] for i in np.linspace(0, len(found) - 1, self.size)]
        self._items = found

    @abc.abstractmethod
    def find(self) -> list[Any]:
        """Return what `read` needs of every sample, in a fixed order."""

    @abc.abstractmethod
    def read(self, item: Any) -> Sample:
        """Return one sample as the data set has it."""

    @abc.abstractmethod
    def layout(self) -> str:
        """Say in a line what the folder should hold."""

    def __len__(self) -> int:
        return len(self._items)

    def slow(self) -> bool:
        """Reading a photo is quick, putting an occluder on it is not."""
        return bool(self.occluders)

    def load(self, index: int) -> Sample:
        """Return a sample, under an occluder if occluders are asked for."""
        sample = self.read(self._items[index])
        return (
            occluded(sample, self.occluders, self.severity, (self.seed, index)) if self.occluders else sample
        )

    def name_of(self, path: Path) -> str:
        """Return a sample's name: its path in the folder without the ending."""
        return path.relative_to(self.folder).with_suffix("").as_posix()


def occluded(
    sample: Sample, kinds: tuple[str, ...], severity: tuple[float, float], seed: tuple[int, int]
) -> Sample:
    """Return a sample with something in front of the face, and the truth that this gives.

    Args:
        sample: must know the 68 points.
        kinds: drawn from, one a face.
        severity: least and largest hidden share of the face region.
        seed: of the draw.

    Raises:
        OccfaceError: the points are not known.
    """
    import torch

    from occface_core.face_region import face_region
    from occface_core.geometry.align import crop_to_photo, inverse, transform_points, warp_back
    from occface_core.synthetic import add_occluder

    points = sample.landmarks68()
    if points is None:
        raise OccfaceError(
            f"sample '{sample.name}' has no 68 true points, which 'occluders' needs to know where the face is"
        )
    height, width = sample.photo.shape[:2]
    where = torch.from_numpy(points)[None]
    to_photo = crop_to_photo(where)
    region = face_region(transform_points(inverse(to_photo), where), 256)
    face = warp_back(region, to_photo, height, width)[0, 0].numpy()
    rng = np.random.default_rng(seed)
    best, off = (sample.photo, np.zeros_like(face), ""), np.inf
    for _ in range(TRIES):
        kind = kinds[int(rng.integers(len(kinds)))]
        picture, alpha = add_occluder(sample.photo, points, kind, rng)
        share = float((alpha * face).sum() / max(float(face.sum()), 1e-6))
        miss = max(severity[0] - share, share - severity[1], 0.0)
        if miss < off:
            best, off = (picture, alpha, kind), miss
        if miss == 0:
            break
    picture, alpha, kind = best
    x, y = (
        np.clip(np.round(points[:, k]), 0, side - 1).astype(int) for k, side in enumerate((width, height))
    )
    before = np.ones(68, np.float32) if sample.visible is None else sample.visible
    visible = np.asarray(before * (alpha[y, x] < 0.5), np.float32)
    return attrs.evolve(
        sample, photo=picture, clean=sample.photo, matte=alpha * face, face=face, visible=visible, kind=kind
    )
