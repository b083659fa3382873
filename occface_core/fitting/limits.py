"""How far the coefficients of a face model go."""

from __future__ import annotations

import torch
from torch import Tensor

from occface_core.facemodel import FaceModel


def coefficient_limits(model: FaceModel) -> tuple[Tensor, Tensor, Tensor]:
    """Return spread, lower and upper bounds (K + E,) float64 of identity and expression coefficients.

    Identity has unit variance. Expressions with ARKit names are weights from 0 to 1; gaze does not move
    landmarks, and closing the lips means something only while the jaw is open, so those stay 0.
    """
    count = len(model.identity)
    spread = torch.cat([torch.ones(count), torch.as_tensor(model.expression_std)]).double()
    lower, upper = -3 * spread, 3 * spread
    for i, name in enumerate(model.expression_names):
        if "jawOpen" in model.expression_names:
            lower[count + i], upper[count + i] = 0.0, 1.0
        if name.startswith("eyeLook") or name == "mouthClose":
            spread[count + i] = 0.0
    return spread, lower, upper
