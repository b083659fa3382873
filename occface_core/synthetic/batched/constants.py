"""What all faces of one face model share, as tensors of one device: bases, mesh, masks, maps."""

from __future__ import annotations

from functools import lru_cache

import attrs
import numpy as np
import torch
from torch import Tensor

from occface_core.facemodel import FaceModel
from occface_core.synthetic import dress, render, shading, skins, wrinkles
from occface_core.synthetic.labels import LABELS

SHEETS = ((22, 48), (26, 46), (14, 22))
"""Rows and columns of the grids that a figure may wear: clothes, long hair, a bun."""

GLOSSES = (("nose", 1.6), ("forehead", 1.4), ("neck", 0.5))


@attrs.define(frozen=True, kw_only=True, eq=False)
class Constants:
    """Tensors of a face model; V vertices of the model, N with those of all sheets, T triangles likewise M.

    Attributes:
        mean: (V, 3) float64 mm.
        shape: (K + E, 3V) float64 mm, identity's and expressions' basis.
        albedo_mean: (3V,) float64.
        albedo: (A, 3V) float64.
        triangles: (M, 3) int64, the model's first, then those of each sheet.
        model_triangles: T.
        sheet_of: (M,) int64 sheet of each triangle, -1 for the model's.
        vertex_sheet: (N,) int64 sheet of each vertex, -1 for the model's.
        material: (M,) int64.
        labels: (M,) int64 parsing labels.
        outside: (M,) bool, triangles that hide their own back.
        weld: (N,) int64.
        landmarks: (68,) int64.
        contour: (17, C) int64, or None.
        table: (V, ATTRIBUTES) float32 attributes that no face changes.
        scalp: (V,) float32 0 to 1.
        beard: (V,) float32 0 to 1.
        painted_hair: (V,) float32, where the model's own colours paint hair.
        openness: (V,) float32 share of the sky that a vertex sees.
        gloss: (V, 2) float32, gloss = first · face's gloss + second.
        forehead: (F,) int64 rows that tell the skin's colour.
        nose: rows likewise.
        cheek: rows where a skin texture is compared with the model's colours.
        brows: rows.
        mouth_cavity: rows.
        painted: (V,) bool, vertices that a skin texture may colour.
        painted_triangles: (M,) bool.
        matched: (V,) bool, vertices whose colour follows the texture's.
        wrinkles: (kinds, VARIANTS, SIDE, SIDE) float32 mm.
        skin_mask: (SIDE, SIDE) float32.
    """

    mean: Tensor
    shape: Tensor
    albedo_mean: Tensor
    albedo: Tensor
    triangles: Tensor
    model_triangles: int
    sheet_of: Tensor
    vertex_sheet: Tensor
    material: Tensor
    labels: Tensor
    outside: Tensor
    weld: Tensor
    landmarks: Tensor
    contour: Tensor | None
    table: Tensor
    scalp: Tensor
    beard: Tensor
    painted_hair: Tensor
    openness: Tensor
    gloss: Tensor
    forehead: Tensor
    nose: Tensor
    cheek: Tensor
    brows: Tensor
    mouth_cavity: Tensor
    painted: Tensor
    painted_triangles: Tensor
    matched: Tensor
    wrinkles: Tensor
    skin_mask: Tensor

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.mean.device


