"""The plugin keeps every promise of its stage."""

from occface_core.testing import parametrize_checks
from occface_template.mean_colour import MeanColour


@parametrize_checks(MeanColour)
def test_conformance(check):
    check()
