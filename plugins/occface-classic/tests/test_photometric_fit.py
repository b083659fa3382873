from __future__ import annotations

import attrs
import pytest
import torch
from torch import Tensor

from occface_classic.shape.landmark_fit import LandmarkFit
from occface_classic.shape.photometric_fit import PhotometricFit
from occface_core.facemodel import FaceModel
from occface_core.fitting.analysis import calm
from occface_core.fitting.colour_term import ColourTerm, View, harmonic_slopes, with_slopes
from occface_core.fitting.limits import coefficient_limits
from occface_core.geometry.camera import intrinsics, rotation_from_angles
from occface_core.geometry.illumination import basis, shade
from occface_core.geometry.normals import to_viewer, vertex_normals
from occface_core.geometry.rasterise import interpolate, rasterise
from occface_core.types import FaceShape, Landmarks

MODEL = FaceModel.embedded()
K, E, A = len(MODEL.identity), len(MODEL.expression), len(MODEL.albedo)
FIT = PhotometricFit()


def faces(count: int, seed: int = 0) -> tuple[FaceShape, Tensor]:
    """Faces of the model under its own light, and their pictures."""
    generator = torch.Generator().manual_seed(seed)
    identity = torch.randn(count, K, generator=generator)
    expression = torch.zeros(count, E)
    albedo = 0.6 * torch.randn(count, A, generator=generator)
    light = 0.1 * torch.randn(count, 3, 9, generator=generator)
    light[:, :, 3] += 0.25
    shape = FaceShape(
        vertices=MODEL.vertices(identity, expression),
        coefficients={
            "identity": identity,
            "expression": expression,
            "albedo": albedo,
            "illumination": light.reshape(count, 27),
        },
        rotation=rotation_from_angles(0.2 * torch.randn(count, 3, generator=generator)),
        translation=torch.tensor([0.0, 0.0, 1000.0]).expand(count, 3).clone(),
        intrinsics=intrinsics(256).expand(count, 3, 3).clone(),
        model=MODEL,
    )
    triangles, camera = MODEL.tensor("triangles"), shape.camera_vertices()
    normals = to_viewer(vertex_normals(camera, triangles, weld=MODEL.tensor("weld")))
    colours = shade(MODEL.albedo_colours(albedo), normals, shape.coefficients["illumination"])
    drawn = rasterise(camera, shape.intrinsics, triangles, 256, 256)
    picture = torch.nan_to_num(interpolate(drawn, triangles, colours))
    behind = (drawn.triangle < 0)[:, None]
    return shape, torch.where(behind, 0.5, picture).clamp(0, 1)


def rigid_error(found: Tensor, true: Tensor) -> Tensor:
    """Mean distance (B,) mm over the face after the best rotation and shift (Kabsch)."""
    face = torch.as_tensor(MODEL.region("face"))
    a, b = found[:, face].double(), true[:, face].double()
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    u, _, v = torch.linalg.svd(a.transpose(1, 2) @ b)
    sign = torch.ones(len(a), 3, dtype=torch.float64)
    sign[:, 2] = torch.det(u @ v)
    return (a @ (u @ torch.diag_embed(sign) @ v) - b).norm(dim=-1).mean(1)


def view_of(shape: FaceShape, i: int = 0) -> View:
    coefficients = shape.coefficients
    return View(
        rotation=shape.rotation[i],
        translation=shape.translation[i],
        shape=torch.cat((coefficients["identity"][i], coefficients["expression"][i])),
        albedo=coefficients["albedo"][i],
        light=coefficients["illumination"][i],
    )


def test_slopes_of_harmonics_are_their_differences() -> None:
    normals = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    slopes = harmonic_slopes(normals)
    for axis in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[axis] = 1e-4
        expected = (basis(normals + step) - basis(normals - step)) / 2e-4
        assert torch.allclose(slopes[..., axis], expected, atol=1e-6)


