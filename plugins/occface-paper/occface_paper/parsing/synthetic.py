"""Synthetic faces with exact labels as training crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from occface_core.synthetic import SynthOptions, generate
from occface_paper.parsing.data import LabelledCrops
from occface_paper.workers import forked


def synthetic_crops(count: int, seed: int, skins: Path | None = None, workers: int = 2) -> LabelledCrops:
    """Draw `count` faces of 256 px, most of them occluded.

    Args:
        count: how many.
        seed: of the set.
        skins: folder of skin textures.
        workers: processes.
    """
    options = SynthOptions(skins=str(skins) if skins and skins.is_dir() else None, yaw=1.1)
    with forked(workers, _start, seed, options) as pool:
        images, labels, points, kinds = zip(*pool.imap(_one, range(count), chunksize=8), strict=True)
    return LabelledCrops(
        images=np.stack(images),
        labels=np.stack(labels),
        points=np.stack(points),
        is_val=np.zeros(count, bool),
        masked=np.array([kind != "none" for kind in kinds]),
        names=np.array([f"synthetic/{seed}-{i}" for i in range(count)]),
    )


_JOB: tuple[int, SynthOptions] = (0, SynthOptions())


def _start(seed: int, options: SynthOptions) -> None:
    global _JOB
    _JOB = (seed, options)


def _one(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    face = generate(_JOB[0], index, _JOB[1])
    image = (face.photo.transpose(1, 2, 0) * 255 + 0.5).astype(np.uint8)
    return image, face.labels, face.outline.astype(np.float32), face.kind
