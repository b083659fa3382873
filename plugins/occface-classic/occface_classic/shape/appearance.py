"""Light and albedo of a fitted shape from the colours of its visible skin."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from occface_core.facemodel import FaceModel
from occface_core.geometry.camera import project
from occface_core.geometry.illumination import fit_illumination, light
from occface_core.geometry.normals import facing, to_viewer, vertex_normals
from occface_core.geometry.rasterise import rasterise
from occface_core.geometry.resample import sample_points
from occface_core.types import FaceShape

_SAMPLES = 800  # vertices are far more than 27 + 40 unknowns need
_TOLERANCE = 0.06  # colour error that still counts as skin
_ROUNDS = 2


def skin_vertices(model: FaceModel) -> Tensor:
    """Return (N,) int64 vertices of bare skin: no eyes, brows, lips, ears, scalp or inside of the mouth."""
    skin = model.region("face").copy()
    for name in ("lips", "eyeballs", "brows", "ears", "interior", "scalp", "neck", "mouth_cavity"):
        if name in model.regions:
            skin &= ~model.regions[name]
    vertices = torch.as_tensor(skin).nonzero()[:, 0]
    return vertices[:: max(1, len(vertices) // _SAMPLES)]


def fit_appearance(clean: Tensor, shape: FaceShape) -> FaceShape:
    """Return the shape with illumination and albedo coefficients fitted to the crop.

    Light by robust least squares under the current albedo, then albedo by ridge regression under that
    light, twice. Albedo coefficients have unit variance, which is the strength of their ridge.

    Args:
        clean: (B, 3, S, S) in [0, 1].
        shape: with pose and vertices known.
    """
    if len(shape) == 0:
        return shape
    model, device = shape.model, clean.device
    triangles = model.tensor("triangles", device)
    camera = shape.camera_vertices()
    normals = vertex_normals(camera, triangles, weld=model.tensor("weld", device))
    chosen = skin_vertices(model).to(device)
    size = clean.shape[-1]
    pixels = project(camera[:, chosen], shape.intrinsics)
    depth = rasterise(camera, shape.intrinsics, triangles, size, size).depth[:, None]
    nearest = sample_points(torch.nan_to_num(depth, nan=0.0), pixels, "nearest")[..., 0]
    seen = nearest > camera[:, chosen, 2] - 4.0
    inside = (pixels.abs() <= 1e5).all(-1) & (pixels >= 0).all(-1) & (pixels <= size - 1).all(-1)
    trust = facing(camera, normals)[:, chosen].clamp_min(0) ** 0.5 * (seen & inside)
    colours = sample_points(clean, pixels)
    # burnt-out and black pixels say nothing about either
    trust = trust * ((colours.amax(-1) < 0.985) & (colours.amax(-1) > 0.03))
    viewer = to_viewer(normals[:, chosen])
    mean = model.tensor("albedo_mean", device)[chosen]
    parts = model.tensor("albedo", device)[:, chosen].permute(1, 2, 0)  # (N, 3, A)
    coefficients = clean.new_zeros(len(clean), parts.shape[-1])
    illumination = clean.new_zeros(len(clean), 27)
    for _ in range(_ROUNDS):
        albedo = (mean + (parts @ coefficients[:, None, :, None])[..., 0]).clamp(0.02, 1)
        illumination = fit_illumination(albedo, viewer, colours, trust, ridge=3e-3)
        lit = light(viewer, illumination)
        error = (colours - albedo * lit).norm(dim=-1)
        weight = trust / (1 + (error / _TOLERANCE) ** 2) ** 2
        coefficients = _albedo(parts, lit, colours - mean * lit, weight)
    return attrs.evolve(
        shape,
        coefficients={**shape.coefficients, "albedo": coefficients, "illumination": illumination},
    )


def _albedo(parts: Tensor, lit: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return (B, A) ridge estimates of parts·δ ⊙ lit ≈ target, points weighted."""
    design = (parts * lit[..., None]).flatten(1, 2)
    strength = weight[..., None].expand_as(lit).flatten(1)
    # neighbouring points err together: a face counts as about a hundred independent observations
    scale = 100 / strength.sum(1).clamp_min(1e-6) / _TOLERANCE**2
    weighted = design * (strength * scale[:, None])[..., None]
    normal = weighted.transpose(1, 2) @ design + torch.eye(design.shape[-1]).to(design)
    return torch.linalg.solve(normal, (weighted.transpose(1, 2) @ target.flatten(1)[..., None])[..., 0])
