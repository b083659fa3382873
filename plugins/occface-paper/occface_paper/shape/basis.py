"""The vertices of a face model that training and refinement need, with their share of every component."""

from __future__ import annotations

import attrs
import numpy as np
import torch
from torch import Tensor

from occface_core.facemodel import FaceModel
from occface_core.geometry.normals import unit, vertex_normals

JAW = 17
#: The points of NoW's rigid alignment: eye corners, base of the nose, mouth corners (iBUG-68).
SEVEN = (36, 39, 42, 45, 33, 48, 54)
#: Parts of a face that are no bare skin.
NOT_SKIN = ("lips", "eyes", "brows", "ears", "interior", "scalp", "neck", "mouth_cavity")
#: Distance of the neighbours by which a normal is measured, mm.
STEP = 5.0
#: Sine of the yaw beyond which the outline leaves the jaw.
TURN = 0.14


@attrs.define(frozen=True, kw_only=True, eq=False)
class Points:
    """Some vertices: (mean + identity + expression) as in eq. 5-6.

    Attributes:
        mean: (N, 3) mm.
        components: (K + E, N * 3) mm per unit coefficient.
    """

    mean: Tensor
    components: Tensor

    @classmethod
    def of(
        cls, model: FaceModel, vertices: np.ndarray | Tensor, device: str | torch.device = "cpu"
    ) -> Points:
        """The chosen vertices (N,) of a model."""
        chosen = np.asarray(vertices)
        components = np.concatenate([model.identity[:, chosen], model.expression[:, chosen]])
        return cls(
            mean=torch.tensor(model.mean[chosen]).to(device),
            components=torch.from_numpy(components.reshape(len(components), -1)).to(device),
        )

    def __call__(self, shape: Tensor) -> Tensor:
        """(B, K + E) identity and expression coefficients -> (B, N, 3) mm."""
        return self.mean + (shape @ self.components).reshape(len(shape), -1, 3)


@attrs.define(frozen=True, kw_only=True, eq=False)
class FaceBasis:
    """What the losses look at.

    Attributes:
        face: about a thousand vertices of the face, evenly chosen.
        marks: the 68 landmark vertices, then the 17 * S candidates of the jaw's outline.
        candidates: S.
        skin: bare skin with four neighbours each: (5 * M) vertices, five blocks of M: the point itself, and what
            lies to its right, left, above and below.
        albedo_mean: (M, 3) of the skin.
        albedo: (A, M * 3) of the skin.
        face_vertices: (N,) ids of ``face``.
        skin_vertices: (M,) ids of the skin points.
    """

    face: Points
    marks: Points
    candidates: int
    skin: Points
    albedo_mean: Tensor
    albedo: Tensor
    face_vertices: np.ndarray
    skin_vertices: np.ndarray

    @classmethod
    def of(
        cls, model: FaceModel, *, face: int = 1000, skin: int = 300, device: str | torch.device = "cpu"
    ) -> FaceBasis:
        """Choose about ``face`` and ``skin`` vertices of a model."""
        whole = model.region("face").copy()
        for name in ("interior", "eyeballs", "mouth_cavity"):
            if name in model.regions:
                whole &= ~model.regions[name]
        ids = np.flatnonzero(whole)
        chosen = ids[:: max(1, len(ids) // face)]
        bare = whole.copy()
        for name in NOT_SKIN:
            if name in model.regions:
                bare &= ~model.regions[name]
        spots = np.flatnonzero(bare)
        spots = spots[:: max(1, len(spots) // skin)]
        marks = model.landmarks68
        contour = marks[:JAW, None] if model.contour is None else model.contour
        albedo = torch.tensor(model.albedo[:, spots])
        return cls(
            face=Points.of(model, chosen, device),
            marks=Points.of(model, np.concatenate([marks, contour.reshape(-1)]), device),
            candidates=contour.shape[1],
            skin=Points.of(model, np.concatenate([spots, *neighbours(model, spots, whole)]), device),
            albedo_mean=torch.tensor(model.albedo_mean[spots]).to(device),
            albedo=albedo.reshape(len(albedo), -1).to(device),
            face_vertices=chosen,
            skin_vertices=spots,
        )

    def landmarks(self, shape: Tensor) -> Tensor:
        """(B, K + E) -> (B, 68, 3) mm, the model's own points."""
        return self.marks(shape)[:, :68]

    def outline(self, shape: Tensor, rotation: Tensor) -> Tensor:
        """(B, 68, 3) mm with the far side of the jaw moved to the outermost candidate in view, as people mark it.

        Args:
            shape: (B, K + E).
            rotation: (B, 3, 3), face to camera.
        """
        every = self.marks(shape)
        fixed, moving = every[:, :68], every[:, 68:].reshape(len(every), JAW, self.candidates, 3)
        rows = self.outermost(rotation)
        slid = moving.gather(2, rows[..., None, None].expand(-1, -1, 1, 3))[:, :, 0]
        jaw = torch.where(self.far(rotation)[..., None], slid, fixed[:, :JAW])
        return torch.cat([jaw, fixed[:, JAW:]], 1)

    def outermost(self, rotation: Tensor) -> Tensor:
        """(B, 17) which candidate of each jaw point lies outermost in the picture, for the mean face."""
        rest = self.marks.mean[68:].reshape(JAW, self.candidates, 3)
        across = torch.einsum("bk,jsk->bjs", rotation[:, 0], rest)
        return (across * self._side(rotation)[:, None]).argmax(-1)

    def far(self, rotation: Tensor) -> Tensor:
        """(B, 17) bool: jaw points on the side that is turned away."""
        return self._side(rotation) * rotation[:, :1, 2] > TURN

    def _side(self, like: Tensor) -> Tensor:
        return torch.sign(torch.arange(JAW, device=like.device) - JAW // 2).to(like)

    def skin_surface(self, shape: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K + E) -> skin points (B, M, 3) mm and their unit normals (B, M, 3), in the face's frame."""
        here, right, left, up, down = self.skin(shape).chunk(5, 1)
        return here, unit(torch.linalg.cross(right - left, up - down))

    def skin_albedo(self, albedo: Tensor) -> Tensor:
        """(B, A) -> (B, M, 3) RGB of the skin points."""
        return self.albedo_mean + (albedo @ self.albedo).reshape(len(albedo), -1, 3)


def neighbours(model: FaceModel, spots: np.ndarray, allowed: np.ndarray) -> list[np.ndarray]:
    """Vertices about `STEP` mm to the right of, to the left of, above and below each spot (M,), along the surface."""
    mean = torch.tensor(model.mean)[None]
    triangles, weld = torch.tensor(model.triangles), torch.tensor(model.weld)
    normals = vertex_normals(mean, triangles, weld=weld)[0].numpy()
    around = np.flatnonzero(allowed)
    found = []
    normal = normals[spots]
    across = np.cross(np.array([0.0, 1.0, 0.0]), normal)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    upward = np.cross(normal, across)
    for direction in (across, -across, upward, -upward):
        wanted = model.mean[spots] + STEP * direction
        distance = ((wanted[:, None] - model.mean[around]) ** 2).sum(-1)
        found.append(around[distance.argmin(1)])
    return found