@lru_cache(maxsize=4)
def constants(model: FaceModel, device: torch.device) -> Constants:
    """Return the tensors of a model on a device; kept for the next call."""
    count = len(model.mean)
    none = np.zeros(count, bool)
    grids, sheet_of, first = [model.triangles], [np.full(len(model.triangles), -1)], count
    for number, (rows, columns) in enumerate(SHEETS):
        grid = dress.grid_triangles(rows, columns) + first
        grids.append(grid)
        sheet_of.append(np.full(len(grid), number))
        first += rows * columns
    sheet = np.concatenate(sheet_of)
    clothed = sheet == 0
    labels = np.where(clothed, LABELS["cloth"], LABELS["hair"])
    labels[: len(model.triangles)] = render.triangle_labels(model)
    material = np.where(clothed, shading.CLOTH, shading.HAIR_SHEET)
    material[: len(model.triangles)] = shading.SKIN
    outside = np.zeros(len(sheet), bool)
    outside[: len(model.triangles)] = render.outside_triangles(model)
    scalp, beard = dress.areas(model)
    painted = skins.painted_vertices(model)
    painted_triangles = np.zeros(len(sheet), bool)
    painted_triangles[: len(model.triangles)] = painted[model.triangles].all(1)
    place = wrinkles.positions(model)

    def put(values: np.ndarray, kind: torch.dtype | None = None) -> Tensor:
        return torch.from_numpy(np.array(values)).to(device=device, dtype=kind)

    def rows_of(mask: np.ndarray) -> Tensor:
        return put(np.flatnonzero(mask))

    double, whole = torch.float64, torch.int64
    return Constants(
        mean=put(model.mean, double),
        shape=put(np.concatenate((model.identity, model.expression)).reshape(-1, 3 * count), double),
        albedo_mean=put(model.albedo_mean.reshape(-1), double),
        albedo=put(model.albedo.reshape(len(model.albedo), -1), double),
        triangles=put(np.concatenate(grids), whole),
        model_triangles=len(model.triangles),
        sheet_of=put(sheet, whole),
        vertex_sheet=put(
            np.repeat(np.arange(len(SHEETS) + 1) - 1, [count, *(r * c for r, c in SHEETS)]), whole
        ),
        material=put(material, whole),
        labels=put(labels, whole),
        outside=put(outside),
        weld=put(np.concatenate((model.weld, np.arange(count, first))), whole),
        landmarks=put(model.landmarks68, whole),
        contour=None if model.contour is None else put(model.contour, whole),
        table=put(_table(model), torch.float32),
        scalp=put(scalp, torch.float32),
        beard=put(beard, torch.float32),
        painted_hair=put(render.painted_hair(model), torch.float32),
        openness=put(render.openness(model), torch.float32),
        gloss=put(_gloss(model), torch.float32),
        forehead=rows_of(model.regions.get("forehead", ~none)),
        nose=rows_of(model.regions["nose"]),
        cheek=rows_of(model.regions["jaw"] & painted),
        brows=rows_of(model.regions["brows"]),
        mouth_cavity=rows_of(model.regions.get("mouth_cavity", none)),
        painted=put(painted),
        painted_triangles=put(painted_triangles),
        matched=put(painted | model.regions.get("neck", none)),
        wrinkles=put(wrinkles.basis(model), torch.float32),
        skin_mask=put(place[1], torch.float32),
    )


def _table(model: FaceModel) -> np.ndarray:
    """Return (V, ATTRIBUTES) float32: texture coordinates, and ones where a factor does nothing."""
    table = np.zeros((len(model.mean), shading.ATTRIBUTES), np.float32)
    table[:, [shading.U, shading.V]] = model.uv
    table[:, [shading.S, shading.T]] = render.scalp_map(model)
    table[:, [shading.P, shading.Q]] = skins.makehuman_coordinates(model.uv.astype(np.float64))
    table[:, shading.BROW] = 1
    return table


def _gloss(model: FaceModel) -> np.ndarray:
    """Return (V, 2) factor and constant of the skin's gloss, as `render` sets them region by region."""
    out = np.stack((np.ones(len(model.mean)), np.zeros(len(model.mean))), 1)
    for region, factor in GLOSSES:
        if region in model.regions:
            out[model.regions[region], 0] *= factor
    for region, pair in (("lips", (1.2, 0.05)), ("eyeballs", (0.0, 0.85)), ("mouth_cavity", (0.0, 0.0))):
        if region in model.regions:
            out[model.regions[region]] = pair
    return out
