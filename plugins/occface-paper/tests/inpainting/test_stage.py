"""The stage on an untrained generator: what it may touch, and what it must survive."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from occface_core.errors import StageError, WeightsMissing
from occface_core.types import Landmarks, Matte
from occface_paper.inpainting.lama import Lama
from occface_paper.inpainting.network import Generator, GeneratorSize
from occface_paper.inpainting.stage import LandmarkGAN
from occface_paper.training import export_half

TINY = GeneratorSize(size=32, width=4, depth=2, blocks=1, components=3, refine=4)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = Generator(TINY)
    torch.nn.init.normal_(network.out.weight, std=0.1)
    network.prior.mean_shape.uniform_(0.2, 0.8)
    folder = tmp_path_factory.mktemp("weights")
    export_half(folder / "landmark_gan.safetensors", network.state_dict(), {"generator": TINY.to_json()})
    return folder


@pytest.fixture
def stage(weights: Path) -> LandmarkGAN:
    stage = LandmarkGAN(weights=str(weights))
    stage.setup("cpu")
    return stage


def faces(count: int, size: int, alpha: float = 1.0) -> tuple[torch.Tensor, Matte, Landmarks]:
    torch.manual_seed(1)
    image = torch.rand(count, 3, size, size)
    cover = torch.zeros(count, 1, size, size)
    cover[..., size // 4 : size // 2, size // 4 : size // 2] = alpha
    points = size * (0.2 + 0.6 * torch.rand(count, 68, 2))
    face = torch.ones_like(cover)
    return image, Matte(alpha=cover, face=face), Landmarks(points=points)


@pytest.mark.parametrize("size", [64, 48, 100])
@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_pixels_outside_the_matte_are_bit_identical(stage: LandmarkGAN, size: int, alpha: float):
    image, matte, landmarks = faces(2, size, alpha)
    before = image.clone()
    found = stage.run(image, matte, landmarks)
    outside = (matte.alpha == 0).expand_as(image)
    assert torch.equal(found[outside], image[outside]) and torch.equal(image, before)
    assert not torch.equal(found[~outside], image[~outside])
    assert found.shape == image.shape and found.min() >= 0 and found.max() <= 1


def test_an_empty_matte_changes_nothing_and_a_full_one_is_survived(stage: LandmarkGAN):
    image, matte, landmarks = faces(2, 64)
    empty = Matte(alpha=torch.zeros_like(matte.alpha), face=matte.face)
    assert torch.equal(stage.run(image, empty, landmarks), image)
    full = Matte(alpha=torch.ones_like(matte.alpha), face=matte.face)
    assert bool(stage.run(image, full, landmarks).isfinite().all())


def test_no_faces(stage: LandmarkGAN):
    image, matte, landmarks = faces(0, 64)
    assert stage.run(image, matte, landmarks).shape == (0, 3, 64, 64)


def test_each_face_is_completed_as_if_it_were_alone(stage: LandmarkGAN):
    image, matte, landmarks = faces(3, 64)
    matte.alpha[1] = 0
    together = stage.run(image, matte, landmarks)
    assert torch.equal(together[1], image[1])
    alone = stage.run(
        image[2:], Matte(alpha=matte.alpha[2:], face=matte.face[2:]), Landmarks(points=landmarks.points[2:])
    )
    assert torch.allclose(together[2:], alone, atol=1e-5)


def test_what_the_occluder_looks_like_does_not_matter(stage: LandmarkGAN):
    image, matte, landmarks = faces(1, 64)
    other = torch.where(matte.alpha > 0, torch.rand_like(image), image)
    assert torch.allclose(stage.run(image, matte, landmarks), stage.run(other, matte, landmarks), atol=1e-6)


def test_without_guidance_the_landmarks_do_not_matter(stage: LandmarkGAN, weights: Path):
    image, matte, landmarks = faces(1, 64)
    moved = Landmarks(points=landmarks.points.flip(1))
    blind = LandmarkGAN(weights=str(weights), guided=False)
    blind.setup("cpu")
    assert torch.equal(blind.run(image, matte, landmarks), blind.run(image, matte, moved))
    assert not torch.equal(stage.run(image, matte, landmarks), stage.run(image, matte, moved))


def test_points_in_one_place_are_survived(stage: LandmarkGAN):
    image, matte, _ = faces(1, 64)
    found = stage.run(image, matte, Landmarks(points=torch.full((1, 68, 2), 20.0)))
    assert bool(found.isfinite().all())


def test_errors_say_how_to_mend(tmp_path: Path):
    image, matte, landmarks = faces(1, 64)
    with pytest.raises(StageError, match="setup"):
        LandmarkGAN().run(image, matte, landmarks)
    with pytest.raises(WeightsMissing, match="landmark_gan"):
        LandmarkGAN(weights=str(tmp_path)).setup("cpu")
    for margin in (-1, "wide"):
        with pytest.raises(ValueError, match=""):
            LandmarkGAN(margin=margin)


class _Grey(torch.nn.Module):
    def forward(self, image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        return 0.5 * torch.ones_like(image) + 0.0 * hole


def test_a_users_torchscript_file(tmp_path: Path):
    path = tmp_path / "grey.pt"
    torch.jit.script(_Grey()).save(str(path))
    stage = Lama(path=str(path))
    stage.setup("cpu")
    image, matte, landmarks = faces(2, 50)
    found = stage.run(image, matte, landmarks)
    hidden = (matte.alpha > 0).expand_as(image)
    assert bool((found[hidden] == 0.5).all()) and torch.equal(found[~hidden], image[~hidden])
    assert stage.weights_sha256()


def test_lama_says_where_to_give_the_file(tmp_path: Path):
    with pytest.raises(WeightsMissing, match="option path"):
        Lama().setup("cpu")
    with pytest.raises(WeightsMissing, match="there is no file"):
        Lama(path=str(tmp_path / "none.pt")).setup("cpu")
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"x" * 100)
    with pytest.raises(WeightsMissing, match="not a TorchScript file"):
        Lama(path=str(broken)).setup("cpu")
