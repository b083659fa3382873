"""What a sample says about itself is true: geometry, light, matte, labels, visibility."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from occface_core.errors import RecordError
from occface_core.facemodel import FaceModel
from occface_core.geometry.align import crop_to_photo
from occface_core.geometry.normals import depth_normals
from occface_core.synthetic import FACE_LABELS, LABEL_NAMES, LABELS, SynthOptions, generate

PURE = SynthOptions(degrade=0, occluded=1, second_occluder=0.3)


@pytest.fixture(scope="module")
def model():
    return FaceModel.embedded()


@pytest.fixture(scope="module")
def faces():
    return [generate(21, index, PURE) for index in range(16)]


def test_shapes_types_and_ranges(faces):
    for face in faces:
        size = face.size
        assert face.photo.shape == face.clean.shape == face.normals.shape == (3, size, size)
        for name in ("occluder", "face", "matte", "shadow", "depth", "bump"):
            assert getattr(face, name).shape == (size, size)
            assert getattr(face, name).dtype == np.float32
        for name in ("photo", "clean", "occluder", "face", "matte", "shadow"):
            value = getattr(face, name)
            assert np.isfinite(value).all() and value.min() >= 0 and value.max() <= 1, name
        assert face.labels.dtype == np.uint8 and face.labels.max() < len(LABEL_NAMES)
        assert face.landmarks.shape == (68, 2) and face.visible.shape == (68,)
        assert set(np.unique(face.visible)) <= {0.0, 1.0}


def test_vertices_and_landmarks_follow_from_the_coefficients(faces, model):
    for face in faces:
        vertices = model.vertices(face.coefficients["identity"][None], face.coefficients["expression"][None])[
            0
        ]
        np.testing.assert_allclose(face.vertices, vertices, atol=1e-3)
        shape = face.as_shape(model)
        np.testing.assert_allclose(shape.landmarks()[0].numpy(), face.landmarks, atol=2e-3)
        np.testing.assert_allclose(face.rotation @ face.rotation.T, np.eye(3), atol=1e-5)
        assert np.linalg.det(face.rotation) == pytest.approx(1, abs=1e-5)


def test_depth_is_that_of_the_shape_and_normals_agree_with_it(faces, model):
    for face in faces[:6]:
        depth = face.as_shape(model).depth(face.size)[0, 0].numpy()
        assert (np.isnan(depth) != np.isnan(face.depth)).sum() <= 4, "px whose centre lies on the very edge"
        difference = np.abs(depth - face.depth)
        assert np.nanquantile(difference, 0.999) < 1e-3 and np.nanmedian(difference) < 2e-4, "mm"
        from_depth = depth_normals(torch.as_tensor(face.depth)[None, None], torch.as_tensor(face.intrinsics))[
            0
        ].numpy()
        skin = np.isin(face.clean_labels, [LABELS["skin"]]) & (face.normals[2] > 0.5)
        cosine = (from_depth * face.normals).sum(0)[skin]
        assert np.median(cosine) > 0.99 and (cosine > 0.9).mean() > 0.95
        assert (face.normals[:, np.isnan(face.depth)] == 0).all()


def test_bump_lies_on_the_face_only_and_is_small(faces):
    for face in faces:
        assert np.abs(face.bump).max() < 6
        assert (face.bump[np.isnan(face.depth)] == 0).all()
    assert any(np.abs(face.bump).max() > 0.1 for face in faces)
    flat = generate(21, 0, SynthOptions(wrinkles=0))
    assert (flat.bump == 0).all()


def test_the_crop_is_the_pipelines_own():
    exact = SynthOptions(jitter=0, occluders=())
    for index in range(6):
        face = generate(22, index, exact)
        crop = crop_to_photo(torch.as_tensor(face.landmarks)[None], face.size)[0].numpy()
        corners = np.array([[0, 0, 1], [255, 0, 1], [0, 255, 1], [255, 255, 1.0]])
        moved = corners @ crop.T
        assert np.abs(moved - corners).max() < 3, "up to 3 px over the whole picture"
    fixed = generate(22, 0, SynthOptions(distance=(1000, 1000)))
    assert fixed.intrinsics[0, 0] == pytest.approx(1015 * 256 / 224)
    assert fixed.intrinsics[0, 2] == fixed.intrinsics[1, 2] == 127.5


def test_photo_differs_from_clean_just_where_matte_or_shadow_say(faces):
    hidden_changed, hidden_all = 0, 0
    for face in faces:
        change = np.abs(face.photo - face.clean).max(0)
        untouched = (face.occluder == 0) & (face.shadow == 1)
        assert (change[untouched] == 0).all()
        shaded = face.occluder == 0
        np.testing.assert_allclose(face.photo[:, shaded], (face.clean * face.shadow)[:, shaded], atol=1e-5)
        hidden_changed += (change[face.occluder > 0.9] > 0.01).sum()
        hidden_all += (face.occluder > 0.9).sum()
        np.testing.assert_allclose(face.matte, face.occluder * face.face, atol=1e-6)
        assert (face.occluder > 0.5).sum() > 20
    assert hidden_changed / hidden_all > 0.97, "an occluder may have the skin's colour here and there"


def test_the_face_region_is_where_the_face_labels_are(faces):
    for face in faces:
        inside = np.isin(face.clean_labels, FACE_LABELS)
        assert (face.face[inside] > 0.2).mean() > 0.99
        assert (face.face[~inside] > 0.8).mean() < 0.01
        assert 0.03 < face.face.mean() < 0.8


def test_every_label_occurs():
    seen: set[int] = set()
    for index in range(60):
        face = generate(23, index, SynthOptions(size=96, occluded=0.9))
        seen |= set(np.unique(face.labels).tolist())
        if len(seen) == len(LABEL_NAMES):
            return
    missing = [name for code, name in enumerate(LABEL_NAMES) if code not in seen]
    assert not missing


def test_visible_landmarks(faces):
    for face in faces:
        x, y = np.round(face.landmarks).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < face.size) & (y < face.size)
        assert not face.visible[~inside].any()
        alpha = face.occluder[np.clip(y, 0, face.size - 1), np.clip(x, 0, face.size - 1)]
        assert not face.visible[inside & (alpha > 0.95)].any()


def test_a_frontal_bare_face_shows_all_inner_landmarks_and_a_profile_hides_the_far_side(model):
    from occface_core.synthetic.render import render
    from occface_core.synthetic.sampler import draw_parameters
    from occface_core.synthetic.seeds import sample_generator

    options = SynthOptions(jitter=0, expression=0, distance=(1000, 1000), wrinkles=0)
    import attrs

    face = draw_parameters(model, sample_generator(0, 0, "face"), options)
    still = {"identity": face.identity * 0, "expression": face.expression * 0}
    frontal = attrs.evolve(face, angles=np.zeros(3), **still)
    figure = render(model, frontal, sample_generator(0, 0, "figure"), options)
    assert figure.seen[17:].mean() > 0.95
    right = attrs.evolve(face, angles=np.array([0, 1.2, 0]), **still)
    figure = render(model, right, sample_generator(0, 0, "figure"), options)
    assert figure.rotation[0, 2] > 0.9, "looks to the viewer's right"
    assert figure.seen[36] == 1 and figure.seen[45] == 0
    assert not figure.seen[14:17].any()
    near_side, far_side = figure.outline[0:6], figure.outline[11:17]
    assert far_side[:, 0].min() > near_side[:, 0].max()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"occluders": ("maks",)}, "maks"),
        ({"occluders": ("cutout",)}, "cutouts="),
        ({"size": 8}, "size"),
        ({"occluded": 2}, "occluded"),
        ({"distance": (2000.0, 1000.0)}, "near"),
    ],
)
def test_wrong_options_are_refused(wrong, says):
    with pytest.raises(RecordError, match=says):
        SynthOptions(**wrong)


def test_records_for_stages(faces, model):
    face = faces[0]
    assert face.as_matte().alpha.shape == (1, 1, 256, 256)
    assert face.as_landmarks().points.shape == (1, 68, 2)
    assert face.as_shape(model).project().shape == (1, len(model.mean), 2)
    assert set(face.as_dict()) >= {"photo", "identity", "illumination"}
