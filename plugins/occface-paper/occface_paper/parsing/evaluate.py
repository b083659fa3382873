"""How well a parsing network finds what hides a face."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from occface_core.face_region import face_region
from occface_core.synthetic import OCCLUDERS, add_occluder
from occface_paper.parsing.data import LabelledCrops
from occface_paper.parsing.hidden import FRONT
from occface_paper.parsing.network import ParsingNetwork


def composites(crops: LabelledCrops, count: int, seed: int = 0) -> list[tuple[str, Tensor, Tensor, Tensor]]:
    """Validation crops of 256 px under each kind of occluder, and bare.

    Returns:
        Kind, image (3, 256, 256), truth (256, 256) bool inside the face region, region (256, 256) bool.
    """
    margin = (crops.images.shape[1] - 256) // 2
    rows = np.flatnonzero(crops.is_val)[:count]
    made = []
    for number, row in enumerate(rows):
        image = crops.images[row, margin : margin + 256, margin : margin + 256]
        points = crops.points[row].astype(np.float64) - margin
        region = face_region(torch.as_tensor(points[None], dtype=torch.float32), 256)[0, 0] > 0.5
        for kind in (OCCLUDERS[number % len(OCCLUDERS)], OCCLUDERS[(number + 5) % len(OCCLUDERS)], "none"):
            covered, alpha = image, np.zeros((256, 256), np.float32)
            if kind != "none":
                covered, alpha = add_occluder(image, points, kind, np.random.default_rng((seed, number)))
            tensor = torch.from_numpy(np.ascontiguousarray(covered)).permute(2, 0, 1).float() / 255
            made.append((kind, tensor, torch.from_numpy(alpha > 0.5) & region, region))
    return made


@torch.no_grad()
def validate(network: ParsingNetwork, made: list[tuple[str, Tensor, Tensor, Tensor]]) -> dict[str, float]:
    """Mean IoU (per cent) of the hidden area by kind, and the share of bare faces that is marked."""
    network.eval()
    figures: dict[str, list[float]] = {}
    for kind, image, truth, region in made:
        share = network(image[None].contiguous(memory_format=torch.channels_last)).softmax(1)[0]
        found = (share[list(FRONT)].sum(0) > 0.5) & region
        if kind == "none":
            figures.setdefault("bare", []).append(100 * float(found.sum() / region.sum()))
        elif truth.any():
            figures.setdefault(kind, []).append(100 * float((found & truth).sum() / (found | truth).sum()))
    means = {kind: round(float(np.mean(values)), 1) for kind, values in figures.items()}
    bare = means.pop("bare", 0.0)
    return {"iou": round(float(np.mean(list(means.values()))), 2), "bare": bare, **means}
