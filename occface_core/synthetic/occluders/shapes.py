"""Parametric sheets in mm: balls, cylinders, cones, rings and boxes as grids of points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from occface_core.synthetic.seeds import between


def turn_x(angle: float) -> np.ndarray:
    """Return the (3, 3) rotation about x."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def turn_y(angle: float) -> np.ndarray:
    """Return the (3, 3) rotation about y."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def turn_z(angle: float) -> np.ndarray:
    """Return the (3, 3) rotation about z."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def random_turn(rng: np.random.Generator, tilt: float, spin: float = np.pi) -> np.ndarray:
    """Return a rotation: any spin in the picture up to ±`spin`, tilted out of it by up to ±`tilt`."""
    return np.asarray(
        turn_z(between(rng, -spin, spin))
        @ turn_x(between(rng, -tilt, tilt))
        @ turn_y(between(rng, -tilt, tilt))
    )


def ball(radii: np.ndarray | Sequence[float] | float, *, rows: int = 20, columns: int = 32) -> np.ndarray:
    """Return an ellipsoid (rows, columns, 3), poles on ±y."""
    v, u = np.meshgrid(np.linspace(0, np.pi, rows), np.linspace(0, 2 * np.pi, columns), indexing="ij")
    unit = np.stack((np.sin(v) * np.sin(u), np.cos(v), np.sin(v) * np.cos(u)), -1)
    return unit * np.broadcast_to(np.asarray(radii, np.float64), (3,))


def turned(profile: np.ndarray, *, columns: int = 32) -> np.ndarray:
    """Return the solid of revolution about y of `profile` (N, 2) = radius, y."""
    u = np.linspace(0, 2 * np.pi, columns)
    radius, y = np.asarray(profile, np.float64).T
    return np.stack(
        (
            radius[:, None] * np.sin(u),
            np.broadcast_to(y[:, None], (len(y), columns)),
            radius[:, None] * np.cos(u),
        ),
        -1,
    )


def ring(radius: float, thickness: float, *, rows: int = 28, columns: int = 18) -> np.ndarray:
    """Return a torus in the xy plane, (rows, columns, 3)."""
    v, u = np.meshgrid(np.linspace(0, 2 * np.pi, rows), np.linspace(0, 2 * np.pi, columns), indexing="ij")
    reach = radius + thickness * np.cos(u)
    return np.stack((reach * np.cos(v), reach * np.sin(v), thickness * np.sin(u)), -1)


def sheet(width: float, height: float, *, rows: int = 2, columns: int = 2, depth: float = 0.0) -> np.ndarray:
    """Return a flat sheet in the xy plane, first row on top."""
    y, x = np.meshgrid(
        np.linspace(height / 2, -height / 2, rows), np.linspace(-width / 2, width / 2, columns), indexing="ij"
    )
    return np.stack((x, y, np.full_like(x, depth)), -1)


def box(width: float, height: float, depth: float) -> list[np.ndarray]:
    """Return the six sides of a box, the front (+z) first."""
    x, y, z = width / 2, height / 2, depth / 2
    corner = {(i, j, k): np.array([i * x, j * y, k * z]) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)}
    sides = [
        ((-1, 1, 1), (1, 1, 1), (-1, -1, 1), (1, -1, 1)),
        ((1, 1, -1), (-1, 1, -1), (1, -1, -1), (-1, -1, -1)),
        ((-1, 1, -1), (-1, 1, 1), (-1, -1, -1), (-1, -1, 1)),
        ((1, 1, 1), (1, 1, -1), (1, -1, 1), (1, -1, -1)),
        ((-1, 1, -1), (1, 1, -1), (-1, 1, 1), (1, 1, 1)),
        ((-1, -1, 1), (1, -1, 1), (-1, -1, -1), (1, -1, -1)),
    ]
    return [np.array([[corner[a], corner[b]], [corner[c], corner[d]]]) for a, b, c, d in sides]
