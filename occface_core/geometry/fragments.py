"""What each pixel of a drawn mesh sees."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from occface_core.errors import RecordError


@attrs.define(frozen=True, kw_only=True, eq=False)
class Fragments:
    """What each pixel sees.

    Attributes:
        triangle: (B, H, W) int64 row of `triangles`, -1 where there is no surface.
        barycentric: (B, H, W, 3) weights of the triangle's corners on the surface itself
            (perspective-correct), summing to 1; 0 where there is no surface.
        depth: (B, H, W) mm along z, nan where there is no surface.
    """

    triangle: Tensor
    barycentric: Tensor
    depth: Tensor

    def __attrs_post_init__(self) -> None:
        shape = tuple(self.triangle.shape)
        if len(shape) != 3 or self.triangle.dtype != torch.int64:
            raise RecordError(
                f"Fragments.triangle must be int64 of shape (B, H, W), got {self.triangle.dtype} {shape}"
            )
        for field, want in (("barycentric", (*shape, 3)), ("depth", shape)):
            got = tuple(getattr(self, field).shape)
            if got != want:
                raise RecordError(f"Fragments.{field} must have shape {want}, got {got}")

    @property
    def mask(self) -> Tensor:
        """(B, H, W) bool, true where there is surface."""
        return self.triangle >= 0
