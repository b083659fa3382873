"""Synthetic faces drawn once and read many times: drawing one takes far longer than a training step may."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import attrs
import numpy as np
from attrs import frozen

from occface_core.synthetic import SynthOptions, generate
from occface_paper.errors import DataMissing
from occface_paper.workers import forked

#: Side of the crops, px.
SIDE = 256
#: Shape and type of every array of a bank, without its first axis, the faces.
FIELDS: Mapping[str, tuple[tuple[int, ...], str]] = {
    "clean": ((3, SIDE, SIDE), "u1"),
    "photo": ((3, SIDE, SIDE), "u1"),
    "occluder": ((SIDE, SIDE), "u1"),
    "labels": ((SIDE, SIDE), "u1"),
    "bump": ((SIDE, SIDE), "f2"),
    "identity": ((80,), "f4"),
    "expression": ((51,), "f4"),
    "albedo": ((40,), "f4"),
    "illumination": ((27,), "f4"),
    "rotation": ((3, 3), "f4"),
    "translation": ((3,), "f4"),
    "intrinsics": ((3, 3), "f4"),
    "landmarks": ((68, 2), "f4"),
    "outline": ((68, 2), "f4"),
    "visible": ((68,), "f4"),
    "hard": ((), "u1"),
}
#: Faces a worker takes at a time.
CHUNK = 8


@frozen(kw_only=True, eq=False)
class SyntheticBank:
    """Synthetic faces with exact labels, as arrays that lie on disk (`numpy.load` with ``mmap_mode``).

    Attributes:
        clean: (N, 3, 256, 256) uint8 RGB without occluders.
        photo: (N, 3, 256, 256) uint8 RGB with them.
        occluder: (N, 256, 256) uint8, their alpha.
        labels: (N, 256, 256) uint8, `occface_core.synthetic.LABELS` of the clean picture.
        bump: (N, 256, 256) float16 mm, displacement from the model's face along the line of sight.
        identity: (N, 80) float32 coefficients.
        expression: (N, 51) float32 coefficients.
        albedo: (N, 40) float32 coefficients.
        illumination: (N, 27) float32 spherical harmonics.
        rotation: (N, 3, 3) float32, face to camera.
        translation: (N, 3) float32 mm.
        intrinsics: (N, 3, 3) float32; each face has a camera of its own.
        landmarks: (N, 68, 2) float32 px, the model's points.
        outline: (N, 68, 2) float32 px, the jaw moved to the visible outline.
        visible: (N, 68) float32, 1 where the point is seen in the photo.
        hard: (N,) uint8, 1 where the light is harder than spherical harmonics can say.
    """

    clean: np.ndarray
    photo: np.ndarray
    occluder: np.ndarray
    labels: np.ndarray
    bump: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    albedo: np.ndarray
    illumination: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    intrinsics: np.ndarray
    landmarks: np.ndarray
    outline: np.ndarray
    visible: np.ndarray
    hard: np.ndarray

    def __len__(self) -> int:
        return len(self.clean)

    @classmethod
    def load(cls, folder: Path) -> SyntheticBank:
        """Open the faces of a folder that are drawn by now; nothing is read before it is used.

        Raises:
            DataMissing: the folder holds no bank.
        """
        try:
            count = int((folder / "count").read_text())
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in FIELDS}
        except (OSError, ValueError) as error:
            raise DataMissing(
                f"{folder} holds no synthetic faces ({error}); let the training draw them by a count, "
                f"or draw them by occface_paper.synthetic_bank.draw_bank"
            ) from error
        return cls(**{name: array[:count] for name, array in arrays.items()})

    @classmethod
    def kept(
        cls, folder: Path, count: int, seed: int, *, skins: Path | None = None, workers: int = 2
    ) -> SyntheticBank:
        """The bank that lies in ``folder``; if none does, `draw_bank` draws it there."""
        if not (folder / "count").exists():
            draw_bank(folder, count, seed, skins=skins, workers=workers)
        return cls.load(folder)

    def split(self, held_out: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the training faces and of the held-out ones, which are the last.

        Args:
            held_out: how many; None: a fifteenth, at least one and at most 600.
        """
        last = min(600, max(1, len(self) // 15)) if held_out is None else held_out
        every = np.arange(len(self))
        return every[: len(self) - last], every[len(self) - last :]

    def for_landmarks(self) -> np.ndarray:
        """Indices of the training faces from which points and boxes are learned: a third of them.

        On the others the points are found as on faces that nobody learned from, for trainings that need them so.
        """
        return self.split()[0][::3]


def draw_bank(
    folder: Path,
    count: int,
    seed: int,
    *,
    skins: Path | None = None,
    yaw: float = 1.2,
    occluded: float = 0.7,
    workers: int = 2,
) -> None:
    """Draw synthetic faces of 256 px, each another person, into ``folder``.

    The file ``count`` says how many are whole; it grows while the faces are drawn, so that a reader may begin.

    Args:
        folder: where the arrays go, NAME.npy each, see `SyntheticBank`.
        count: how many faces.
        seed: of the set; face i of a seed is always the same.
        skins: folder of skin textures.
        yaw: largest turn of the head, rad.
        occluded: share of the photos with an occluder.
        workers: processes.
    """
    options = SynthOptions(skins=str(skins) if skins and skins.is_dir() else None, yaw=yaw, occluded=occluded)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "seed": seed,
        "count": count,
        "options": attrs.asdict(options) | {"skins": bool(options.skins)},
    }
    (folder / "settings.json").write_text(json.dumps(settings, default=str))
    arrays = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype=kind, shape=(count, *shape))
        for name, (shape, kind) in FIELDS.items()
    }
    with forked(workers, _start, seed, options) as pool:
        for index, face in enumerate(pool.imap(_one, range(count), chunksize=CHUNK)):
            for name, value in face.items():
                arrays[name][index] = value
            if index % 256 == 255:
                (folder / "count").write_text(str(index + 1))
    for array in arrays.values():
        array.flush()
    (folder / "count").write_text(str(count))


_JOB: tuple[int, SynthOptions] = (0, SynthOptions())


def _start(seed: int, options: SynthOptions) -> None:
    global _JOB
    _JOB = (seed, options)


def _one(index: int) -> dict[str, np.ndarray]:
    """Face ``index`` of the set, a value for each of `FIELDS`."""
    face = generate(_JOB[0], index, _JOB[1])
    return {
        "clean": _bytes(face.clean),
        "photo": _bytes(face.photo),
        "occluder": _bytes(face.occluder),
        "labels": face.clean_labels,
        "bump": face.bump,
        **{name: face.coefficients[name] for name in ("identity", "expression", "albedo", "illumination")},
        "rotation": face.rotation,
        "translation": face.translation,
        "intrinsics": face.intrinsics,
        "landmarks": face.landmarks,
        "outline": face.outline,
        "visible": face.visible,
        "hard": np.asarray(face.hard_light),
    }


def _bytes(picture: np.ndarray) -> np.ndarray:
    """Picture in [0, 1] as uint8."""
    return (picture * 255 + 0.5).astype(np.uint8)
