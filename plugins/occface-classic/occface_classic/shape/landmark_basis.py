"""The few vertices of a face model that landmarks may be, with their share of every component."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from occface_core.facemodel import FaceModel

JAW = 17


@attrs.define(frozen=True, kw_only=True, eq=False)
class LandmarkBasis:
    """Landmark vertices and, for the jaw, the candidates along which its outline slides.

    Attributes:
        mean: (N, 3) mm.
        components: (N, 3, K + E) mm per unit coefficient, identity before expression.
        fixed: (68,) rows of the frontal landmarks.
        contour: (17, S) rows of the candidates of each jaw point; only the fixed one if the model has none.
    """

    mean: Tensor
    components: Tensor
    fixed: Tensor
    contour: Tensor

    @classmethod
    def of(cls, model: FaceModel, device: torch.device | str = "cpu") -> LandmarkBasis:
        """Gather the vertices of a model, in float64, which the normal equations need."""
        fixed = torch.as_tensor(model.landmarks68)
        contour = fixed[:JAW, None] if model.contour is None else torch.as_tensor(model.contour)
        rows = torch.cat([fixed, contour.reshape(-1)])
        components = torch.cat(
            [torch.as_tensor(model.identity[:, rows]), torch.as_tensor(model.expression[:, rows])]
        )
        return cls(
            mean=torch.as_tensor(model.mean[rows]).to(device, torch.float64),
            components=components.permute(1, 2, 0).to(device, torch.float64).contiguous(),
            fixed=torch.arange(68, device=device),
            contour=(68 + torch.arange(contour.numel(), device=device)).reshape(contour.shape),
        )

    def choose(self, rotation: Tensor) -> Tensor:
        """Return (B, 68) rows: on the side that is turned away, the outermost jaw candidate in view.

        On the near side a person marks the jaw itself, which is the fixed landmark.

        Args:
            rotation: (B, 3, 3) from the face's frame to camera axes.
        """
        chosen = self.fixed.expand(len(rotation), -1).clone()
        # x in the picture, of the mean shape: expression and identity move the outline little
        across = rotation[:, None, None, 0] @ self.mean[self.contour].transpose(1, 2)
        side = torch.sign(torch.arange(JAW, device=rotation.device) - JAW // 2)
        outermost = (across[:, :, 0] * side[:, None]).argmax(-1)
        # points 0-7 lie on the left of the picture, and are far when the nose points left
        far = side * rotation[:, :1, 2] > _TURN
        sliding = self.contour.expand(len(rotation), -1, -1).gather(2, outermost[..., None])[..., 0]
        chosen[:, :JAW] = torch.where(far, sliding, chosen[:, :JAW])
        return chosen


_TURN = 0.14
"""Sine of the yaw beyond which the outline leaves the jaw."""
