"""Occluders drawn once and pasted many times: drawing one takes far longer than a training sample may."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from attrs import frozen

from occface_core.synthetic import OCCLUDERS, add_occluder
from occface_paper.landmarks.crop import similarity
from occface_paper.workers import forked

#: Side of the pictures in which occluders are kept, px, unless asked otherwise.
SIDE = 192
#: Turn (radians), log scale and shift (of the face's landmark box) of an occluder from the place it was drawn for.
JITTER = (0.12, 0.1, 0.06)
#: How often each kind is drawn, relative to the others.
SHARE = {"hand": 5.0, "glasses": 3.0, "mask": 2.0, "hair": 2.0, "object": 2.0, "scarf": 1.5}

#: How many of the hands take the skin colour of the face they are pasted on: most hands before a face are its own.
OWN_HAND = 0.6


@frozen(kw_only=True, eq=False)
class OccluderBank:
    """Occluders with the landmarks of the face each was drawn on.

    Attributes:
        colour: (N, S, S, 3) uint8 RGB, meaningful where alpha is not 0.
        alpha: (N, S, S) uint8, 255 = occluder.
        points: (N, 68, 2) float32 px.
        kind: (N,) index into `occface_core.synthetic.OCCLUDERS`.
    """

    colour: np.ndarray
    alpha: np.ndarray
    points: np.ndarray
    kind: np.ndarray

    def __len__(self) -> int:
        return len(self.alpha)

    @classmethod
    def build(
        cls,
        images: np.ndarray,
        points: np.ndarray,
        count: int,
        seed: int = 0,
        *,
        side: int = SIDE,
        workers: int = 2,
    ) -> OccluderBank:
        """Draw occluders.

        Args:
            images: (N, S, S, 3) uint8 RGB faces to draw them on.
            points: (N, 68, 2) their landmarks, px.
            count: how many; those of which nothing is seen are left out.
            seed: of the draws.
            side: of the pictures kept, px.
            workers: processes.
        """
        global _SOURCE
        _SOURCE = (images, points, seed, side)
        with forked(workers) as pool:
            rows = [row for row in pool.imap(_drawn, range(count), chunksize=8) if row is not None]
        colour, alpha, marks, kind = (np.stack(column) for column in zip(*rows, strict=True))
        return cls(colour=colour, alpha=alpha, points=marks, kind=kind)

    @classmethod
    def kept(cls, path: Path, draw: Callable[[], OccluderBank]) -> OccluderBank:
        """The bank that lies at ``path``; if none does, the one that `draw` gives, which is kept there."""
        if not path.exists():
            draw().save(path)
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> OccluderBank:
        """Read what `save` wrote."""
        with np.load(path) as file:
            return cls(**{name: file[name] for name in ("colour", "alpha", "points", "kind")})

    def save(self, path: Path) -> None:
        """Write the bank as .npz, not compressed."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, colour=self.colour, alpha=self.alpha, points=self.points, kind=self.kind)

    def paste(
        self, image: np.ndarray, points: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, str]:
        """Put one of the occluders on a face.

        Args:
            image: (H, W, 3) uint8 RGB; it stays as it is.
            points: (68, 2) its landmarks, px.
            rng: source of randomness.

        Returns:
            The occluded picture, alpha (H, W) float32 in [0, 1], and the kind.
        """
        index = int(rng.integers(len(self)))
        turn, zoom, shift = rng.normal(size=3) * JITTER
        place = similarity(self.points[index].astype(np.float64), points)
        centre, extent = points.mean(0), np.sqrt(np.prod(np.ptp(points, axis=0)))
        direction = rng.uniform(0, 2 * np.pi)
        c, s = np.exp(zoom) * np.cos(turn), np.exp(zoom) * np.sin(turn)
        moved = centre + extent * shift * np.array([np.cos(direction), np.sin(direction)])
        change = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
        change[:2, 2] = moved - change[:2, :2] @ centre
        matrix = (change @ place)[:2]
        size = (image.shape[1], image.shape[0])
        alpha = cv2.warpAffine(self.alpha[index], matrix, size, flags=cv2.INTER_LINEAR)
        colour = cv2.warpAffine(
            self.colour[index], matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        kind = OCCLUDERS[int(self.kind[index])]
        spread, tint = 0.2, 0.06
        gain = np.ones(3)
        if kind == "hand" and rng.random() < OWN_HAND:
            gain, spread, tint = skin_gain(colour, alpha, image, points), 0.1, 0.03
        gain = gain * np.exp(rng.normal(0, spread)) * np.exp(rng.normal(0, tint, 3))
        weight = (alpha.astype(np.float32) / 255)[..., None]
        mixed = image * (1 - weight) + np.clip(colour * gain, 0, 255) * weight
        return (mixed + 0.5).astype(np.uint8), weight[..., 0], kind


_SOURCE: tuple[np.ndarray, np.ndarray, int, int] | None = None


def _drawn(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int] | None:
    """One occluder in a worker process: its colour, alpha, landmarks and kind; None if nothing was drawn."""
    assert _SOURCE is not None
    images, points, seed, side = _SOURCE
    cv2.setNumThreads(0)
    rng = np.random.default_rng((seed, index))
    weights = np.array([SHARE.get(name, 1.0) for name in OCCLUDERS])
    kind = int(rng.choice(len(OCCLUDERS), p=weights / weights.sum()))
    face = int(rng.integers(len(images)))
    scale = side / images.shape[1]
    image = cv2.resize(images[face], (side, side), interpolation=cv2.INTER_AREA)
    marks = (points[face].astype(np.float64) + 0.5) * scale - 0.5
    covered, alpha = add_occluder(image, marks, OCCLUDERS[kind], rng)
    if alpha.max() < 0.5:
        return None
    return (
        unmixed(image, covered, alpha),
        np.round(255 * alpha).astype(np.uint8),
        marks.astype(np.float32),
        kind,
    )


def skin_gain(colour: np.ndarray, alpha: np.ndarray, image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Factors (3,) that bring an occluder's mean colour to that of a face.

    Args:
        colour: (H, W, 3) uint8, the occluder.
        alpha: (H, W) uint8, where it is.
        image: (H, W, 3) uint8, the face.
        points: (68, 2) its landmarks, px.
    """
    hull = np.zeros(alpha.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.round(points[1:36]).astype(np.int32)), 1)
    if not hull.any() or not (alpha > 127).any():
        return np.ones(3)
    own, face = colour[alpha > 127].mean(0), np.median(image[hull > 0], axis=0)
    return np.clip(face / np.maximum(own, 1.0), 0.25, 4.0)


def unmixed(image: np.ndarray, covered: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The occluder's own colour (H, W, 3) uint8; where alpha is small, that of the nearest clear pixel.

    Args:
        image: (H, W, 3) uint8, without the occluder.
        covered: with it: alpha·occluder + (1 - alpha)·image.
        alpha: (H, W) float32.
    """
    weight = np.maximum(alpha, 1e-3)[..., None]
    colour = np.clip((covered - image * (1 - alpha[..., None])) / weight, 0, 255).astype(np.uint8)
    unclear = (alpha < 0.35).astype(np.uint8)
    if not unclear.any():
        return colour
    _, nearest = cv2.distanceTransformWithLabels(unclear, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    clear = np.flatnonzero(unclear.ravel() == 0)
    if not len(clear):
        return colour
    where = np.zeros(nearest.max() + 1, np.int64)
    where[nearest.ravel()[clear]] = clear
    return colour.reshape(-1, 3)[where[nearest]].reshape(colour.shape)
