"""Detail of the hidden part from the same place on the other side of the face (soft symmetry, MATHS 5)."""

from __future__ import annotations

import torch
from torch import Tensor

from occface_core.geometry.rasterise import interpolate, rasterise
from occface_core.geometry.resample import sample_pixels
from occface_core.geometry.visibility import visible_vertices
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


def mirror_places(shape: FaceShape, size: int) -> tuple[Tensor, Tensor]:
    """Return where the mirror image of each pixel's surface point lies in the crop, and whether it is in sight.

    Args:
        shape: of a model with a mirror map.
        size: side of the crop, px.

    Returns:
        (B, size, size, 2) px, and (B, 1, size, size) in [0, 1].
    """
    device = shape.vertices.device
    triangles, twin = shape.model.tensor("triangles", device), shape.model.tensor("mirror", device)
    camera, matrix = shape.camera_vertices(), shape.scaled_intrinsics(size)
    sight = visible_vertices(camera, triangles, matrix, size, size)[:, twin, None].to(camera)
    place = (torch.nan_to_num(shape.project()) + 0.5) * (size / shape.size) - 0.5
    fragments = rasterise(camera, matrix, triangles, size, size)
    values = interpolate(fragments, triangles, torch.cat((place[:, twin], sight), -1))
    return values[:, :2].permute(0, 2, 3, 1), values[:, 2:]


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return blurred(values * weight, WIDE) / blurred(weight, WIDE).clamp_min(1e-3)
