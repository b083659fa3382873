"""One photo of a suite with what is known about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

VISIBLE, HIDDEN, UNSEEN = 0, 1, 2
"""States of a surface's vertex: the camera sees it; an occluder is in front; it is turned or out of sight."""


@attrs.define(frozen=True, kw_only=True, eq=False)
class Surface:
    """The true surface of a face, in any frame that a rotation and a shift bring to the face model's.

    Attributes:
        vertices: (M, 3) mm.
        landmarks: (L, 3) mm.
        landmark_ids: (L,) which of the 68 points these are, from 0.
        state: (M,) uint8, `VISIBLE`, `HIDDEN` or `UNSEEN`; None if not known.
        model: name of the face model whose vertices these are; "" for scans.
        ids: (M,) int64 vertices of that model; None for scans.
        parts: (M,) int8 part of the face, an index into `metrics.estimators.REGIONS`, -1 for none; None if the data
            set does not divide its scans.
    """

    vertices: Floats
    landmarks: Floats
    landmark_ids: NDArray[np.int64]
    state: NDArray[np.uint8] | None = None
    model: str = ""
    ids: NDArray[np.int64] | None = None
    parts: NDArray[np.int8] | None = None


@attrs.define(frozen=True, kw_only=True, eq=False)
class Sample:
    """A photo with one known face; what a data set does not know is None.

    Attributes:
        name: unique in its suite.
        photo: (H, W, 3) uint8 RGB.
        points: (N, 2) px, true landmarks.
        point_map: (N, 68), how N points come from the 68; None: they are the 68.
        normaliser: px, what landmark errors are divided by; None: distance of the outer eye corners.
        visible: (N,) in [0, 1], 0 = hidden.
        matte: (H, W) in [0, 1], occluder inside the face region.
        face: (H, W) in [0, 1], face region; None: the region of the landmarks found.
        clean: (H, W, 3) uint8, the photo without occluders.
        normals: (3, H, W) unit normals in viewer axes, 0 where there is no face.
        surface: the true shape.
        kind: what hides the face, or "".
    """

    name: str
    photo: NDArray[np.uint8]
    points: Floats | None = None
    point_map: Floats | None = None
    normaliser: float | None = None
    visible: Floats | None = None
    matte: Floats | None = None
    face: Floats | None = None
    clean: NDArray[np.uint8] | None = None
    normals: Floats | None = None
    surface: Surface | None = None
    kind: str = ""

    def hidden_fraction(self) -> float | None:
        """Return the hidden share of the face in [0, 1], of its points where there is no matte; None if unknown."""
        if self.matte is not None and self.face is not None:
            return float(np.clip(self.matte.sum() / max(float(self.face.sum()), 1e-6), 0, 1))
        return None if self.visible is None else float(1 - self.visible.mean())

    def landmarks68(self) -> Floats | None:
        """Return the true points (68, 2) if all 68 are known."""
        return self.points if self.point_map is None else None


SMALL = 8_000_000
"""Samples of more bytes are compressed on disk."""


def size_of(sample: Sample) -> int:
    """Return the bytes that a sample's arrays take."""
    owners = [owner for owner in (sample, sample.surface) if owner is not None]
    values = [getattr(owner, field.name) for owner in owners for field in attrs.fields(type(owner))]
    return sum(value.nbytes for value in values if isinstance(value, np.ndarray))


def write_sample(path: Path, sample: Sample) -> None:
    """Write a sample as one .npz that `read_sample` reads; the file is there whole or not at all."""
    arrays: dict[str, Any] = {}
    plain: dict[str, Any] = {}
    for owner, prefix in ((sample, ""), (sample.surface, "surface.")):
        if owner is None:
            continue
        for field in attrs.fields(type(owner)):
            value = getattr(owner, field.name)
            if isinstance(value, np.ndarray):
                arrays[prefix + field.name] = value
            elif value is not None and field.name != "surface":
                plain[prefix + field.name] = value
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        save = np.savez_compressed if size_of(sample) > SMALL else np.savez
        save(file, plain=np.array(json.dumps(plain)), **arrays)
    part.replace(path)


def read_sample(path: Path) -> Sample:
    """Read what `write_sample` wrote."""
    with np.load(path, allow_pickle=False) as file:
        fields: dict[str, Any] = {name: file[name] for name in file.files if name != "plain"}
        fields |= json.loads(str(file["plain"]))
    inner = {
        name.removeprefix("surface."): fields.pop(name)
        for name in list(fields)
        if name.startswith("surface.")
    }
    return Sample(surface=Surface(**inner) if inner else None, **fields)
