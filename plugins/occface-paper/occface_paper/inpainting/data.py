"""Clean faces for training, aligned as the pipeline aligns them, and the samples made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from attrs import field, frozen

from occface_core.face_region import face_region
from occface_core.geometry.align import crop_to_photo
from occface_paper.errors import DataMissing
from occface_paper.inpainting.masks import cover
from occface_paper.landmarks.crop import apply
from occface_paper.landmarks.data import STUDIO_PREFIX, mesh_to_68, valid_rects
from occface_paper.landmarks.symmetry import MIRROR_68
from occface_paper.pasting import OccluderBank

#: Side of the crops, and how much more is kept on each side so that they can be moved, px.
CROP, MARGIN = 256, 16
CANVAS = CROP + 2 * MARGIN
#: The map of what is photo is kept this many times smaller.
_COARSE = 4
#: How often a face of each folder is drawn.
FOLDERS = {"faces68": 2.5, "faces_clean": 0.6, "faces_more": 1.0}
#: In faces_more this group is one studio look; it shall not dominate.
STUDIO_WEIGHT = 0.6
#: A face with more other things than this in the hull of its mesh (share) is no clean truth.
FOREIGN = 0.04
#: Standard deviation of landmarks about the truth, px: of all, of hidden ones more, and of those together.
SEEN_NOISE, HIDDEN_NOISE, HIDDEN_SHIFT = 1.0, 2.5, 1.5
#: Turn (radians), log scale and shift (px) of a training crop from its place.
JITTER = (0.045, 0.03, 3.0)


@frozen(kw_only=True, eq=False)
class CleanFaces:
    """Aligned faces in memory.

    Attributes:
        images: (N, CANVAS, CANVAS, 3) uint8 RGB; outside the photo its edge is repeated.
        points: (N, 68, 2) float32 canvas pixels.
        photo: (N, CANVAS / 4, CANVAS / 4) uint8, 255 = photo.
        weight: (N,) how often a face is drawn, relative.
        is_val: (N,) bool, kept out of training.
        names: (N,) "folder/name".
    """

    images: np.ndarray
    points: np.ndarray
    photo: np.ndarray
    weight: np.ndarray
    is_val: np.ndarray
    names: list[str]

    def __len__(self) -> int:
        return len(self.images)


@frozen(kw_only=True, eq=False)
class Sample:
    """One training pair.

    Attributes:
        image: (S, S, 3) uint8, with the occluder.
        truth: (S, S, 3) uint8, without.
        hole: (S, S) bool, to be completed.
        photo: (S, S) bool, what is photo: only there the truth is known.
        points: (68, 2) float32 px, as a detector gives them.
        kind: of the occluder.
    """

    image: np.ndarray
    truth: np.ndarray
    hole: np.ndarray
    photo: np.ndarray
    points: np.ndarray
    kind: str


def load_clean_faces(
    data: Path, folders: Mapping[str, float] | None = None, limit: int | None = None
) -> CleanFaces:
    """Read and align the clean faces of a data folder.

    Args:
        data: folder with the sub-folders; missing ones are skipped.
        folders: weight of each folder.
        limit: at most so many faces a folder.

    Raises:
        DataMissing: none of the folders is there.
    """
    images, points, photos, weight, is_val, names = [], [], [], [], [], []
    for folder, share in (folders or FOLDERS).items():
        root = data / folder
        if not root.exists():
            continue
        rows = _rows(data, root)[:limit]
        crops = crop_to_photo(torch.from_numpy(np.stack([row[1] for row in rows])), CROP).numpy()
        for (name, shape, rect, val), crop in zip(rows, crops, strict=True):
            image, photo, moved = aligned(root / "images" / f"{name}.jpg", shape, rect, crop)
            images.append(image)
            photos.append(photo)
            points.append(moved)
            studio = folder == "faces_more" and name.startswith(STUDIO_PREFIX)
            weight.append(share * (STUDIO_WEIGHT if studio else 1.0))
            is_val.append(val)
            names.append(f"{folder}/{name}")
    if not images:
        raise DataMissing(
            f"{data} holds none of {', '.join(folders or FOLDERS)}; give the folder of the data pack by --data"
        )
    return CleanFaces(
        images=np.stack(images),
        points=np.stack(points).astype(np.float32),
        photo=np.stack(photos),
        weight=np.array(weight),
        is_val=np.array(is_val),
        names=names,
    )


def _rows(data: Path, root: Path) -> list[tuple[str, np.ndarray, np.ndarray, bool]]:
    """(name, points (68, 2), valid rectangle, is_val) of every face of one folder that is free, or for validation."""
    foreign: dict[str, float] = {}
    mesh = root / "mediapipe478.npz"
    if mesh.exists():
        with np.load(mesh) as file:
            if "hull_class_fraction" in file:
                foreign = dict(zip(map(str, file["names"]), file["hull_class_fraction"][:, 5], strict=True))
    if (root / "landmarks.npz").exists():
        with np.load(root / "landmarks.npz") as file:
            rows = list(
                zip(
                    map(str, file["names"]),
                    file["points"].astype(np.float64),
                    file["valid_rect"],
                    map(bool, file["is_val"]),
                    strict=True,
                )
            )
    else:
        with np.load(mesh) as file, np.load(data / "mesh478_to_68.npz") as table:
            good = (file["presence"] >= 0.5) & (file["jitter"] < 0.05)
            if "first_pass" in file:
                good &= ~file["first_pass"].astype(bool)
            shapes = mesh_to_68(file["points"][good].astype(np.float64), dict(table))
            chosen = [str(n) for n in file["names"][good]]
        rects = valid_rects(root)
        rows = [(n, s, rects[n], False) for n, s in zip(chosen, shapes, strict=True)]
    return [row for row in rows if row[3] or foreign.get(row[0], 0.0) < FOREIGN]


def aligned(
    path: Path, points: np.ndarray, valid: np.ndarray, crop: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One picture as the pipeline crops it, with a margin.

    Args:
        path: of the picture.
        points: (68, 2) px.
        valid: x0, y0, x1, y1 in edge units: the part that is photo.
        crop: (3, 3) from crop pixels to those of the picture, see `crop_to_photo`.

    Returns:
        (CANVAS, CANVAS, 3) uint8 RGB, (CANVAS / 4, CANVAS / 4) uint8 with 255 where it is photo, and the points
        (68, 2) in canvas pixels.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataMissing(f"{path} is not a readable picture; is the data folder complete?")
    height, width = image.shape[:2]
    x0, y0 = (max(int(np.ceil(v)), 0) for v in valid[:2])
    x1, y1 = min(int(np.floor(valid[2])), width), min(int(np.floor(valid[3])), height)
    if x1 - x0 < 2 or y1 - y0 < 2:
        x0, y0, x1, y1 = 0, 0, width, height
    matrix = crop @ np.array([[1, 0, -MARGIN], [0, 1, -MARGIN], [0, 0, 1.0]])
    inside = np.array([[1, 0, -x0], [0, 1, -y0], [0, 0, 1.0]]) @ matrix
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    piece = np.ascontiguousarray(image[y0:y1, x0:x1, ::-1])
    canvas = cv2.warpAffine(piece, inside[:2], (CANVAS, CANVAS), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    shown = cv2.warpAffine(np.full(piece.shape[:2], 255, np.uint8), inside[:2], (CANVAS, CANVAS), flags=flags)
    photo = cv2.resize(shown, (CANVAS // _COARSE,) * 2, interpolation=cv2.INTER_AREA)
    return canvas, photo, apply(np.linalg.inv(matrix), points)


@frozen(kw_only=True, eq=False)
class Sampler:
    """Draws training samples.

    Attributes:
        faces: in memory.
        bank: drawn occluders, or None.
        size: side of the samples, px.
    """

    faces: CleanFaces
    bank: OccluderBank | None = None
    size: int = CROP
    chance: np.ndarray = field(init=False)

    @chance.default
    def _cumulative_chance(self) -> np.ndarray:
        weight = np.where(self.faces.is_val, 0.0, self.faces.weight)
        return np.cumsum(weight / weight.sum())

    def draw(self, rng: np.random.Generator) -> Sample:
        """One sample of a training face."""
        index = min(int(np.searchsorted(self.chance, rng.random(), side="right")), len(self.faces) - 1)
        return self.sample(index, rng, jitter=True)

    def sample(self, index: int, rng: np.random.Generator, jitter: bool) -> Sample:
        """A sample of one face, moved, mirrored and recoloured at random if `jitter`."""
        truth, photo, points = self._placed(index, rng, jitter)
        if jitter:
            truth = recoloured(truth, rng)
        face = face_region(torch.from_numpy(points)[None], self.size)[0, 0].numpy() > 0.5
        covered = cover(truth, points, face, rng, self.bank)
        place = points.round().astype(int).clip(0, self.size - 1)
        hidden = covered.hole[place[:, 1], place[:, 0]]
        unit = self.size / CROP
        noise = rng.normal(0, SEEN_NOISE, (68, 2)) * unit
        noise += (
            hidden[:, None] * (rng.normal(0, HIDDEN_NOISE, (68, 2)) + rng.normal(0, HIDDEN_SHIFT, 2)) * unit
        )
        return Sample(
            image=covered.image,
            truth=truth,
            hole=covered.hole,
            photo=photo,
            points=(points + noise).astype(np.float32),
            kind=covered.kind,
        )

    def _placed(
        self, index: int, rng: np.random.Generator, jitter: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Picture, map of what is photo, and points of one face, cut out of its canvas."""
        scale = self.size / CROP
        turn, zoom, x, y = rng.normal(size=4) * (JITTER[0], JITTER[1], JITTER[2], JITTER[2]) * jitter
        c, s = scale * np.exp(zoom) * np.cos(turn), scale * np.exp(zoom) * np.sin(turn)
        linear = np.array([[c, -s], [s, c]])
        middle = (CANVAS - 1) / 2
        shift = (self.size - 1) / 2 + scale * np.array([x, y]) - linear @ [middle, middle]
        matrix = np.concatenate([linear, shift[:, None]], 1)
        flip = jitter and rng.random() < 0.5
        points = apply(np.concatenate([matrix, [[0, 0, 1]]]), self.faces.points[index].astype(np.float64))
        side = (self.size, self.size)
        picture = self.faces.images[index]
        if scale < 1:
            picture = cv2.GaussianBlur(picture, (0, 0), 0.35 / scale)
        picture = cv2.warpAffine(
            picture, matrix, side, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        stretch = np.array([[_COARSE, 0, (_COARSE - 1) / 2], [0, _COARSE, (_COARSE - 1) / 2], [0, 0, 1]])
        photo = cv2.warpAffine(self.faces.photo[index], matrix @ stretch, side, flags=cv2.INTER_LINEAR) > 230
        if flip:
            picture, photo = np.ascontiguousarray(picture[:, ::-1]), np.ascontiguousarray(photo[:, ::-1])
            points = points[list(MIRROR_68)] * [-1, 1] + [self.size - 1, 0]
        return picture, photo, points

    def batch(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
        """Arrays of `count` samples: image, truth (count, S, S, 3), hole, photo (count, S, S) uint8, points."""
        return stacked([self.draw(rng) for _ in range(count)])


def stacked(samples: list[Sample]) -> tuple[np.ndarray, ...]:
    """Samples as arrays: image, truth (B, S, S, 3) uint8, hole, photo (B, S, S) uint8, points (B, 68, 2)."""
    columns_of = ("image", "truth", "hole", "photo", "points")
    columns = (np.stack([getattr(sample, name) for sample in samples]) for name in columns_of)
    return tuple(c.astype(np.uint8) if c.dtype == bool else c for c in columns)


def recoloured(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Other light and white balance, seldom grey; (S, S, 3) uint8."""
    levels = np.arange(256) / 255
    gain = np.exp(rng.normal(0, 0.1) + rng.normal(0, 0.035, 3))
    gamma = np.exp(rng.normal(0, 0.12))
    table = np.clip(255 * levels[:, None] ** gamma * gain, 0, 255).round().astype(np.uint8)
    result = cv2.LUT(image, table[:, None])
    if rng.random() < 0.04:
        result = cv2.cvtColor(cv2.cvtColor(result, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return result
