"""Figures of a generator on the validation faces, and a sheet of pictures for a person."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from occface_paper.inpainting.data import Sampler, stacked
from occface_paper.inpainting.features import FeatureNetwork
from occface_paper.inpainting.network import Generator

#: Faces on a sheet.
ROWS = 8


def psnr(found: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB over the mask, (B,)."""
    error = ((found - truth).square().mean(1, keepdim=True) * mask).sum((1, 2, 3)) / mask.sum(
        (1, 2, 3)
    ).clamp_min(1)
    return -10 * error.clamp_min(1e-10).log10()


@torch.inference_mode()
def validate(
    network: Generator,
    sampler: Sampler,
    metric: FeatureNetwork | None,
    sheet: Path | None = None,
    *,
    fine: bool = True,
    limit: int = 70,
) -> dict[str, float]:
    """Measure on the validation faces, each with the same occluder every time.

    Args:
        network: in evaluation mode.
        sampler: of the run; its validation faces are used.
        metric: network of LPIPS, or None.
        sheet: where to write the pictures, or None.
        fine: use the second output; else the first one, enlarged.
        limit: at most so many faces.

    Returns:
        Means of "psnr" and, with `metric`, "lpips" of the answer, and the same of the prefilled picture.
    """
    device = next(network.parameters()).device
    rows = [int(i) for i in np.flatnonzero(sampler.faces.is_val)[:limit]]
    figures: dict[str, list[float]] = {}
    tiles = []
    for part in np.array_split(rows, max(len(rows) // 8, 1)):
        samples = [sampler.sample(int(i), np.random.default_rng((9, int(i))), jitter=False) for i in part]
        image, truth, hole, photo, points = (torch.as_tensor(a).to(device) for a in stacked(samples))
        image, truth = (x.permute(0, 3, 1, 2).float() / 255 for x in (image, truth))
        hole, photo = hole[:, None].float(), photo[:, None].float()
        given = network.inputs(image, hole, points)
        coarse, second = network(image, hole, points, given=given, fine=fine)
        answer = second if second is not None else _enlarged(coarse, truth.shape[-1])
        before = _enlarged(given[:, :3], truth.shape[-1])
        answers = {"": answer, "prefilled_": before}
        shown = []
        for name, found in answers.items():
            found = torch.where(hole * photo > 0.5, found.clamp(0, 1), truth)
            figures.setdefault(f"{name}psnr", []).extend(psnr(found, truth, hole * photo).tolist())
            if metric is not None:
                figures.setdefault(f"{name}lpips", []).extend(metric.lpips(found, truth).tolist())
            shown.append(found)
        if len(tiles) < ROWS:
            tiles.extend(torch.cat((image, image * (1 - hole), shown[1], shown[0], truth), -1).cpu())
    if sheet is not None and tiles:
        sheet.parent.mkdir(parents=True, exist_ok=True)
        picture = (torch.cat(tiles[:ROWS], 1).permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
        cv2.imwrite(str(sheet), np.ascontiguousarray(picture[..., ::-1]))
    return {name: round(float(np.mean(values)), 4) for name, values in figures.items()}


def _enlarged(values: Tensor, size: int) -> Tensor:
    return F.interpolate(values, size=(size, size), mode="bilinear", align_corners=False)
