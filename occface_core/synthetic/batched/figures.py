"""Draws many figures at once: what `render` does for one, from plans, in tensors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import attrs
import numpy as np
import torch
from torch import Tensor

from occface_core.synthetic.backgrounds import picture_files
from occface_core.synthetic.batched import truth
from occface_core.synthetic.batched.constants import Constants
from occface_core.synthetic.batched.drawing import draw, resized
from occface_core.synthetic.batched.figure import Bodies, attributes, bodies, seen_triangles, stacked
from occface_core.synthetic.batched.picture import exposure, reduce
from occface_core.synthetic.batched.plan import FacePlan
from occface_core.synthetic.batched.shade import shade, surfaces, wrinkle_maps
from occface_core.synthetic.options import SynthOptions
from occface_core.synthetic.render import FINER
from occface_core.synthetic.skins import skin_picture


@attrs.define(frozen=True, kw_only=True, eq=False)
class Figures:
    """Rendered figures and their truth, as `render.Figure`, with a first axis.

    Attributes:
        body: shapes and poses.
        image: (B, 3, S, S) float32 RGB in [0, 1].
        face: (B, S, S) float32 in [0, 1].
        labels: (B, S, S) uint8.
        landmarks: (B, 68, 2) float64 px.
        outline: (B, 68, 2) float64 px.
        seen: (B, 68) bool.
        depth: (B, S, S) mm.
        normals: (B, 3, S, S).
        bump: (B, S, S) mm.
        exposure: (B,) factor by which the picture was brightened.
    """

    body: Bodies
    image: Tensor
    face: Tensor
    labels: Tensor
    landmarks: Tensor
    outline: Tensor
    seen: Tensor
    depth: Tensor
    normals: Tensor
    bump: Tensor
    exposure: Tensor


def figures(plans: Sequence[FacePlan], fixed: Constants, options: SynthOptions) -> Figures:
    """Draw the figures of some plans on the device of `fixed`."""
    size = options.size
    skins = None
    if options.skins is not None and any(plan.skin >= 0 for plan in plans):
        skins = skin_pictures(options.skins, fixed.device)
    body = bodies(plans, fixed)
    heights = wrinkle_maps(plans, fixed)
    points, whole = body.camera(body.vertices), body.camera(body.whole)
    bare = draw(points, body.intrinsics, fixed.triangles[: fixed.model_triangles], None, size)
    fine = draw(whole, resized(body.intrinsics, size * FINER), fixed.triangles,
                seen_triangles(body, fixed), size * FINER)  # fmt: skip
    table, wears = attributes(plans, body, fixed, skins)
    normals = body.viewer(body.whole_normals)
    layer, fine_labels = shade(
        fine, fixed, table, normals, wears, heights, surfaces(plans, fixed, skins, FINER)
    )
    image, region, labels = reduce(
        layer, fine_labels, stacked([plan.behind for plan in plans], fixed.device), FINER
    )
    bright = exposure(image, region)
    spots = truth.landmarks(body, fixed)
    seen_normals, bump = truth.surface_truth(bare, body, fixed, heights)
    return Figures(
        body=body,
        image=(image * bright[:, None, None, None]).clamp(0, 1),
        face=region,
        labels=labels,
        landmarks=spots,
        outline=truth.outline(spots, body, fixed),
        seen=truth.seen(spots, body, fixed, fine.depth, FINER),
        depth=bare.depth,
        normals=seen_normals,
        bump=bump,
        exposure=bright,
    )


@lru_cache(maxsize=2)
def skin_pictures(folder: str, device: torch.device) -> Tensor:
    """Return all skin textures (number, side, side, 3) of a folder on a device; kept for the next call."""
    pictures = [skin_picture(folder, number) for number in range(len(picture_files(folder)))]
    return torch.as_tensor(np.stack(pictures)).to(device)
