from __future__ import annotations

import pytest
import torch
from torch import Tensor

from occface_classic.shape.appearance import fit_appearance, skin_vertices
from occface_classic.shape.landmark_basis import LandmarkBasis
from occface_classic.shape.landmark_fit import LandmarkFit
from occface_classic.shape.mean import MeanShape
from occface_core.errors import FaceModelError
from occface_core.facemodel import FaceModel
from occface_core.fitting.limits import coefficient_limits
from occface_core.geometry.camera import (
    angles_from_rotation,
    intrinsics,
    project,
    rotation_from_angles,
    to_camera,
)
from occface_core.geometry.illumination import shade
from occface_core.geometry.normals import to_viewer, vertex_normals
from occface_core.geometry.rasterise import interpolate, rasterise
from occface_core.types import FaceShape, Landmarks

MODEL = FaceModel.embedded()
K, E = len(MODEL.identity), len(MODEL.expression)
FIT = LandmarkFit(colour=False)
MEAN = MeanShape()


def landmarks_of(identity: Tensor, expression: Tensor, angles: Tensor, translation: Tensor) -> Tensor:
    """Project the model's own landmarks: (B, 68, 2)."""
    points = MODEL.landmark_positions(identity, expression)
    return project(to_camera(points, rotation_from_angles(angles), translation), intrinsics(256))


def people(count: int, seed: int = 0, turn: float = 0.1) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    spread, *_ = coefficient_limits(MODEL)
    identity = torch.randn(count, K, generator=generator)
    expression = torch.rand(count, E, generator=generator) * 0.5
    expression *= (torch.rand(count, E, generator=generator) < 0.1) * (spread[K:] > 0)
    angles = torch.randn(count, 3, generator=generator) * turn
    translation = torch.tensor([0.0, 0.0, 1000.0]) + torch.randn(count, 3, generator=generator) * 4
    return identity, expression, angles, translation


def blank(count: int) -> Tensor:
    return torch.full((count, 3, 256, 256), 0.5)


def rigid_error(found: Tensor, true: Tensor) -> Tensor:
    """Mean distance (B,) mm after the best rotation and shift (Kabsch), over the face."""
    face = torch.as_tensor(MODEL.region("face"))
    a, b = found[:, face].double(), true[:, face].double()
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    u, _, v = torch.linalg.svd(a.transpose(1, 2) @ b)
    sign = torch.ones(len(a), 3, dtype=torch.float64)
    sign[:, 2] = torch.det(u @ v)
    return (a @ (u @ torch.diag_embed(sign) @ v) - b).norm(dim=-1).mean(1)


@pytest.mark.parametrize("yaw", [0.0, 0.1, -0.1])
def test_pose_of_the_mean_face_is_recovered(yaw: float) -> None:
    angles = torch.tensor([[0.1, yaw, -0.06]])
    translation = torch.tensor([[6.0, -4.0, 1000.0]])
    points = landmarks_of(torch.zeros(1, K), torch.zeros(1, E), angles, translation)
    for stage in (MEAN, FIT):
        shape = stage.run(blank(1), Landmarks(points=points))
        assert (angles_from_rotation(shape.rotation) - angles).abs().max() < 3e-3
        assert (shape.translation - translation).abs().max() < 2
        assert (shape.landmarks() - points).norm(dim=-1).max() < 0.2
        assert rigid_error(shape.vertices, MODEL.tensor("mean")[None])[0] < 0.1


def test_shape_is_nearer_the_truth_than_the_mean_face() -> None:
    identity, expression, angles, translation = people(40)
    points = landmarks_of(identity, expression, angles, translation)
    points = points + torch.randn(points.shape, generator=torch.Generator().manual_seed(5))
    truth = MODEL.vertices(identity, expression)
    fitted = rigid_error(FIT.run(blank(40), Landmarks(points=points)).vertices, truth)
    mean = rigid_error(MEAN.run(blank(40), Landmarks(points=points)).vertices, truth)
    assert fitted.mean() < 0.75 * mean.mean()
    assert (fitted < mean).float().mean() > 0.85


def test_a_landmark_without_weight_has_no_say() -> None:
    points = landmarks_of(*people(2))
    weights = torch.ones(2, 68)
    weights[:, 48:] = 0
    moved = points.clone()
    moved[:, 48:] += 40
    plain = FIT.run(blank(2), Landmarks(points=points, visible=weights))
    told = FIT.run(blank(2), Landmarks(points=moved, visible=weights))
    assert (plain.landmarks() - told.landmarks())[:, :48].norm(dim=-1).max() < 1.0
    assert ((told.landmarks() - points)[:, 48:].norm(dim=-1).mean()) < 8


def test_one_wild_landmark_is_forgiven() -> None:
    points = landmarks_of(*people(1))
    wild = points.clone()
    wild[:, 30] += 60
    found = FIT.run(blank(1), Landmarks(points=wild)).landmarks()
    keep = torch.arange(68) != 30
    assert (found - points)[:, keep].norm(dim=-1).mean() < 3


