"""Where a face is in the picture: enough 3D from 68 points to hang things on it."""

from __future__ import annotations

import attrs
import cv2
import numpy as np
import torch

from occface_core.geometry.align import mean_landmarks
from occface_core.geometry.weak_perspective import fit_weak_perspective

# Cranium and lower face of the head as ellipsoids: centre and radii in mm, in the face's frame.
HEAD = (
    ((0.0, 52.0, -95.0), (79.0, 112.0, 100.0)),
    ((0.0, -12.0, -62.0), (65.0, 84.0, 70.0)),
)


@attrs.define(frozen=True, kw_only=True, eq=False)
class FaceFrame:
    """A scaled orthographic view of the face's frame (mm, y up, z towards the viewer).

    Picture coordinates are x right, y down and z towards the viewer, all in pixels.

    Attributes:
        scale: pixels per mm.
        rotation: (3, 3), face axes to picture axes.
        offset: (2,) pixels of the face's origin.
        landmarks: (68, 2) pixels.
        reference: (68, 3) mm, the mean face's landmarks.
    """

    scale: float
    rotation: np.ndarray
    offset: np.ndarray
    landmarks: np.ndarray
    reference: np.ndarray

    @classmethod
    def fit(cls, landmarks: np.ndarray) -> FaceFrame:
        """Return the frame of landmarks (68, 2) px."""
        reference = mean_landmarks()
        trust = torch.ones(1, 68, dtype=torch.float64)
        trust[:, :17] = 0.3
        trust[:, 48:] = 0.5
        view = fit_weak_perspective(torch.as_tensor(landmarks, dtype=torch.float64)[None], reference, trust)
        flip = np.diag([1.0, 1.0, -1.0])
        return cls(
            scale=float(view.scale[0]),
            rotation=flip @ view.rotation[0].numpy(),
            offset=view.offset[0].numpy(),
            landmarks=np.asarray(landmarks, np.float64),
            reference=reference.numpy(),
        )

    @property
    def yaw(self) -> float:
        """Sine of the turn: above 0 the face looks to the picture's right."""
        return float(self.rotation[0, 2])

    def moved(self, scale: float, shift: np.ndarray) -> FaceFrame:
        """Return the frame in a picture whose pixels are `scale` times as many, moved by `shift`."""
        return attrs.evolve(
            self,
            scale=self.scale * scale,
            offset=self.offset * scale + shift,
            landmarks=self.landmarks * scale + shift,
        )

    def rigid(self, points: np.ndarray) -> np.ndarray:
        """Return picture coordinates (..., 3) of points (..., 3) mm."""
        turned = self.scale * np.einsum("...k,ck->...c", np.asarray(points, np.float64), self.rotation)
        turned[..., :2] += self.offset
        return np.asarray(turned)

    def place(self, points: np.ndarray) -> np.ndarray:
        """Return picture coordinates (..., 3) of points (..., 3) mm that follow this very face.

        What the landmarks depart from the mean face is spread over their surroundings.
        """
        turned = self.rigid(points)
        residual = self.landmarks - self.rigid(self.reference)[:, :2]
        limit = 30.0 * self.scale
        size = np.linalg.norm(residual, axis=1, keepdims=True)
        residual = residual * np.minimum(1, limit / np.maximum(size, 1e-9))
        flat = np.asarray(points, np.float64).reshape(-1, 3)
        distance = ((flat[:, None] - self.reference) ** 2).sum(-1)
        weight = np.exp(-distance / (2 * 18.0**2))
        if abs(self.yaw) > 0.5:
            weight[:, :17] *= 0.3
        moved = np.einsum("nk,kc->nc", weight, residual) / (weight.sum(1, keepdims=True) + 0.05)
        turned[..., :2] += moved.reshape(*turned.shape[:-1], 2)
        return turned

    def local(self, points: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return picture coordinates of points (..., 3) mm (x right, y up, z near) around `at` (3,) px."""
        moved = np.asarray(points, np.float64) * (self.scale * np.array([1.0, -1.0, 1.0]))
        return np.asarray(moved + at)

    def head_depth(self, height: int, width: int) -> np.ndarray:
        """Return (height, width) float32 z of a smooth head, -1e9 beside it; drawn coarsely."""
        step = 4
        rows, columns = -(-height // step), -(-width // step)
        y, x = np.mgrid[0:rows, 0:columns] * float(step) + (step - 1) / 2
        depth = np.full((rows, columns), -1e9)
        for centre, radii in HEAD:
            middle = self.rigid(np.array(centre))
            shape = self.rotation @ np.diag((np.array(radii) * self.scale) ** -2.0) @ self.rotation.T
            dx, dy = x - middle[0], y - middle[1]
            linear = shape[0, 2] * dx + shape[1, 2] * dy
            constant = shape[0, 0] * dx * dx + 2 * shape[0, 1] * dx * dy + shape[1, 1] * dy * dy - 1
            inside = linear**2 - shape[2, 2] * constant
            root = (-linear + np.sqrt(np.maximum(inside, 0))) / shape[2, 2] + middle[2]
            depth = np.maximum(depth, np.where(inside > 0, root, -1e9))
        big = cv2.resize(
            depth.astype(np.float32), (columns * step, rows * step), interpolation=cv2.INTER_NEAREST
        )
        return np.ascontiguousarray(big[:height, :width])
