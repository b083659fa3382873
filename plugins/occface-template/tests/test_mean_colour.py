"""The plugin does what it says, on cases small enough to work out by hand."""

import pytest
import torch

from occface_core import Landmarks, Matte, Registry
from occface_template.mean_colour import MeanColour

POINTS = Landmarks(points=torch.zeros(1, 68, 2))


def square_hole(size=16):
    alpha = torch.zeros(1, 1, size, size)
    alpha[..., 6:10, 6:10] = 1
    return Matte(alpha=alpha)


def test_a_hole_in_one_colour_takes_that_colour():
    image = torch.full((1, 3, 16, 16), 0.25)
    image[..., 6:10, 6:10] = 1.0
    filled = MeanColour().run(image, square_hole(), POINTS)
    torch.testing.assert_close(filled, torch.full((1, 3, 16, 16), 0.25))


def test_only_the_band_counts():
    image = torch.zeros(1, 3, 16, 16)
    image[..., 5:11, 5:11] = 0.5  # one pixel about the hole
    filled = MeanColour(width=1).run(image, square_hole(), POINTS)
    assert filled[0, 0, 8, 8] == pytest.approx(0.5)


def test_it_is_found_by_its_name():
    entry = Registry().entry("face_inpainter", "mean_colour")
    assert entry.distribution == "occface-template"
    assert Registry().get("face_inpainter", "mean_colour") is MeanColour


def test_a_band_of_no_width_is_refused():
    with pytest.raises(ValueError, match="width"):
        MeanColour(width=0)
