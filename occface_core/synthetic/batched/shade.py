"""Colours of every pixel of many figures: skin, hair, cloth, wrinkles and light, as `shading.shade_figure`."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import torch
from torch import Tensor

from occface_core.geometry.fragments import Fragments
from occface_core.synthetic import shading
from occface_core.synthetic.batched.constants import Constants
from occface_core.synthetic.batched.fields import blurred, octaves
from occface_core.synthetic.batched.figure import stacked
from occface_core.synthetic.batched.plan import FacePlan
from occface_core.synthetic.creases import closedness, shaded
from occface_core.synthetic.labels import LABELS
from occface_core.synthetic.wrinkles import RELIEF_BLUR


@attrs.define(frozen=True, kw_only=True, eq=False)
class Surfaces:
    """Pictures and numbers that colour figures, by sample.

    Attributes:
        strands: (B, side, side, 4) RGB and brightness of hair.
        cloth: (B, side, side, 3) RGB.
        skins: (number, side, side, 3) skin textures of all samples together, or None.
        skin: (B,) int64 number of each sample's, 0 where it has none.
        skin_gain: (B, 3).
        grain: (B, side, side) relative brightness of specks.
        beard: (B, 3) RGB.
        hairline: (B,).
        light: (B, 3, 9) harmonics, without the main light where it casts shadows.
        key: (B, 3) direction to the main light.
        key_colour: (B, 3).
        hard: (B,) bool.
        pixel: (B,) mm across a pixel of the fine picture.
    """

    strands: Tensor
    cloth: Tensor
    skins: Tensor | None
    skin: Tensor
    skin_gain: Tensor
    grain: Tensor
    beard: Tensor
    hairline: Tensor
    light: Tensor
    key: Tensor
    key_colour: Tensor
    hard: Tensor
    pixel: Tensor


def surfaces(plans: Sequence[FacePlan], fixed: Constants, skins: Tensor | None, finer: int) -> Surfaces:
    """Return what colours the figures of some plans, drawn `finer` times as fine as the picture."""
    device, single = fixed.device, torch.float32
    blotchy = torch.tensor([plan.blotchy for plan in plans], device=device)[:, None, None]
    blotches = octaves([plan.blotches for plan in plans], device)
    return Surfaces(
        strands=stacked([plan.wear.strands for plan in plans], device),
        cloth=stacked([plan.wear.cloth for plan in plans], device),
        skins=skins,
        skin=torch.tensor([max(plan.skin, 0) for plan in plans], device=device),
        skin_gain=stacked([plan.skin_gain for plan in plans], device, single),
        grain=stacked([plan.specks for plan in plans], device) + blotchy * blotches,
        beard=stacked([plan.wear.beard_colour for plan in plans], device, single),
        hairline=torch.tensor([plan.wear.hairline for plan in plans], device=device),
        light=stacked([plan.light for plan in plans], device, single),
        key=stacked([plan.face.key for plan in plans], device, single),
        key_colour=stacked([plan.face.key_colour for plan in plans], device, single),
        hard=torch.tensor([plan.face.hard for plan in plans], device=device),
        pixel=torch.tensor(
            [plan.translation[2] / plan.intrinsics[0, 0] / finer for plan in plans], device=device
        ).to(single),
    )


def wrinkle_maps(plans: Sequence[FacePlan], fixed: Constants) -> Tensor:
    """Return heights (B, side, side) mm over the texture plane."""
    device = fixed.device
    depth = stacked([plan.wrinkles for plan in plans], device, torch.float32)
    variant = stacked([plan.variants for plan in plans], device)
    relief = octaves([plan.relief for plan in plans], device)[:, None]
    relief = blurred(relief, torch.full((len(plans),), RELIEF_BLUR, device=device))[:, 0]
    height = torch.tensor([plan.relief_height for plan in plans], device=device)
    total = height[:, None, None] * relief * fixed.skin_mask
    for kind in range(depth.shape[1]):
        total = total + depth[:, kind, None, None] * fixed.wrinkles[kind, variant[:, kind]]
    return total


def spread(fragments: Fragments, triangles: Tensor, values: Tensor) -> Tensor:
    """Return values (B, N, C) at every pixel, (B, H, W, C); where there is no surface, of any triangle."""
    batch, height, width = fragments.triangle.shape
    corner = triangles[fragments.triangle.reshape(batch, -1).clamp_min(0)]
    first = torch.arange(batch, device=values.device)[:, None] * values.shape[1]
    table, weight = values.reshape(-1, values.shape[-1]), fragments.barycentric.reshape(batch, -1, 3)
    total = weight[..., 0, None] * table[corner[..., 0] + first]
    for k in (1, 2):
        total = total + weight[..., k, None] * table[corner[..., k] + first]
    return total.reshape(batch, height, width, -1)


def look_up(maps: Tensor, u: Tensor, v: Tensor, inside: Tensor) -> Tensor:
    """Return maps (B, side, side) over the texture plane at u, v (B, H, W), bilinearly; 0 but for `inside`."""
    side = maps.shape[1]
    x, y = u.clamp(0, 1) * (side - 1), (1 - v.clamp(0, 1)) * (side - 1)
    left, top = x.long().clamp_max(side - 2), y.long().clamp_max(side - 2)
    ax, ay = x - left, y - top
    item = torch.arange(len(maps), device=maps.device)[:, None, None]
    upper = maps[item, top, left] * (1 - ax) + maps[item, top, left + 1] * ax
    lower = maps[item, top + 1, left] * (1 - ax) + maps[item, top + 1, left + 1] * ax
    return torch.where(inside, upper * (1 - ay) + lower * ay, 0)


def shade(
    fragments: Fragments, fixed: Constants, table: Tensor, normals: Tensor, wears: Tensor, heights: Tensor,
    look: Surfaces,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return premultiplied RGBA (B, H, W, 4) and labels (B, H, W) int64.

    Args:
        fragments: the fine drawing.
        fixed: of the model.
        table: (B, N, ATTRIBUTES).
        normals: (B, N, 3) in viewer axes.
        wears: (B,) bool, who has a skin texture.
        heights: (B, side, side) mm, wrinkles over the texture plane.
        look: colours and light.
    """
    item = torch.arange(len(table), device=table.device)[:, None, None]
    triangle = fragments.triangle.clamp_min(0)
    covered = fragments.mask
    each = spread(fragments, fixed.triangles, torch.cat((table, normals), -1))
    a = each.unbind(-1)
    normal = each[..., shading.ATTRIBUTES :]
    normal = normal / (normal.norm(dim=-1, keepdim=True) + 1e-9)
    normal = torch.where(normal[..., 2:] < 0, -normal, normal)
    material = fixed.material[triangle]
    cloth, sheet = material == shading.CLOTH, material == shading.HAIR_SHEET
    own = covered & (fragments.triangle < fixed.model_triangles)

    colour, gloss = _skin(
        a, each[..., :3], own, fixed.painted_triangles[triangle] & wears[:, None, None], item, look
    )
    colour, gloss, hair = _hair(a, colour, gloss, cloth, sheet, item, look)
    label = torch.where(hair, LABELS["hair"], fixed.labels[triangle])
    side = look.cloth.shape[1]
    row, column = ((a[k].abs() * side).long() % side for k in (shading.T, shading.S))
    colour = torch.where(cloth[..., None], look.cloth[item, row, column], colour)

    bump = look_up(heights, a[shading.U], a[shading.V], own)
    normal = _bent(normal, bump, look.pixel)
    closed = look_up(closedness(heights), a[shading.U], a[shading.V], own)
    value = _lit(a, normal, colour, gloss, closed, look)
    layer = torch.cat((value.clamp(0, 1), torch.ones_like(value[..., :1])), -1)
    return torch.where(covered[..., None], layer, 0), torch.where(covered, label, 0)


