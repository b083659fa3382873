"""Test-time refinement: the estimate as a prior, the landmarks as measurements, and then the colour of the skin."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from occface_core.fitting.steps import moved, turn_between
from occface_core.geometry.camera import angles_from_rotation, intrinsics, project, to_camera
from occface_core.geometry.illumination import fit_illumination, light
from occface_core.geometry.normals import facing, to_viewer
from occface_core.geometry.weak_perspective import fit_weak_perspective
from occface_paper.shape.basis import JAW, FaceBasis
from occface_paper.shape.coefficients import GROUPS, Estimate, centre_vector, split, spread_vector
from occface_paper.shape.losses import FRONTAL, GRAZING, skin_colours
from occface_paper.shape.point_term import PointTerm

#: A point's standard deviation is 1 + DOUBT * (1 - trust) times that of one placed by hand, whose trust is 1.
DOUBT = 1000.0
#: Colour error that still counts as skin; neighbouring points err together, so a face counts as so many.
COLOUR_NOISE, COLOUR_POINTS = 0.06, 100.0
#: Standard deviation of a landmark (px of 256) and steps of the fit that the network begins with.
START_NOISE, START_STEPS = 6.0, 4


def fitted_to_points(basis: FaceBasis, points: Tensor, trust: Tensor) -> Tensor:
    """Pose, identity and expression from the landmarks alone, in closed-form steps.

    A scaled orthographic view of the mean face, then Gauss-Newton steps with the coefficients' usual spread as the
    only prior; albedo and light stay at their centre, as does everything where no point is trusted.

    Args:
        basis: of the face model.
        points: (B, 68, 2) px of 256.
        trust: (B, 68), at least 0.

    Returns:
        (B, 204) float32.
    """
    centre, spread = centre_vector().to(points.device), spread_vector().to(points.device)
    rest = centre.repeat(len(points), 1)
    usable = trust.sum(1) > 4
    if not usable.any():
        return rest
    points, trust = points[usable].double(), trust[usable].double()
    weight = trust.clamp_min(1e-3).clone()
    weight[:, :JAW] *= 0.3
    view = fit_weak_perspective(points, basis.marks.mean[:68].to(points), weight)
    matrix = intrinsics(256, device=points.device).to(points)
    depth = (matrix[0, 0] / view.scale.clamp_min(1e-3)).clamp(500, 2000)
    offset = (view.offset - matrix[:2, 2]) / matrix[0, 0] * depth[:, None]
    given = split(rest[usable])
    given |= {
        "angles": angles_from_rotation(view.rotation).float(),
        "translation": torch.cat([offset, depth[:, None]], 1).float(),
    }
    sound = torch.isfinite(torch.cat(list(given.values()), 1)).all(1) & (view.rotation[:, 2, 2] < 0.3)
    given = {k: torch.where(sound[:, None], v, split(rest[usable])[k]) for k, v in given.items()}
    start = Estimate(**given, log_variance=points.new_zeros(len(points), len(GROUPS)))
    variance = split((spread**2).repeat(len(points), 1))
    variance |= {"angles": torch.full_like(given["angles"], 1.0)}
    variance |= {
        "translation": given["angles"].new_tensor([100.0, 100.0, 100.0]).square().repeat(len(points), 1)
    }
    found = refined_by_points(
        start,
        torch.cat(list(variance.values()), 1),
        basis,
        points,
        trust,
        noise=START_NOISE,
        steps=START_STEPS,
    )
    rest[usable] = found.vector()
    return rest


def closed_form(basis: FaceBasis, image: Tensor, points: Tensor, trust: Tensor) -> Tensor:
    """Where the network begins: `fitted_to_points`, then light and albedo by `refined_by_colour`.

    Args:
        basis: of the face model.
        image: (B, 3, S, S) in [0, 1].
        points: (B, 68, 2) px of 256.
        trust: (B, 68), at least 0.

    Returns:
        (B, 204) float32.
    """
    vector = fitted_to_points(basis, points, trust)
    found = Estimate(**split(vector), log_variance=vector.new_zeros(len(vector), len(GROUPS)))
    variance = (spread_vector().to(vector) ** 2).expand_as(vector)
    coloured = refined_by_colour(found, variance, basis, image).vector()
    return torch.where(torch.isfinite(coloured).all(1, keepdim=True), coloured, vector)


def refined_by_points(
    found: Estimate,
    variance: Tensor,
    basis: FaceBasis,
    points: Tensor,
    trust: Tensor,
    *,
    noise: float,
    steps: int,
) -> Estimate:
    """Maximum a posteriori pose, identity and expression by Gauss-Newton steps.

    Minimises Σ w ρ(‖π(R S(α, β) + t) - l‖² / noise²) + Σ (c - c₀)² / σ², where c₀ is the network's estimate and σ²
    its expected squared error; ρ is Huber's.

    Args:
        found: the network's estimate c₀.
        variance: (B, 204) σ², in the coefficients' own units.
        basis: of the face model.
        points: (B, 68, 2) px of 256.
        trust: (B, 68), at least 0.
        noise: standard deviation of a trusted point, px of 256.
        steps: how many.
    """
    count = len(found)
    if not count or not steps:
        return found
    kind = torch.float64
    spread = split(variance.to(kind))
    start = torch.cat([found.identity, found.expression], 1).to(kind)
    begin, place = found.rotation().to(kind), found.translation.to(kind)
    shape, rotation, translation = start, begin, place
    term = PointTerm.of(basis, begin, points, trust, noise)
    precision = 1 / torch.cat(
        [spread["angles"], spread["translation"], spread["identity"], spread["expression"]], 1
    ).clamp_min(1e-8)
    for _ in range(steps):
        normal, gradient = term.equations(rotation, translation, shape)
        drift = torch.cat([turn_between(begin, rotation), translation - place, shape - start], 1)
        gradient = gradient - precision * drift
        change = torch.linalg.solve(normal + torch.diag_embed(precision), gradient)
        rotation, translation = moved(rotation, translation, change)
        shape = shape + change[:, 6:]
    usable = torch.isfinite(shape).all(1) & torch.isfinite(rotation).flatten(1).all(1)
    identity, expression = shape.split([GROUPS["identity"], GROUPS["expression"]], 1)
    new = {
        "identity": identity,
        "expression": expression,
        "angles": angles_from_rotation(rotation),
        "translation": translation,
    }
    kept = {
        name: torch.where(usable[:, None], value.to(found.identity), getattr(found, name))
        for name, value in new.items()
    }
    return attrs.evolve(found, **kept)


def refined_by_colour(found: Estimate, variance: Tensor, basis: FaceBasis, image: Tensor) -> Estimate:
    """Light by robust least squares on the visible skin, then albedo as a ridge regression towards the estimate.

    Args:
        found: with the pose known.
        variance: (B, 204).
        basis: of the face model.
        image: (B, 3, S, S) in [0, 1].
    """
    if not len(found):
        return found
    size = image.shape[-1]
    rotation = found.rotation()
    here, normals = basis.skin_surface(torch.cat([found.identity, found.expression], 1))
    camera = to_camera(here, rotation, found.translation)
    turned = normals @ rotation.transpose(1, 2)
    pixels = project(camera, intrinsics(size, device=image.device))
    colours = skin_colours(image, pixels)
    inside = ((pixels > 0) & (pixels < size - 1)).all(-1)
    clear = (colours.amax(-1) < 0.985) & (colours.amax(-1) > 0.03)
    seen = ((facing(camera, turned) - GRAZING) / (FRONTAL - GRAZING)).clamp(0, 1) * inside * clear
    viewer = to_viewer(turned)
    albedo = basis.skin_albedo(found.albedo).clamp(0.02, 1)
    illumination = fit_illumination(albedo, viewer, colours, seen, ridge=3e-3)
    lit = light(viewer, illumination)
    error = colours - albedo * lit
    weight = seen / (1 + (error.norm(dim=-1) / COLOUR_NOISE) ** 2) ** 2
    parts = basis.albedo.reshape(len(basis.albedo), -1, 3).permute(1, 2, 0)
    design = (parts * lit[..., None]).flatten(1, 2)
    strength = (weight[..., None] * torch.ones_like(lit)).flatten(1)
    strength = strength * (COLOUR_POINTS / COLOUR_NOISE**2 / strength.sum(1, keepdim=True).clamp_min(1e-6))
    weighted = design * strength[..., None]
    precision = 1 / split(variance)["albedo"].clamp_min(1e-6)
    normal = weighted.transpose(1, 2) @ design + torch.diag_embed(precision)
    step = torch.linalg.solve(normal, (weighted.transpose(1, 2) @ error.flatten(1)[..., None])[..., 0])
    return attrs.evolve(found, albedo=found.albedo + step, illumination=illumination)


def pull_of(trust: Tensor) -> Tensor:
    """Weight (B, 68) in the refinement of points with this trust in [0, 1]; `DOUBT` says how far off each may be."""
    return torch.where(trust > 0, (1 + DOUBT * (1 - trust)) ** -2, 0)
