"""Creases: how much light they keep out, against closed forms; where the folds of a face lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from occface_core.facemodel import FaceModel
from occface_core.synthetic import SynthOptions, generate, render
from occface_core.synthetic.creases import closedness, shaded
from occface_core.synthetic.folds import FOLDS, crease, near_curve, smooth
from occface_core.synthetic.seeds import sample_generator
from occface_core.synthetic.wrinkles import KINDS, SMOOTH, VARIANTS, basis, positions, wrinkle_gains


def test_a_plane_and_a_ridge_keep_no_light_from_themselves():
    across = torch.arange(64.0).expand(1, 64, 64)
    assert closedness(0.3 * across, 1.0)[:, 10:-10, 10:-10].abs().max() < 1e-6
    ridge = -(across - 32).abs()
    assert closedness(ridge, 1.0)[:, 10:-10, 32].abs().max() < 1e-6


@pytest.mark.parametrize("slope", [0.25, 1.0])
def test_a_straight_groove_keeps_out_what_its_walls_cover(slope):
    """Of 8 ways from the bottom of a V, 2 climb it straight, 4 aslant, 2 run along it: sin² of each one's angle."""
    groove = slope * (torch.arange(64.0) - 32).abs().expand(1, 64, 64)
    straight, aslant = slope, slope / np.sqrt(2)
    share = [n * s * s / (1 + s * s) / 8 for n, s in ((2, straight), (4, aslant))]
    assert float(closedness(groove, 1.0)[0, 30, 32]) == pytest.approx(sum(share), abs=1e-6)
    wider = closedness(groove, 2.0)[0, 30, 32]  # texels twice as wide: half the slope
    assert float(wider) < 0.5 * sum(share)


def test_heights_far_apart_do_not_shade_each_other():
    heights = torch.zeros(2, 80, 80)
    heights[0, 20:24, 20:24] = 1
    heights[1, 60, 60] = -1
    both = closedness(heights, 1.0)
    assert both[1, 60, 60] > 0.2 and both[0, 40:, 40:].abs().max() == 0 and both[1, :50].abs().max() == 0
    assert torch.equal(both[:1], closedness(heights[:1], 1.0))


def test_light_that_bounces_in_a_crease_is_a_geometric_series():
    closed, colour = 0.4, torch.tensor([0.0, 0.5, 1.0])
    summed = sum((1 - closed) * (closed * colour) ** k for k in range(200))
    assert torch.allclose(shaded(torch.tensor(closed), colour), summed, atol=1e-5)


def test_a_crease_is_a_dip_between_banks():
    away = np.linspace(-12, 12, 241)
    height = crease(away, 1.0)
    assert height.argmin() == 120 and height.min() == pytest.approx(-np.exp(-0.3), abs=0.02)
    assert 0.1 < height.max() < 0.5 and abs(height[0]) < 0.01
    np.testing.assert_allclose(height, height[::-1], atol=1e-12)


def test_distance_place_and_side_of_a_polyline():
    x, y = np.array([0.0, 3.0, -2.0, 10.0]), np.array([5.0, 2.0, 8.0, 13.0])
    away, place, right = near_curve(x, y, np.array([[0.0, 0.0], [0.0, 10.0]]))
    np.testing.assert_allclose(away, [0, 3, 2, np.hypot(10, 3)])
    np.testing.assert_allclose(place, [0.5, 0.2, 0.8, 1.0])
    np.testing.assert_allclose(right, [0, 3, -2, 10])


def test_a_smooth_curve_keeps_its_ends_and_a_straight_line():
    line = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]])
    curve = smooth(line, 4)
    np.testing.assert_allclose(curve, np.linspace([0, 0], [2, 4], 5), atol=1e-12)


WHERE = {
    "forehead": (19, 24), "frown": (21, 22), "crows_feet": (36, 45), "nasolabial": (31, 54), "marionette": (48, 54),
    "under_eye": (40, 47), "eye_bag": (40, 47), "lid": (37, 44), "chin": (8, 57), "cheek": (48, 54),
    "lip_lines": (51, 33),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOLDS)
def test_folds_lie_near_the_landmarks_they_are_named_after(kind):
    """The strongest heights of a unit drawing are some tenths of a mm to 2 mm, within 5 cm of those landmarks."""
    model = FaceModel.embedded()
    points = model.mean[model.landmarks68]
    side = np.linspace(-90, 90, 181)
    x, y = (part.ravel() for part in np.meshgrid(side, side))
    for variant in range(VARIANTS):
        height = FOLDS[kind](x, y, points, sample_generator(7, variant, kind))
        assert np.isfinite(height).all() and 0.3 < np.abs(height).max() < 2.5
        strong = np.abs(height) > 0.3 * np.abs(height).max()
        away = [np.hypot(x[strong] - points[k, 0], y[strong] - points[k, 1]) for k in WHERE[kind]]
        assert np.minimum(*away).max() < (75 if kind == "forehead" else 50)


def test_unit_maps_cover_the_skin_alone():
    model = FaceModel.embedded()
    maps, skin = basis(model), positions(model)[1]
    assert maps.shape[:2] == (len(KINDS), VARIANTS) and maps.dtype == np.float32
    assert (maps[:, :, skin == 0] == 0).all()
    assert all(np.abs(maps[k]).max() > 0.2 for k in range(len(KINDS)))


def test_age_and_a_smile_deepen_folds():
    def mean(age, **expression):
        drawn = [wrinkle_gains(np.random.default_rng(k), age, expression)[0] for k in range(20)]
        return dict(zip(KINDS, np.mean(drawn, axis=0), strict=True))

    young, old, smiling = mean(0.1), mean(0.9), mean(0.1, mouthSmileLeft=0.9)
    assert all(old[kind] > young[kind] for kind in FOLDS if kind != "lid")
    assert smiling["nasolabial"] > 1.5 * young["nasolabial"] and smiling["forehead"] == pytest.approx(
        young["forehead"]
    )


def test_some_faces_have_no_lines():
    fold, lid = KINDS.index("nasolabial"), KINDS.index("lid")
    drawn = np.array([wrinkle_gains(np.random.default_rng(k), 1.0, {})[0] for k in range(600)])
    faint = drawn[:, fold] < 0.25 * 1.4 * 2.5  # a quarter of the deepest
    assert np.mean(faint) == pytest.approx(SMOOTH, abs=0.08) and (drawn[:, lid] > 0.2).all()


def test_creases_are_darker_in_the_picture_and_nothing_is_brighter(monkeypatch):
    """The same face with and without the light that its creases keep out; red is dimmed least, for it bounces most."""
    options = SynthOptions(occluders=(), degrade=0, hard_light=0, yaw=0.3)
    face = generate(51, 1, options)
    monkeypatch.setattr(render, "closedness", torch.zeros_like)
    open_face = generate(51, 1, options)
    ratio = face.clean / np.maximum(open_face.clean, 0.05)
    deep = ratio.mean(0) < np.quantile(ratio.mean(0)[face.bump != 0], 0.02)
    assert ratio[:, deep].mean() < 0.97 and ratio.max() < 1.001
    assert ratio[0, deep].mean() > ratio[2, deep].mean()
    assert (ratio[:, np.isnan(face.depth)] > 0.99).mean() > 0.999
    assert np.array_equal(face.bump, open_face.bump)
