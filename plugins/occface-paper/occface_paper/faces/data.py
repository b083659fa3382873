"""What the face finder learns from: face crops with boxes, whole photos, and photos without a face."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from attrs import frozen

from occface_paper.errors import DataMissing
from occface_paper.landmarks.crop import five_points
from occface_paper.landmarks.data import STORED, mesh_to_68, valid_rects
from occface_paper.synthetic_bank import SyntheticBank


@frozen(kw_only=True, eq=False)
class Photo:
    """A picture with the faces in it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        boxes: (F, 4) x0, y0, x1, y1 px.
        points: (F, 5, 2) px.
        ignored: (F,) bool, not sure to be a face.
        landmarks: (F, 68, 2) px where known, for placing occluders; else None.
        valid: x0, y0, x1, y1 in edge units, what is photo.
        name: folder and file name.
    """

    image: np.ndarray
    boxes: np.ndarray
    points: np.ndarray
    ignored: np.ndarray
    landmarks: np.ndarray | None
    valid: np.ndarray
    name: str = ""


def load_crops(
    data: Path, limit: int | None = None, synthetic: Path | None = None
) -> tuple[list[Photo], list[Photo]]:
    """Training crops and validation crops (``is_val`` of faces68) with the boxes of ``yunet.npz``.

    Args:
        data: folder of the data pack.
        limit: at most so many crops a folder.
        synthetic: folder of synthetic faces, see `SyntheticBank`, which follow the training crops.
    """
    train, validation = [], []
    if not (data / "mesh478_to_68.npz").exists():
        raise DataMissing(f"{data} has no mesh478_to_68.npz; give the folder of the data pack by --data")
    with np.load(data / "mesh478_to_68.npz") as file:
        table = dict(file)
    for folder in ("faces68", "faces_clean", "faces_more", "faces_occluded"):
        root = data / folder
        if not root.exists():
            continue
        with np.load(root / "yunet.npz") as file, np.load(root / "mediapipe478.npz") as mesh:
            names, boxes, points = [str(n) for n in file["names"]], file["box"], file["points5"]
            marks = mesh_to_68(mesh["points"].astype(np.float64), table)
            trusted = (mesh["presence"] >= 0.5) & (mesh["jitter"] < 0.05)
        held_out: set[str] = set()
        if (root / "landmarks.npz").exists():
            with np.load(root / "landmarks.npz") as file:
                rects = {str(n): r for n, r in zip(file["names"], file["valid_rect"], strict=True)}
                held_out = {str(n) for n, v in zip(file["names"], file["is_val"], strict=True) if v}
        else:
            rects = valid_rects(root)
        for i, name in enumerate(names[:limit]):
            if not np.isfinite(boxes[i]).all():
                continue
            image = cv2.cvtColor(cv2.imread(str(root / "images" / f"{name}.jpg")), cv2.COLOR_BGR2RGB)
            scale = STORED / image.shape[0]
            if scale != 1:
                image = cv2.resize(image, (STORED, STORED), interpolation=cv2.INTER_AREA)
            box = np.concatenate([boxes[i, :2], boxes[i, :2] + boxes[i, 2:]])
            photo = Photo(
                image=image,
                boxes=((box + 0.5) * scale - 0.5)[None],
                points=((points[i] + 0.5) * scale - 0.5)[None],
                ignored=np.zeros(1, bool),
                landmarks=((marks[i] + 0.5) * scale - 0.5)[None] if trusted[i] else None,
                valid=rects[name] * scale,
                name=f"{folder}/{name}",
            )
            (validation if name in held_out else train).append(photo)
    if synthetic:
        train += drawn_crops(SyntheticBank.load(synthetic), train)
    return train, validation


def drawn_crops(bank: SyntheticBank, real: Sequence[Photo]) -> list[Photo]:
    """Training faces of a bank as crops; where they are hidden they keep their own occluder alone.

    Their boxes lie around the landmarks as those of the real crops with landmarks do, in the mean.
    """
    rows = [(p.landmarks[0], p.boxes[0]) for p in real if p.landmarks is not None]
    low, high = (np.stack([f(points, 0) for points, _ in rows]) for f in (np.min, np.max))
    boxes = np.stack([box for _, box in rows])
    span = high - low
    margin = np.median(np.concatenate([boxes[:, :2] - low, boxes[:, 2:] - high], 1) / np.tile(span, 2), 0)
    crops = []
    for number, index in enumerate(bank.for_landmarks()):
        hidden = number % 2 == 0 and bool(bank.occluder[index].any())
        image = (bank.photo if hidden else bank.clean)[index].transpose(1, 2, 0)
        points = bank.outline[index].astype(np.float64)
        ends = points.min(0), points.max(0)
        box = np.concatenate(ends) + margin * np.tile(ends[1] - ends[0], 2)
        crops.append(
            Photo(
                image=np.ascontiguousarray(image),
                boxes=box[None],
                points=five_points(points)[None],
                ignored=np.zeros(1, bool),
                landmarks=None if hidden else points[None],
                valid=np.array([0, 0, image.shape[1], image.shape[0]], np.float64),
                name=f"drawn/{index}",
            )
        )
    return crops


def load_photos(data: Path) -> tuple[list[Photo], list[Photo]]:
    """Whole photos of ``photos_full``: every second one (by name) for training, the others for validation."""
    path = data / "photos_full" / "boxes.json"
    if not path.exists():
        return [], []
    halves: tuple[list[Photo], list[Photo]] = ([], [])
    for number, (name, entry) in enumerate(sorted(json.loads(path.read_text()).items())):
        file = data / "photos_full" / "images" / f"{name}.jpg"
        image = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
        faces = entry["faces"]
        boxes = np.array([f["box"] for f in faces], np.float64).reshape(-1, 4)
        photo = Photo(
            image=image,
            boxes=np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1),
            points=np.array([f["points5"] for f in faces], np.float64).reshape(-1, 5, 2),
            ignored=np.array([f["score"] < 0.75 for f in faces], bool),
            landmarks=None,
            valid=np.array([0, 0, image.shape[1], image.shape[0]], np.float64),
            name=f"photos_full/{name}",
        )
        halves[(number + 1) % 2].append(photo)
    return halves
