"""Name the parts of a face model from its mean shape and 68 landmarks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[Any]
Mask = NDArray[np.bool_]

PAIRED = ("eye", "eyeball", "brow", "cheek", "ear")
"""Parts that exist on both sides: left_… and right_… (the person's), and the plural for both."""


def distance_to_polyline(points: Points, line: Points) -> Points:
    """Return the (N,) distance of (N, D) points to a polyline (M, D)."""
    best = np.full(len(points), np.inf)
    for start, end in pairwise(line):
        along = end - start
        share = np.clip((points - start) @ along / max(float(along @ along), 1e-12), 0.0, 1.0)
        best = np.minimum(best, np.linalg.norm(points - start - share[:, None] * along, axis=1))
    return best


def inside(points: Points, outline: Points, grow: float = 0.0) -> Mask:
    """Return (N,) bool: 2D points inside a closed outline (M, 2), or within ``grow`` of it."""
    within = np.zeros(len(points), bool)
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        crosses = (y0 > points[:, 1]) != (y1 > points[:, 1])
        at = x0 + (points[:, 1] - y0) * (x1 - x0) / (y1 - y0 if y1 != y0 else 1.0)
        within ^= crosses & (points[:, 0] < at)
    if grow > 0:
        within |= distance_to_polyline(points, np.concatenate([outline, outline[:1]])) < grow
    return within


def sides(name: str, mask: Mask, x: Points) -> dict[str, Mask]:
    """Split a paired part: {left_name, right_name, names}; the midline belongs to both."""
    return {f"left_{name}": mask & (x >= 0), f"right_{name}": mask & (x <= 0), f"{name}s": mask}


def name_regions(
    vertices: Points,
    landmarks: Points,
    *,
    skin: Mask | None = None,
    ears: Mask | None = None,
    lips: Mask | None = None,
    eyelids: Mask | None = None,
    eyeballs: Mask | None = None,
) -> dict[str, Mask]:
    """Name the regions of a frontal mean face.

    What a model knows better than its landmarks (its own ear mask, say) is passed in.

    Args:
        vertices: (V, 3) mm, x to the person's left, y up, z forward.
        landmarks: (68, 3) mm.
        skin: (V,) the outer surface; everything when None.
        ears: (V,); none when None.
        lips: (V,); from the lip contour when None.
        eyelids: (V,) lids to count as eyes besides the opening.
        eyeballs: (V,) and what lies behind the lids.

    Returns:
        name -> (V,) bool: face (all of it, with eyes, without ears), forehead, nose, mouth (lips and the
        skin up to the nose), lips, jaw, and left_, right_ and both of brow, eye, cheek, ear.
    """
    none = np.zeros(len(vertices), bool)
    skin = ~none if skin is None else skin
    ears = none if ears is None else ears & skin
    eyelids = none if eyelids is None else eyelids
    eyeballs = none if eyeballs is None else eyeballs
    x, y, z = vertices.T
    flat, lm = vertices[:, :2], landmarks
    eye_y, brow_y, chin_y = lm[36:48, 1].mean(), lm[17:27, 1].mean(), lm[8, 1]

    # The hairline: an ellipse over the eyes, 62 mm above the brows, 76 mm to each side.
    above = (x / 76.0) ** 2 + ((y - eye_y) / (brow_y + 62.0 - eye_y)) ** 2 < 1.0
    depth = np.interp(y, [chin_y, lm[2, 1], eye_y, brow_y + 40.0], [-75.0, -62.0, -52.0, -45.0])
    below = inside(flat, lm[:17, :2], grow=4.0) | (distance_to_polyline(vertices, lm[:17]) < 9.0)
    face = skin & ~ears & (z > depth) & np.where(y > eye_y, above, below)

    opening = inside(flat, lm[36:42, :2], 2.5) | inside(flat, lm[42:48, :2], 2.5)
    eye = (face & (opening | eyelids) & (z > lm[36, 2] - 12.0)) | eyeballs
    brow = face & ~eye & (
        (distance_to_polyline(flat, lm[17:22, :2] - [0.0, 0.5]) < 4.6)
        | (distance_to_polyline(flat, lm[22:27, :2] - [0.0, 0.5]) < 4.6)
    )  # fmt: skip
    nose = face & ~eye & ~brow & inside(flat, _nose_outline(lm))
    corners = np.minimum(*(np.linalg.norm(vertices - lm[k], axis=1) for k in (48, 54)))
    lip = skin & ((inside(flat, lm[48:60, :2], 1.0) & (z > lm[48, 2] - 15.0)) if lips is None else lips)
    lip |= skin & (corners < 4.0)

    mouth_y, half = 0.5 * (lm[62, 1] + lm[66, 1]), lm[54, 0]
    rest = face & ~(eye | brow | nose | lip)
    forehead = rest & (y > np.interp(x, lm[17:27, 0], lm[17:27, 1]))
    jaw = rest & ~forehead & (y < mouth_y - 4.0 + (np.abs(x) - half).clip(0.0) * 0.35)
    gap = np.array([[-half, mouth_y], [half, mouth_y], lm[35, :2], lm[31, :2]])
    above_lip = rest & ~forehead & ~jaw & inside(flat, gap, 4.0)
    cheek = rest & ~forehead & ~jaw & ~above_lip
    return {
        "face": face | eyeballs | lip,
        "forehead": forehead,
        "nose": nose,
        "mouth": lip | above_lip,
        "lips": lip,
        "jaw": jaw,
        **sides("brow", brow, x),
        **sides("eye", eye, x),
        **sides("cheek", cheek, x),
        **sides("ear", ears, x),
    }


def _nose_outline(lm: Points) -> Points:
    """Return the (10, 2) frontal outline of the nose, from the bridge over the wings to its base."""
    half = [
        [7.5, lm[27, 1] + 2.0],
        [9.5, lm[28, 1]],
        [lm[35, 0] + 4.5, lm[30, 1]],
        [lm[35, 0] + 5.5, lm[33, 1] + 2.0],
        [lm[35, 0] + 1.0, lm[33, 1] - 2.0],
    ]
    right = np.array(half)
    return np.concatenate([right, right[::-1] * [-1.0, 1.0]])
