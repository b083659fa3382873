"""What the picture's colours say of pose, shape, albedo and light, as normal equations (analysis by synthesis).

The face's own triangles are the samples: their middles are looked up in the picture, their corners give the normal,
so that shading speaks about shape as well as contrasts do (Blanz & Vetter 1999, with spherical-harmonics light).
"""

from __future__ import annotations

import attrs
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from occface_core.facemodel import FaceModel
from occface_core.fitting.steps import cross_matrix, projection
from occface_core.geometry.illumination import AMBIENT, basis
from occface_core.geometry.rasterise import rasterise
from occface_core.geometry.resample import sample_points

SAMPLES = 1400
INDEPENDENT = 120.0  # neighbouring triangles err together: a face counts as so many independent ones
TOLERANCE = 0.06  # colour error that still counts as skin
BEHIND = 4.0  # mm behind the nearest surface from which a triangle is hidden
ASKEW = 0.2  # cosine below which a triangle is seen too much from the side


@attrs.define(frozen=True, kw_only=True, eq=False)
class View:
    """An estimate of one face.

    Attributes:
        rotation: (3, 3).
        translation: (3,) mm.
        shape: (C,) identity before expression.
        albedo: (A,) coefficients.
        light: (27,) coefficients.
    """

    rotation: Tensor
    translation: Tensor
    shape: Tensor
    albedo: Tensor
    light: Tensor


