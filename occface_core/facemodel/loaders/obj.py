"""The few parts of Wavefront OBJ that face models use: vertices, UVs, polygons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from occface_core.errors import FaceModelError


def read_positions(path: Path) -> Any:
    """Return the (V, 3) vertices of an OBJ."""
    rows = [line.split()[1:4] for line in _lines(path) if line.startswith("v ")]
    try:
        return np.array(rows, np.float64).reshape(-1, 3)
    except ValueError as error:
        raise FaceModelError(f"{path} has a vertex that is not three numbers ({error})") from error


def read_mesh(path: Path) -> tuple[Any, Any, Any]:
    """Return vertices (V, 3), triangles (T, 3) 0-based, and one UV per vertex (V, 2) or None.

    Polygons are fanned. A vertex on a UV seam keeps the UV of its first corner.
    """
    points: list[list[str]] = []
    triangles: list[tuple[int, int, int]] = []
    uv_of: dict[int, int] = {}
    for line in _lines(path):
        if line.startswith("vt "):
            points.append(line.split()[1:3])
        elif line.startswith("f "):
            corners = [corner.split("/") for corner in line.split()[1:]]
            ids = [int(corner[0]) - 1 for corner in corners]
            triangles += [(ids[0], ids[k], ids[k + 1]) for k in range(1, len(ids) - 1)]
            for vertex, corner in zip(ids, corners, strict=True):
                if len(corner) > 1 and corner[1]:
                    uv_of.setdefault(vertex, int(corner[1]) - 1)
    vertices = read_positions(path)
    if not triangles:
        raise FaceModelError(f"{path} holds no faces; is it the neutral mesh?")
    uv = None
    if points and uv_of:
        table = np.array(points, np.float64)
        uv = np.zeros((len(vertices), 2))
        for vertex, index in uv_of.items():
            uv[vertex] = table[index]
    return vertices, np.array(triangles, np.int64), uv


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise FaceModelError(f"{path} cannot be read ({error})") from error
