"""Shapes of many faces at once: vertices, normals, pose, and what each vertex carries to its pixels."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import torch
from torch import Tensor

from occface_core.geometry.normals import unit
from occface_core.synthetic import shading
from occface_core.synthetic.batched.constants import Constants
from occface_core.synthetic.batched.drawing import sees
from occface_core.synthetic.batched.plan import FacePlan

BARE, PALE = 0.015, 0.98
"""Least and largest reflectance of skin."""


@attrs.define(frozen=True, kw_only=True, eq=False)
class Bodies:
    """Posed figures; B samples, V vertices of the model, N with hair and clothes, M triangles.

    Attributes:
        vertices: (B, V, 3) float32 mm, the bare face in its frame.
        whole: (B, N, 3) float32 mm, raised by hair, with sheets.
        normals: (B, V, 3) unit normals of the bare face, in its frame.
        whole_normals: (B, N, 3).
        rotation: (B, 3, 3) float64.
        translation: (B, 3) float64.
        intrinsics: (B, 3, 3) float64.
        present: (B, N) bool, vertices that the figure has.
        worn: (B, M) bool, triangles that it has.
    """

    vertices: Tensor
    whole: Tensor
    normals: Tensor
    whole_normals: Tensor
    rotation: Tensor
    translation: Tensor
    intrinsics: Tensor
    present: Tensor
    worn: Tensor

    def viewer(self, normals: Tensor) -> Tensor:
        """Return normals (B, n, 3) of the face's frame in viewer axes (y up, z towards the viewer)."""
        turned = normals.double() @ self.rotation.mT * self.rotation.new_tensor([1.0, -1.0, -1.0])
        return turned.float()

    def camera(self, points: Tensor) -> Tensor:
        """Return points (B, n, 3) mm in camera space, float64."""
        return points.double() @ self.rotation.mT + self.translation[:, None]


def stacked(values: Sequence[np.ndarray], device: torch.device, kind: torch.dtype | None = None) -> Tensor:
    """Return arrays of one shape as one tensor on a device."""
    return torch.as_tensor(np.stack(values)).to(device=device, dtype=kind, non_blocking=True)


def bodies(plans: Sequence[FacePlan], fixed: Constants) -> Bodies:
    """Return the figures of some plans."""
    device, count = fixed.device, len(fixed.mean)
    weights = stacked(
        [np.concatenate((plan.face.identity, plan.face.expression)) for plan in plans], device, torch.float64
    )
    vertices = (fixed.mean.reshape(-1) + weights @ fixed.shape).float().reshape(-1, count, 3)
    normals = smooth_normals(vertices, fixed.triangles[: fixed.model_triangles], fixed.weld[:count])
    lift = stacked([plan.wear.lift for plan in plans], device, torch.float32)
    sheets = stacked([plan.sheet_vertices for plan in plans], device)
    whole = torch.cat((vertices + normals * lift[..., None], sheets), 1)
    worn = stacked([plan.sheets for plan in plans], device)
    own = torch.ones_like(worn[:, :1])
    return Bodies(
        vertices=vertices,
        whole=whole,
        normals=normals,
        whole_normals=smooth_normals(whole, fixed.triangles, fixed.weld),
        rotation=stacked([plan.rotation for plan in plans], device),
        translation=stacked([plan.translation for plan in plans], device),
        intrinsics=stacked([plan.intrinsics for plan in plans], device),
        present=torch.cat((own, worn), 1)[:, fixed.vertex_sheet + 1],
        worn=torch.cat((own, worn), 1)[:, fixed.sheet_of + 1],
    )


def smooth_normals(vertices: Tensor, triangles: Tensor, weld: Tensor) -> Tensor:
    """Return (B, n, 3) float32 unit normals, weighted by area, shared across texture seams (n,).

    Sums are taken in float64, so that the order in which a GPU adds makes no difference that can be seen.
    """
    corner = vertices.double()[:, triangles]
    face = torch.linalg.cross(corner[:, :, 1] - corner[:, :, 0], corner[:, :, 2] - corner[:, :, 0])
    total = torch.zeros_like(vertices, dtype=torch.float64)
    for k in range(3):
        total.index_add_(1, weld[triangles[:, k]], face)
    return unit(total[:, weld]).float()


def seen_triangles(body: Bodies, fixed: Constants) -> Tensor:
    """Return (B, M) bool: triangles worth drawing; those that hide their own back only from the front."""
    eye = -(body.translation[:, None] @ body.rotation)  # the cameras' places in the faces' frames
    corner = body.whole.double()[:, fixed.triangles]
    normal = torch.linalg.cross(corner[:, :, 1] - corner[:, :, 0], corner[:, :, 2] - corner[:, :, 0])
    away = (normal * (eye - corner[:, :, 0])).sum(-1) <= 0
    kept: Tensor = body.worn & ~(away & fixed.outside)
    return kept


