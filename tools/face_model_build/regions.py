"""The embedded model's regions: the common ones, refined by the base mesh's masks, and the inner parts."""

from __future__ import annotations

import numpy as np

from occface_core.facemodel.regions import name_regions, sides

from . import cage as parts


def sample_mask(mask: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Look a (H, W) uint8 mask up at UVs (N, 2), v up; NaN gives 0. Returns (N,) in [0, 1]."""
    height, width = mask.shape
    known = ~np.isnan(uv).any(axis=1)
    points = np.nan_to_num(uv)
    rows = np.clip(((1.0 - points[:, 1]) * height).astype(int), 0, height - 1)
    columns = np.clip((points[:, 0] * width).astype(int), 0, width - 1)
    return np.where(known, mask[rows, columns] / 255.0, 0.0)


def embedded_regions(
    vertices: np.ndarray, part: np.ndarray, landmarks: np.ndarray, masks: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Name the regions of the embedded model's mean.

    Args:
        vertices: (V, 3) mm.
        part: (V,) the cage part of every vertex.
        landmarks: (68, 3) mm.
        masks: "ears", "lips", "eyelids" (V,) in [0, 1].

    Returns:
        name -> (V,) bool; besides the common ones eyeballs, teeth, tongue, mouth_cavity, interior (those
        three), neck and scalp.
    """
    head = part == parts.HEAD
    ball, socket = part == parts.EYE, part == parts.SOCKET
    named = name_regions(
        vertices,
        landmarks,
        skin=head,
        ears=masks["ears"] > 0.4,
        lips=masks["lips"] > 0.4,
        eyelids=masks["eyelids"] > 0.5,
        eyeballs=ball | socket,
    )
    mouth_y = 0.5 * (landmarks[62, 1] + landmarks[66, 1])
    other = head & ~named["face"] & ~named["ears"]
    teeth, tongue, cavity = part == parts.TEETH, part == parts.TONGUE, part == parts.CAVITY
    return (
        named
        | sides("eyeball", ball, vertices[:, 0])
        | {
            "teeth": teeth,
            "tongue": tongue,
            "mouth_cavity": cavity,
            "interior": teeth | tongue | cavity,
            "neck": (part == parts.NECK) | (other & (vertices[:, 1] <= mouth_y)),
            "scalp": other & (vertices[:, 1] > mouth_y),
        }
    )
