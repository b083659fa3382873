"""How far predicted points are from the truth on crops (the whole stage is measured in benchmarks/landmarks.py)."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from occface_paper.landmarks.augment import jitter_matrix
from occface_paper.landmarks.crop import apply, similarity, to_pixels
from occface_paper.landmarks.data import FaceCrops
from occface_paper.landmarks.predict import Network
from occface_paper.occluders import KINDS, occlude


def nme(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean point distance by the true outer-eye distance (points 36 and 45), in per cent: (B, 68, 2) -> (B,)."""
    eyes = np.linalg.norm(truth[:, 36] - truth[:, 45], axis=1)
    return 100 * np.linalg.norm(predicted - truth, axis=2).mean(1) / eyes


@torch.no_grad()
def refine(
    network: Network, image: np.ndarray, to_crop: np.ndarray, size: int, passes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points (68, 2) in image pixels and log scale (68,) after some passes, each cropping by the last one's answer."""
    mean = network.mean_shape.cpu().numpy().astype(np.float64)
    log_scale = np.zeros(68)
    points = apply(np.linalg.inv(to_crop), mean)
    for index in range(passes):
        if index:
            to_crop = similarity(points, mean)
        warp = to_pixels(size) @ to_crop
        crop = cv2.warpAffine(image, warp[:2], (size, size), flags=cv2.INTER_LINEAR)
        batch = torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255
        answer, scale = network(batch.contiguous(memory_format=torch.channels_last))
        points = apply(np.linalg.inv(to_crop), answer[0].double().numpy())
        log_scale = scale[0].numpy()
    return points, log_scale


def validate(
    network: Network, crops: FaceCrops, size: int, cutouts: Sequence[np.ndarray] = (), seed: int = 0
) -> dict[str, float]:
    """NME on the validation crops from a disturbed start, two passes: clean, and with a pasted occluder."""
    network.eval()
    clean, hidden = [], []
    mean = network.mean_shape.cpu().numpy().astype(np.float64)
    for number, index in enumerate(np.flatnonzero(crops.is_val)):
        rng = np.random.default_rng((seed, number))
        image, truth = crops.images[index], crops.points[index].astype(np.float64)
        start = jitter_matrix(rng, 8, 0.1, 0.06, 0.0, False) @ similarity(truth, mean)
        kind = KINDS[number % len(KINDS)]
        occluded, _ = occlude(image, truth, kind, rng, severity=0.3, cutouts=cutouts, others=crops.images[:1])
        clean.append(nme(refine(network, image, start, size, 2)[0][None], truth[None])[0])
        hidden.append(nme(refine(network, occluded, start, size, 2)[0][None], truth[None])[0])
    return {"nme": float(np.mean(clean)), "nme_occluded": float(np.mean(hidden))}