def _skin(
    a: Sequence[Tensor], colour: Tensor, own: Tensor, painted: Tensor, item: Tensor, look: Surfaces
) -> tuple[Tensor, Tensor]:
    """Return colour (B, H, W, 3) and gloss (B, H, W) of skin, with specks, texture and beard."""
    side = look.grain.shape[1]
    row, column = ((a[k] * 1531).long() % side for k in (shading.V, shading.U))
    grain = look.grain[item, row, column][..., None]
    plain, gloss = colour * (1 + grain), a[shading.GLOSS]
    if look.skins is not None:
        side = look.skins.shape[1]
        column = (a[shading.P] * side).long().clamp(0, side - 1)
        row = ((1 - a[shading.Q]) * side).long().clamp(0, side - 1)
        texture = (look.skins[look.skin[:, None, None], row, column] * look.skin_gain[:, None, None]).clamp(
            0, 1
        )
        textured = texture * a[shading.BROW][..., None] * (1 + 0.5 * grain)
        plain = torch.where(painted[..., None], textured, plain)
    beard = a[shading.BEARD][..., None]
    share = (beard * (0.8 + 6 * grain)).clamp(0, 0.9)
    share = torch.where((beard > 0.02) & own[..., None], share, 0)
    plain = plain * (1 - share) + share * look.beard[:, None, None] * (1 + 3 * grain)
    return torch.where(own[..., None], plain, colour), gloss * (1 - share[..., 0])