@attrs.define(frozen=True, kw_only=True, eq=False)
class ColourTerm:
    """Triangles of the face, N of them, with their share of every component; float32.

    Attributes:
        corners: (N, 3, 3) mm of the mean face.
        parts: (N, 3, 3, C) mm per unit coefficient, corner before axis.
        colour: (N, 3) RGB of the mean.
        paints: (N, 3, A) RGB per unit coefficient.
        middle: (N, 3) mm of the mean face.
    """

    corners: Tensor
    parts: Tensor
    colour: Tensor
    paints: Tensor
    middle: Tensor
    _moves: tuple[Tensor, Tensor, Tensor] = attrs.field(init=False, repr=False)

    @_moves.default
    def _what_moves(self) -> tuple[Tensor, Tensor, Tensor]:
        """Change (N, 3, C) of the middle, and of the sides to the second and to the third corner."""
        first, second, third = self.parts.unbind(1)
        return self.parts.mean(1), second - first, third - first

    @classmethod
    def of(cls, model: FaceModel, samples: int = SAMPLES) -> ColourTerm:
        """Choose triangles of the skin, brows and lips; small ones, where features are, are chosen more often.

        Args:
            model: whose triangles they are.
            samples: how many, at most.
        """
        skin = model.region("face").copy()
        for name in ("eyeballs", "ears", "interior", "scalp", "neck", "mouth_cavity"):
            if name in model.regions:
                skin &= ~model.regions[name]
        triangles = model.triangles[skin[model.triangles].all(1)]
        a, b, c = model.mean[triangles].transpose(1, 0, 2)
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        odds = np.sqrt(area)
        count = min(samples, int((odds > 0).sum()))
        rng = np.random.default_rng(0)
        chosen = triangles[np.sort(rng.choice(len(triangles), count, replace=False, p=odds / odds.sum()))]
        components = np.concatenate([model.identity, model.expression])[:, chosen]
        return cls(
            corners=torch.tensor(model.mean[chosen]),
            parts=torch.tensor(components.transpose(1, 2, 3, 0).copy()),
            colour=torch.tensor(model.albedo_mean[chosen].mean(1)),
            paints=torch.tensor(model.albedo[:, chosen].mean(2).transpose(1, 2, 0).copy()),
            middle=torch.tensor(model.mean[chosen].mean(1)),
        )

    def place(self, view: View) -> tuple[Tensor, Tensor]:
        """Return corners (N, 3, 3) mm in the face's frame, and their cross products (N, 3), not of unit length."""
        corners = self.corners + self.parts @ view.shape
        return corners, torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])

    def seen(self, view: View, vertices: Tensor, triangles: Tensor, matrix: Tensor, size: int) -> Tensor:
        """Return (N,) trust of the triangles by where they are: turned to the camera, inside, not behind others.

        Args:
            view: the estimate.
            vertices: (V, 3) mm of the whole face.
            triangles: (T, 3) of the whole face.
            matrix: (3, 3) camera matrix.
            size: S.
        """
        corners, cross = self.place(view)
        position = corners.mean(1) @ view.rotation.T + view.translation
        normal = F.normalize(cross, dim=-1) @ view.rotation.T
        toward = -(F.normalize(position, dim=-1) * normal).sum(-1)
        pixel, _ = projection(position, matrix)
        camera = (vertices @ view.rotation.T + view.translation)[None]
        depth = rasterise(camera, matrix, triangles, size, size).depth[:, None]
        nearest = sample_points(torch.nan_to_num(depth, nan=0.0), pixel[None], "nearest")[0, :, 0]
        inside = ((pixel >= 0) & (pixel <= size - 1)).all(-1)
        return (toward > ASKEW) * toward.clamp_min(0).sqrt() * inside * (nearest > position[:, 2] - BEHIND)

    def equations(self, picture: Tensor, view: View, trust: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """Return normal matrix (U, U) and gradient (U,) of turn, shift, shape, albedo and light.

        Args:
            picture: (9, S, S): RGB, their change to the right, their change downwards.
            view: the estimate.
            trust: (N,) at least 0.
            matrix: (3, 3) camera matrix.
        """
        corners, cross = self.place(view)
        middle = corners.mean(1) @ view.rotation.T
        pixel, change = projection(middle + view.translation, matrix)
        values = sample_points(picture[None], pixel[None], "bilinear")[0]
        colour, slope = values[:, :3], values[:, 3:].reshape(-1, 2, 3).transpose(1, 2)  # (N, 3, 2)
        length = cross.norm(dim=-1, keepdim=True).clamp_min(1e-9)
        unit = cross / length
        flip = colour.new_tensor([1.0, -1.0, -1.0])
        normal = (unit @ view.rotation.T) * flip
        harmonics = basis(normal)
        gamma = view.light.reshape(3, 9).clone()
        gamma[:, 0] += AMBIENT
        lit = harmonics @ gamma.T
        albedo = (self.colour + self.paints @ view.albedo).clamp(0.02, 1)
        error = colour - albedo * lit

        middles, firsts, seconds = self._moves
        moves = [
            -cross_matrix(middle),
            torch.eye(3).expand(len(middle), 3, 3),
            view.rotation @ middles,
        ]
        looked = slope @ change @ torch.cat(moves, -1)  # how the colour seen changes
        first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        bend = cross_matrix(first) @ seconds
        bend = bend - cross_matrix(second) @ firsts
        bend = (bend - unit[..., None] * (unit[:, None] @ bend)) / length[..., None]
        turned = [-cross_matrix(unit @ view.rotation.T), torch.zeros_like(moves[1]), view.rotation @ bend]
        shaded = (albedo[..., None] * (gamma @ harmonic_slopes(normal))) * flip @ torch.cat(turned, -1)
        light = (albedo[:, :, None, None] * torch.eye(3)[..., None] * harmonics[:, None, None]).flatten(2)
        jacobian = torch.cat((looked - shaded, -self.paints * lit[..., None], -light), -1)

        plain = (colour.amax(-1) < 0.985) & (colour.amax(-1) > 0.03)  # burnt-out and black pixels say nothing
        trust = trust * plain
        pull = trust / (1 + (error.norm(dim=-1) / TOLERANCE) ** 2) ** 2
        scale = INDEPENDENT * trust.sum() / (trust.sum() + 0.1 * len(trust)) / TOLERANCE**2
        weight = (pull * scale / trust.sum().clamp_min(1e-6)).repeat_interleave(3)[:, None]
        flat = jacobian.flatten(0, 1)
        normal_matrix = flat.T @ (flat * weight)
        return normal_matrix.double(), -(flat.T @ (error.reshape(-1, 1) * weight))[:, 0].double()


def with_slopes(picture: Tensor, sigma: float) -> Tensor:
    """Return (9, S, S): the blurred picture (1, 3, S, S) float32, its change to the right and its change downwards."""
    side = 2 * max(int(2.5 * sigma), 1) + 1
    plain = np.ascontiguousarray(picture[0].permute(1, 2, 0).numpy())
    soft = cv2.GaussianBlur(plain, (side, side), sigma, borderType=cv2.BORDER_REPLICATE)
    wide = np.pad(soft, ((1, 1), (1, 1), (0, 0)), mode="edge")
    across = (wide[1:-1, 2:] - wide[1:-1, :-2]) / 2
    down = (wide[2:, 1:-1] - wide[:-2, 1:-1]) / 2
    return torch.from_numpy(np.concatenate((soft, across, down), 2)).permute(2, 0, 1)


def harmonic_slopes(normals: Tensor) -> Tensor:
    """Return (N, 9, 3), the change of each of `basis`'s harmonics with the normal (N, 3)."""
    x, y, z = normals.unbind(-1)
    unit = basis(torch.eye(3).to(normals))  # along the axes, the factors show
    first, second = float(unit[2, 2]), 2 * float(unit[0, 8])
    none = torch.zeros_like(x)
    third = second / (2 * 3**0.5) * 6 * z
    rows = (
        (none, none, none),
        (none, none - first, none),
        (none, none, none + first),
        (none - first, none, none),
        (second * y, second * x, none),
        (none, -second * z, -second * y),
        (none, none, third),
        (-second * z, none, -second * x),
        (second * x, -second * y, none),
    )
    return torch.stack([torch.stack(row, -1) for row in rows], 1)
