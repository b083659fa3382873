"""Fits to colours: what is believed holds where nothing is seen, and true colours are met."""

from __future__ import annotations

import attrs
import numpy as np
import torch

from occface_core.facemodel import FaceModel
from occface_core.fitting.analysis import Analysis, Belief, away, calm
from occface_core.fitting.colour_term import ColourTerm, View
from occface_core.geometry.camera import intrinsics
from occface_core.geometry.resample import sample_points
from occface_core.synthetic import SynthOptions, generate

MODEL = FaceModel.embedded()
TERM = ColourTerm.of(MODEL, 500)


def drawn() -> tuple[View, torch.Tensor]:
    face = generate(5, 1, SynthOptions(yaw=0.4, occluded=0.0, distance=(1000, 1000)))
    shape = np.concatenate((face.coefficients["identity"], face.coefficients["expression"]))
    view = View(
        rotation=torch.as_tensor(face.rotation).float(),
        translation=torch.as_tensor(face.translation).float(),
        shape=torch.as_tensor(shape).float(),
        albedo=torch.as_tensor(face.coefficients["albedo"]).float(),
        light=torch.as_tensor(face.coefficients["illumination"]).float(),
    )
    return view, torch.as_tensor(face.clean)[None].float()


def belief(view: View, precision: float) -> Belief:
    count = len(view.shape)
    return Belief(
        view=view,
        precision=torch.full((6 + count + len(view.albedo),), precision).double(),
        lower=torch.full((count,), -4.0).double(),
        upper=torch.full((count,), 4.0).double(),
        free=torch.ones(count).double(),
    )


def no_points(view: View) -> tuple[torch.Tensor, torch.Tensor]:
    size = 6 + len(view.shape)
    return torch.zeros(size, size).double(), torch.zeros(size).double()


def fitted(picture: torch.Tensor, start: View, held: Belief, trust: torch.Tensor, steps: int = 4) -> View:
    analysis = Analysis(model=MODEL, term=TERM, steps=steps, share=4.0)
    return analysis.fit(picture, start, held, trust, intrinsics(256).float(), no_points)


def test_where_nothing_is_seen_the_belief_holds() -> None:
    view, picture = drawn()
    start = attrs.evolve(view, shape=view.shape + 0.3, albedo=view.albedo - 0.2)
    found = fitted(picture, start, belief(view, 1.0), torch.zeros(len(TERM.middle)))
    assert float(away(found, view).abs().max()) < 1e-3


def test_a_sure_belief_is_not_moved_and_an_unsure_one_is() -> None:
    view, picture = drawn()
    wrong = attrs.evolve(view, shape=0 * view.shape)
    moved = []
    for precision in (1e8, 1.0):
        found = fitted(picture, wrong, belief(wrong, precision), torch.ones(len(TERM.middle)))
        moved.append(float(found.shape.norm()))
    assert moved[0] < 1e-2 and moved[1] > 0.3


def test_bounds_are_kept() -> None:
    view, picture = drawn()
    held = attrs.evolve(belief(view, 0.1), lower=view.shape.double() - 0.05, upper=view.shape.double() + 0.05)
    found = fitted(1 - picture, view, held, torch.ones(len(TERM.middle)))
    assert float((found.shape - view.shape).abs().max()) <= 0.05 + 1e-5


def test_what_is_hidden_counts_the_least() -> None:
    assert (calm(TERM, MODEL, None) == 1).all()
    torch.testing.assert_close(calm(TERM, MODEL, torch.zeros(68), 0.1), torch.full((len(TERM.middle),), 0.1))


def test_samples_at_pixels_are_the_pixels() -> None:
    picture = torch.rand(1, 2, 8, 8)
    places = torch.tensor([[[3.0, 5.0], [0.0, 0.0], [-4.0, 7.0], [2.5, 1.0]]])
    values = sample_points(picture, places)[0]
    torch.testing.assert_close(values[0], picture[0, :, 5, 3])
    torch.testing.assert_close(values[2], picture[0, :, 7, 0])
    torch.testing.assert_close(values[3], (picture[0, :, 1, 2] + picture[0, :, 1, 3]) / 2)
    assert torch.equal(sample_points(picture, places, "nearest")[0, 1], picture[0, :, 0, 0])
