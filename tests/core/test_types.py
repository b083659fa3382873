import pytest
import torch

from occface_core import FaceBatch, Landmarks, Matte
from occface_core.batching import join, select
from occface_core.errors import OccfaceError, RecordError


def batch(count=3, size=32):
    return FaceBatch(
        image=torch.rand(count, 3, size, size),
        crop_to_photo=torch.eye(3).expand(count, 3, 3),
        landmarks=Landmarks(points=torch.rand(count, 68, 2) * size),
        matte=Matte(alpha=torch.rand(count, 1, size, size)),
    )


def test_wrong_shape_names_field_want_and_got():
    with pytest.raises(RecordError, match=r"Landmarks\.points must have shape \(B, 68, 2\), got \(2, 5, 2\)"):
        Landmarks(points=torch.zeros(2, 5, 2))


def test_wrong_rank_is_reported():
    with pytest.raises(RecordError, match=r"got \(68, 2\)"):
        Landmarks(points=torch.zeros(68, 2))


def test_batch_sizes_must_agree():
    with pytest.raises(RecordError, match=r"Landmarks\.confidence .* B = 2"):
        Landmarks(points=torch.zeros(2, 68, 2), confidence=torch.ones(3, 68))
    with pytest.raises(RecordError, match=r"FaceBatch\.landmarks must hold 1 faces"):
        FaceBatch(
            image=torch.zeros(1, 3, 8, 8),
            crop_to_photo=torch.eye(3)[None],
            landmarks=Landmarks(points=torch.zeros(2, 68, 2)),
        )


def test_mattes_are_square():
    with pytest.raises(RecordError, match="S = 8"):
        Matte(alpha=torch.zeros(1, 1, 8, 9))


def test_integers_are_refused_with_the_cure():
    with pytest.raises(RecordError, match=r"\.float\(\)"):
        Landmarks(points=torch.zeros(1, 68, 2, dtype=torch.int64))


def test_arrays_are_refused():
    import numpy as np

    with pytest.raises(RecordError, match="torch tensor"):
        Landmarks(points=np.zeros((1, 68, 2)))


def test_records_are_frozen_and_errors_are_catchable_as_one():
    import attrs

    landmarks = Landmarks(points=torch.zeros(1, 68, 2))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        landmarks.points = torch.zeros(1, 68, 2)
    assert issubclass(RecordError, OccfaceError)


def test_hollow_is_equation_of_the_hollowed_photo():
    image = torch.full((1, 3, 2, 2), 0.8)
    alpha = torch.tensor([[[[1.0, 0.0], [0.5, 0.0]]]])
    hollow = Matte(alpha=alpha).hollow(image)
    assert torch.allclose(hollow[0, 0], torch.tensor([[0.0, 0.8], [0.4, 0.8]]))


def test_fraction_counts_the_face_region_only():
    alpha = torch.zeros(1, 1, 4, 4)
    alpha[..., :2] = 1
    face = torch.zeros(1, 1, 4, 4)
    face[..., 1:3] = 1
    assert Matte(alpha=alpha, face=face).fraction().item() == pytest.approx(0.5)


def test_select_and_join_are_inverse():
    faces = batch(4)
    again = join([faces[0], faces[1:3], faces[-1]])
    assert torch.equal(again.image, faces.image)
    assert torch.equal(again.matte.alpha, faces.matte.alpha)
    assert torch.equal(again.landmarks.points, faces.landmarks.points)
    assert [len(face) for face in faces] == [1, 1, 1, 1]


def test_index_beyond_the_end_is_an_index_error():
    with pytest.raises(IndexError, match="0 to 1"):
        select(batch(2), 2)


def test_photo_landmarks_follow_the_similarity():
    faces = batch(1)
    import attrs

    move = torch.tensor([[[2.0, 0.0, 5.0], [0.0, 2.0, 7.0], [0.0, 0.0, 1.0]]])
    faces = attrs.evolve(faces, crop_to_photo=move)
    expected = faces.landmarks.points * 2 + torch.tensor([5.0, 7.0])
    assert torch.allclose(faces.photo_landmarks(), expected, atol=1e-4)
