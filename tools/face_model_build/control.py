"""The cage's points: kept base vertices, then four points for each eye."""

from __future__ import annotations

import numpy as np

from .eyes import control_matrix


class ControlPoints:
    """Turns base-mesh shapes into control points.

    Attributes:
        keep: (C',) base-mesh ids of the first control points, ascending.
        eye_centre: side -> index of the eye's centre; its three axis points follow.
        sign: side -> +1 or -1, the direction of the eye's first axis point along x. It is mirrored
            between the eyes, so that the mirror image of a control point is a control point.
        size: number of control points.
    """

    def __init__(self, vertices: np.ndarray, keep: np.ndarray, eye_ids: dict[str, np.ndarray]) -> None:
        self.keep = keep
        self.sign = {"left": -1.0, "right": 1.0}
        self.eye_ids = eye_ids
        self._fits = {side: control_matrix(vertices[ids], self.sign[side]) for side, ids in eye_ids.items()}
        self.eye_centre = {side: len(keep) + 4 * index for index, side in enumerate(eye_ids)}
        self.size = len(keep) + 4 * len(eye_ids)

    def apply(self, shapes: np.ndarray, used: np.ndarray) -> np.ndarray:
        """Turn (B, N, 3) positions of the ``used`` base vertices into (B, C, 3) control points."""
        pieces = [shapes[:, np.searchsorted(used, self.keep)]]
        for side, ids in self.eye_ids.items():
            chosen = shapes[:, np.searchsorted(used, ids)]
            pieces.append(np.einsum("kn,bnc->bkc", self._fits[side], chosen).astype(shapes.dtype))
        return np.concatenate(pieces, axis=1)

    def mirror(self, base_mirror: np.ndarray) -> np.ndarray:
        """Return the (C,) id of every control point's mirror image."""
        kept = np.searchsorted(self.keep, base_mirror[self.keep])
        left = self.eye_centre["left"] + np.arange(4)
        right = self.eye_centre["right"] + np.arange(4)
        swap = np.concatenate([right, left] if left[0] < right[0] else [left, right])
        return np.concatenate([kept, swap])