def _hair(
    a: Sequence[Tensor], colour: Tensor, gloss: Tensor, cloth: Tensor, sheet: Tensor, item: Tensor, look: Surfaces
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Lay hair over skin where it grows; also return where hair is seen (B, H, W) bool."""
    grows = (a[shading.HAIR] > 0) & ~cloth
    column = (a[shading.S].abs() * 512).long() % look.strands.shape[2]
    row = (a[shading.T].abs() * 512).long() % look.strands.shape[1]
    strands = look.strands[item, row, column]
    bright = strands[..., 3]
    share = (a[shading.HAIR] - look.hairline[:, None, None] + 0.12 * (bright - 1)) / 0.07 + 0.5
    share = torch.where(sheet, 1.0, share.clamp(0, 1)) * grows
    colour = colour * (1 - share[..., None]) + share[..., None] * strands[..., :3]
    return colour, gloss * (1 - share) + share * 0.22 * bright, share > 0.5


def _bent(normal: Tensor, bump: Tensor, pixel: Tensor) -> Tensor:
    """Return normals (B, H, W, 3) bent by the slope of bumps (B, H, W) mm."""
    step = 2 * pixel[:, None, None]
    right, down = torch.zeros_like(bump), torch.zeros_like(bump)
    right[:, :, 1:-1] = (bump[:, :, 2:] - bump[:, :, :-2]) / step
    down[:, 1:-1] = (bump[:, 2:] - bump[:, :-2]) / step
    inner = torch.zeros_like(bump, dtype=torch.bool)
    inner[:, 1:-1, 1:-1] = True
    x, y, z = normal.unbind(-1)
    bent = torch.stack((x - z * right, y + z * down, z), -1)
    bent = bent / bent.norm(dim=-1, keepdim=True)
    return torch.where((inner & (bump != 0) & (z > 0.2))[..., None], bent, normal)


def _lit(
    a: Sequence[Tensor], normal: Tensor, colour: Tensor, gloss: Tensor, closed: Tensor, look: Surfaces
) -> Tensor:
    """Return the light (B, H, W, 3) that comes from surfaces; creases keep out the share `closed` (B, H, W)."""
    x, y, z = normal.unbind(-1)
    zero = np.pi / np.sqrt(4 * np.pi)
    first = 2 * np.pi / np.sqrt(3) * np.sqrt(3 / (4 * np.pi))
    second = 2 * np.pi / np.sqrt(8) * 3 * np.sqrt(5 / (12 * np.pi))
    basis = torch.stack(
        (torch.full_like(x, zero), -first * y, first * z, -first * x, second * x * y, -second * y * z,
         second / (2 * np.sqrt(3)) * (3 * z * z - 1), -second * x * z, 0.5 * second * (x * x - y * y)), -1
    )  # fmt: skip
    light = torch.einsum("bhwk,bck->bhwc", basis, look.light).clamp_min(0.03) * a[shading.AMBIENT][..., None]
    light = light * shaded(closed[..., None], colour.clamp(0, 1))
    key, strong = look.key[:, None, None], look.key_colour[:, None, None]
    facing = (normal * key).sum(-1, keepdim=True).clamp_min(0)
    lit = a[shading.LIT][..., None]
    light = light + torch.where(look.hard[:, None, None, None], strong * facing * lit, 0)
    half = look.key + look.key.new_tensor([0.0, 0.0, 1.0])
    half = half / (half.norm(dim=1, keepdim=True) + 1e-6)
    cos = (normal * half[:, None, None]).sum(-1).clamp_min(0)
    sharp = 10 + 90 * gloss.clamp_max(1)
    high = gloss * cos / (sharp - sharp * cos + cos).clamp_min(1e-12) * lit[..., 0] * cos
    high = torch.where((gloss > 0.005) & (cos > 0.3), high, 0)
    rim = 0.25 * gloss * (1 - z) ** 4
    return colour * light + (high + rim)[..., None] * strong
