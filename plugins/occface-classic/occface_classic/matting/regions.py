"""Which connected parts of a face are something in front of it: judged whole, not pixel by pixel."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from occface_classic.matting.skin import SkinModel
from occface_core.face_region import face_axes

Mask = NDArray[np.bool_]

THRESHOLDS = (1.3, 1.7, 2.2, 2.8, 3.6)
"""Levels of unlikeness, standard deviations, whose connected parts are the candidates."""

_CHROMA_UNIT, _TONE_UNIT = 0.10, 0.35

FEATURES = (
    "area",
    "free",
    "step",
    "sharp",
    "unlike",
    "chroma",
    "darker",
    "lighter",
    "contrast",
    "depth",
    "enclosed",
    "eyes",
    "mouth",
    "low",
    "compact",
)
"""What a region is judged by, see `describe`."""

# logistic regression on 9,900 regions of 650 bare faces and 500 with pasted glasses, microphones, blobs and
# blocks: area under the curve 0.975 in cross-validation over faces
_WEIGHTS = np.array(
    [2.71, 0.91, 1.05, 1.29, 0.31, -0.36, 0.05, -1.03, -1.19, -5.03, 4.19, 0.10, -1.47, 1.79, 14.68]
)
_BIAS = -8.23


def own_features(points: NDArray[np.float64], size: int) -> tuple[Mask, Mask]:
    """Return (S, S) masks of where brows and eyes, and nostrils and lips, make a bare face unlike skin.

    Args:
        points: (68, 2) pixels.
        size: side S of the crop, pixels.
    """
    up, _, height = face_axes(points)
    eyes, mouth = np.zeros((size, size), np.uint8), np.zeros((size, size), np.uint8)
    for start in (17, 22):
        _stroke(eyes, points[start : start + 5], 0.24 * height)
    for canvas, start, stop, width in ((eyes, 36, 42, 0.22), (eyes, 42, 48, 0.22), (mouth, 48, 60, 0.14)):
        ring = np.concatenate([points[start:stop], points[start : start + 1]])
        cv2.fillPoly(canvas, [np.round(ring).astype(np.int32)], 1)
        _stroke(canvas, ring, width * height)
    _stroke(mouth, points[31:36] + 0.02 * height * up, 0.14 * height)
    # a shadow lies between brow and eye
    for brow, eye in ((slice(17, 22), slice(36, 40)), (slice(22, 27), slice(42, 46))):
        lid = np.concatenate([points[brow], points[eye][::-1]])
        cv2.fillPoly(eyes, [np.round(lid).astype(np.int32)], 1)
    return eyes.astype(bool), mouth.astype(bool)


def _stroke(canvas: NDArray[np.uint8], line: NDArray[np.float64], width: float) -> None:
    cv2.polylines(canvas, [np.round(line).astype(np.int32)], False, 1, max(1, round(width)))


def candidates(unlikeness: NDArray[np.float32], inside: Mask, least: float) -> Iterator[Mask]:
    """Yield the connected parts (S, S) over each of `THRESHOLDS`, from the lowest up.

    Args:
        unlikeness: (S, S) standard deviations.
        inside: (S, S), where to look.
        least: smallest part, pixels.
    """
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    for threshold in THRESHOLDS:
        over = ((unlikeness > threshold) & inside).astype(np.uint8)
        over = cv2.morphologyEx(over, cv2.MORPH_OPEN, disc)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(over, connectivity=4)
        for label in range(1, count):
            if stats[label, cv2.CC_STAT_AREA] >= least:
                yield labels == label


def describe(
    region: Mask,
    f: NDArray[np.float32],
    skin: SkinModel,
    inside: Mask,
    eyes: Mask,
    mouth: Mask,
    points: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the values of `FEATURES` for one region.

    An occluder differs from skin by one sharp step all along its border, is often of one colour, and covers
    the face's features together with the skin about them. Light and shadow change gradually.

    Args:
        region: (S, S), not empty.
        f: (S, S, 3), see `skin.features`.
        skin: the own skin.
        inside: (S, S), the face region.
        eyes: (S, S), see `own_features`.
        mouth: (S, S), see `own_features`.
        points: (68, 2) pixels.
    """
    up, _, height = face_axes(points)
    scale = np.sqrt(inside.sum() / np.pi)
    pixels = f[region]
    residual = (f - skin.expected(f.shape[0]))[region]
    chroma = np.hypot(residual[:, 0], residual[:, 1]) / _CHROMA_UNIT
    own = eyes | mouth
    steps, enclosed = _border_steps(region, f, inside, max(1.5, 0.035 * scale))
    spread = np.abs(pixels - np.median(pixels, axis=0)).mean(0) / [_CHROMA_UNIT, _CHROMA_UNIT, _TONE_UNIT]
    reach = cv2.distanceTransform(np.pad(inside, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    solid = cv2.distanceTransform(np.pad(region, 1).astype(np.uint8), cv2.DIST_L2, 3).max()
    rows, columns = np.nonzero(region)
    level = (columns.mean() * up[0] + rows.mean() * up[1] - points[29] @ up) / height
    area = region.sum()
    tone = residual[:, 2].mean() / _TONE_UNIT
    return np.array(
        [
            np.log(area / inside.sum()),
            (region & ~own).sum() / area,
            min(float(np.median(steps)), 6.0) if len(steps) else 0.0,
            float((steps > 2).mean()) if len(steps) else 0.0,
            min(float(skin.unlikeness(f)[region].mean()), 8.0),
            min(float(chroma.mean()), 8.0),
            min(max(-tone, 0.0), 5.0),
            min(max(tone, 0.0), 3.0),
            min(float(np.linalg.norm(spread)), 5.0),
            float(np.percentile(reach[region], 90)) / scale,
            enclosed,
            (region & eyes).sum() / area,
            (region & mouth).sum() / area,
            max(-level, 0.0),
            solid / np.sqrt(area / np.pi),
        ]
    )


def _border_steps(
    region: Mask, f: NDArray[np.float32], inside: Mask, reach: float
) -> tuple[NDArray[np.float64], float]:
    """Return the colour steps (N,) across the border, where it runs inside the face, and that share of it."""
    mask = region.astype(np.uint8)
    border = region & (cv2.erode(mask, np.ones((3, 3), np.uint8), borderValue=0) == 0)
    signed = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 5) - cv2.distanceTransform(
        np.pad(1 - mask, 1, constant_values=1), cv2.DIST_L2, 5
    )
    signed = cv2.GaussianBlur(signed, (0, 0), 1.5)
    dy, dx = np.gradient(signed)
    normal = np.stack([dx, dy], -1)[1:-1, 1:-1][border]
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    rows, columns = np.nonzero(border)
    at = np.stack([columns, rows], -1).astype(np.float64)
    within, beyond = at + reach * normal, at - 1.3 * reach * normal

    def sample(x: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64], Mask]:
        index = np.round(x).astype(np.int64)
        ok = ((index >= 0) & (index < len(f))).all(1)
        index = np.clip(index, 0, len(f) - 1)
        return index[:, 1], index[:, 0], ok & inside[index[:, 1], index[:, 0]]

    r0, c0, _ = sample(within)
    r1, c1, ok = sample(beyond)
    step = (f[r0, c0] - f[r1, c1]) / [_CHROMA_UNIT, _CHROMA_UNIT, _TONE_UNIT]
    return np.linalg.norm(step, axis=1)[ok], float(ok.mean()) if len(ok) else 0.0


