"""One training sample of the parsing network: a moved, recoloured, degraded crop, often with something pasted on."""

from __future__ import annotations

import cv2
import numpy as np
from attrs import field, frozen

from occface_core.synthetic.labels import LABELS
from occface_paper.landmarks.augment import degraded, jitter_matrix, recoloured
from occface_paper.landmarks.crop import apply
from occface_paper.landmarks.symmetry import MIRROR_68
from occface_paper.occluders import occlude
from occface_paper.parsing.data import LabelledCrops
from occface_paper.parsing.teachers import UNKNOWN
from occface_paper.pasting import OccluderBank

#: Turn (degrees), log scale, shift (crop units) and squeeze of the crop, as wrong landmarks would misplace it.
JITTER = (7.0, 0.08, 0.06, 0.04)
#: Label of what each kind of pasted occluder is; the rest are "other".
KIND_LABELS = {"glasses": "eyeglasses", "sunglasses": "eyeglasses", "hair": "hair", "hat": "hat"}
#: Kinds of `occface_paper.occluders` that a bank has not; their label is "other".
PLAIN_KINDS = ("block", "irregular", "patch", "patch", "mask")


@frozen(kw_only=True, eq=False)
class ParsingSampler:
    """Draws training samples.

    Attributes:
        sets: labelled crops.
        shares: how often each set is drawn.
        bank: occluders to paste.
        cutouts: RGBA cut-outs of masks.
        size: side of the samples, px.
        pasted: share of the crops, not occluded already, that get an occluder.
    """

    sets: list[LabelledCrops]
    shares: list[float]
    bank: OccluderBank
    cutouts: list[np.ndarray] = field(factory=list)
    size: int = 256
    pasted: float = 0.72
    rows: list[np.ndarray] = field(init=False)

    @rows.default
    def _training_rows(self) -> list[np.ndarray]:
        return [np.flatnonzero(~crops.is_val) for crops in self.sets]

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One sample: crop (size, size, 3) uint8 RGB and labels (size, size) uint8."""
        crops, row = self._pick(rng)
        image, labels, points = self._moved(crops, row, rng)
        # half of the masked faces get a second thing as well, fewer of the synthetic ones
        if rng.random() < (0.3 if crops.masked[row] else self.pasted):
            for _ in range(1 + (rng.random() < 0.12)):
                image, labels = self._occluded(image, labels, points, rng)
        return degraded(recoloured(image, rng), rng), labels

    def batch(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """(count, 3, size, size) uint8 and (count, size, size) uint8."""
        images, labels = zip(*(self.draw(rng) for _ in range(count)), strict=True)
        return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2)), np.stack(labels)

    def _pick(self, rng: np.random.Generator) -> tuple[LabelledCrops, int]:
        which = int(rng.choice(len(self.sets), p=np.array(self.shares) / sum(self.shares)))
        return self.sets[which], int(rng.choice(self.rows[which]))

    def _moved(
        self, crops: LabelledCrops, row: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Image, labels and points after a random similarity; a margin around the stored crop is cut off."""
        side, half = crops.images.shape[1], self.size / 2
        mirror = rng.random() < 0.5
        change = jitter_matrix(rng, *JITTER, mirror)
        inward = np.array([[1 / 128, 0, -(side - 1) / 256], [0, 1 / 128, -(side - 1) / 256], [0, 0, 1]])
        outward = np.array([[half, 0, half - 0.5], [0, half, half - 0.5], [0, 0, 1]])
        warp = outward @ change @ inward
        size = (self.size, self.size)
        image = cv2.warpAffine(
            crops.images[row], warp[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        labels = cv2.warpAffine(
            crops.labels[row],
            warp[:2],
            size,
            flags=cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=UNKNOWN,
        )
        points = apply(warp, crops.points[row].astype(np.float64))
        return image, labels, points[list(MIRROR_68)] if mirror else points

    def _occluded(
        self, image: np.ndarray, labels: np.ndarray, points: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        if rng.random() < 0.72:
            image, alpha, kind = self.bank.paste(image, points, rng)
        else:
            kind = PLAIN_KINDS[int(rng.integers(len(PLAIN_KINDS)))]
            other, row = self._pick(rng)
            image, alpha = occlude(
                image,
                points,
                kind,
                rng,
                severity=float(rng.uniform(0.03, 0.45)),
                cutouts=self.cutouts,
                others=[other.images[row]],
            )
        code = LABELS[KIND_LABELS.get(kind, "other")]
        return image, np.where(alpha > 0.5, np.uint8(code), labels)
