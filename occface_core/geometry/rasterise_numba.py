"""The rasteriser compiled for the CPU; the meshes of a batch are drawn side by side in threads."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from occface_core.geometry.compiled import compiled, for_each
from occface_core.geometry.fragments import Fragments
from occface_core.geometry.precision import SUBPIXEL_BITS

_BITS = SUBPIXEL_BITS


@compiled
def _project_mesh(
    vertices: np.ndarray,
    matrix: np.ndarray,
    near: float,
    guard: float,
    corner: np.ndarray,
    inverse_depth: np.ndarray,
    drawable: np.ndarray,
) -> None:
    m = matrix.astype(np.float64)
    for v in range(vertices.shape[0]):
        x, y, z = float(vertices[v, 0]), float(vertices[v, 1]), float(vertices[v, 2])
        depth = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z
        if not depth >= near or not np.isfinite(depth):
            continue
        inverse = 1 / depth
        pixel_x = (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z) * inverse
        pixel_y = (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z) * inverse
        if abs(pixel_x) <= guard and abs(pixel_y) <= guard:
            drawable[v] = True
            corner[v, 0] = np.int64(np.rint(pixel_x * (1 << _BITS)))
            corner[v, 1] = np.int64(np.rint(pixel_y * (1 << _BITS)))
            inverse_depth[v] = inverse


@compiled
def _draw_mesh(
    corner: np.ndarray,
    inverse_depth: np.ndarray,
    drawable: np.ndarray,
    triangles: np.ndarray,
    triangle_out: np.ndarray,
    weight_out: np.ndarray,
    depth_out: np.ndarray,
) -> None:
    height, width = triangle_out.shape
    nearest = np.zeros((height, width))
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if not (drawable[i] and drawable[j] and drawable[k]):
            continue
        ax, ay = corner[i, 0], corner[i, 1]
        bx, by = corner[j, 0], corner[j, 1]
        cx, cy = corner[k, 0], corner[k, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0:
            continue
        x0 = max((min(ax, bx, cx) + ((1 << _BITS) - 1)) >> _BITS, 0)
        y0 = max((min(ay, by, cy) + ((1 << _BITS) - 1)) >> _BITS, 0)
        x1 = min(max(ax, bx, cx) >> _BITS, width - 1)
        y1 = min(max(ay, by, cy) >> _BITS, height - 1)
        if x0 > x1 or y0 > y1:
            continue
        turned = area < 0
        if turned:
            bx, by, cx, cy = cx, cy, bx, by
            area = -area
        # value at the first pixel and growth to the right and downwards of the three edge functions
        px, py = x0 << _BITS, y0 << _BITS
        row_a = (cx - bx) * (py - by) - (cy - by) * (px - bx)
        row_b = (ax - cx) * (py - cy) - (ay - cy) * (px - cx)
        row_c = (bx - ax) * (py - ay) - (by - ay) * (px - ax)
        right_a, down_a = (by - cy) << _BITS, (cx - bx) << _BITS
        right_b, down_b = (cy - ay) << _BITS, (ax - cx) << _BITS
        right_c, down_c = (ay - by) << _BITS, (bx - ax) << _BITS
        # a pixel exactly on an edge belongs to the triangle to the right of or below it
        least_a = 0 if right_a > 0 or (right_a == 0 and down_a > 0) else 1
        least_b = 0 if right_b > 0 or (right_b == 0 and down_b > 0) else 1
        least_c = 0 if right_c > 0 or (right_c == 0 and down_c > 0) else 1
        za = inverse_depth[i]
        zb = inverse_depth[k] if turned else inverse_depth[j]
        zc = inverse_depth[j] if turned else inverse_depth[k]
        whole = float(area)
        for y in range(y0, y1 + 1):
            ea, eb, ec = row_a, row_b, row_c
            for x in range(x0, x1 + 1):
                if ea >= least_a and eb >= least_b and ec >= least_c:
                    pa, pb, pc = float(ea) * za, float(eb) * zb, float(ec) * zc
                    total = pa + pb + pc
                    z = total / whole
                    if z > nearest[y, x]:
                        nearest[y, x] = z
                        triangle_out[y, x] = t
                        weight_out[y, x, 0] = pa / total
                        weight_out[y, x, 1] = (pc if turned else pb) / total
                        weight_out[y, x, 2] = (pb if turned else pc) / total
                        depth_out[y, x] = 1 / z
                ea += right_a
                eb += right_b
                ec += right_c
            row_a += down_a
            row_b += down_b
            row_c += down_c


@compiled
def _interpolate_mesh(
    triangle: np.ndarray, weight: np.ndarray, triangles: np.ndarray, values: np.ndarray, out: np.ndarray
) -> None:
    height, width = triangle.shape
    for c in range(out.shape[0]):
        for y in range(height):
            for x in range(width):
                t = triangle[y, x]
                if t >= 0:
                    out[c, y, x] = (
                        weight[y, x, 0] * values[triangles[t, 0], c]
                        + weight[y, x, 1] * values[triangles[t, 1], c]
                        + weight[y, x, 2] * values[triangles[t, 2], c]
                    )


def draw(
    vertices: Tensor, matrix: Tensor, triangles: Tensor, height: int, width: int, near: float, guard: float
) -> tuple[Fragments, Tensor]:
    """Draw what needs no clipping; also return which vertices (B, V) can be drawn."""
    batch, count = vertices.shape[:2]
    points, camera, faces = _numpy(vertices), _numpy(matrix), _numpy(triangles)
    drawable = np.zeros((batch, count), np.bool_)
    triangle = np.full((batch, height, width), -1, np.int64)
    weight = np.zeros((batch, height, width, 3), points.dtype)
    depth = np.full((batch, height, width), np.nan, points.dtype)

    def draw_one(i: int) -> None:
        corner, inverse_depth = np.zeros((count, 2), np.int64), np.zeros(count)
        _project_mesh(points[i], camera[i], near, guard, corner, inverse_depth, drawable[i])
        _draw_mesh(corner, inverse_depth, drawable[i], faces, triangle[i], weight[i], depth[i])

    for_each(draw_one, batch)
    fragments = Fragments(
        triangle=torch.from_numpy(triangle),
        barycentric=torch.from_numpy(weight),
        depth=torch.from_numpy(depth),
    )
    return fragments, torch.from_numpy(drawable)


def interpolate(fragments: Fragments, triangles: Tensor, attributes: Tensor) -> Tensor:
    """Spread attributes (B, V, C) over the pixels, without gradients."""
    triangle, weight = _numpy(fragments.triangle), _numpy(fragments.barycentric)
    faces, values = _numpy(triangles), _numpy(attributes)
    batch, height, width = triangle.shape
    out = np.zeros((batch, values.shape[-1], height, width), values.dtype)
    for_each(lambda i: _interpolate_mesh(triangle[i], weight[i], faces, values[i], out[i]), batch)
    return torch.from_numpy(out)


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy()
