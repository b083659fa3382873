"""The model's final mesh: the refined cage plus the eyeballs, one UV a vertex."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, vstack
from scipy.spatial import cKDTree

from . import cage as cages
from .control import ControlPoints
from .eyes import eyeball_weights, make_eyeball
from .subdivision import edge_table, linear_weights, refine

# The averaged heads' eyes point outwards a little; turned in by this much they meet about 1 m ahead.
CONVERGENCE = np.radians(4.0)
EYE_BOXES = {"left": (0.72, 0.005), "right": (0.84, 0.005)}
CONTOUR_STEPS = (-0.30, -0.20, -0.10, 0.0, 0.08, 0.16, 0.25, 0.35, 0.45)


class Surface:
    """The refined mesh.

    Attributes:
        weights: (V, C) sparse rows from control points to vertices.
        triangles: (T, 3).
        uv: (V, 2), v up.
        part: (V,) cage part.
        weld: (V,) the first vertex at the same place; differs from the own id on UV seams only.
        source_uv: (V, 2) UV in the base mesh's own layout, NaN where none.
        eye_angle: (V,) degrees from the eye's axis, NaN off the eyeballs.
    """

    def __init__(self, cage: cages.Cage, control: ControlPoints, fine: np.ndarray) -> None:
        count = len(cage.keep)
        mesh = refine(cage.quads, cage.texture_quads, count, len(cage.texture_points), fine)
        corner_part = np.repeat(cage.part[mesh.quad][:, None], 3, axis=1).ravel()
        pairs = np.stack([mesh.triangles.ravel(), mesh.texture_triangles.ravel()], axis=1)
        unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
        position, texture = unique.T
        self.triangles = inverse.reshape(-1, 3)
        self.part = np.full(len(unique), len(cages.PARTS))
        np.minimum.at(self.part, inverse.ravel(), corner_part)
        self.uv = mesh.texture_weights[texture] @ cage.texture_points
        rows = mesh.weights[position]
        rows = csr_matrix((rows.data, rows.indices, rows.indptr), shape=(len(position), control.size))
        source = linear_weights(cage.quads, count)[position]
        known = ~np.isnan(cage.source_uv).any(axis=1)
        self.source_uv = source @ np.nan_to_num(cage.source_uv)
        self.source_uv[(source @ (~known).astype(float)) > 0] = np.nan
        self._position = position
        self._edges = edge_table(cage.quads)[0]
        blocks, self.eye_angle = [rows], np.full(len(position), np.nan)
        ball = make_eyeball()
        place = int(position.max()) + 1
        for side, (left, bottom) in EYE_BOXES.items():
            start = len(self.part)
            inwards = control.sign[side] * CONVERGENCE
            x, y, z = ball.directions.T
            turned = np.stack(
                [x * np.cos(inwards) + z * np.sin(inwards), y, z * np.cos(inwards) - x * np.sin(inwards)],
                axis=1,
            )
            local = eyeball_weights(turned * [control.sign[side], 1, 1])
            ids = np.arange(4) + control.eye_centre[side]
            size = len(ball.directions)
            blocks.append(
                csr_matrix(
                    coo_matrix(
                        (local.ravel(), (np.repeat(np.arange(size), 4), np.tile(ids, size))),
                        shape=(size, control.size),
                    )
                )
            )
            self.triangles = np.concatenate([self.triangles, ball.triangles + start])
            self.part = np.concatenate([self.part, np.full(size, cages.EYE)])
            self.uv = np.concatenate([self.uv, ball.uv * 0.11 + [left, bottom]])
            self.source_uv = np.concatenate([self.source_uv, np.full((size, 2), np.nan)])
            self.eye_angle = np.concatenate([self.eye_angle, ball.angle])
            self._position = np.concatenate([self._position, place + np.arange(size)])
            place += size
        self.weights = csr_matrix(vstack(blocks)).astype(np.float32)
        self.weights.eliminate_zeros()
        _, representative, back = np.unique(self._position, return_index=True, return_inverse=True)
        self.weld = representative[back]

    def landmark_vertices(self, control: ControlPoints, names: list[str]) -> np.ndarray:
        """Return the model vertices of base-mesh vertices ``a`` or edge midpoints ``a+b``.

        At a texture seam the head's copy is taken.
        """
        result = []
        for name in names:
            ends = np.sort(np.searchsorted(control.keep, [int(word) for word in name.split("+")]))
            wanted = ends[0]
            if len(ends) == 2:
                edge = np.flatnonzero((self._edges == ends).all(axis=1))[0]
                wanted = len(control.keep) + edge
            copies = np.flatnonzero((self._position == wanted) & (self.part != cages.EYE))
            result.append(copies[np.argmin(self.part[copies])])
        return np.array(result)

    def lid_rim(self, mean: np.ndarray) -> np.ndarray:
        """Return the (V,) distance in mm from the rim where the eyelids' skin turns inwards."""
        socket = np.unique(self._position[self.part == cages.SOCKET])
        rim = np.isin(self._position, socket) & (self.part == cages.HEAD)
        return cKDTree(mean[rim]).query(mean)[0]

    def mirror(self, mean: np.ndarray) -> np.ndarray:
        """Return the (V,) mirror image of every vertex of the symmetric mean (V, 3)."""
        # Copies along a texture seam lie at one place; the triangles around them tell them apart.
        centre = np.zeros_like(mean)
        corners = np.zeros(len(mean))
        for k in range(3):
            np.add.at(centre, self.triangles[:, k], mean[self.triangles].mean(axis=1))
            np.add.at(corners, self.triangles[:, k], 1.0)
        around = 0.01 * centre / np.maximum(corners, 1.0)[:, None]
        key = np.concatenate([mean, 1e3 * self.part[:, None], around], axis=1)
        image = key * np.array([-1.0, 1.0, 1.0, 1.0, -1.0, 1.0, 1.0])
        _, nearest = cKDTree(key).query(image)
        return nearest

    def contour(self, mean: np.ndarray, landmarks: np.ndarray, named: dict[str, np.ndarray]) -> np.ndarray:
        """Return (17, S) candidate vertices for every jaw landmark, from behind it to in front of it.

        Candidates of landmark i lie on the line from it towards the middle of the face in the
        frontal view; negative steps go back over the jaw along z.
        """
        allowed = np.flatnonzero(named["face"] & ~named["eyes"] & ~named["lips"] | named["neck"])
        allowed = allowed[(self.part[allowed] == cages.HEAD)]
        tree = cKDTree(mean[allowed])
        flat = cKDTree(mean[allowed][:, :2])
        centre = mean[landmarks[33]].copy()
        lines = []
        for index in range(17):
            start = mean[landmarks[index]]
            goal = np.array([0.0, centre[1] if index in range(4, 13) else start[1], centre[2]])
            line = []
            for step in CONTOUR_STEPS:
                if step == 0.0:
                    line.append(int(landmarks[index]))
                elif step < 0:
                    wanted = start + np.array([0.0, 0.0, 80.0 * step])
                    line.append(int(allowed[tree.query(wanted)[1]]))
                else:
                    wanted = start[:2] + step * (goal - start)[:2]
                    away, near = flat.query(wanted, k=8)
                    best = near[np.argmax(mean[allowed[near], 2] - 4.0 * away)]
                    line.append(int(allowed[best]))
            lines.append(line)
        return np.array(lines)
