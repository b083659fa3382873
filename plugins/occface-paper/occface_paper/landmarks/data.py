"""Face crops with 68 points for training, held in memory."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from attrs import field, frozen

from occface_paper.errors import DataMissing
from occface_paper.landmarks.crop import apply

#: Side of the crops in memory unless asked otherwise, px.
STORED = 256


@frozen(kw_only=True, eq=False)
class FaceCrops:
    """Crops with labels.

    Attributes:
        images: (N, S, S, 3) uint8 RGB, the outside of the photo filled by reflection.
        points: (N, 68, 2) float32 in crop pixels.
        valid: (N, 4) float32 x0, y0, x1, y1 in edge units: the part that is photo.
        weight: (N,) how often a crop is drawn, relative.
        is_val: (N,) bool, kept out of training.
        names: (N,) str.
    """

    images: np.ndarray
    points: np.ndarray
    valid: np.ndarray
    weight: np.ndarray
    is_val: np.ndarray
    names: list[str] = field(factory=list)

    def __len__(self) -> int:
        return len(self.images)


def filled(image: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The image with everything outside ``valid`` (edge units) replaced by the reflection of its inside."""
    height, width = image.shape[:2]
    x0, y0 = (int(np.ceil(v)) for v in valid[:2])
    x1, y1 = (int(np.floor(v)) for v in valid[2:])
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    if (x0, y0, x1, y1) == (0, 0, width, height) or x1 - x0 < 2 or y1 - y0 < 2:
        return image
    return cv2.copyMakeBorder(image[y0:y1, x0:x1], y0, height - y1, x0, width - x1, cv2.BORDER_REFLECT)


def stored(
    path: Path, valid: np.ndarray, points: np.ndarray, side: int = STORED
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image file -> (side, side, 3) RGB with its valid rectangle and points in the new pixels."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataMissing(f"{path} is not a readable picture; is the data folder complete?")
    size = image.shape[0]
    image = cv2.cvtColor(filled(image, valid), cv2.COLOR_BGR2RGB)
    if size != side:
        how = cv2.INTER_AREA if size > side else cv2.INTER_LINEAR
        image = cv2.resize(image, (side, side), interpolation=how)
    scale = side / size
    resize = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2], [0, 0, 1]])
    return image, valid * scale, apply(resize, points)


def mesh_to_68(points: np.ndarray, table: dict[str, np.ndarray]) -> np.ndarray:
    """Teacher meshes (N, 478, 3) px -> 68 points (N, 68, 2) px by the linear map that comes with the data.

    The map works in each face's own frame: centre = mean of the mesh, roll and unit from the outer eye corners
    (mesh points 33 and 263).
    """
    eyes = points[:, 263, :2] - points[:, 33, :2]
    unit, centre = np.hypot(*eyes.T)[:, None, None], points[:, :, :2].mean(1)[:, None]
    c, s = (eyes / unit[:, 0]).T
    rotation = np.stack([np.stack([c, s], -1), np.stack([-s, c], -1)], 1)
    local = (
        np.concatenate([(points[:, :, :2] - centre) @ rotation.transpose(0, 2, 1), points[:, :, 2:]], 2)
        / unit
    )
    mapped = (local.reshape(len(points), -1) - table["mean_in"]) @ table["weight"] + table["mean_out"]
    return mapped.reshape(-1, 68, 2) @ rotation * unit + centre


#: How often a crop of each folder is drawn: hand labels most, the teacher's guess behind real masks least.
FOLDERS = {"faces68": 4.5, "faces_clean": 0.7, "faces_more": 1.0, "faces_occluded": 0.3}
#: In faces_more this group is one studio look; it shall not dominate.
STUDIO_PREFIX, STUDIO_WEIGHT = "g", 0.5


def load_face_crops(
    data: Path, folders: dict[str, float] | None = None, limit: int | None = None, side: int = STORED
) -> FaceCrops:
    """Read the crops of a data folder that have trustworthy labels.

    Hand labels come from ``faces68/landmarks.npz``; the other folders' from ``mediapipe478.npz`` by
    ``mesh478_to_68.npz``, good rows only (presence >= 0.5, jitter < 0.05, not first_pass).

    Args:
        data: folder with the sub-folders; missing ones are skipped.
        folders: weight of each folder.
        limit: at most so many crops a folder.
        side: of the crops, px.
    """
    images, points, valid, weight, is_val, names = [], [], [], [], [], []
    for folder, share in (folders or FOLDERS).items():
        root = data / folder
        if not root.exists():
            continue
        for name, shape, rect, val in labelled_rows(data, root)[:limit]:
            image, rect, shape = stored(root / "images" / f"{name}.jpg", rect, shape, side)
            images.append(image)
            points.append(shape)
            valid.append(rect)
            studio = folder == "faces_more" and name.startswith(STUDIO_PREFIX)
            weight.append(share * (STUDIO_WEIGHT if studio else 1.0))
            is_val.append(val)
            names.append(f"{folder}/{name}")
    if not images:
        raise DataMissing(
            f"{data} holds none of {', '.join(folders or FOLDERS)}; give the folder of the data pack by --data"
        )
    return FaceCrops(
        images=np.stack(images),
        points=np.stack(points).astype(np.float32),
        valid=np.stack(valid).astype(np.float32),
        weight=np.array(weight),
        is_val=np.array(is_val),
        names=names,
    )


def labelled_rows(data: Path, root: Path) -> list[tuple[str, np.ndarray, np.ndarray, bool]]:
    """(name, points (68, 2), valid rectangle, is_val) of every usable crop of one folder."""
    if (root / "landmarks.npz").exists():
        with np.load(root / "landmarks.npz") as file:
            return list(
                zip(
                    map(str, file["names"]),
                    file["points"],
                    file["valid_rect"],
                    map(bool, file["is_val"]),
                    strict=True,
                )
            )
    with np.load(root / "mediapipe478.npz") as file, np.load(data / "mesh478_to_68.npz") as table:
        good = (file["presence"] >= 0.5) & (file["jitter"] < 0.05)
        if "first_pass" in file:
            good &= ~file["first_pass"].astype(bool)
        shapes = mesh_to_68(file["points"][good].astype(np.float64), dict(table))
        names = [str(n) for n in file["names"][good]]
        rects = valid_rects(root)
    return [(n, s, rects[n], False) for n, s in zip(names, shapes, strict=True)]


def valid_rects(root: Path) -> dict[str, np.ndarray]:
    """Name -> x0, y0, x1, y1 (edge units) of the part of each crop that is photo."""
    if (root / "crops.npz").exists():
        with np.load(root / "crops.npz") as file:
            return {str(n): r for n, r in zip(file["names"], file["valid_rect"], strict=True)}
    lines = (root / "index.tsv").read_text().splitlines()
    columns = lines[0].split("\t")
    at = [columns.index(f"valid_{c}") for c in ("x0", "y0", "x1", "y1")]
    rows = [line.split("\t") for line in lines[1:]]
    return {Path(row[0]).stem: np.array([float(row[i]) for i in at]) for row in rows}
