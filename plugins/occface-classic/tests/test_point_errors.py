from __future__ import annotations

import numpy as np
import torch

from occface_classic.shape.landmark_fit import LandmarkFit
from occface_classic.shape.point_errors import DOUBT, MIRRORED, doubt, measured_errors
from occface_core.facemodel import FaceModel
from occface_core.geometry.camera import intrinsics, project, rotation_from_angles, to_camera
from occface_core.types import Landmarks

MODEL = FaceModel.embedded()


def test_mirror_is_its_own_inverse_and_agrees_with_the_model() -> None:
    assert np.array_equal(MIRRORED[MIRRORED], np.arange(68))
    points = MODEL.mean[MODEL.landmarks68]
    assert np.abs(points[MIRRORED] * [-1, 1, 1] - points).max() < 3


def test_table_is_mirrored_for_faces_that_look_left() -> None:
    table = measured_errors()
    mean, covariance = table.at(torch.tensor([0.4, -0.4], dtype=torch.float64))
    flip = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    assert torch.allclose(mean[1], mean[0][MIRRORED] * flip)
    a, b = covariance.reshape(2, 68, 2, 68, 2)
    signs = flip[None, :, None, None] * flip
    assert torch.allclose(b, a[MIRRORED][:, :, MIRRORED] * signs)
    assert (torch.linalg.eigvalsh(covariance) > 0).all()


def test_between_two_rows_the_table_is_between_them() -> None:
    table = measured_errors()
    mean, _ = table.at(((table.yaw[0] + table.yaw[1]) / 2)[None])
    assert torch.allclose(mean[0], (table.mean[0] + table.mean[1]) / 2)
    beyond, _ = table.at(torch.tensor([1.5], dtype=torch.float64))
    assert torch.allclose(beyond[0], table.mean[-1])


def test_doubt_grows_as_confidence_falls() -> None:
    assert torch.allclose(doubt(torch.tensor([1.0, 0.5, 0.0])), torch.tensor([1.0, 1 + DOUBT / 2, 1 + DOUBT]))


def found_faces(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Points that err as the table says, their confidence, and the true vertices."""
    generator = torch.Generator().manual_seed(4)
    identity = torch.randn(count, len(MODEL.identity), generator=generator)
    rest = torch.zeros(count, len(MODEL.expression))
    view = rotation_from_angles(torch.zeros(count, 3))
    place = torch.tensor([0.0, 0.0, 1000.0]).expand(count, 3)
    points = project(
        to_camera(MODEL.landmark_positions(identity, rest), view, place), intrinsics(256)
    ).double()
    mean, covariance = measured_errors().at(torch.zeros(count, dtype=torch.float64))
    root = torch.linalg.cholesky(covariance)
    noise = (root @ torch.randn(count, 136, 1, generator=generator, dtype=torch.float64)).reshape(
        count, 68, 2
    )
    confidence = torch.full((count, 68), 0.93)
    found = points + mean + 2 * noise * doubt(confidence)[..., None]
    return found.float(), confidence, MODEL.vertices(identity, rest)


def rigid_error(found: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """Mean distance (B,) mm over the face after the best rotation and shift (Kabsch)."""
    face = torch.as_tensor(MODEL.region("face"))
    a, b = found[:, face].double(), true[:, face].double()
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    u, _, v = torch.linalg.svd(a.transpose(1, 2) @ b)
    sign = torch.ones(len(a), 3, dtype=torch.float64)
    sign[:, 2] = torch.det(u @ v)
    return (a @ (u @ torch.diag_embed(sign) @ v) - b).norm(dim=-1).mean(1)


def test_found_points_give_a_better_face_than_the_mean_and_than_points_taken_as_given() -> None:
    points, confidence, truth = found_faces(24)
    blank = torch.zeros(24, 3, 256, 256)
    fit = LandmarkFit(colour=False)
    told = rigid_error(fit.run(blank, Landmarks(points=points, confidence=confidence)).vertices, truth).mean()
    taken = rigid_error(fit.run(blank, Landmarks(points=points)).vertices, truth).mean()
    mean = rigid_error(MODEL.tensor("mean").expand(24, -1, -1), truth).mean()
    assert told < 0.92 * mean and told < 0.85 * taken


def test_a_given_face_beside_a_found_one_is_fitted_as_if_alone() -> None:
    points, confidence, _ = found_faces(2)
    confidence[0] = 1
    fit, blank = LandmarkFit(colour=False), torch.zeros(2, 3, 256, 256)
    both = fit.run(blank, Landmarks(points=points, confidence=confidence))
    for i in range(2):
        alone = fit.run(
            blank[i : i + 1], Landmarks(points=points[i : i + 1], confidence=confidence[i : i + 1])
        )
        assert torch.allclose(alone.vertices[0], both.vertices[i], atol=1e-2)
