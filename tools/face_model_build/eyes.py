"""Round eyeballs that follow the base mesh's coarse ones through four control points an eye."""

from __future__ import annotations

import attrs
import numpy as np

SEGMENTS = 24
PUPIL, IRIS = 9.5, 23.0
RINGS = (4.0, 9.0, 10.0, 14.0, 18.5, 22.0, 24.0, 29.0, 36.0, 45.0, 56.0, 70.0, 88.0)


@attrs.define(frozen=True, kw_only=True, eq=False)
class Eyeball:
    """A cap of a sphere around +z.

    Attributes:
        directions: (N, 3) unit vectors.
        angle: (N,) degrees away from +z.
        triangles: (T, 3), counter-clockwise seen from outside.
        uv: (N, 2) in [0, 1], an azimuthal map with the pupil in the middle.
    """

    directions: np.ndarray
    angle: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray


def make_eyeball() -> Eyeball:
    """Build the cap; its vertices are symmetric in x."""
    around = np.arange(SEGMENTS) * 2.0 * np.pi / SEGMENTS
    angle = np.concatenate([[0.0], np.repeat(RINGS, SEGMENTS)])
    turn = np.concatenate([[0.0], np.tile(around, len(RINGS))])
    tilt = np.radians(angle)
    directions = np.stack([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt)], axis=1)
    triangles = []
    for k in range(SEGMENTS):
        nxt = (k + 1) % SEGMENTS
        triangles.append((0, 1 + k, 1 + nxt))
        for ring in range(len(RINGS) - 1):
            inner, outer = 1 + ring * SEGMENTS, 1 + (ring + 1) * SEGMENTS
            triangles.append((inner + k, outer + k, outer + nxt))
            triangles.append((inner + k, outer + nxt, inner + nxt))
    radius = angle / RINGS[-1] * 0.5
    uv = np.stack([0.5 + radius * np.cos(turn), 0.5 + radius * np.sin(turn)], axis=1)
    return Eyeball(directions=directions, angle=angle, triangles=np.array(triangles), uv=uv)


def control_matrix(rest: np.ndarray, sign: float) -> np.ndarray:
    """Return the (4, N) matrix from eye vertices to centre and three axis points.

    The eye is fitted by an affine map of its rest shape (N, 3), so the result is linear in the
    vertices and turns, grows and moves with them. Axis point k is the centre plus one radius along
    the moved axis k.
    """
    centre = rest.mean(axis=0)
    offsets = rest - centre
    radius = float(np.median(np.linalg.norm(offsets, axis=1)))
    design = np.concatenate([np.ones((len(rest), 1)), offsets / radius], axis=1)
    solve = np.linalg.pinv(design)
    solve[1] *= sign
    solve[1:] += solve[:1]
    return solve


def eyeball_weights(directions: np.ndarray) -> np.ndarray:
    """Return the (N, 4) weights of the control points for unit directions (N, 3)."""
    return np.concatenate([1.0 - directions.sum(axis=1, keepdims=True), directions], axis=1)
