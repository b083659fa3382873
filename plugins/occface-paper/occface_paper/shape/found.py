"""The landmarks that the library's own network finds on the synthetic faces: what the shape network is given in use.

Found points are not the model's vertices with noise: people, and a network that learned from them, put brows, jaw
and lips a little elsewhere, err by whole parts of a face, and underestimate strong turns. A shape network that is
trained on exact points follows these errors into wrong shapes.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from attrs import frozen

from occface_paper.landmarks.crop import similarity, to_pixels
from occface_paper.landmarks.predict import Look, confidence, in_photo
from occface_paper.landmarks.stage import REFINER
from occface_paper.synthetic_bank import SyntheticBank

#: Turn (degrees), log scale and shift (crop units) of the crop that a first look would have given.
FIRST_LOOK = (3.0, 0.05, 0.03)
#: Faces given to the network at once.
CHUNK = 32


@frozen(kw_only=True, eq=False)
class FoundPoints:
    """Points found on each face of a bank.

    Attributes:
        clean: (N, 68, 2) float32 px of 256, on the faces without occluders.
        clean_trust: (N, 68) float32 confidence.
        photo: (N, 68, 2) the same on the photos with occluders.
        photo_trust: (N, 68).
    """

    clean: np.ndarray
    clean_trust: np.ndarray
    photo: np.ndarray
    photo_trust: np.ndarray

    @classmethod
    def kept(cls, path: Path, bank: SyntheticBank, seed: int = 0) -> FoundPoints:
        """The points that lie at ``path`` (.npz); if none do, they are found and kept there."""
        if not path.exists():
            found = find_points(bank, seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, **found)
        with np.load(path) as file:
            return cls(**{name: file[name] for name in ("clean", "clean_trust", "photo", "photo_trust")})

    def of(self, index: int, shown: str) -> tuple[np.ndarray, np.ndarray]:
        """Points (68, 2) px of 256 and confidence (68,) of one face, as it is shown."""
        if shown == "clean":
            return self.clean[index].astype(float), self.clean_trust[index].astype(float)
        return self.photo[index].astype(float), self.photo_trust[index].astype(float)


@torch.inference_mode()
def find_points(bank: SyntheticBank, seed: int = 0) -> dict[str, np.ndarray]:
    """Look once at every face and photo of a bank, through a crop that is as wrong as a first look's.

    Args:
        bank: the faces.
        seed: of the crops.

    Returns:
        The fields of `FoundPoints`.
    """
    look = Look.of(REFINER)
    mean = look.mean_shape()
    found: dict[str, np.ndarray] = {}
    for name in ("clean", "photo"):
        rng = np.random.default_rng((seed, len(name)))
        points = np.zeros((len(bank), 68, 2), np.float32)
        trust = np.zeros((len(bank), 68), np.float32)
        for begin in range(0, len(bank), CHUNK):
            rows = range(begin, min(begin + CHUNK, len(bank)))
            crops = [first_look(bank.outline[i].astype(float), mean, rng) for i in rows]
            pictures = [
                cv2.warpAffine(
                    np.ascontiguousarray(getattr(bank, name)[i].transpose(1, 2, 0)),
                    (to_pixels(look.size) @ crop)[:2],
                    (look.size, look.size),
                    flags=cv2.INTER_LINEAR,
                )
                for i, crop in zip(rows, crops, strict=True)
            ]
            batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float().div(255)
            answer, scale = in_photo(look, batch, crops)
            points[begin : rows.stop], trust[begin : rows.stop] = answer, confidence(scale)
        found |= {name: points, f"{name}_trust": trust}
    return found


def first_look(points: np.ndarray, mean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(3, 3) from pixels to units of the crop that the landmark network sees, a little off."""
    turn, zoom, dx, dy = rng.normal(size=4) * (np.radians(FIRST_LOOK[0]), *FIRST_LOOK[1:], FIRST_LOOK[2])
    c, s = np.exp(zoom) * np.cos(turn), np.exp(zoom) * np.sin(turn)
    off: np.ndarray = np.array([[c, -s, dx], [s, c, dy], [0, 0, 1.0]]) @ similarity(points, mean)
    return off