def attributes(
    plans: Sequence[FacePlan], body: Bodies, fixed: Constants, skins: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the attributes (B, N, ATTRIBUTES) of all vertices and who wears a skin texture (B,) bool.

    Args:
        plans: what to draw.
        body: the same, posed.
        fixed: of the model.
        skins: (number, side, side, 3) skin textures, None where no plan has one.
    """
    device, batch, count = fixed.device, len(plans), len(fixed.mean)
    table = torch.zeros(batch, body.whole.shape[1], shading.ATTRIBUTES, device=device)
    table[:, :count] = fixed.table
    table[:, :, shading.BROW] = 1
    weights = stacked([plan.face.albedo for plan in plans], device, torch.float64)
    colour = (fixed.albedo_mean + weights @ fixed.albedo).float().reshape(batch, count, 3)
    table[:, count:, [shading.S, shading.T]] = stacked([plan.sheet_coordinates for plan in plans], device)
    grown = stacked([np.asarray(plan.wear.hairline <= 1, np.float32) for plan in plans], device)
    table[:, :count, shading.HAIR] = grown[:, None] * fixed.scalp
    table[:, count:, shading.HAIR] = 1
    beard = stacked([np.asarray(plan.beard, np.float32) for plan in plans], device)
    table[:, :count, shading.BEARD] = beard[:, None] * fixed.beard
    share = torch.maximum((fixed.scalp * 6).clamp(0, 1), fixed.painted_hair)[None, :, None]
    plain = _median(colour[:, fixed.forehead]).clamp(BARE, PALE)[:, None]
    table[:, :count, :3] = colour.clamp(BARE, PALE) * (1 - share) + share * plain
    gloss = stacked([np.asarray(plan.face.gloss, np.float32) for plan in plans], device)
    table[:, :count, shading.GLOSS] = gloss[:, None] * fixed.gloss[:, 0] + fixed.gloss[:, 1]
    table[:, count:, shading.GLOSS] = 0.02
    ambient = stacked([np.asarray(plan.ambient, np.float32) for plan in plans], device)
    table[:, :count, shading.AMBIENT] = 1 - ambient[:, None] * (1 - fixed.openness)
    table[:, count:, shading.AMBIENT] = 0.95
    table[:, :, shading.LIT] = 1
    table[:, :count, shading.LIT] = (fixed.openness * 1.2).clamp(0, 1)
    hard = [k for k, plan in enumerate(plans) if plan.face.hard]
    if hard:
        rows = torch.tensor(hard, device=device)
        way = stacked([plans[k].face.key * [1.0, -1.0, -1.0] for k in hard], device, torch.float64)
        way = (way[:, None] @ body.rotation[rows])[:, 0]
        lit = sees(body.whole[rows], fixed.triangles, body.present[rows], body.worn[rows], way)
        lit[:, fixed.mouth_cavity] = 0
        table[rows, :, shading.LIT] = lit
    return table, _paint(plans, table, fixed, skins)


def _paint(plans: Sequence[FacePlan], table: Tensor, fixed: Constants, skins: Tensor | None) -> Tensor:
    """Match colours to the skin textures where those do not reach, in `table`; return who has one (B,)."""
    wears = torch.tensor([plan.skin >= 0 for plan in plans], device=fixed.device)
    chosen = [k for k, plan in enumerate(plans) if plan.skin >= 0]
    if not chosen or skins is None:
        return wears
    count = len(fixed.mean)
    rows = torch.tensor(chosen, device=fixed.device)
    number = torch.tensor([plans[k].skin for k in chosen], device=fixed.device)
    gain = stacked([plans[k].skin_gain for k in chosen], fixed.device, torch.float32)
    own = table[rows, :count]
    bright = own[:, fixed.nose, :3].mean((1, 2))
    brow = (1.25 * own[:, fixed.brows, :3].mean(2) / bright[:, None]).clamp(0.25, 1)
    own[:, fixed.brows, shading.BROW] = brow
    side = skins.shape[1] - 1
    place = own[:, fixed.cheek]
    column = (place[..., shading.P] * side).clamp(0, side).long()
    row = ((1 - place[..., shading.Q]) * side).clamp(0, side).long()
    there = (skins[number[:, None], row, column] * gain[:, None]).clamp(0, 1)
    change = there.mean(1) / place[..., :3].mean(1)
    matched = (own[..., :3] * change[:, None]).clamp(BARE, PALE)
    own[..., :3] = torch.where(fixed.matched[:, None], matched, own[..., :3])
    table[rows, :count] = own
    return wears


def _median(values: Tensor) -> Tensor:
    """Return the median (B, C) of values (B, n, C): the mean of both middle ones."""
    ordered = values.sort(1).values
    count = values.shape[1]
    return (ordered[:, (count - 1) // 2] + ordered[:, count // 2]) / 2
