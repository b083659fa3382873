"""Draws the surfaces of many occluders at once: nearest wins, then light, as `Canvas` does for one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import attrs
import numpy as np
import torch
from torch import Tensor

from occface_core.synthetic.batched.occluder_plan import OccluderPlan
from occface_core.synthetic.batched.scaling import averaging, enlarging
from occface_core.synthetic.batched.sheet_canvas import Sheet, SheetCanvas, Stamp
from occface_core.synthetic.occluders.canvas import NOTHING
from occface_core.synthetic.occluders.face_frame import HEAD
from occface_core.synthetic.occluders.light import Light

PAIRS_AT_ONCE = 1 << 22
"""Triangle-pixel pairs tried together; bounds the memory (about 300 bytes a pair)."""

THIN = 0.02
"""Textures more transparent than this let the pixel through."""

BLOCK = 4
"""The head's surface is looked up in blocks of so many pixels."""

WRAP = 0.25
"""How far round the edge of a thing its light reaches."""


@attrs.define(frozen=True, kw_only=True, eq=False)
class Mesh:
    """All sheets of all canvases; K points, T triangles, G sheets.

    Attributes:
        points: (K, 3) float64 canvas pixels.
        normals: (K, 3) float32.
        place: (K, 2) float64, row and column in the sheet's grid over the last ones, 0 to 1.
        triangles: (T, 3) int64.
        sheet: (T,) int64.
        item: (G,) int64 canvas of each sheet.
        texels: (N, 4) float32 RGBA of all textures, one after the other.
        first: (G,) int64 row of `texels` at which the sheet's texture begins.
        shape: (G, 2) int64 its height and width.
        tiles: (G, 2) float64.
        gloss: (G,).
        opacity: (G,).
        behind: (G,) float64 pixels, inf where the head hides nothing.
    """

    points: Tensor
    normals: Tensor
    place: Tensor
    triangles: Tensor
    sheet: Tensor
    item: Tensor
    texels: Tensor
    first: Tensor
    shape: Tensor
    tiles: Tensor
    gloss: Tensor
    opacity: Tensor
    behind: Tensor


def mesh_of(boards: Sequence[SheetCanvas], device: torch.device) -> Mesh:
    """Return the sheets of all canvases."""
    sheets = [(k, sheet) for k, board in enumerate(boards) for sheet in board.sheets]
    if not sheets:  # nothing but traced pixels: a point that draws nothing stands for all
        empty = np.zeros((1, 1, 4), np.float32)
        none = Sheet(points=empty[..., :3], normals=empty[..., :3], texture=empty, tiles=(1.0, 1.0), gloss=0.0,
                     opacity=0.0, behind=None)  # fmt: skip
        sheets = [(0, none)]
    points, place, triangles, number, count = [], [], [], [], 0
    for g, (_, sheet) in enumerate(sheets):
        rows, columns = sheet.points.shape[:2]
        grid, faces = _grid(rows, columns)
        points.append(sheet.points.reshape(-1, 3))
        place.append(grid)
        triangles.append(faces + count)
        number.append(np.full(len(faces), g))
        count += rows * columns
    sizes = [sheet.texture.shape[0] * sheet.texture.shape[1] for _, sheet in sheets]
    every = [sheet for _, sheet in sheets]

    def put(values: object, kind: torch.dtype) -> Tensor:
        return torch.as_tensor(np.asarray(values)).to(device=device, dtype=kind, non_blocking=True)

    double, single, whole = torch.float64, torch.float32, torch.int64
    return Mesh(
        points=put(np.concatenate(points), double),
        normals=put(np.concatenate([sheet.normals.reshape(-1, 3) for sheet in every]), single),
        place=put(np.concatenate(place), double),
        triangles=put(np.concatenate(triangles), whole),
        sheet=put(np.concatenate(number), whole),
        item=put([k for k, _ in sheets], whole),
        texels=put(np.concatenate([sheet.texture.reshape(-1, 4) for sheet in every]), single),
        first=put(np.cumsum([0, *sizes[:-1]]), whole),
        shape=put([sheet.texture.shape[:2] for sheet in every], whole),
        tiles=put([sheet.tiles for sheet in every], double),
        gloss=put([sheet.gloss for sheet in every], single),
        opacity=put([sheet.opacity for sheet in every], single),
        behind=put([np.inf if sheet.behind is None else sheet.behind for sheet in every], double),
    )


