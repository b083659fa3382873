"""What the landmarks say of pose and shape, as normal equations at the present estimate (paper eq. 5-6)."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from occface_core.fitting.steps import cross_matrix, jaw_metric, projection
from occface_core.geometry.camera import intrinsics
from occface_paper.shape.basis import JAW, FaceBasis

#: Standard deviations beyond which a landmark's pull stays constant (Huber).
OUTLIER = 3.0
#: The jaw's points beside the others': people and detectors put them less surely.
JAW_TRUST = 0.4


@attrs.define(frozen=True, kw_only=True, eq=False)
class PointTerm:
    """Σ w ρ(‖π(R S(α, β) + t) - l‖² / noise²), ρ Huber's; float64, at crop size 256.

    Attributes:
        rest: (B, 68, 3) mm, where the landmarks lie on the mean face.
        parts: (B, 68, 3, K + E) mm per unit coefficient.
        points: (B, 68, 2) px.
        trust: (B, 68), at least 0.
        metric: (B, 68, 2, 2), see `jaw_metric`.
        noise: standard deviation of a point of trust 1, px.
        matrix: (3, 3) camera matrix.
    """

    rest: Tensor
    parts: Tensor
    points: Tensor
    trust: Tensor
    metric: Tensor
    noise: float
    matrix: Tensor

    @classmethod
    def of(cls, basis: FaceBasis, rotation: Tensor, points: Tensor, trust: Tensor, noise: float) -> PointTerm:
        """Choose the landmarks' vertices as they lie at a rotation (B, 3, 3)."""
        kind = torch.float64
        marks, points = basis.marks, points.to(kind)
        rows = landmark_rows(basis, rotation)
        trust = trust.to(kind).clamp_min(0).clone()
        trust[:, :JAW] *= JAW_TRUST
        parts = marks.components.to(kind).reshape(len(marks.components), -1, 3).permute(1, 2, 0)
        return cls(
            rest=marks.mean.to(kind)[rows],
            parts=parts[rows],
            points=points,
            trust=trust,
            metric=jaw_metric(points),
            noise=noise,
            matrix=intrinsics(256, device=points.device).to(kind),
        )

    def equations(self, rotation: Tensor, translation: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
        """Normal matrix (B, 6 + K + E, 6 + K + E) and gradient (B, 6 + K + E) of turn, shift and coefficients."""
        turned = (self.rest + (self.parts @ shape[:, None, :, None])[..., 0]) @ rotation.transpose(1, 2)
        pixels, picture = projection(turned + translation[:, None], self.matrix)
        error = (self.metric @ (self.points - pixels)[..., None])[..., 0] / self.noise
        pull = (self.trust * (OUTLIER / error.norm(dim=-1).clamp_min(1e-9)).clamp_max(1)).sqrt()
        still = torch.eye(3).to(turned).expand(*turned.shape[:2], 3, 3)
        moves = torch.cat([-cross_matrix(turned), still, rotation[:, None] @ self.parts], -1)
        jacobian = (self.metric @ picture @ moves / self.noise * pull[..., None, None]).flatten(1, 2)
        residual = (error * pull[..., None]).flatten(1)
        across = jacobian.transpose(1, 2)
        return across @ jacobian, (across @ residual[..., None])[..., 0]


def landmark_rows(basis: FaceBasis, rotation: Tensor) -> Tensor:
    """(B, 68) rows of ``basis.marks``: the landmarks, the far side of the jaw on its outermost candidates."""
    rows = torch.arange(68, device=rotation.device).expand(len(rotation), -1).clone()
    like = rotation.to(basis.marks.mean.dtype)
    first = 68 + torch.arange(JAW, device=rotation.device) * basis.candidates
    rows[:, :JAW] = torch.where(basis.far(like), first + basis.outermost(like), rows[:, :JAW])
    return rows
