"""Detail of hidden skin from the same place on the other side of the face (soft symmetry, MATHS 5)."""

from __future__ import annotations

import attrs
import numpy as np
import torch
from torch import Tensor

from occface_classic.inpainting.poisson import poisson_fill
from occface_classic.pixels import planes, to_planes
from occface_core.geometry.mirror import mirror_places
from occface_core.geometry.resample import sample_pixels
from occface_core.registry import Registry
from occface_core.stages import DetailRecoverer
from occface_core.types import FaceDetail, FaceShape, Matte

_SEEN = 0.3  # share of trust from which the other plugin's height is kept


@attrs.define(kw_only=True)
class SoftSymmetry(DetailRecoverer):
    """Let another plugin find the detail that is seen, and mirror it to where something hides the face.

    Soft, because slopes are copied rather than heights: a sparse Poisson solve gives the hidden part the
    slopes of its mirror image while it meets the seen detail at the border. Where both sides are hidden, and
    where the face model has no mirror map, the surface is smooth.

    Attributes:
        base: name of the detail plugin that is asked first.
        limit: largest height, mm; positive.
    """

    licence = "Apache-2.0; no weights of its own"

    base: str = attrs.field(default="shape_from_shading", validator=attrs.validators.instance_of(str))
    limit: float = attrs.field(default=3.0, converter=float, validator=attrs.validators.gt(0))
    _base: DetailRecoverer | None = attrs.field(default=None, init=False, repr=False)

    def setup(self, device: str = "cpu") -> None:
        """Set the other plugin up."""
        base = Registry().get("detail_recoverer", self.base)()
        base.setup(device)
        self._base = base  # type: ignore[assignment]

    def weights_sha256(self) -> str | None:
        """Return the hash of the other plugin's weights."""
        return None if self._base is None else self._base.weights_sha256()

    def run(self, clean: Tensor, shape: FaceShape, matte: Matte) -> FaceDetail:
        """Estimate the displacement from the base shape; see `DetailRecoverer.run`."""
        if self._base is None:
            self.setup(str(clean.device))
        assert self._base is not None
        detail = self._base.run(clean, shape, matte)
        if len(clean) == 0 or shape.model.mirror is None:
            return detail
        size = clean.shape[-1]
        valid = detail.valid if detail.valid is not None else 1 - matte.alpha
        valid = valid * (1 - matte.alpha)
        there, face = mirror_places(shape, size)
        mirrored = sample_pixels(detail.bump * valid, there)
        trust = sample_pixels(valid, there) * face
        each = [planes(x) for x in (detail.bump, valid, mirrored, trust, matte.alpha * face)]
        bump = [self._fill(*parts) for parts in zip(*each, strict=True)]
        return attrs.evolve(
            detail, bump=to_planes(bump, clean), valid=torch.maximum(valid, trust * matte.alpha)
        )

    def _fill(
        self,
        bump: np.ndarray,
        valid: np.ndarray,
        mirrored: np.ndarray,
        trust: np.ndarray,
        hidden: np.ndarray,
    ) -> np.ndarray:
        """Return (S, S) mm with the hidden part filled from its mirror image."""
        hole = (hidden > 0.02) & (valid < _SEEN)
        if not (hole & (trust > _SEEN)).any():
            return bump
        source = np.where(trust > _SEEN, mirrored, 0)[..., None].astype(np.float32)
        filled = poisson_fill(bump[..., None], hole, source, valid >= _SEEN)[..., 0]
        blended = bump + np.clip(2 * hidden, 0, 1) * (self.limit * np.tanh(filled / self.limit) - bump)
        return np.where(hole, blended, bump)
