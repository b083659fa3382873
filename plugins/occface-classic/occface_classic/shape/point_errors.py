"""How points that a detector found err, and together: measured on synthetic faces, whose points are known.

A detector trained on hand-placed points puts the inner ends of the brows, the jaw and the lips where people do,
which is not exactly where a face model has its landmark vertices; it errs by whole parts of the face rather than
point by point; and it underestimates strong turns. A fit that takes its 68 points for independent and unbiased
follows these mistakes. ``tools/measure_point_errors.py`` makes the table.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import attrs
import numpy as np
import torch
from torch import Tensor

TABLE = Path(__file__).parent / "data" / "point_errors.npz"

DOUBT = 12.0
"""A point's standard deviation is ``1 + DOUBT · (1 - confidence)`` times that of a trusted one."""

MIRRORED = np.array(
    [
        *range(16, -1, -1),
        *range(26, 16, -1),
        *range(27, 31),
        *range(35, 30, -1),
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
        *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65),
    ]
)
"""Which point each of the 68 becomes in a mirror."""


def doubt(confidence: Tensor) -> Tensor:
    """Return how many times as far as a trusted point each point may lie off, at least 1."""
    return 1 + DOUBT * (1 - confidence.clamp(0, 1))


@attrs.define(frozen=True, kw_only=True, eq=False)
class PointErrors:
    """Mean and covariance of errors by the turn of the face that the points show.

    Attributes:
        yaw: (Y,) radians, rising from 0.
        mean: (Y, 68, 2) pixels at crop size 256, found less true.
        covariance: (Y, 136, 136) of errors in units of a trusted point's standard deviation times `doubt`, jaw
            points in the solver's metric.
    """

    yaw: Tensor
    mean: Tensor
    covariance: Tensor

    def at(self, yaw: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean (B, 68, 2) and covariance (B, 136, 136) at signed yaws (B,), between the table's rows."""
        turn = yaw.abs().to(self.yaw).clamp(self.yaw[0], self.yaw[-1])
        above = torch.searchsorted(self.yaw, turn.contiguous()).clamp(1, len(self.yaw) - 1)
        low, high = self.yaw[above - 1], self.yaw[above]
        share = ((turn - low) / (high - low))[:, None, None]
        mean = torch.lerp(self.mean[above - 1], self.mean[above], share)
        covariance = torch.lerp(self.covariance[above - 1], self.covariance[above], share)
        order = torch.from_numpy(MIRRORED).to(yaw.device)
        flip = mean.new_tensor([-1.0, 1.0])
        pairs = (2 * order[:, None] + torch.arange(2, device=yaw.device)).reshape(-1)
        signs = flip.repeat(68)
        other = covariance[:, pairs][:, :, pairs] * signs[:, None] * signs
        left = (yaw < 0)[:, None, None]
        return torch.where(left, mean[:, order] * flip, mean), torch.where(left, other, covariance)


@cache
def measured_errors() -> PointErrors:
    """Return the table that comes with the package, float64."""
    with np.load(TABLE, allow_pickle=False) as file:
        return PointErrors(
            **{
                name: torch.from_numpy(file[name].astype(np.float64))
                for name in file.files
                if name != "about"
            }
        )
