"""Parts of the generator: light, degradation, backgrounds, wrinkles, files."""

from __future__ import annotations

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from occface_core.errors import OutputError, PhotoError
from occface_core.facemodel import FaceModel
from occface_core.geometry.illumination import light as sh_light
from occface_core.geometry.normals import vertex_normals
from occface_core.synthetic import SyntheticFaces, SynthOptions, generate, write
from occface_core.synthetic.backgrounds import background
from occface_core.synthetic.degrade import degrade
from occface_core.synthetic.sampler import EXPRESSIONS, directed, draw_parameters
from occface_core.synthetic.seeds import sample_generator
from occface_core.synthetic.surface import smooth_normals


def test_the_package_loads_nothing_heavy():
    code = "import occface_core.synthetic, sys; print([m for m in ('torch', 'cv2', 'numba') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_directed_light_is_the_cosine_lobe():
    way = np.array([0.3, 0.5, np.sqrt(1 - 0.34)])
    gamma = directed(way, np.array([1.0, 0.5, 0.25]))
    gamma[:, 0] -= 0.8
    rng = np.random.default_rng(0)
    normals = rng.standard_normal((500, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    got = sh_light(torch.as_tensor(normals)[None], torch.as_tensor(gamma.reshape(1, 27)))[0].numpy()
    want = np.maximum(normals @ way, 0)
    assert np.abs(got[:, 0] - want).max() < 0.13, "second-order harmonics miss the lobe by up to 1/8"
    np.testing.assert_allclose(got[:, 1], 0.5 * got[:, 0], atol=1e-9)
    assert got[:, 0].mean() == pytest.approx(0.25, abs=0.02)


def test_mouth_closes_only_over_an_open_jaw_and_weights_are_in_range():
    model = FaceModel.embedded()
    jaw, close = (model.expression_names.index(name) for name in ("jawOpen", "mouthClose"))
    tones, yaws = [], []
    for index in range(150):
        face = draw_parameters(model, sample_generator(1, index, "face"), SynthOptions())
        assert face.expression.min() >= 0 and face.expression.max() <= 1
        assert face.expression[close] <= face.expression[jaw] + 1e-6
        assert np.isfinite(face.illumination).all() and abs(face.angles[1]) <= 1.31
        assert np.linalg.norm(face.key) == pytest.approx(1)
        tones.append(face.albedo[0])
        yaws.append(face.angles[1])
    assert min(tones) < -1.5 and max(tones) > 1.2, "all skin tones"
    assert max(np.abs(yaws)) > 1.0 and np.median(np.abs(yaws)) < 0.7


def test_expressions_name_units_of_the_model():
    names = set(FaceModel.embedded().expression_names)
    for units in EXPRESSIONS.values():
        for unit in units:
            assert {unit, f"{unit}Left"} & names, unit


def test_fast_normals_are_the_geometry_modules():
    model = FaceModel.embedded()
    want = vertex_normals(
        torch.tensor(model.mean)[None], torch.tensor(model.triangles), weld=torch.tensor(model.weld)
    )[0].numpy()
    np.testing.assert_allclose(smooth_normals(model.mean, model.triangles, model.weld), want, atol=2e-4)


def test_degradation_treats_pictures_alike_and_zero_changes_nothing():
    image = np.random.default_rng(0).random((64, 64, 3), np.float32)
    for seed in range(20):
        a, b = degrade([image, image.copy()], np.random.default_rng(seed))
        assert np.array_equal(a, b) and a.dtype == np.float32 and 0 <= a.min() <= a.max() <= 1
    (same,) = degrade([image], np.random.default_rng(0), 0.0)
    assert np.array_equal(same, image)


def test_backgrounds(tmp_path):
    for seed in range(25):
        image = background(np.random.default_rng(seed), 64)
        assert image.shape == (64, 64, 3) and image.dtype == np.float32
        assert image.min() >= 0 and image.max() <= 1
    with pytest.raises(PhotoError, match=r"no \.jpg"):
        for seed in range(9):
            background(np.random.default_rng(seed), 64, str(tmp_path))
    cv2.imwrite(str(tmp_path / "red.png"), np.full((90, 120, 3), (0, 0, 255), np.uint8))
    cuts = [background(np.random.default_rng(seed), 64, str(tmp_path)) for seed in range(9)]
    assert sum(np.allclose(cut, [1, 0, 0], atol=0.01) for cut in cuts) >= 4


def test_skins_from_a_folder(tmp_path):
    cv2.imwrite(str(tmp_path / "green.png"), np.full((64, 64, 3), (30, 220, 30), np.uint8))
    options = SynthOptions(size=96, skins=str(tmp_path), occluders=(), degrade=0)
    greens = [face.clean[1][face.face > 0.9].mean() / face.clean[0][face.face > 0.9].mean()
              for face in SyntheticFaces(seed=2, length=8, options=options)]  # fmt: skip
    assert max(greens) > 2 and min(greens) < 1.2, "half of the faces wear it"


def test_written_samples_can_be_read_back(tmp_path):
    faces = list(SyntheticFaces(seed=4, length=2, options=SynthOptions(size=64)))
    assert write(faces, tmp_path / "set") == 2
    index = json.loads((tmp_path / "set" / "index.json").read_text())
    assert [row["index"] for row in index["samples"]] == [0, 1]
    for face, row in zip(faces, index["samples"], strict=True):
        photo = cv2.imread(str(tmp_path / "set" / f"{row['name']}.png"))[..., ::-1]
        np.testing.assert_allclose(photo / 255, face.photo.transpose(1, 2, 0), atol=0.5 / 255 + 1e-6)
        arrays = np.load(tmp_path / "set" / f"{row['name']}.npz")
        np.testing.assert_array_equal(arrays["landmarks"], face.landmarks)
        np.testing.assert_array_equal(arrays["identity"], face.coefficients["identity"])
        assert row["kind"] == face.kind


def test_a_folder_that_cannot_be_written_is_an_error_that_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another folder"):
        write([generate(0, 0, SynthOptions(size=32))], tmp_path / "file")
