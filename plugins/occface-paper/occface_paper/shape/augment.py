"""Training samples of the shape network: synthetic faces with exact truth, and photos with 68 points."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from attrs import field, frozen

from occface_core.geometry.align import crop_to_photo
from occface_core.geometry.camera import angles_from_rotation
from occface_paper.landmarks.augment import degraded, recoloured
from occface_paper.landmarks.crop import apply
from occface_paper.landmarks.data import FaceCrops
from occface_paper.landmarks.symmetry import MIRROR_68
from occface_paper.pasting import OccluderBank
from occface_paper.shape.found import FoundPoints
from occface_paper.shape.view import moved_crop, to_nominal
from occface_paper.synthetic_bank import SIDE, SyntheticBank

#: Turn (degrees), log scale and shift (share of the side) of a crop, standard deviations.
JITTER = (2.5, 0.025, 0.012)
#: Share of the samples that are moved so, and that are recoloured.
MOVED, RECOLOURED = 0.6, 0.6
#: Parts of the face whose points err together: jaw, brows, nose, eyes, mouth.
PARTS = (
    slice(0, 17),
    slice(17, 22),
    slice(22, 27),
    slice(27, 36),
    slice(36, 42),
    slice(42, 48),
    slice(48, 68),
)
#: Share of the synthetic samples with points as the landmark network finds them; the others have true ones with noise.
FOUND_SHARE = 0.65
#: How often nobody noticed which points an occluder hides.
UNNOTICED = 0.25
#: What is shown of an occluded face: the whole face, the occluder, or a crude completion.
SHOWN = {"clean": 0.5, "occluded": 0.25, "completed": 0.25}

Row = dict[str, np.ndarray]


def moved(rng: np.random.Generator, side: int = SIDE) -> np.ndarray:
    """Random small similarity (3, 3) from a crop's pixels to those of a slightly different crop."""
    turn, zoom, dx, dy = np.clip(rng.normal(size=4), -2.5, 2.5) * (
        np.radians(JITTER[0]),
        *JITTER[1:],
        JITTER[2],
    )
    c, s = np.exp(zoom) * np.cos(turn), np.exp(zoom) * np.sin(turn)
    matrix = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    centre = np.full(2, (side - 1) / 2)
    matrix[:2, 2] = centre - matrix[:2, :2] @ centre + side * np.array([dx, dy])
    return matrix


