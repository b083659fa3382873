"""Detail of the hidden part from the same place on the other side of the face (soft symmetry, MATHS 5)."""

from __future__ import annotations

from torch import Tensor

from occface_core.geometry.mirror import mirror_places
from occface_core.geometry.resample import sample_pixels
from occface_core.types import FaceShape
from occface_paper.detail.inputs import blurred

#: Relief wider than this stays the network's own, standard deviation in px: it joins the mirrored part on.
WIDE = 6.0
#: Standard deviation in px over which own and mirrored detail are mixed along the matte's edge.
EDGE = 3.0


def mirrored_detail(bump: Tensor, trust: Tensor, hidden: Tensor, shape: FaceShape) -> Tensor:
    """Give the hidden part the fine relief that its mirror image has on the seen side.

    Soft, because only what is finer than `WIDE` comes from the other side, on top of the wide relief that the
    network gives the hidden part itself: the two meet without a step. Where the other side is hidden as
    well, or not in sight, the network's answer stays.

    Args:
        bump: (B, 1, S, S) mm.
        trust: (B, 1, S, S) in [0, 1], where the bump is to be believed.
        hidden: (B, 1, S, S) in [0, 1].
        shape: whose model has a mirror map.

    Returns:
        (B, 1, S, S) mm.
    """
    seen = trust * (1 - hidden)
    there, face = mirror_places(shape, bump.shape[-1])
    wide = _mean(bump, trust)
    other = sample_pixels((bump - _mean(bump, seen)) * seen, there)
    believed = sample_pixels(seen, there) * face * trust
    share = blurred((hidden > 0.3).to(bump), EDGE).clamp(0, 1) * (
        (blurred(believed, EDGE) - 0.3) / 0.5
    ).clamp(0, 1)
    return bump + share * (wide + other - bump)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return blurred(values * weight, WIDE) / blurred(weight, WIDE).clamp_min(1e-3)
