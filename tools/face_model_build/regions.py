"""Name the parts of the mean face, from its landmarks and the base mesh's masks."""

from __future__ import annotations

import numpy as np

from . import cage as parts


def sample_mask(mask: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Look a (H, W) uint8 mask up at UVs (N, 2), v up; NaN gives 0. Returns (N,) in [0, 1]."""
    height, width = mask.shape
    known = ~np.isnan(uv).any(axis=1)
    points = np.nan_to_num(uv)
    rows = np.clip(((1.0 - points[:, 1]) * height).astype(int), 0, height - 1)
    columns = np.clip((points[:, 0] * width).astype(int), 0, width - 1)
    return np.where(known, mask[rows, columns] / 255.0, 0.0)


def distance_to_polyline(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Return the (N,) distance of (N, D) points to a polyline (M, D)."""
    best = np.full(len(points), np.inf)
    for start, end in zip(line[:-1], line[1:], strict=True):
        along = end - start
        share = np.clip((points - start) @ along / max(along @ along, 1e-12), 0.0, 1.0)
        best = np.minimum(best, np.linalg.norm(points - start - share[:, None] * along, axis=1))
    return best


def inside(points: np.ndarray, outline: np.ndarray, grow: float = 0.0) -> np.ndarray:
    """Return (N,) bool: 2D points inside an outline, or within ``grow`` of it."""
    within = np.zeros(len(points), bool)
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        crosses = (y0 > points[:, 1]) != (y1 > points[:, 1])
        at = x0 + (points[:, 1] - y0) * (x1 - x0) / (y1 - y0 if y1 != y0 else 1.0)
        within ^= crosses & (points[:, 0] < at)
    if grow > 0:
        closed = np.concatenate([outline, outline[:1]])
        within |= distance_to_polyline(points, closed) < grow
    return within


def name_regions(
    vertices: np.ndarray,
    part: np.ndarray,
    landmarks: np.ndarray,
    ears: np.ndarray,
    lips: np.ndarray,
    eyelids: np.ndarray,
) -> dict[str, np.ndarray]:
    """Name the regions of the mean face.

    Args:
        vertices: (V, 3) mm.
        part: (V,) the cage part of every vertex.
        landmarks: (68, 3) mm.
        ears: (V,) mask in [0, 1].
        lips: (V,) mask in [0, 1].
        eyelids: (V,) mask in [0, 1].

    Returns:
        name -> (V,) bool. left and right are the person's.
    """
    x, y, z = vertices.T
    flat = vertices[:, :2]
    lm = landmarks
    head = part == parts.HEAD
    ear = head & (ears > 0.4)
    eye_y = lm[36:48, 1].mean()
    brow_y = lm[17:27, 1].mean()
    chin_y = lm[8, 1]
    # The hairline: an ellipse arc over the eyes, 62 mm above the brows, 72 mm wide each side.
    top = (brow_y + 62.0) - eye_y
    above = (x / 76.0) ** 2 + ((y - eye_y) / top) ** 2 < 1.0
    front = z > np.interp(y, [chin_y, lm[2, 1], eye_y, brow_y + 40], [-75.0, -62.0, -52.0, -45.0])
    jaw_line = np.concatenate([lm[:17], [[lm[16, 0], lm[16, 1], 0]]])
    below = distance_to_polyline(vertices, jaw_line[:17]) < 9.0
    under = inside(flat, lm[:17, :2], grow=4.0)
    face = head & ~ear & front & np.where(y > eye_y, above, under | below)

    def mirrored(name: str, mask: np.ndarray) -> dict[str, np.ndarray]:
        return {f"left_{name}": mask & (x >= 0), f"right_{name}": mask & (x <= 0), name + "s": mask}

    eyeball = part == parts.EYE
    regions: dict[str, np.ndarray] = {"face": face | eyeball}
    socket = part == parts.SOCKET
    opening = inside(flat, lm[36:42, :2], 2.5) | inside(flat, lm[42:48, :2], 2.5)
    eye = (face & (opening | (eyelids > 0.5)) & (z > lm[36, 2] - 12)) | eyeball | socket
    regions |= mirrored("eye", eye) | mirrored("eyeball", eyeball)

    right_brow, left_brow = lm[17:22, :2], lm[22:27, :2]
    brow = face & ~eye & (
        (distance_to_polyline(flat, right_brow - [0, 0.5]) < 4.6)
        | (distance_to_polyline(flat, left_brow - [0, 0.5]) < 4.6)
    )
    regions |= mirrored("brow", brow)

    nose_outline = np.array(
        [
            [-7.5, lm[27, 1] + 2],
            [7.5, lm[27, 1] + 2],
            [9.5, lm[28, 1]],
            [lm[35, 0] + 4.5, lm[30, 1]],
            [lm[35, 0] + 5.5, lm[33, 1] + 2],
            [lm[35, 0] + 1.0, lm[33, 1] - 2.0],
            [lm[31, 0] - 1.0, lm[33, 1] - 2.0],
            [lm[31, 0] - 5.5, lm[33, 1] + 2],
            [lm[31, 0] - 4.5, lm[30, 1]],
            [-9.5, lm[28, 1]],
        ]
    )
    nose = face & ~eye & ~brow & inside(flat, nose_outline)
    corners = np.minimum(*(np.linalg.norm(vertices - lm[k], axis=1) for k in (48, 54)))
    lip = head & ((lips > 0.4) | (corners < 4.0))
    regions |= {"nose": nose, "lips": lip}

    mouth_y = 0.5 * (lm[62, 1] + lm[66, 1])
    taken = eye | brow | nose | lip
    brow_line = np.interp(x, lm[17:27, 0], lm[17:27, 1])
    forehead = face & ~taken & (y > brow_line)
    lip_gap = inside(flat, np.array([[-lm[54, 0], mouth_y], [lm[54, 0], mouth_y], lm[35, :2], lm[31, :2]]), 4.0)
    jaw_top = mouth_y + (np.abs(x) - lm[54, 0]).clip(0) * 0.35
    jaw = face & ~taken & ~forehead & (y < jaw_top - 4.0)
    above_lip = face & ~taken & ~forehead & ~jaw & lip_gap
    cheek = face & ~taken & ~forehead & ~jaw & ~above_lip
    regions |= {"forehead": forehead, "jaw": jaw} | mirrored("cheek", cheek) | mirrored("ear", ear)
    teeth, tongue, cavity = part == parts.TEETH, part == parts.TONGUE, part == parts.CAVITY
    regions |= {
        "teeth": teeth,
        "tongue": tongue,
        "mouth_cavity": cavity,
        "interior": teeth | tongue | cavity | socket,
        "mouth": lip | above_lip,
        "neck": (part == parts.NECK) | (head & ~face & ~ear & (y <= mouth_y)),
        "scalp": head & ~face & ~ear & (y > mouth_y),
    }
    return regions
