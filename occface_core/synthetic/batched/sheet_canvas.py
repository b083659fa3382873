"""A drawing board that keeps what is drawn on it as surfaces, for the device to draw."""

from __future__ import annotations

import attrs
import numpy as np

from occface_core.synthetic.occluders.canvas import NOTHING, Canvas, grid_normals
from occface_core.synthetic.occluders.face_frame import FaceFrame
from occface_core.synthetic.occluders.light import Light


@attrs.define(frozen=True, kw_only=True, eq=False)
class Sheet:
    """A curved sheet, as `Canvas.surface` is given it.

    Attributes:
        points: (n, m, 3) float32 canvas coordinates, pixels.
        normals: (n, m, 3) float32 unit normals.
        texture: (h, w, 4) float32 RGB and opacity.
        tiles: how often the texture repeats along both axes.
        gloss: strength of the highlight.
        opacity: 0 to 1.
        behind: pixels behind the head's surface from which the head hides it; None = nothing does.
    """

    points: np.ndarray
    normals: np.ndarray
    texture: np.ndarray
    tiles: tuple[float, float]
    gloss: float
    opacity: float
    behind: float | None


@attrs.define(frozen=True, kw_only=True, eq=False)
class Stamp:
    """Pixels that were traced on the host, as `Canvas.stamp` is given them.

    Attributes:
        corner: row and column of the first pixel on the canvas.
        depth: (h, w) float32, towards the viewer; -1e9 where there is nothing.
        surface: (h, w, 7) float32 RGB, normal, gloss.
    """

    corner: tuple[int, int]
    depth: np.ndarray
    surface: np.ndarray


class SheetCanvas(Canvas):
    """Keeps the surfaces of occluders, and the pixels of hands that hold them.

    Attributes:
        sheets: surfaces, in order.
        stamps: traced pixels, in order.
    """

    def __init__(self, height: int, width: int, frame: FaceFrame, light: Light) -> None:
        self.height, self.width = height, width
        self.frame, self.light = frame, light
        self.sheets: list[Sheet] = []
        self.stamps: list[Stamp] = []

    def surface(
        self,
        points: np.ndarray,
        texture: np.ndarray,
        *,
        tiles: tuple[float, float] = (1, 1),
        gloss: float = 0.05,
        opacity: float = 1.0,
        behind_head: float | None = None,
        height_map: np.ndarray | None = None,
    ) -> None:
        """Keep a curved sheet; see `Canvas.surface`."""
        points, texture = self.prepared(points, texture, height_map)
        if texture.shape[2] == 3:
            texture = np.concatenate((texture, np.ones_like(texture[..., :1])), 2)
        self.sheets.append(
            Sheet(
                points=points.astype(np.float32),
                normals=grid_normals(points).astype(np.float32),
                texture=texture,
                tiles=(float(tiles[0]), float(tiles[1])),
                gloss=float(gloss),
                opacity=float(opacity),
                behind=None if behind_head is None else float(behind_head * self.frame.scale),
            )
        )

    def stamp(
        self,
        rows: slice,
        columns: slice,
        depth: np.ndarray,
        normal: np.ndarray,
        albedo: np.ndarray,
        shine: np.ndarray,
    ) -> None:
        """Keep a window's pixels; see `Canvas.stamp`."""
        surface = np.concatenate((albedo, normal, shine[..., None]), 2).astype(np.float32)
        self.stamps.append(Stamp(corner=(rows.start, columns.start), depth=depth, surface=surface))

    def cover(self, x0: float, y0: float, x1: float, y1: float) -> float:
        """Return about how many canvas pixels of a box are covered; where things overlap, more."""
        total = 0.0
        for stamp in self.stamps:
            top, left = stamp.corner
            box = stamp.depth[
                max(int(y0) - top, 0) : max(int(y1) + 1 - top, 0),
                max(int(x0) - left, 0) : max(int(x1) + 1 - left, 0),
            ]
            total += float((box > NOTHING / 2).sum())
        for sheet in self.sheets:
            p = sheet.points[..., :2]
            a, b = p[1:, 1:] - p[:-1, :-1], p[1:, :-1] - p[:-1, 1:]
            area = 0.5 * np.abs(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])
            x, y = np.moveaxis((p[1:, 1:] + p[:-1, :-1]) / 2, -1, 0)
            inside = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
            total += float(area[inside].sum()) * sheet.opacity * float(sheet.texture[::8, ::8, 3].mean())
        return total
