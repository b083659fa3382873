"""Every stage of this distribution keeps every promise of its interface."""

from __future__ import annotations

import pytest

from occface_classic.detail.shape_from_shading import ShapeFromShading
from occface_classic.detail.soft_symmetry import SoftSymmetry
from occface_classic.inpainting.navier_stokes import NavierStokes
from occface_classic.inpainting.symmetry import Symmetry
from occface_classic.inpainting.telea import Telea
from occface_classic.matting.grabcut import GrabCut
from occface_classic.matting.landmark_hull import LandmarkHull
from occface_classic.shape.landmark_fit import LandmarkFit
from occface_classic.shape.mean import MeanShape
from occface_classic.shape.photometric_fit import PhotometricFit
from occface_core import Registry
from occface_core.testing import parametrize_checks


@parametrize_checks(LandmarkHull)
def test_landmark_hull(check) -> None:
    check()


@parametrize_checks(GrabCut)
def test_grabcut(check) -> None:
    check()


@parametrize_checks(Telea)
def test_telea(check) -> None:
    check()


@parametrize_checks(NavierStokes)
def test_navier_stokes(check) -> None:
    check()


@parametrize_checks(Symmetry)
def test_symmetry(check) -> None:
    check()


@parametrize_checks(LandmarkFit)
def test_landmark_fit(check) -> None:
    check()


@parametrize_checks(PhotometricFit)
def test_photometric_fit(check) -> None:
    check()


@parametrize_checks(MeanShape)
def test_mean(check) -> None:
    check()


@parametrize_checks(ShapeFromShading)
def test_shape_from_shading(check) -> None:
    check()


@parametrize_checks(SoftSymmetry)
def test_soft_symmetry(check) -> None:
    check()


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        ("occlusion_matting", "landmark_hull"),
        ("occlusion_matting", "grabcut"),
        ("face_inpainter", "telea"),
        ("face_inpainter", "navier_stokes"),
        ("face_inpainter", "symmetry"),
        ("shape_regressor", "landmark_fit"),
        ("shape_regressor", "mean"),
        ("detail_recoverer", "shape_from_shading"),
        ("detail_recoverer", "soft_symmetry"),
    ],
)
def test_found_by_name(stage: str, name: str) -> None:
    assert Registry().entry(stage, name).distribution == "occface-classic"
    assert Registry().get(stage, name).stage == stage