@lru_cache(maxsize=256)
def _grid(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each point's place (K, 2) in a grid, 0 to 1, and the triangles (T, 3) in drawing order."""
    i, j = np.mgrid[0:rows, 0:columns].reshape(2, -1)
    place = np.stack((i / max(rows - 1, 1), j / max(columns - 1, 1)), 1)
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    upper = np.stack((first, first + 1, first + columns), 1)
    lower = np.stack((first + columns + 1, first + columns, first + 1), 1)
    return place, np.stack((upper, lower), 1).reshape(-1, 3)


def draw_layers(plans: Sequence[OccluderPlan], size: int, device: torch.device) -> Tensor:
    """Return the lit layers (B, 4, S, S), premultiplied RGBA, of plans that have sheets."""
    boards = [plan.board for plan in plans if plan.board is not None]
    mesh = mesh_of(boards, device)
    height, width = (max(plan.canvas[axis] for plan in plans) for axis in (0, 1))
    limits = torch.tensor([plan.canvas for plan in plans], device=device)
    heads = _heads(plans, device)
    corner = mesh.points[mesh.triangles]
    low = corner[..., :2].amin(1).ceil().long().clamp_min(0)
    high = corner[..., :2].amax(1).floor().long()
    high = torch.minimum(high, limits[mesh.item[mesh.sheet]].flip(1) - 1)
    span = (high - low + 1).clamp_min(0) * (_area(corner).abs() >= 1e-9)[:, None]
    count = span[:, 0] * span[:, 1]
    nearest = torch.full((len(plans) * height * width,), -1e9, dtype=torch.float64, device=device)
    winner = torch.full_like(nearest, -1, dtype=torch.int64)
    for chunk in _chunks(count):
        row = torch.repeat_interleave(chunk, count[chunk])
        start = count[chunk].cumsum(0) - count[chunk]
        step = torch.arange(len(row), device=device) - torch.repeat_interleave(start, count[chunk])
        x, y = low[row, 0] + step % span[row, 0], low[row, 1] + step // span[row, 0]
        weight = _weights(corner[row], x, y)
        inside = (weight >= -1e-6).all(1)
        row, x, y, weight = row[inside], x[inside], y[inside], weight[inside]
        sheet = mesh.sheet[row]
        z = (weight * corner[row][..., 2]).sum(1)
        texel = _texel(mesh, mesh.triangles[row], sheet, weight)
        solid = mesh.opacity[sheet] * mesh.texels[texel, 3] >= THIN
        hidden = z < _head_depth(heads, mesh.item[sheet], x, y) - mesh.behind[sheet]
        shown = solid & ~hidden
        row, z = row[shown], z[shown]
        pixel = (mesh.item[mesh.sheet[row]] * height + y[shown]) * width + x[shown]
        best = torch.full_like(nearest, -torch.inf).scatter_reduce_(0, pixel, z, "amax")
        first = z == best[pixel]
        lowest = torch.full_like(winner, len(count)).scatter_reduce_(0, pixel[first], row[first], "amin")
        wins = (lowest < len(count)) & (best > nearest)
        nearest, winner = torch.where(wins, best, nearest), torch.where(wins, lowest, winner)
    winner, nearest = (each.reshape(len(plans), height, width) for each in (winner, nearest))
    seen = _seen(mesh, winner, corner)
    for turn in range(max(len(board.stamps) for board in boards)):
        nearest = _stamp(seen, nearest, [board.stamps[turn : turn + 1] for board in boards])
    return _placed(_lit(seen, [plan.light for plan in plans]), plans, size)


def _area(corner: Tensor) -> Tensor:
    (ax, ay), (bx, by), (cx, cy) = (corner[:, k, :2].unbind(-1) for k in range(3))
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


def _weights(corner: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the weights (n, 3) of triangles' corners (n, 3, 3) at pixels."""
    (ax, ay), (bx, by), (cx, cy) = (corner[:, k, :2].unbind(-1) for k in range(3))
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    second = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area
    third = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area
    return torch.stack((1 - second - third, second, third), 1)


def _chunks(count: Tensor) -> list[Tensor]:
    """Split the rows that have pixels into runs of about `PAIRS_AT_ONCE` pixels."""
    rows = count.nonzero()[:, 0]
    part = count[rows].cumsum(0) // PAIRS_AT_ONCE
    lengths = torch.unique_consecutive(part, return_counts=True)[1]
    return list(torch.split(rows, lengths.tolist())) if len(rows) else []


def _texel(mesh: Mesh, triangle: Tensor, sheet: Tensor, weight: Tensor) -> Tensor:
    """Return which row of `Mesh.texels` is seen at points on sheets."""
    place = (weight[..., None] * mesh.place[triangle]).sum(1)
    tiles, shape = mesh.tiles[sheet], mesh.shape[sheet]
    at = place * tiles
    index = torch.where(tiles != 1, ((at - at.floor()) * shape), at * (shape - 1) + 0.5).long()
    index = torch.minimum(index.clamp_min(0), shape - 1)
    return mesh.first[sheet] + index[:, 0] * shape[:, 1] + index[:, 1]


def _seen(mesh: Mesh, winner: Tensor, corner: Tensor) -> Tensor:
    """Return RGB, normal, gloss and opacity (B, H, W, 8) of the triangles that are seen."""
    batch, height, width = winner.shape
    pixel = (winner.reshape(-1) >= 0).nonzero()[:, 0]
    row = winner.reshape(-1)[pixel]
    weight = _weights(corner[row], pixel % width, pixel // width % height)
    sheet, triangle = mesh.sheet[row], mesh.triangles[row]
    texel = mesh.texels[_texel(mesh, triangle, sheet, weight)]
    normal = (weight.float()[..., None] * mesh.normals[triangle]).sum(1)
    normal = normal / (normal.norm(dim=1, keepdim=True) + 1e-9)
    normal = torch.where(normal[:, 2:] < 0, -normal, normal)
    cover = mesh.opacity[sheet] * texel[:, 3]
    surface = torch.cat((texel[:, :3], normal, mesh.gloss[sheet][:, None], cover[:, None]), 1)
    flat = surface.new_zeros(batch * height * width, 8).index_copy(0, pixel, surface)
    return flat.reshape(batch, height, width, 8)


def _stamp(seen: Tensor, nearest: Tensor, stamps: Sequence[Sequence[Stamp]]) -> Tensor:
    """Put traced pixels where they are nearer, into `seen`; return the depth (B, H, W) after that."""
    depth = np.full(nearest.shape, NOTHING, np.float32)
    surface = np.zeros((*nearest.shape, 7), np.float32)
    for k, each in enumerate(stamps):
        for stamp in each:
            (y, x), (height, width) = stamp.corner, stamp.depth.shape
            depth[k, y : y + height, x : x + width] = stamp.depth
            surface[k, y : y + height, x : x + width] = stamp.surface
    z = torch.as_tensor(depth).to(nearest)
    wins = (z > NOTHING / 2) & (z > nearest)
    there = torch.as_tensor(surface).to(seen)
    seen[..., :7] = torch.where(wins[..., None], there, seen[..., :7])
    seen[..., 7] = torch.where(wins, 1, seen[..., 7])
    return torch.where(wins, z, nearest)


def _lit(seen: Tensor, lights: Sequence[Light]) -> Tensor:
    """Return the premultiplied RGBA (B, H, W, 4) of what is seen: wrapped Lambert, sky, Blinn."""
    colour, normal, gloss, cover = torch.split(seen, [3, 3, 1, 1], -1)

    def put(name: str) -> Tensor:
        values = np.stack([getattr(light, name) for light in lights]).astype(np.float32)
        return torch.as_tensor(values).to(seen.device)[:, None, None]

    way, diffuse, ambient = put("direction"), put("diffuse"), put("ambient")
    half = way + way.new_tensor([0.0, 0.0, 1.0])
    half = half / (half.norm(dim=-1, keepdim=True) + 1e-9)
    lit = (((normal * way).sum(-1, keepdim=True) + WRAP) / (1 + WRAP)).clamp_min(0)
    sky = 0.8 - 0.2 * normal[..., 1:2]
    cos = (normal * half).sum(-1, keepdim=True).clamp_min(0)
    high = torch.where(gloss > 0, gloss * cos ** (12 + 60 * gloss), 0)
    value = (colour * (ambient * sky + diffuse * lit) + high * diffuse).clamp(0, 1)
    return torch.cat((value * cover, cover), -1)


def _heads(plans: Sequence[OccluderPlan], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return middles (B, 2, 3) and quadratic forms (B, 2, 3, 3) of the heads' ellipsoids on the canvases."""
    middles, forms = [], []
    for plan in plans:
        frame = plan.frame
        middles.append([frame.rigid(np.array(centre)) for centre, _ in HEAD])
        forms.append(
            [
                frame.rotation @ np.diag((np.array(radii) * frame.scale) ** -2.0) @ frame.rotation.T
                for _, radii in HEAD
            ]
        )
    return torch.as_tensor(np.array(middles)).to(device), torch.as_tensor(np.array(forms)).to(device)


def _head_depth(heads: tuple[Tensor, Tensor], item: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return z of the smooth heads at pixels of canvases, -1e9 beside them; see `FaceFrame.head_depth`."""
    depth = torch.full_like(x, -1e9, dtype=torch.float64)
    px, py = (place // BLOCK * BLOCK + (BLOCK - 1) / 2 for place in (x.double(), y.double()))
    for k in range(len(HEAD)):
        middle, form = heads[0][item, k], heads[1][item, k]
        dx, dy = px - middle[:, 0], py - middle[:, 1]
        linear = form[:, 0, 2] * dx + form[:, 1, 2] * dy
        constant = form[:, 0, 0] * dx * dx + 2 * form[:, 0, 1] * dx * dy + form[:, 1, 1] * dy * dy - 1
        inside = linear**2 - form[:, 2, 2] * constant
        root = (-linear + inside.clamp_min(0).sqrt()) / form[:, 2, 2] + middle[:, 2]
        depth = torch.maximum(depth, torch.where(inside > 0, root, -1e9))
    return depth


def _placed(layer: Tensor, plans: Sequence[OccluderPlan], size: int) -> Tensor:
    """Return layers (B, 4, S, S) at the picture's resolution and place, of canvases (B, H, W, 4)."""
    down, across = (
        torch.zeros(len(plans), size, layer.shape[1]),
        torch.zeros(len(plans), size, layer.shape[2]),
    )
    for k, plan in enumerate(plans):
        x0, y0, x1, y1 = plan.window
        height, width = plan.canvas
        smaller = width > x1 - x0
        down[k, y0:y1, :height] = _resizing(height, y1 - y0, smaller)
        across[k, x0:x1, :width] = _resizing(width, x1 - x0, smaller)
    down, across = down.to(layer)[:, None], across.to(layer)[:, None]
    return down @ layer.permute(0, 3, 1, 2) @ across.mT


@lru_cache(maxsize=1024)
def _resizing(size: int, wanted: int, smaller: bool) -> Tensor:
    """Return (wanted, size) weights that average pixels, or interpolate linearly between them."""
    return (averaging(size, wanted) if smaller else enlarging(size, wanted, 0)).float()
