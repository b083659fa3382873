"""A drawing board over the face: surfaces go into one depth buffer and come out as a translucent layer."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from occface_core.synthetic.occluders.face_frame import FaceFrame
from occface_core.synthetic.occluders.light import Light
from occface_core.synthetic.occluders.raster import draw_blobs, draw_grid, shade_buffers

NOTHING = -1e9


class Canvas:
    """Depth, colour, normal, gloss and opacity of what has been drawn, at canvas resolution.

    Attributes:
        frame: where the face is, in canvas pixels.
        light: light on the face.
        layers: (colour premultiplied (H, W, 3), alpha (H, W)) painted over the surfaces, in order.
    """

    def __init__(self, height: int, width: int, frame: FaceFrame, light: Light) -> None:
        self.height, self.width = height, width
        self.frame, self.light = frame, light
        self.depth = np.full((height, width), NOTHING, np.float32)
        self.albedo = np.zeros((height, width, 3), np.float32)
        self.normal = np.zeros((height, width, 3), np.float32)
        self.shine = np.zeros((height, width), np.float32)
        self.alpha = np.zeros((height, width), np.float32)
        self.layers: list[tuple[np.ndarray, np.ndarray]] = []
        self._nothing = np.full((height, width), NOTHING, np.float32)
        self._head: np.ndarray | None = None

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
        """Draw a curved sheet.

        Args:
            points: (N, M, 3) canvas coordinates (x right, y down, z towards the viewer), pixels.
            texture: (h, w, 3 or 4) RGB(A) in [0, 1], rows along N; or a colour (3,).
            tiles: how often the texture repeats along N and M.
            gloss: strength of the highlight, 0 to 1.
            opacity: 0 to 1.
            behind_head: if given, parts that lie further than this many mm behind the head's surface
                are hidden by the head.
            height_map: (N, M) mm, moves the points along the normals (folds).
        """
        points, texture = self.prepared(points, texture, height_map)
        behind = (
            self._nothing if behind_head is None else self.head() - np.float32(behind_head * self.frame.scale)
        )
        draw_grid(
            points,
            grid_normals(points),
            np.ascontiguousarray(texture),
            np.asarray(tiles, np.float64),
            gloss,
            opacity,
            behind,
            self.depth,
            self.albedo,
            self.normal,
            self.shine,
            self.alpha,
        )

    def prepared(
        self, points: np.ndarray, texture: np.ndarray, height_map: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return a sheet's points, moved by its height map, and its texture (h, w, 3 or 4); see `surface`."""
        points = np.ascontiguousarray(points, np.float64)
        if height_map is not None:
            points = points + grid_normals(points) * (height_map * self.frame.scale)[..., None]
        texture = np.asarray(texture, np.float32)
        return points, texture[None, None] if texture.ndim == 1 else texture

    def tube(
        self,
        path: np.ndarray,
        radius: float | np.ndarray,
        texture: np.ndarray,
        *,
        gloss: float = 0.3,
        flat: float = 1.0,
        sides: int = 8,
        behind_head: float | None = None,
        tiles: tuple[float, float] = (1, 1),
    ) -> None:
        """Draw a tube along `path` (N, 3) canvas coordinates; `radius` in pixels, `flat` squeezes its depth."""
        self.surface(
            sweep(path, radius, flat=flat, sides=sides),
            texture,
            gloss=gloss,
            behind_head=behind_head,
            tiles=tiles,
        )

    def head(self) -> np.ndarray:
        """Return (H, W) z of the head's smooth stand-in."""
        if self._head is None:
            self._head = self.frame.head_depth(self.height, self.width)
        return self._head

    def blobs(
        self, a: np.ndarray, b: np.ndarray, radius: np.ndarray, group: np.ndarray, soft: float
    ) -> tuple[slice, slice, dict[str, np.ndarray]]:
        """Trace blended tapered capsules; see `raster.draw_blobs`.

        Returns:
            the window's rows and columns, and its buffers depth, normal, owner, place, crevice; what is seen is
            not on the canvas until `stamp` puts it there.
        """
        reach = float(radius.max() + soft)
        ends = np.concatenate((a, b))
        x0, y0 = (int(max(np.floor(v), 0)) for v in ends[:, :2].min(0) - reach)
        x1 = int(min(np.ceil(ends[:, 0].max() + reach), self.width - 1)) + 1
        y1 = int(min(np.ceil(ends[:, 1].max() + reach), self.height - 1)) + 1
        shape = (max(y1 - y0, 0), max(x1 - x0, 0))
        out: dict[str, np.ndarray] = {
            "depth": np.full(shape, NOTHING, np.float32),
            "normal": np.zeros((*shape, 3), np.float32),
            "owner": np.full(shape, -1, np.int64),
            "place": np.zeros(shape, np.float32),
            "crevice": np.ones(shape, np.float32),
        }
        draw_blobs(
            np.ascontiguousarray(a, np.float64),
            np.ascontiguousarray(b, np.float64),
            np.ascontiguousarray(radius, np.float64),
            group.astype(np.int64),
            float(soft),
            out["depth"],
            out["normal"],
            out["owner"],
            out["place"],
            out["crevice"],
            np.array([x0, y0], np.float64),
        )
        return slice(y0, y0 + shape[0]), slice(x0, x0 + shape[1]), out

    def stamp(
        self,
        rows: slice,
        columns: slice,
        depth: np.ndarray,
        normal: np.ndarray,
        albedo: np.ndarray,
        shine: np.ndarray,
    ) -> None:
        """Put a window's pixels on the canvas where they are nearer than what is there."""
        wins = (depth > NOTHING / 2) & (depth > self.depth[rows, columns])
        for target, value in (
            (self.depth, depth),
            (self.normal, normal),
            (self.albedo, albedo),
            (self.shine, shine),
        ):
            target[rows, columns][wins] = value[wins]
        self.alpha[rows, columns][wins] = 1

    def paint(self, colour: np.ndarray, alpha: np.ndarray) -> None:
        """Lay flat colour (3,) or (H, W, 3) by alpha (H, W) over everything drawn so far."""
        alpha = np.clip(alpha, 0, 1).astype(np.float32)
        self.layers.append((np.asarray(colour, np.float32) * alpha[..., None], alpha))

    def resolve(self, wrap: float = 0.25) -> np.ndarray:
        """Return the lit layer, (H, W, 4) float32 premultiplied RGBA."""
        out = np.zeros((self.height, self.width, 4), np.float32)
        light = self.light
        shade_buffers(
            self.albedo,
            self.normal,
            self.shine,
            self.alpha,
            light.direction.astype(np.float64),
            light.diffuse.astype(np.float64),
            light.ambient.astype(np.float64),
            wrap,
            out,
        )
        for colour, alpha in self.layers:
            out[..., :3] = out[..., :3] * (1 - alpha[..., None]) + colour
            out[..., 3] = out[..., 3] * (1 - alpha) + alpha
        return out

    def lit(self, colour: np.ndarray, facing: float = 0.8) -> np.ndarray:
        """Return (3,) `colour` under the light on a surface that faces it by `facing`, for `paint`."""
        return np.clip(colour * (self.light.ambient + facing * self.light.diffuse), 0, 1)

    def strokes(
        self,
        paths: Sequence[np.ndarray],
        width: float | Sequence[float],
        colours: Sequence[np.ndarray] | np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw lines; the canvas is finer than the picture, which smooths them.

        Args:
            paths: each (N, 2) canvas pixels.
            width: thickness in pixels, one or each.
            colours: (3,) RGB, one or each.

        Returns:
            colour (H, W, 3) and alpha (H, W), not yet painted.
        """
        sheet = np.zeros((self.height, self.width, 4), np.uint8)
        widths = np.maximum(np.round(np.broadcast_to(width, len(paths))), 1).astype(int)
        tones = np.full((len(paths), 4), 255.0)
        tones[:, :3] = np.clip(np.asarray(colours), 0, 1) * 255
        points = [np.round(np.clip(path, -4e3, 8e3) * 16).astype(np.int32)[:, None] for path in paths]
        for path, size, tone in zip(points, widths.tolist(), tones.tolist(), strict=True):
            cv2.polylines(sheet, [path], False, tone, size, cv2.LINE_8, 4)
        flat = sheet.astype(np.float32) / 255
        return np.ascontiguousarray(flat[..., :3]), np.ascontiguousarray(flat[..., 3])


def grid_normals(points: np.ndarray) -> np.ndarray:
    """Return (N, M, 3) unit normals of a grid of points, turned towards the viewer."""
    along = np.gradient(points, axis=0) if points.shape[0] > 1 else np.zeros_like(points)
    across = np.gradient(points, axis=1) if points.shape[1] > 1 else np.zeros_like(points)
    normal = np.cross(along, across)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-12
    # one side of a sheet stays one side: its mean decides, so that closed shapes keep outward normals
    return normal if normal[..., 2].sum() >= 0 else -normal


def sweep(path: np.ndarray, radius: float | np.ndarray, *, flat: float = 1.0, sides: int = 8) -> np.ndarray:
    """Return the skin (N, sides + 1, 3) of a tube along `path` (N, 3) with radius (N,) or one for all."""
    path = np.asarray(path, np.float64)
    forward = np.gradient(path, axis=0)
    forward /= np.linalg.norm(forward, axis=1, keepdims=True) + 1e-12
    viewer = np.array([0.0, 0.0, 1.0])
    side = np.cross(forward, viewer)
    weak = np.linalg.norm(side, axis=1, keepdims=True) < 1e-3
    side = np.where(weak, np.array([1.0, 0.0, 0.0]), side)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(side, forward)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    reach = np.broadcast_to(np.asarray(radius, np.float64), (len(path),))[:, None, None]
    ring = np.cos(angle)[None, :, None] * side[:, None] + flat * np.sin(angle)[None, :, None] * up[:, None]
    return path[:, None] + reach * ring