def occluder_score(values: NDArray[np.float64]) -> float:
    """Return log odds that a region described by `FEATURES` is an occluder."""
    return float(values @ _WEIGHTS + _BIAS)


def occluder_regions(
    f: NDArray[np.float32],
    skin: SkinModel,
    inside: Mask,
    points: NDArray[np.float64],
    *,
    least_area: float,
    least_score: float,
) -> Mask:
    """Return (S, S), the union of the best regions; of regions within each other the best one counts.

    Args:
        f: (S, S, 3), see `skin.features`.
        skin: the own skin.
        inside: (S, S), where to look.
        points: (68, 2) pixels.
        least_area: smallest region, share of `inside`.
        least_score: log odds from which a region is kept.
    """
    kept = np.zeros(inside.shape, bool)
    if not inside.any():
        return kept
    eyes, mouth = own_features(points, len(f))
    judged = [
        (occluder_score(describe(region, f, skin, inside, eyes, mouth, points)), region)
        for region in candidates(skin.unlikeness(f), inside, max(least_area * inside.sum(), 4))
    ]
    for score, region in sorted(judged, key=lambda pair: -pair[0]):
        if score > least_score and not (region & kept).any():
            kept |= _without_holes(region, int(0.03 * inside.sum()))
    return kept & inside


def _without_holes(mask: Mask, largest: int) -> Mask:
    """Fill enclosed gaps of up to `largest` pixels: prints on a mask, glints on glasses."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    small = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] <= largest]
    return np.asarray(mask | np.isin(labels, small))
