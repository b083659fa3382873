"""Writes synthetic faces to a folder: pictures to look at, arrays to compute with, facts as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from occface_core.errors import OutputError
from occface_core.synthetic.labels import LABEL_NAMES
from occface_core.synthetic.sample import SyntheticFace

ARRAYS = (
    "occluder", "face", "matte", "shadow", "labels", "clean_labels", "landmarks", "outline", "visible", "rotation",
    "translation", "intrinsics", "vertices", "depth", "normals", "bump",
)  # fmt: skip
"""Fields that go into each sample's .npz, besides the coefficients."""

COLOURS = np.array(
    [[0, 0, 0], [222, 170, 140], [120, 70, 30], [255, 255, 255], [0, 200, 255], [200, 110, 90], [240, 150, 160],
     [110, 20, 30], [220, 50, 70], [200, 190, 110], [70, 110, 200], [90, 60, 130], [250, 140, 0], [60, 200, 90]],
    np.uint8,
)  # fmt: skip
"""RGB of each label in the label pictures."""


def write(samples: Iterable[SyntheticFace], folder: str | Path) -> int:
    """Write samples as they come.

    FOLDER/index.json lists all samples; for each there are NAME.png (the photo), NAME_clean.png,
    NAME_matte.png, NAME_labels.png (in colours), and NAME.npz with the truth.

    Args:
        samples: the faces.
        folder: made if it is not there.

    Returns:
        how many were written.

    Raises:
        OutputError: the folder cannot be written to.
    """
    root = Path(folder)
    rows = []
    try:
        root.mkdir(parents=True, exist_ok=True)
        for sample in samples:
            rows.append(_write_one(sample, root))
        index = {"label_names": list(LABEL_NAMES), "samples": rows}
        (root / "index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{root}: cannot write synthetic faces ({error}); choose another folder") from error
    return len(rows)


def _write_one(sample: SyntheticFace, root: Path) -> dict[str, object]:
    name = f"{sample.seed}_{sample.index:06d}"
    pictures = {
        f"{name}.png": _eight_bit(sample.photo.transpose(1, 2, 0))[..., ::-1],
        f"{name}_clean.png": _eight_bit(sample.clean.transpose(1, 2, 0))[..., ::-1],
        f"{name}_matte.png": _eight_bit(sample.matte),
        f"{name}_labels.png": COLOURS[sample.labels][..., ::-1],
    }
    for file, picture in pictures.items():
        (root / file).write_bytes(cv2.imencode(".png", np.ascontiguousarray(picture))[1].tobytes())
    arrays = {field: getattr(sample, field) for field in ARRAYS} | dict(sample.coefficients)
    np.savez_compressed(root / f"{name}.npz", **arrays)
    return {
        "name": name,
        "seed": sample.seed,
        "index": sample.index,
        "kind": sample.kind,
        "hard_light": sample.hard_light,
        "size": sample.size,
        "occluded_fraction": round(sample.occluded_fraction, 4),
        "visible_landmarks": int(sample.visible.sum()),
    }


def _eight_bit(picture: np.ndarray) -> np.ndarray:
    return np.asarray(np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8))
