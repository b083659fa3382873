from __future__ import annotations

import drawn_face
import numpy as np
import pytest
import torch

from occface_classic.inpainting.mirror import MIRROR_68, mirror_map
from occface_classic.inpainting.navier_stokes import NavierStokes
from occface_classic.inpainting.poisson import poisson_fill
from occface_classic.inpainting.symmetry import Symmetry
from occface_classic.inpainting.telea import Telea
from occface_core.types import Landmarks, Matte

LANDMARKS = Landmarks(points=drawn_face.points())
CHEEK = drawn_face.polygon([(-70, -10), (-25, -10), (-25, 45), (-60, 45)])


@pytest.mark.parametrize("stage", [Telea(), NavierStokes(), Symmetry()])
def test_one_colour_stays_one_colour(stage) -> None:
    image = torch.full((1, 3, 256, 256), 0.6)
    occluded = drawn_face.paint(image, CHEEK, (0.0, 0.0, 1.0))
    filled = stage.run(occluded, Matte(alpha=CHEEK), LANDMARKS)
    assert (filled - 0.6).abs().max() < 5 / 255  # OpenCV works in 8 bits and rounds at every step


@pytest.mark.parametrize("stage", [Telea(), NavierStokes(), Symmetry()])
def test_pixels_outside_the_matte_are_the_same_bits(stage) -> None:
    image = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    alpha = torch.cat([CHEEK * 0.3, CHEEK])
    landmarks = Landmarks(points=drawn_face.points().repeat(2, 1, 1))
    filled = stage.run(image, Matte(alpha=alpha), landmarks)
    outside = (alpha == 0).expand_as(image)
    assert torch.equal(filled[outside], image[outside])
    assert not torch.equal(filled, image)


@pytest.mark.parametrize("stage", [Telea(), NavierStokes(), Symmetry()])
def test_background_does_not_run_into_the_face(stage) -> None:
    """A hole that reaches the outline is filled with skin, not with the blue behind the head."""
    from occface_core.face_region import face_region

    points = drawn_face.points()
    face = face_region(points, 256)
    image = (
        face * torch.tensor([0.8, 0.6, 0.5])[None, :, None, None]
        + (1 - face) * torch.tensor([0.0, 0.2, 1.0])[None, :, None, None]
    )
    hole = drawn_face.polygon([(-60, 20), (60, 20), (60, 110), (-60, 110)]) * (face > 0.5)
    filled = stage.run(
        drawn_face.paint(image, hole, (0.0, 0.0, 0.0)), Matte(alpha=hole), Landmarks(points=points)
    )
    inner = drawn_face.polygon([(-30, 30), (30, 30), (30, 75), (-30, 75)]) > 0
    found = filled[0][:, inner[0, 0]].mean(1)
    assert torch.allclose(found, torch.tensor([0.8, 0.6, 0.5]), atol=0.05)


def test_hidden_half_of_a_symmetric_face_comes_back() -> None:
    drawn = drawn_face.picture()
    image = (drawn + drawn.flip(3)) / 2
    side = drawn_face.polygon([(-70, -60), (-8, -60), (-8, 15), (-70, 15)])
    occluded = drawn_face.paint(image, side, (0.1, 0.3, 0.9))
    hidden = side.expand_as(image) > 0

    def error(stage) -> float:
        filled = stage.run(occluded, Matte(alpha=side), LANDMARKS)
        return float(((filled - image)[hidden] ** 2).mean().sqrt())

    assert error(Symmetry()) < 0.03
    assert error(Symmetry()) < 0.4 * error(Telea())


def test_light_from_one_side_stays_there() -> None:
    """Gradients are copied, not colours: the bright half does not brighten the dark one."""
    ramp = torch.linspace(0.5, 1.0, 256)[None, None, None]
    image = drawn_face.picture() * ramp
    filled = Symmetry().run(drawn_face.paint(image, CHEEK, (0, 0, 1.0)), Matte(alpha=CHEEK), LANDMARKS)
    inside = CHEEK.expand_as(image) > 0
    copied = image.flip(3)
    assert (filled - image)[inside].abs().mean() < 0.3 * (copied - image)[inside].abs().mean()


def test_mirror_of_a_symmetric_face_is_the_reflection() -> None:
    found = mirror_map(drawn_face.points()[0].double().numpy(), 256, smoothing=0.0)
    columns, rows = np.meshgrid(np.arange(256), np.arange(256))
    face = slice(60, 200)
    assert np.abs(found[face, face, 0] - (255 - columns)[face, face]).max() < 0.1
    assert np.abs(found[face, face, 1] - rows[face, face]).max() < 0.1


def test_mirror_pairs_are_an_involution_over_the_middle() -> None:
    assert (MIRROR_68[MIRROR_68] == np.arange(68)).all()
    p = drawn_face.points()[0].numpy()
    reflected = p[MIRROR_68]
    assert np.allclose(255 - p[:, 0], reflected[:, 0], atol=1e-3)
    assert np.allclose(p[:, 1], reflected[:, 1], atol=1e-3)


def test_poisson_with_its_own_gradients_restores_the_picture() -> None:
    rng = np.random.default_rng(1)
    image = rng.uniform(0.2, 0.8, (24, 24, 3)).astype(np.float32)
    hole = np.zeros((24, 24), bool)
    hole[5:15, 8:20] = True
    found = poisson_fill(image, hole, image + 0.1, np.ones_like(hole))
    assert np.abs(found - image).max() < 1e-4


def test_poisson_without_gradients_is_harmonic() -> None:
    """A plane is harmonic, so the membrane over a hole in it is the plane again."""
    rows, columns = np.indices((20, 20))
    image = np.repeat((0.2 + 0.02 * rows + 0.01 * columns)[..., None], 3, 2).astype(np.float32)
    hole = np.zeros((20, 20), bool)
    hole[4:16, 6:14] = True
    found = poisson_fill(np.where(hole[..., None], 0, image), hole, np.zeros_like(image), np.ones_like(hole))
    assert np.abs(found - image).max() < 1e-4


def test_poisson_ignores_what_is_not_usable() -> None:
    """With only the left border usable and no gradients, the left colour fills the hole."""
    image = np.zeros((10, 10, 3), np.float32)
    image[:, :3] = 0.7
    hole = np.zeros((10, 10), bool)
    hole[:, 3:7] = True
    usable = np.zeros((10, 10), bool)
    usable[:, :3] = True
    found = poisson_fill(image, hole, np.zeros_like(image), usable)
    assert np.abs(found[hole] - 0.7).max() < 1e-3


@pytest.mark.parametrize("stage", [Telea, NavierStokes, Symmetry])
def test_wrong_options_are_refused(stage) -> None:
    with pytest.raises(ValueError):
        stage(radius=0)
    with pytest.raises(ValueError):
        stage(margin=-1)
