"""What 68 landmarks say of pose and coefficients, as normal equations at the present estimate (paper eq. 5-6)."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from occface_classic.pixels import REFERENCE_SIZE
from occface_classic.shape.landmark_basis import LandmarkBasis
from occface_classic.shape.point_errors import PointErrors
from occface_core.fitting.steps import cross_matrix, jaw_metric, projection
from occface_core.geometry.camera import angles_from_rotation

OUTLIER = 3.0  # standard deviations beyond which a landmark's pull stays constant


@attrs.define(frozen=True, kw_only=True, eq=False)
class LandmarkTerm:
    """Σ w ρ(|project(R (S̄ + B c) + t) - p|² / noise²), ρ Huber's, or rᵀ C⁻¹ r where points err together.

    Attributes:
        basis: landmark vertices.
        points: (B, 68, 2) px, their mean error taken off.
        weights: (B, 68) trust in each point, above 0.
        noise: (B, 68, 1) px, standard deviation of a point of weight 1.
        metric: (B, 68, 2, 2), in which jaw points count little along the jaw.
        together: (B, 136, 136) covariance of what `metric` and `noise` make of the errors.
        matrix: (3, 3) camera matrix.
    """

    basis: LandmarkBasis
    points: Tensor
    weights: Tensor
    noise: Tensor
    metric: Tensor
    together: Tensor
    matrix: Tensor

    @classmethod
    def of(
        cls,
        basis: LandmarkBasis,
        points: Tensor,
        weights: Tensor,
        matrix: Tensor,
        *,
        noise: Tensor | float,
        rotation: Tensor,
        errors: PointErrors | None,
        found: Tensor | None,
    ) -> LandmarkTerm:
        """Prepare; `rotation` (B, 3, 3) is where the fit starts, the rest as in `solve_landmarks`."""
        batch = len(points)
        metric = jaw_metric(points)
        together = torch.eye(136).to(points).expand(batch, -1, -1)
        if errors is not None:
            mean, known = errors.at(angles_from_rotation(rotation)[:, 1])
            told = torch.ones(batch, dtype=torch.bool) if found is None else found
            told = told.to(points.device)[:, None, None]
            together = torch.where(told, known, together)
            points = points - mean * told * (2 * matrix[0, 2] + 1) / REFERENCE_SIZE
        return cls(
            basis=basis,
            points=points,
            weights=weights,
            noise=torch.as_tensor(noise).to(points).expand(batch, 68)[..., None],
            metric=metric,
            together=together,
            matrix=matrix,
        )

    def equations(
        self, rotation: Tensor, translation: Tensor, coefficients: Tensor, mobile: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return normal matrix (B, 6 + C, 6 + C) and gradient (B, 6 + C) of turn, shift and coefficients.

        Args:
            rotation: (B, 3, 3).
            translation: (B, 3) mm.
            coefficients: (B, C).
            mobile: (B, C), 0 for coefficients that are to stay; None: all move.
        """
        batch, matrix = len(rotation), self.matrix
        rows = self.basis.choose(rotation)
        parts = self.basis.components[rows]  # (B, 68, 3, C)
        place = self.basis.mean[rows] + (parts @ coefficients[:, None, :, None])[..., 0]
        turned = place @ rotation.transpose(1, 2)
        position = turned + translation[:, None]
        pixel, picture = projection(position, matrix)
        whitened = (self.metric @ (self.points - pixel)[..., None])[..., 0] / self.noise
        usual = self.together.diagonal(dim1=1, dim2=2).reshape(batch, 68, 2).mean(-1).sqrt()
        far = whitened.norm(dim=-1) / usual
        pull = self.weights * (OUTLIER / far.clamp_min(1e-9)).clamp_max(1)
        own = ((1 / pull - 1).clamp_min(0) * usual**2).repeat_interleave(2, dim=1)
        root = torch.linalg.cholesky(self.together + torch.diag_embed(own))
        columns = [-cross_matrix(turned), torch.eye(3).to(turned).expand(batch, 68, 3, 3)]
        bent = rotation[:, None] @ parts
        columns.append(bent if mobile is None else bent * mobile[:, None, None, :])
        jacobian = self.metric @ picture @ torch.cat(columns, -1) / self.noise[..., None]
        sides = torch.cat((jacobian.reshape(batch, 136, -1), whitened.reshape(batch, 136, 1)), -1)
        sides = torch.linalg.solve_triangular(root, sides, upper=False)
        jacobian, error = sides[..., :-1], sides[..., -1:]
        return jacobian.transpose(1, 2) @ jacobian, (jacobian.transpose(1, 2) @ error)[..., 0]