def warped(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Picture (256, 256, C) moved by ``matrix`` and averaged down to ``size``."""
    if not np.array_equal(matrix, np.eye(3)):
        image = cv2.warpAffine(
            image, matrix[:2], image.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)


def completed(image: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """Fill what a matte (S, S) uint8 hides of a picture (S, S, 3) with a blur of its surroundings: a poor inpainter."""
    hidden = cv2.dilate(matte, np.ones((3, 3), np.uint8)).astype(np.float32)[..., None] / 255
    total = np.zeros(image.shape, np.float32)
    weight = np.full(image.shape[:2], 1e-6, np.float32)
    open_ = (1 - hidden) ** 4
    for reach, share in ((5, 1.0), (19, 1e-2), (63, 1e-4)):
        total += share * cv2.blur(image * open_, (reach, reach))
        weight += share * cv2.blur(open_[..., 0], (reach, reach))
    return np.clip(image * (1 - hidden) + hidden * total / weight[..., None], 0, 255).astype(np.uint8)


def noisy_points(
    points: np.ndarray, visible: np.ndarray, rng: np.random.Generator, side: int = SIDE
) -> tuple[np.ndarray, np.ndarray]:
    """Points (68, 2) px as a detector would give them, in units of the crop, and the trust (68,) in each."""
    sigma = abs(rng.normal()) * 2.0
    noise = rng.normal(size=(68, 2)) * sigma * np.where(visible > 0.5, 1, 2)[:, None]
    for part in PARTS:
        noise[part] += rng.normal(size=2) * 0.6 * sigma
    draw = rng.random()
    if draw < 0.3:
        trust = visible.copy()
    elif draw < 0.6:
        trust = np.ones(68)
    else:
        trust = rng.uniform(0.5, 1, 68) - 0.5 * (visible < 0.5)
    if rng.random() < 0.04:
        trust = np.zeros(68)
    return (2 * (points + noise) + 1) / side - 1, trust


@frozen(kw_only=True, eq=False)
class SyntheticSampler:
    """Samples from a bank of synthetic faces.

    Attributes:
        bank: the faces.
        chosen: (N,) indices to draw from.
        size: side of the samples, px.
        found: points that the landmark network finds on them; without, all points are the true ones with noise.
    """

    bank: SyntheticBank
    chosen: np.ndarray
    size: int = 128
    found: FoundPoints | None = None

    def draw(self, rng: np.random.Generator) -> Row:
        """One sample, see `sample_of`."""
        index = int(self.chosen[int(rng.integers(len(self.chosen)))])
        shown = str(rng.choice(list(SHOWN), p=list(SHOWN.values())))
        given = self.found if rng.random() < FOUND_SHARE else None
        return sample_of(self.bank, index, self.size, rng, shown, given)


def sample_of(
    bank: SyntheticBank,
    index: int,
    size: int,
    rng: np.random.Generator | None,
    shown: str = "clean",
    found: FoundPoints | None = None,
) -> Row:
    """One face of the bank as network input and truth.

    Args:
        bank: the faces.
        index: of the face.
        size: side of the pictures, px.
        rng: of the augmentation; None for the picture as it is, with exact points.
        shown: "clean", "occluded" or "completed".
        found: give the points that were found on the picture; None for the true ones.

    Returns:
        crop: (3, size, size) uint8, what the network sees.
        image: (3, size, size) uint8, the same before occluders and degradation.
        points: (68, 2) in units of the crop, trust: (68,).
        identity, expression, albedo, illumination; rotation, angles and translation in the nominal camera.
        marks: (68, 2) px of 256, the truth seen by the nominal camera is not exactly there.
        plain: 1 where albedo and illumination are those of the picture.
    """
    change = moved(rng) if rng is not None and rng.random() < MOVED else np.eye(3)
    clean = warped(np.ascontiguousarray(bank.clean[index].transpose(1, 2, 0)), change, size)
    seen = clean
    if shown != "clean":
        seen = warped(np.ascontiguousarray(bank.photo[index].transpose(1, 2, 0)), change, size)
        if shown == "completed":
            seen = completed(seen, warped(np.ascontiguousarray(bank.occluder[index]), change, size))
    plain = rng is None or rng.random() >= RECOLOURED
    if rng is not None:
        if not plain:
            look = int(rng.integers(1 << 31))
            seen = recoloured(seen, np.random.default_rng(look))
            clean = recoloured(clean, np.random.default_rng(look))
        seen = degraded(seen, rng)
    own = bank.rotation[index].astype(float), bank.translation[index].astype(float)
    rotation, translation = to_nominal(*moved_crop(*own, bank.intrinsics[index].astype(float), change))
    marked = apply(change, bank.outline[index].astype(float))
    visible = bank.visible[index].astype(float)
    if rng is not None and rng.random() < 0.3:
        marked = apply(change, bank.landmarks[index].astype(float))
    if found is not None:
        there, trust = found.of(index, shown)
        if shown != "clean":
            trust = trust * shows_through(bank.occluder[index], there, rng)
        points = to_units(apply(change, there))
    elif rng is not None:
        points, trust = noisy_points(marked, visible, rng)
    else:
        points, trust = to_units(marked), visible
    return packed(
        seen,
        clean,
        points,
        trust,
        identity=bank.identity[index],
        expression=bank.expression[index],
        albedo=bank.albedo[index],
        illumination=bank.illumination[index],
        rotation=rotation,
        angles=angles_from_rotation(torch.from_numpy(rotation)).numpy(),
        translation=translation,
        marks=marked,
        plain=np.float32(plain and not bank.hard[index]),
    )


def shows_through(occluder: np.ndarray, points: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """(68,) what a matte leaves of the trust in points (68, 2) px: 0 behind the occluder, at times all of it."""
    if rng is not None and rng.random() < UNNOTICED:
        return np.ones(68)
    x, y = np.round(points).astype(int).clip(0, SIDE - 1).T
    return np.where(occluder[y, x] > 127, 0.0, 1.0)


def to_units(points: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Pixels of a crop -> units of the crop."""
    return (2 * points + 1) / side - 1


def packed(
    seen: np.ndarray, clean: np.ndarray, points: np.ndarray, trust: np.ndarray, **truth: np.ndarray
) -> Row:
    """The row of a batch: pictures with channels first, numbers as float32."""
    row = {
        "crop": seen.transpose(2, 0, 1),
        "image": clean.transpose(2, 0, 1),
        "points": points,
        "trust": trust,
    }
    row |= truth
    return {k: v if k in ("crop", "image") else np.asarray(v, np.float32) for k, v in row.items()}


@frozen(kw_only=True, eq=False)
class PhotoSampler:
    """Pairs of samples from photos with 68 points: the same face free, and behind an occluder or its completion.

    Attributes:
        images: (N, 256, 256, 3) uint8, aligned as the pipeline's crops.
        points: (N, 68, 2) float32 px.
        chance: (N,) cumulative.
        occluders: what is pasted.
        size: side of the samples, px.
    """

    images: np.ndarray
    points: np.ndarray
    chance: np.ndarray
    occluders: OccluderBank
    size: int = 128

    def draw(self, rng: np.random.Generator) -> tuple[Row, Row]:
        """The free face and the hidden one: crop, image, points, trust, marks (68, 2) px of 256."""
        index = min(int(np.searchsorted(self.chance, rng.random())), len(self.images) - 1)
        image, points = self.images[index], self.points[index].astype(float)
        if rng.random() < 0.5:
            image, points = image[:, ::-1], mirrored(points)
        change = moved(rng) if rng.random() < MOVED else np.eye(3)
        free, points = warped(np.ascontiguousarray(image), change, self.size), apply(change, points)
        if rng.random() < RECOLOURED:
            free = recoloured(free, rng)
        scale = self.size / SIDE
        hidden, alpha, _ = self.occluders.paste(free, (points + 0.5) * scale - 0.5, rng)
        if rng.random() < 0.5:
            hidden = completed(hidden, (alpha * 255).astype(np.uint8))
        place = np.round((points + 0.5) * scale - 0.5).astype(int).clip(0, self.size - 1)
        shows = (alpha[place[:, 1], place[:, 0]] < 0.5).astype(float)
        rows = []
        for seen, visible in ((free, np.ones(68)), (hidden, shows)):
            units, trust = noisy_points(points, visible, rng)
            rows.append(packed(degraded(seen, rng), free, units, trust, marks=points))
        return rows[0], rows[1]


def mirrored(points: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Points (68, 2) px of the mirrored crop."""
    flipped: np.ndarray = points[list(MIRROR_68)] * (-1, 1) + (side - 1, 0)
    return flipped


@frozen(kw_only=True, eq=False)
class AlignedFaces:
    """Photos cut as the pipeline cuts them.

    Attributes:
        images: (N, 256, 256, 3) uint8 RGB.
        points: (N, 68, 2) float32 px.
        weight: (N,) how often each is drawn, relative.
        is_val: (N,) bool, kept out of training.
        names: (N,) str.
    """

    images: np.ndarray
    points: np.ndarray
    weight: np.ndarray
    is_val: np.ndarray
    names: list[str] = field(factory=list)

    @classmethod
    def of(cls, crops: FaceCrops) -> AlignedFaces:
        """Align crops by their points; the outside of a photo repeats its edge."""
        matrices = crop_to_photo(torch.from_numpy(crops.points.astype(np.float64)), SIDE).numpy()
        images, points = np.empty_like(crops.images), np.empty_like(crops.points)
        for i, (image, marks, matrix) in enumerate(zip(crops.images, crops.points, matrices, strict=True)):
            back = np.linalg.inv(matrix)
            images[i] = cv2.warpAffine(
                image, back[:2], (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            points[i] = apply(back, marks.astype(float))
        return cls(images=images, points=points, weight=crops.weight, is_val=crops.is_val, names=crops.names)

    def sampler(self, occluders: OccluderBank, size: int) -> PhotoSampler:
        """Draws from the training photos."""
        weight = np.where(self.is_val, 0.0, self.weight)
        return PhotoSampler(
            images=self.images,
            points=self.points,
            chance=np.cumsum(weight / weight.sum()),
            occluders=occluders,
            size=size,
        )
