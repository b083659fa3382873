"""The embedded face model, the vertices that the losses look at, and a few seeded faces."""

from __future__ import annotations

import pytest
import torch

from occface_core.facemodel import FaceModel
from occface_paper.shape.basis import FaceBasis
from occface_paper.shape.coefficients import GROUPS, Estimate


@pytest.fixture(scope="session")
def model() -> FaceModel:
    return FaceModel.embedded()


@pytest.fixture(scope="session")
def basis(model: FaceModel) -> FaceBasis:
    return FaceBasis.of(model)


@pytest.fixture()
def faces() -> Estimate:
    """Four faces of usual coefficients: turned left, right, up and hardly."""
    generator = torch.Generator().manual_seed(4)
    return Estimate(
        identity=torch.randn(4, 80, generator=generator) * 0.8,
        expression=(torch.rand(4, 51, generator=generator) - 0.8).clamp_min(0),
        albedo=torch.randn(4, 40, generator=generator) * 0.7,
        angles=torch.tensor([[0.1, 0.9, 0.05], [-0.1, -0.7, 0.0], [0.3, 0.1, -0.1], [0.0, 0.05, 0.0]]),
        translation=torch.tensor([[3.0, -4, 980], [0, 0, 1000], [-5, 2, 1050], [0, 6, 1010]]),
        illumination=torch.randn(4, 27, generator=generator) * 0.05,
        log_variance=torch.zeros(4, len(GROUPS)),
    )
