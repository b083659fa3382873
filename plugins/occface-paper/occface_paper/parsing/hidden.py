"""From the chance of every label to the area that is hidden: the matting operator of paper 3.2."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

from occface_core.synthetic.labels import LABELS

#: Labels that belong to a face and cannot hide it.
FACE = tuple(LABELS[name] for name in ("skin", "brows", "eyes", "nose", "mouth", "lips"))
#: Labels that hide a face wherever they lie over it.
FRONT = tuple(LABELS[name] for name in ("eyeglasses", "hair", "hat", "other"))
#: Labels that hide it in its midst, but at its rim only say that the landmarks lie a little too far out.
BEHIND = tuple(LABELS[name] for name in ("background", "cloth"))
#: Depths from the rim of the face region, px at crop size 256, between which `BEHIND` begins to count.
RIM = (4.0, 14.0)
#: Labels that may lie over the rim of the face, and how far beyond the rim they are followed, px at crop size 256: the
#: region of found landmarks is often a little too small, and a strip of mask left about a completed cheek is ugly.
OVERHANGING, OVERHANG = tuple(LABELS[name] for name in ("eyeglasses", "other")), 8
#: Chance from which it is followed there.
LEAST_BEYOND = 0.1
#: Hair that reaches less deep into the region than this share of the region's size is the hairline or hair beside the
#: cheek, not something in front of the face.
HAIRLINE = 0.26
#: A marked area of which this share lies within the lips, widened by so many px at crop size 256, is what an open mouth
#: shows: teeth, tongue, dark. What is held before a mouth reaches beyond it.
MOUTH_SHARE, MOUTH_MARGIN = 0.75, 5.0
#: Areas smaller than this share of the face region, marked or left out, are noise.
SPECK = 0.0008


def without_hairline(chance: Tensor, region: Tensor) -> Tensor:
    """Take the hair at the rim out of the face region; hair that reaches deep into it stays, it hides something.

    Args:
        chance: (B, C, S, S) of every label.
        region: (B, 1, S, S) in [0, 1], hull of the landmarks with its top raised.

    Returns:
        (B, 1, S, S) in [0, 1].
    """
    pairs = chance[:, [LABELS["hair"], LABELS["hat"]]].cpu().numpy()
    planes = [
        face * (1 - _rim_hair(hair, hat, face))
        for (hair, hat), face in zip(pairs, region[:, 0].cpu().numpy(), strict=True)
    ]
    return torch.as_tensor(np.stack(planes), device=region.device)[:, None] if planes else region


def _rim_hair(hair: np.ndarray, hat: np.ndarray, face: np.ndarray) -> np.ndarray:
    """(S, S) float32 in [0, 1]: hair that stays near the rim of the face; bits of it may have been taken for a hat."""
    inside = face > 0.5
    either = hair + hat
    marked = ((either > 0.5) & inside).astype(np.uint8)
    if not marked.any():
        return np.zeros_like(hair)
    depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 3)
    count, patches = cv2.connectedComponents(marked, connectivity=8)
    least = HAIRLINE * np.sqrt(inside.sum())
    rim = np.zeros(face.shape, np.uint8)
    for index in range(1, count):
        patch = patches == index
        if depth[patch].max() < least and hair[patch].sum() >= hat[patch].sum():
            rim[patch] = 1
    near = cv2.dilate(rim, np.ones((5, 5), np.uint8)) > 0
    return np.where(near, np.clip(2 * either - 0.5, 0, 1), 0).astype(np.float32)


def hidden_chance(chance: Tensor, region: Tensor) -> Tensor:
    """How likely each pixel of the face region shows something that is not the face.

    Args:
        chance: (B, C, S, S) of every label, summing to 1.
        region: (B, 1, S, S) in [0, 1].

    Returns:
        (B, 1, S, S) in [0, 1]; 0 outside the region.
    """
    front = chance[:, list(FRONT)].sum(1, keepdim=True)
    behind = chance[:, list(BEHIND)].sum(1, keepdim=True)
    return (front + behind * _midst(region)).clamp(0, 1) * (region > 0)


def overhang(chance: Tensor, hidden: Tensor, region: Tensor) -> Tensor:
    """Where what hides the face goes on beyond the rim of the face region.

    Args:
        chance: (B, C, S, S) of every label.
        hidden: (B, 1, S, S), chance of being hidden inside the region.
        region: (B, 1, S, S) in [0, 1].

    Returns:
        (B, 1, S, S): the chance of being such a thing, 0 farther than `OVERHANG` from the region and from what is
        hidden in it.
    """
    reach = max(1, round(OVERHANG * region.shape[-1] / 256))
    near = [_widened(region, reach), _widened(hidden, reach + 1)]
    return chance[:, list(OVERHANGING)].sum(1, keepdim=True) * near[0] * near[1]


def _widened(planes: Tensor, reach: int) -> Tensor:
    """(B, 1, S, S) 0 or 1: within a square of so many pixels to each side of what is over 1/2."""
    kernel = np.ones((2 * reach + 1,) * 2, np.uint8)
    wide = [cv2.dilate((plane > 0.5).astype(np.uint8), kernel) for plane in planes[:, 0].cpu().numpy()]
    return torch.as_tensor(np.stack(wide)).to(planes)[:, None] if wide else planes


def _midst(region: Tensor) -> Tensor:
    """(B, 1, S, S): 0 at the rim of the region, 1 well inside."""
    low, high = (depth * region.shape[-1] / 256 for depth in RIM)
    depth = [
        cv2.distanceTransform((plane > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
        for plane in region[:, 0].cpu().numpy()
    ]
    stacked = torch.as_tensor(np.stack(depth), device=region.device)[:, None] if depth else region
    return ((stacked - low) / (high - low)).clamp(0, 1)


def soft_alpha(chance: Tensor, region: Tensor, steepness: float) -> Tensor:
    """Alpha from the chance: steeper, without specks, with small holes closed.

    Args:
        chance: (B, 1, S, S) of being hidden.
        region: (B, 1, S, S) face region.
        steepness: slope of alpha over the chance at 1/2; 1 keeps the chance.

    Returns:
        (B, 1, S, S) in [0, 1], 0 outside the region.
    """
    alpha = ((chance - 0.5) * steepness + 0.5).clamp(0, 1)
    planes = [
        _without_specks(plane, face)
        for plane, face in zip(alpha[:, 0].cpu().numpy(), region[:, 0].cpu().numpy(), strict=True)
    ]
    if not planes:
        return alpha
    return torch.as_tensor(np.stack(planes), device=chance.device)[:, None] * region


def without_open_mouth(alpha: Tensor, points: Tensor) -> Tensor:
    """Unmark what an open mouth shows.

    Args:
        alpha: (B, 1, S, S) in [0, 1].
        points: (B, 68, 2) landmarks, crop px.

    Returns:
        (B, 1, S, S): alpha, 0 on marked areas that lie in the mouth.
    """
    planes = []
    for plane, face in zip(alpha[:, 0].cpu().numpy(), points.cpu().numpy(), strict=True):
        marked = (plane > 0.5).astype(np.uint8)
        lips = np.zeros(plane.shape, np.uint8)
        cv2.fillConvexPoly(lips, cv2.convexHull(np.round(face[48:60]).astype(np.int32)), 1)
        reach = 2 * round(MOUTH_MARGIN * len(plane) / 256) + 1
        lips = cv2.dilate(lips, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
        changed = plane
        if (marked & lips).any():
            _, areas = cv2.connectedComponents(marked, connectivity=8)
            total, inside = (
                np.bincount(areas.ravel()),
                np.bincount(areas[lips > 0], minlength=areas.max() + 1),
            )
            drop = np.flatnonzero(inside >= MOUTH_SHARE * total)
            gone = np.isin(areas, drop[drop > 0]).astype(np.uint8)
            changed = np.where(cv2.dilate(gone, np.ones((5, 5), np.uint8)) > 0, 0, plane).astype(plane.dtype)
        planes.append(changed)
    return torch.as_tensor(np.stack(planes), device=alpha.device)[:, None] if planes else alpha


def _without_specks(alpha: np.ndarray, face: np.ndarray) -> np.ndarray:
    """Take away marked areas, and fill bare ones, that are too small to be anything."""
    least = SPECK * float((face > 0.5).sum())
    alpha = alpha.copy()
    marked = ((alpha > 0.5) & (face > 0.5)).astype(np.uint8)
    # eight neighbours for what is marked: a thin rim of glasses is one thing
    _, areas, stats, _ = cv2.connectedComponentsWithStats(marked, connectivity=8)
    small = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] < least)
    drop = np.isin(areas, small[small > 0])
    if not marked.any() or drop[marked > 0].all():
        return np.zeros_like(alpha)
    alive = cv2.dilate((marked & ~drop).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    alpha[~alive] = 0.0
    _, areas, stats, _ = cv2.connectedComponentsWithStats(1 - marked, connectivity=4)
    small = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] < least)
    alpha[np.isin(areas, small[small > 0])] = 1.0
    return alpha


def face_of_labels(labels: np.ndarray, expected: np.ndarray | None = None) -> np.ndarray:
    """Face region without landmarks: the hull of the face labels, and of what hides the face where one is expected.

    Args:
        labels: (S, S) uint8.
        expected: (S, S) bool, where the face of an aligned crop lies; a mask over the lower half of a face, say, ends
            the hull of what is seen above the mouth. None: the hull alone.

    Returns:
        (S, S) float32, 0 or 1; all 0 where no face is seen.
    """
    face = np.isin(labels, FACE).astype(np.uint8)
    closed = cv2.morphologyEx(face, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    count, areas, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    region = np.zeros(labels.shape, np.float32)
    if count < 2:
        return region
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    # parts of one face that something divides belong together; other faces are farther away
    keep = [
        i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] > 0.08 * stats[largest, cv2.CC_STAT_AREA]
    ]
    belongs = np.isin(areas, keep)
    if expected is not None:
        belongs |= expected & np.isin(labels, FRONT)
    rows, columns = np.nonzero(belongs)
    hull = cv2.convexHull(np.stack([columns, rows], 1).astype(np.int32))
    cv2.fillConvexPoly(region, hull, 1.0)
    return region


@lru_cache(maxsize=8)
def expected_face(size: int) -> np.ndarray:
    """(S, S) bool: the face region of the frontal mean face, to which the pipeline's crops are aligned."""
    from occface_core.face_region import face_region
    from occface_core.geometry.align import nominal_landmarks

    region = face_region(nominal_landmarks(size).float()[None], size)
    return np.asarray((region[0, 0] > 0.5).numpy())