def test_expressions_keep_their_bounds() -> None:
    generator = torch.Generator().manual_seed(1)
    points = landmarks_of(*people(4)) + 12 * torch.randn(4, 68, 2, generator=generator)
    expression = FIT.run(blank(4), Landmarks(points=points)).coefficients["expression"]
    assert expression.min() >= 0 and expression.max() <= 1
    for i, name in enumerate(MODEL.expression_names):
        if name.startswith("eyeLook") or name == "mouthClose":
            assert (expression[:, i] == 0).all()


def test_more_noise_stays_nearer_the_mean() -> None:
    points = landmarks_of(*people(3))

    def size(noise: float) -> float:
        shape = LandmarkFit(colour=False, noise=noise).run(blank(3), Landmarks(points=points))
        return float(shape.coefficients["identity"].norm())

    assert size(20.0) < size(4.0) < size(1.0)


def test_jaw_slides_only_on_the_far_side() -> None:
    basis = LandmarkBasis.of(MODEL)
    frontal = basis.choose(rotation_from_angles(torch.zeros(1, 3)).double())
    assert torch.equal(frontal[0], basis.fixed)
    left = basis.choose(rotation_from_angles(torch.tensor([[0.0, 0.7, 0.0]])).double())[0]
    right = basis.choose(rotation_from_angles(torch.tensor([[0.0, -0.7, 0.0]])).double())[0]
    changed_left = (left != basis.fixed).nonzero()[:, 0]
    changed_right = (right != basis.fixed).nonzero()[:, 0]
    assert len(changed_left) and len(changed_right)
    # positive yaw turns the nose to the right of the picture, where points 9-16 are
    assert (changed_left > 8).all() and (changed_left < 17).all()
    assert (changed_right < 8).all()


def test_light_and_albedo_of_a_rendered_face_are_explained() -> None:
    """Rendered with known light: the fit need not find its numbers, but must give back its colours."""
    generator = torch.Generator().manual_seed(3)
    albedo = 0.7 * torch.randn(2, len(MODEL.albedo), generator=generator)
    light = torch.zeros(2, 3, 9)
    light[0, :, 3], light[1, :, 1] = 0.25, -0.2
    light[1, 2] -= 0.1
    shape = FaceShape(
        vertices=MODEL.tensor("mean").expand(2, -1, -1).clone(),
        coefficients={
            "identity": torch.zeros(2, K),
            "expression": torch.zeros(2, E),
            "albedo": torch.zeros(2, len(MODEL.albedo)),
            "illumination": torch.zeros(2, 27),
        },
        rotation=torch.diag(torch.tensor([1.0, -1.0, -1.0])).expand(2, 3, 3).clone(),
        translation=torch.tensor([0.0, 0.0, 1000.0]).expand(2, 3).clone(),
        intrinsics=intrinsics(256).expand(2, 3, 3).clone(),
        model=MODEL,
    )
    triangles = MODEL.tensor("triangles")
    camera = shape.camera_vertices()
    normals = to_viewer(vertex_normals(camera, triangles, weld=MODEL.tensor("weld")))
    true = shade(MODEL.albedo_colours(albedo), normals, light.reshape(2, 27))
    image = interpolate(rasterise(camera, shape.intrinsics, triangles, 256, 256), triangles, true).clamp(0, 1)
    found = fit_appearance(image, shape).coefficients
    again = shade(MODEL.albedo_colours(found["albedo"]), normals, found["illumination"])
    front = skin_vertices(MODEL)
    front = front[normals[0, front, 2] > 0.5]
    assert (again - true)[:, front].abs().mean() < 0.02
    before = MODEL.albedo_colours(torch.zeros(2, len(MODEL.albedo)))
    assert (again - true)[:, front].abs().mean() < 0.3 * (before - true)[:, front].abs().mean()


def test_a_saved_model_can_be_named(tmp_path) -> None:
    path = tmp_path / "model.npz"
    MODEL.save(path)
    points = landmarks_of(*people(1))
    named = LandmarkFit(face_model=str(path), colour=False).run(blank(1), Landmarks(points=points))
    own = FIT.run(blank(1), Landmarks(points=points))
    assert torch.allclose(named.vertices, own.vertices, atol=1e-3)
    with pytest.raises(FaceModelError):
        LandmarkFit(face_model=str(tmp_path / "none.npz")).setup()


def test_wild_points_give_a_face_all_the_same() -> None:
    for points in (torch.zeros(1, 68, 2), torch.rand(1, 68, 2) * 256, torch.full((1, 68, 2), 1e4)):
        shape = LandmarkFit().run(blank(1), Landmarks(points=points, confidence=torch.zeros(1, 68)))
        assert torch.isfinite(shape.vertices).all() and torch.isfinite(shape.translation).all()
        assert torch.allclose(shape.rotation @ shape.rotation.transpose(1, 2), torch.eye(3), atol=1e-4)
