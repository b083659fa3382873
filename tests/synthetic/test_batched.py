"""The batched generator draws the faces that `generate` draws: the same numbers, the same pixels but for rounding."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from occface_core.errors import RecordError
from occface_core.facemodel import FaceModel
from occface_core.geometry.camera import intrinsics
from occface_core.synthetic import (
    OCCLUDERS,
    SyntheticBatch,
    SynthOptions,
    generate,
    generate_batch,
    stream_batches,
)
from occface_core.synthetic.batched import drawing, fields, jpeg, scaling
from occface_core.synthetic.batched.degrade import degrade as degrade_many
from occface_core.synthetic.degrade import ENLARGE, draw_changes
from occface_core.synthetic.noise import draw_grid, octaves
from occface_core.synthetic.noise import draw_octaves as draw_octave_grids

SIZE, FACES = 128, 5


@pytest.fixture(scope="module")
def skins(tmp_path_factory):
    """A folder of two skin textures: noise about a colour."""
    folder = tmp_path_factory.mktemp("skins")
    for k in range(2):
        noise = octaves(np.random.default_rng(k), 192, 192, 30)[..., None]
        picture = np.clip(np.array([110, 140, 190]) + 25 * noise, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{k}.png"), picture)
    return str(folder)


@pytest.fixture(scope="module")
def bare(skins):
    """Bare faces, not degraded, from both paths; half of them wear a skin texture, some have hard light."""
    options = SynthOptions(size=SIZE, occluders=(), degrade=0, skins=skins, hard_light=0.5)
    return [generate(31, k, options) for k in range(FACES)], generate_batch(31, range(FACES), options)


def test_the_parameters_are_the_same(bare):
    faces, batch = bare
    assert isinstance(batch, SyntheticBatch) and len(batch) == FACES and batch.size == SIZE
    assert batch.kind == ("none",) * FACES and batch.index == tuple(range(FACES))
    for face, other in zip(faces, (batch[k] for k in range(FACES)), strict=True):
        for name in ("identity", "expression", "albedo"):
            assert np.array_equal(face.coefficients[name], other.coefficients[name])
        light = face.coefficients["illumination"] - other.coefficients["illumination"]
        assert np.abs(light).max() < 1e-4
        assert face.hard_light == other.hard_light
        np.testing.assert_allclose(other.rotation, face.rotation, atol=1e-6)
        np.testing.assert_allclose(other.translation, face.translation, atol=1e-3)
        np.testing.assert_allclose(other.intrinsics, face.intrinsics, atol=1e-4)
    assert 0 < sum(face.hard_light for face in faces) < FACES


def test_geometry_and_landmarks_are_the_same(bare):
    faces, batch = bare
    for k, face in enumerate(faces):
        other = batch[k]
        assert np.abs(other.vertices - face.vertices).max() < 1e-3, "mm"
        assert np.abs(other.landmarks - face.landmarks).max() < 1e-3, "px"
        assert np.abs(other.outline - face.outline).max() < 1e-3, "px"
        assert (other.visible != face.visible).sum() <= 1
        here, there = np.isnan(face.depth), np.isnan(other.depth)
        assert (here != there).sum() <= 4, "pixels on the very edge"
        both = ~here & ~there
        depth = np.abs(other.depth - face.depth)[both]
        assert np.quantile(depth, 0.999) < 0.05 and np.median(depth) < 1e-3, "mm"
        assert np.abs(other.normals - face.normals).mean() < 1e-4
        assert np.quantile(np.abs(other.bump - face.bump), 0.999) < 1e-2, "mm"


def test_pixels_of_bare_faces_are_the_same(bare):
    faces, batch = bare
    for k, face in enumerate(faces):
        other = batch[k]
        difference = np.abs(other.clean - face.clean).max(0)
        assert difference.mean() < 2e-4 and (difference > 0.02).mean() < 2e-3
        assert (other.labels != face.labels).mean() < 1e-3
        assert np.abs(other.face - face.face).mean() < 1e-3
        assert np.array_equal(other.photo, other.clean) and not other.occluder.any()


@pytest.fixture(scope="module", params=OCCLUDERS)
def hidden(request):
    options = SynthOptions(size=SIZE, occluders=(request.param,), occluded=1, degrade=0)
    return [generate(33, k, options) for k in range(2)], generate_batch(33, range(2), options)


def test_occluders_lie_in_the_same_place(hidden):
    faces, batch = hidden
    for k, face in enumerate(faces):
        other = batch[k]
        assert other.kind == face.kind
        assert np.abs(other.occluder - face.occluder).mean() < 2e-3
        assert np.abs(other.matte - face.matte).mean() < 2e-3
        assert (other.labels != face.labels).mean() < 3e-3
        assert np.abs(other.visible - face.visible).sum() <= 1
        # the light on things is guessed before the face is drawn, so that their colours differ a little
        assert np.abs(other.photo - face.photo).mean() < 0.05
        mixed = other.occluder == 0
        np.testing.assert_allclose(other.photo[:, mixed], (other.clean * other.shadow)[:, mixed], atol=1e-5)


def test_degraded_pictures_are_the_same_but_for_jpegs_rounding():
    options = SynthOptions(size=96, occluders=())
    batch = generate_batch(34, range(10), options)
    for k in range(10):
        difference = np.abs(batch[k].photo - generate(34, k, options).photo)
        assert difference.mean() < 0.004 and np.quantile(difference, 0.99) < 0.03
        assert torch.equal(batch.photo[k], batch.clean[k])


def test_both_paths_draw_from_the_same_distribution():
    options, count = SynthOptions(size=64), 32
    faces = [generate(35, k, options) for k in range(count)]
    batch = generate_batch(35, range(count), options)
    photos = [np.stack([face.photo for face in faces]), batch.photo.numpy()]
    labels = [np.stack([face.labels for face in faces]), batch.labels.numpy()]
    hidden = [np.array([face.occluded_fraction for face in faces]),
              (batch.matte.sum((1, 2)) / batch.face.sum((1, 2)).clamp_min(1e-6)).numpy()]  # fmt: skip
    fine = [np.square(np.diff(photo, axis=-1)).mean() for photo in photos]
    for of in (np.mean, np.std):
        np.testing.assert_allclose(*(of(photo, (0, 2, 3)) for photo in photos), atol=0.01)
    assert fine[1] == pytest.approx(fine[0], rel=0.05), "energy of the finest detail"
    shares = [np.bincount(label.ravel(), minlength=14) / label.size for label in labels]
    # a lock of hair may fall otherwise: how it is drawn hangs on the light, which is guessed on the host
    np.testing.assert_allclose(shares[0], shares[1], atol=0.01)
    assert np.quantile(np.abs(hidden[0] - hidden[1]), 0.9) < 0.02
    other = np.array(["hair" not in kind for kind in batch.kind])
    assert np.abs(hidden[0] - hidden[1])[other].mean() < 0.002
    assert [face.kind for face in faces] == list(batch.kind)
    assert abs(np.mean([f.visible for f in faces]) - float(batch.visible.mean())) < 0.01


def test_a_sample_does_not_depend_on_its_batch():
    options = SynthOptions(size=64)
    alone, among = generate_batch(36, [4], options), generate_batch(36, [7, 4, 2], options, at_once=2)
    for name in ("photo", "clean", "occluder", "shadow", "vertices", "landmarks", "visible", "normals"):
        assert (getattr(alone, name)[0] - getattr(among, name)[1]).abs().max() < 1e-4, name
    assert torch.equal(alone.labels[0], among.labels[1])
    again = generate_batch(36, [4], options)
    assert torch.equal(alone.photo, again.photo)


def test_a_stream_gives_the_same_batches_whoever_plans_them():
    options = SynthOptions(size=64)
    whole = generate_batch(40, range(3), options)
    for workers in (0, 1):
        parts = list(stream_batches(40, range(3), options, batch_size=2, workers=workers))
        assert [part.index for part in parts] == [(0, 1), (2,)]
        photos = torch.cat([part.photo for part in parts])
        assert (photos - whole.photo).abs().max() < 1e-4


def test_a_batch_of_nobody_is_named():
    with pytest.raises(RecordError, match="indices are empty"):
        generate_batch(0, [])


def test_records_for_stages():
    batch = generate_batch(37, range(2), SynthOptions(size=64))
    assert batch.as_matte().alpha.shape == (2, 1, 64, 64)
    assert batch.as_landmarks().points.shape == (2, 68, 2)
    assert batch.as_shape().project().shape == (2, len(FaceModel.embedded().mean), 2)


def test_the_torch_rasteriser_leaves_out_what_is_not_kept():
    model = FaceModel.embedded()
    points = torch.tensor(model.mean) * torch.tensor([1.0, -1.0, -1.0]) + torch.tensor([0.0, 0.0, 1000.0])
    points = torch.stack((points, points + torch.tensor([15.0, 5.0, 0.0])))
    triangles = torch.as_tensor(model.triangles.copy())
    kept = torch.rand(2, len(triangles), generator=torch.Generator().manual_seed(1)) < 0.6
    matrix = intrinsics(64).expand(2, 3, 3)
    one, other = (
        drawing.draw(points, matrix, triangles, kept, 64, engine=engine) for engine in ("numba", "torch")
    )
    assert torch.equal(one.triangle, other.triangle)
    assert torch.equal(one.barycentric, other.barycentric)
    seen = one.triangle[one.mask]
    item = one.mask.nonzero()[:, 0]
    assert kept[item, seen].all()


def test_fields_and_filters_are_opencvs():
    rng = np.random.default_rng(2)
    grids = [draw_grid(rng, 40, 50, 9.5) for _ in range(3)]
    for grid, field in zip(grids, fields.spread(grids, torch.device("cpu")), strict=True):
        np.testing.assert_allclose(field.numpy(), grid.spread()[..., 0], atol=1e-5)
    layers = draw_octave_grids(np.random.default_rng(3), 40, 40, 12, count=3)
    np.testing.assert_allclose(
        fields.octaves([layers], torch.device("cpu"))[0].numpy(),
        octaves(np.random.default_rng(3), 40, 40, 12, count=3),
        atol=1e-5,
    )
    picture = rng.random((33, 47, 3), dtype=np.float32)
    tensor = torch.as_tensor(picture).permute(2, 0, 1).expand(3, 3, 33, 47)
    soft = fields.blurred(tensor, torch.tensor([0.0, 0.7, 3.2])).permute(0, 2, 3, 1).numpy()
    for done, sigma in zip(soft, (0, 0.7, 3.2), strict=True):
        want = cv2.GaussianBlur(picture, (0, 0), sigma) if sigma else picture
        np.testing.assert_allclose(done, want, atol=1e-5)
    for way, code in enumerate(ENLARGE):
        small = cv2.resize(picture[:, :33], (13, 13), interpolation=cv2.INTER_AREA)
        want = cv2.resize(small, (33, 33), interpolation=code)
        matrix = scaling.lower(33, 13, way).numpy()
        got = np.einsum("ay,yxc,bx->abc", matrix, picture[:, :33], matrix)
        np.testing.assert_allclose(got, want, atol=1e-4)


@pytest.mark.parametrize("quality", [25, 60, 95])
def test_jpeg_is_opencvs_but_for_rounding(quality):
    picture = generate(38, 0, SynthOptions(size=100, occluders=(), degrade=0)).clean.transpose(1, 2, 0)
    whole = np.round(picture[..., ::-1] * 255).astype(np.uint8)
    coded = cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    want = cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1].astype(float)
    tensor = torch.as_tensor(np.ascontiguousarray(whole[..., ::-1])).permute(2, 0, 1)[None] / 255
    got = jpeg.jpeg(tensor, torch.tensor([quality]))[0].permute(1, 2, 0).numpy() * 255
    lost = np.abs(want - whole[..., ::-1]).mean()
    assert np.abs(got - want).mean() < max(0.15 * lost, 0.5), "levels of 255"


def test_each_kind_of_change_agrees():
    picture = octaves(np.random.default_rng(0), 64, 64, 12)[..., None] * 0.2 + np.array([0.6, 0.5, 0.4])
    picture = np.clip(picture, 0, 1).astype(np.float32)
    changes = [draw_changes(np.random.default_rng(k), (64, 64), 1.0) for k in range(40)]
    kinds = {"blur", "motion", "share", "grain", "quality", "grey"}
    used = {kind for kind in kinds for one in changes if getattr(one, kind) is not None and getattr(one, kind)
            is not False and np.any(getattr(one, kind))}  # fmt: skip
    assert used == kinds
    tensor = torch.as_tensor(picture).permute(2, 0, 1).expand(40, 3, 64, 64)
    done = degrade_many([tensor], changes)[0].permute(0, 2, 3, 1).numpy()
    for got, change in zip(done, changes, strict=True):
        limit = 0.004 if change.quality else 1e-5
        assert np.abs(got - change(picture)).mean() < limit


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: none is present")
def test_a_gpu_draws_the_same_faces():
    options = SynthOptions(size=SIZE, degrade=0)
    here, there = generate_batch(39, range(8), options), generate_batch(39, range(8), options, device="cuda")
    assert there.photo.is_cuda and there.depth.is_cuda
    assert here.kind == there.kind
    for name in ("clean", "photo"):
        difference = (getattr(there, name).cpu() - getattr(here, name)).abs()
        assert difference.mean() < 5e-4, name
    assert (there.labels.cpu() != here.labels).float().mean() < 1e-3
    assert (there.landmarks.cpu() - here.landmarks).abs().max() < 1e-2
    assert (there.occluder.cpu() - here.occluder).abs().mean() < 1e-3
