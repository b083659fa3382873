"""Nearest points on triangles, compiled: distances to a mesh are measured thousands of times in an ablation."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def nearest_points(points: Points, vertices: Points, triangles: NDArray[Any], tried: NDArray[Any]) -> Points:
    """Return (N, 3), the nearest point of the triangles that are tried for each point.

    Args:
        points: (N, 3).
        vertices: (V, 3).
        triangles: (T, 3) int64.
        tried: (N, R) int64, triangles for each point; repeated ones do no harm.
    """
    found = np.empty_like(points)
    _nearest(points, vertices, triangles, tried, found)
    return found


def _nearest(
    points: Any, vertices: Any, triangles: Any, tried: Any, found: Any
) -> None:  # pragma: no cover - compiled
    """Fill in the nearest points; closest point on a triangle by its Voronoi regions (Ericson 2005, 5.1.5)."""
    best = np.empty(3)
    for n in range(len(points)):
        px, py, pz = points[n, 0], points[n, 1], points[n, 2]
        least = np.inf
        for k in range(tried.shape[1]):
            corner = triangles[tried[n, k]]
            a, b, c = vertices[corner[0]], vertices[corner[1]], vertices[corner[2]]
            abx, aby, abz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
            acx, acy, acz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
            apx, apy, apz = px - a[0], py - a[1], pz - a[2]
            d1 = abx * apx + aby * apy + abz * apz
            d2 = acx * apx + acy * apy + acz * apz
            bpx, bpy, bpz = px - b[0], py - b[1], pz - b[2]
            d3 = abx * bpx + aby * bpy + abz * bpz
            d4 = acx * bpx + acy * bpy + acz * bpz
            cpx, cpy, cpz = px - c[0], py - c[1], pz - c[2]
            d5 = abx * cpx + aby * cpy + abz * cpz
            d6 = acx * cpx + acy * cpy + acz * cpz
            va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
            if d1 <= 0 and d2 <= 0:
                v, w = 0.0, 0.0
            elif d3 >= 0 and d4 <= d3:
                v, w = 1.0, 0.0
            elif d6 >= 0 and d5 <= d6:
                v, w = 0.0, 1.0
            elif vc <= 0 and d1 >= 0 and d3 <= 0:
                v, w = d1 / max(d1 - d3, 1e-18), 0.0
            elif vb <= 0 and d2 >= 0 and d6 <= 0:
                v, w = 0.0, d2 / max(d2 - d6, 1e-18)
            elif va <= 0 and d4 - d3 >= 0 and d5 - d6 >= 0:
                w = (d4 - d3) / max((d4 - d3) + (d5 - d6), 1e-18)
                v = 1.0 - w
            else:
                total = max(va + vb + vc, 1e-18)
                v, w = vb / total, vc / total
            x, y, z = a[0] + v * abx + w * acx, a[1] + v * aby + w * acy, a[2] + v * abz + w * acz
            off = (px - x) ** 2 + (py - y) ** 2 + (pz - z) ** 2
            if off < least:
                least = off
                best[0], best[1], best[2] = x, y, z
        found[n] = best


try:
    _nearest = numba.njit(cache=True)(_nearest)
except RuntimeError:  # nowhere to keep the compiled code: an installation that is read-only
    _nearest = numba.njit(_nearest)
