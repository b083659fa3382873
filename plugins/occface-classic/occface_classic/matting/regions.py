"""Which connected parts of a face are something in front of it: judged whole, not pixel by pixel."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from occface_classic.matting.scene import Mask, Scene

THRESHOLDS = (1.3, 1.7, 2.2, 2.8, 3.6)
"""Levels of unlikeness, standard deviations, whose connected parts are the candidates."""

_UNITS = np.array([0.10, 0.10, 0.35])  # of log(R/G), log(B/G) and log brightness

# logistic regression on 9,400 regions of 420 bare faces, 550 under eleven kinds of drawn occluders and 60 in
# real masks: area under the curve 0.98 in cross-validation over faces
WEIGHTS = {
    "area": -1.21,
    "free": 0.66,
    "step": 0.32,
    "sharp": 1.35,
    "unlike": 0.94,
    "chroma": -0.25,
    "darker": -0.25,
    "lighter": -1.66,
    "contrast": -0.66,
    "depth": -1.72,
    "enclosed": 2.02,
    "eyes": 0.9,
    "mouth": -1.36,
    "low": 0.96,
    "compact": 6.08,
    "plain_mouth": 1.15,
    "area_squared": -0.71,
    "plain_mouth_step": -0.21,
}
"""What a region is judged by, see `describe`, and how much each counts towards an occluder."""

_BIAS = -7.10
_LEAST_FREE = 0.2


def candidates(scene: Scene, least: float) -> list[Mask]:
    """Return regions (S, S) that may be occluders.

    They are the connected parts unlike skin at each of `THRESHOLDS`, and the part of the face in the colours
    of what lies about the mouth.

    Args:
        scene: the face.
        least: smallest region, pixels.
    """
    found = [scene.cover] if scene.cover.sum() >= least else []
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    for threshold in THRESHOLDS:
        over = ((scene.unlikeness > threshold) & scene.inside).astype(np.uint8)
        over = cv2.morphologyEx(over, cv2.MORPH_OPEN, disc)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(over, connectivity=4)
        large = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= least]
        found += [labels == label for label in large]
    # what lies on lips and nostrils alone is those themselves, whatever their colour
    return [region for region in found if (region & ~scene.mouth).sum() > _LEAST_FREE * region.sum()]


def describe(region: Mask, scene: Scene) -> NDArray[np.float64]:
    """Return the values of `WEIGHTS` for one region.

    An occluder differs from skin by one sharp step all along its border, is often of one colour, and covers
    the face's features together with the skin about them. Light and shadow change gradually.

    Args:
        region: (S, S), not empty.
        scene: the face.
    """
    area, pixels, residual = int(region.sum()), scene.features[region], scene.residual[region]
    chroma = np.hypot(residual[:, 0], residual[:, 1]) / _UNITS[0]
    tone = residual[:, 2].mean() / _UNITS[2]
    eyes, mouth = (region & scene.eyes).sum() / area, (region & scene.mouth).sum()
    steps, enclosed, thickness = _border(region, scene)
    spread = np.abs(pixels - np.median(pixels, axis=0)).mean(0) / _UNITS
    whole_mouth = max(int((scene.mouth & scene.inside).sum()), 1)
    share = np.log(area / scene.inside.sum())
    step = min(float(np.median(steps)), 6.0) if len(steps) else 0.0
    plain = np.clip(scene.mouth_odds, -4, 4) * mouth / whole_mouth
    values = {
        "area": share,
        "free": (region & ~scene.eyes & ~scene.mouth).sum() / area,
        "step": step,
        "sharp": float((steps > 2).mean()) if len(steps) else 0.0,
        "unlike": min(float(scene.unlikeness[region].mean()), 8.0),
        "chroma": min(float(chroma.mean()), 8.0),
        "darker": min(max(-tone, 0.0), 5.0),
        "lighter": min(max(tone, 0.0), 3.0),
        "contrast": min(float(np.linalg.norm(spread)), 5.0),
        "depth": np.percentile(scene.depth[region], 90) / scene.radius,
        "enclosed": enclosed,
        "eyes": eyes,
        "mouth": mouth / area,
        "low": max(-scene.level[region].mean(), 0.0),
        "compact": thickness / np.sqrt(area / np.pi),
        "plain_mouth": plain,
        "area_squared": share**2,
        "plain_mouth_step": plain * step,
    }
    return np.array([values[name] for name in WEIGHTS])


def _border(region: Mask, scene: Scene) -> tuple[NDArray[np.float64], float, float]:
    """Return the colour steps (N,) across the border where it runs inside the face, that share of it, and
    the region's greatest distance from its border in pixels.
    """
    f, inside, reach = scene.features, scene.inside, max(1.5, 0.035 * scene.radius)
    rows, columns = np.nonzero(region)
    top, left = max(rows.min() - 4, 0), max(columns.min() - 4, 0)
    mask = np.pad(region[top : rows.max() + 5, left : columns.max() + 5].astype(np.uint8), 1)
    within = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    signed = cv2.GaussianBlur(within - cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5), (0, 0), 1.5)
    edge = (mask > 0) & (within < 1.5)
    y, x = np.nonzero(edge)
    normal = np.stack([cv2.Sobel(signed, -1, 1, 0)[edge], cv2.Sobel(signed, -1, 0, 1)[edge]], -1)
    normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    at = np.stack([x + left - 1, y + top - 1], -1)
    one, other = np.round(at + reach * normal).astype(int), np.round(at - 1.3 * reach * normal).astype(int)
    ok = ((other >= 0) & (other < len(f))).all(1)
    one, other = np.clip(one, 0, len(f) - 1), np.clip(other, 0, len(f) - 1)
    ok &= inside[other[:, 1], other[:, 0]]
    step = (f[one[:, 1], one[:, 0]] - f[other[:, 1], other[:, 0]]) / _UNITS
    return np.linalg.norm(step, axis=1)[ok], float(ok.mean()), float(within.max())


def occluder_score(values: NDArray[np.float64]) -> float:
    """Return log odds that a region described as `WEIGHTS` is an occluder."""
    return float(values @ np.array(list(WEIGHTS.values())) + _BIAS)


def occluder_regions(scene: Scene, *, least_area: float, least_score: float) -> Mask:
    """Return (S, S), the union of the best regions; of regions within each other the best one counts.

    Args:
        scene: the face.
        least_area: smallest region, share of the face region.
        least_score: log odds from which a region is kept.
    """
    kept = np.zeros(scene.inside.shape, bool)
    area = int(scene.inside.sum())
    regions = candidates(scene, max(least_area * area, 4))
    judged = [(occluder_score(describe(region, scene)), region) for region in regions]
    for score, region in sorted(judged, key=lambda pair: -pair[0]):
        if score > least_score and not (region & kept).any():
            kept |= _without_holes(region, int(0.03 * area))
    return kept & scene.inside


def _without_holes(mask: Mask, largest: int) -> Mask:
    """Fill enclosed gaps of up to `largest` pixels: prints on a mask, glints on glasses."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    small = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] <= largest]
    return np.asarray(mask | np.isin(labels, small))