def test_the_gradient_falls_by_the_curvature() -> None:
    """Along the light the model is linear: only the weights of the points change a little on the way."""
    shape, picture = faces(1)
    term, view, matrix = ColourTerm.of(MODEL), view_of(shape), intrinsics(256)
    wide = with_slopes(picture, 2.0)
    view = attrs.evolve(view, light=view.light + 0.05, shape=view.shape * 0.9, albedo=view.albedo * 0.8)
    vertices = MODEL.vertices(view.shape[None, :K], None)[0]
    trust = term.seen(view, vertices, MODEL.tensor("triangles"), matrix, 256)
    normal, gradient = term.equations(wide, view, trust, matrix)
    way = torch.zeros_like(gradient)
    way[-27:] = torch.randn(27, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ahead = attrs.evolve(view, light=view.light + 1e-3 * way[-27:].float())
    fall = (way @ gradient - way @ term.equations(wide, ahead, trust, matrix)[1]) / 1e-3
    assert float(fall) == pytest.approx(float(way @ normal @ way), rel=0.35)


def test_nothing_pulls_at_the_truth() -> None:
    shape, picture = faces(1)
    term, view, matrix = ColourTerm.of(MODEL), view_of(shape), intrinsics(256)
    trust = term.seen(view, shape.vertices[0], MODEL.tensor("triangles"), matrix, 256)
    normal, gradient = term.equations(with_slopes(picture, 0.4), view, trust, matrix)
    off = attrs.evolve(view, shape=torch.zeros(K + E))
    _, pulled = term.equations(with_slopes(picture, 0.4), off, trust, matrix)
    assert gradient.norm() < 0.35 * pulled.norm()
    change = torch.linalg.solve(normal + torch.eye(len(gradient)), gradient)
    assert change[6 : 6 + K].norm() < 0.25 * view.shape.norm()


def test_hidden_triangles_have_no_trust() -> None:
    shape, _ = faces(1)
    turned = attrs.evolve(shape, rotation=rotation_from_angles(torch.tensor([[0.0, 0.9, 0.0]])))
    term, view = ColourTerm.of(MODEL), view_of(turned)
    trust = term.seen(view, shape.vertices[0], MODEL.tensor("triangles"), intrinsics(256), 256)
    right, left = trust[term.middle[:, 0] > 40], trust[term.middle[:, 0] < -40]
    assert min(right.mean(), left.mean()) < 0.1 < 0.4 < max(right.mean(), left.mean())


def test_colours_bring_the_shape_nearer_than_landmarks_alone() -> None:
    shape, picture = faces(6)
    noise = 2 * torch.randn(6, 68, 2, generator=torch.Generator().manual_seed(2))
    landmarks = Landmarks(points=shape.landmarks() + noise)
    before = rigid_error(LandmarkFit(colour=False).run(picture, landmarks).vertices, shape.vertices)
    after = rigid_error(FIT.run(picture, landmarks).vertices, shape.vertices)
    assert after.mean() < 0.85 * before.mean()


def test_without_steps_it_is_landmark_fit() -> None:
    shape, picture = faces(1)
    landmarks = Landmarks(points=shape.landmarks())
    same = PhotometricFit(steps=0).run(picture, landmarks)
    assert torch.allclose(same.vertices, LandmarkFit().run(picture, landmarks).vertices)


def test_hidden_landmarks_calm_the_colours_around_them() -> None:
    FIT.setup()
    visible = torch.ones(1, 68)
    visible[:, 48:] = 0
    trust = calm(FIT._term, MODEL, visible[0])
    middle = FIT._term.middle
    mouth = (middle[:, 1] < -15) & (middle[:, 1] > -45) & (middle[:, 0].abs() < 20)
    brow = middle[:, 1] > 45
    assert trust[mouth].mean() < 0.5 and torch.allclose(trust[brow], torch.ones(int(brow.sum())))


def test_expressions_keep_their_bounds_and_poses_are_rotations() -> None:
    shape, picture = faces(2, seed=3)
    points = shape.landmarks() + 8 * torch.randn(2, 68, 2, generator=torch.Generator().manual_seed(5))
    found = FIT.run(picture, Landmarks(points=points))
    _, lower, upper = coefficient_limits(MODEL)
    both = torch.cat((found.coefficients["identity"], found.coefficients["expression"]), 1).double()
    assert (both >= lower - 1e-5).all() and (both <= upper + 1e-5).all()
    assert torch.allclose(found.rotation @ found.rotation.transpose(1, 2), torch.eye(3), atol=1e-4)


def test_colours_move_no_coefficient_that_is_to_stay() -> None:
    """Gaze and closing the lips over an open jaw are no business of 68 points, nor of the colours about them."""
    shape, picture = faces(2)
    found = FIT.run(picture, Landmarks(points=shape.landmarks())).coefficients["expression"]
    still = coefficient_limits(MODEL)[0][K:] == 0
    assert still.sum() == 9
    assert (found[:, still] == 0).all()


def test_pictures_without_a_face_give_a_finite_shape() -> None:
    for picture in (torch.zeros(1, 3, 256, 256), torch.ones(1, 3, 256, 256), torch.rand(1, 3, 256, 256)):
        points = torch.rand(1, 68, 2, generator=torch.Generator().manual_seed(0)) * 256
        found = FIT.run(picture, Landmarks(points=points, confidence=torch.zeros(1, 68)))
        assert torch.isfinite(found.vertices).all() and torch.isfinite(found.translation).all()
