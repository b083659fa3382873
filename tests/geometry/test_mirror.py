from __future__ import annotations

import pytest
import torch

from occface_core.facemodel import FaceModel
from occface_core.geometry.camera import intrinsics, rotation_from_angles
from occface_core.geometry.detail_maps import displacement_map
from occface_core.geometry.mirror import mirror_places
from occface_core.provenance import provenance
from occface_core.types import FaceDetail, FaceShape, Matte


def shapes(*yaws: float) -> FaceShape:
    """Mean faces that are turned so far."""
    count, model = len(yaws), FaceModel.embedded()
    sizes = {"identity": 80, "expression": 51, "albedo": 40, "illumination": 27}
    angles = torch.tensor([[0.0, yaw, 0.0] for yaw in yaws]).reshape(count, 3)
    return FaceShape(
        vertices=model.tensor("mean").expand(count, -1, -1),
        coefficients={name: torch.zeros(count, size) for name, size in sizes.items()},
        rotation=rotation_from_angles(angles),
        translation=torch.tensor([0.0, 0.0, 1000.0]).expand(count, 3),
        intrinsics=intrinsics(256).expand(count, 3, 3),
        model=model,
    )


def empty_matte(count: int) -> Matte:
    return Matte(alpha=torch.zeros(count, 1, 256, 256), face=torch.ones(count, 1, 256, 256))


@pytest.mark.parametrize("size", [128, 256])
def test_a_frontal_face_is_reflected(size):
    there, seen = mirror_places(shapes(0.0), size)
    sure = seen[0, 0] > 0.99
    assert sure.sum() > 10000 * (size / 256) ** 2
    across = there[0, ..., 0] + torch.arange(float(size)) - (size - 1)
    down = there[0, ..., 1] - torch.arange(float(size))[:, None]
    assert across[sure].abs().quantile(0.99) < 1.5
    assert down[sure].abs().quantile(0.99) < 1.5


def test_the_mirror_image_of_a_profile_is_out_of_sight():
    _, seen = mirror_places(shapes(1.4), 128)
    assert seen.sum() < 0.1 * mirror_places(shapes(0.0), 128)[1].sum()


@pytest.mark.parametrize("yaw", [0.6, 0.9, -0.9])
def test_both_sides_of_a_texture_seam_rest_on_the_same(yaw):
    """Vertices that a seam doubles lie at one place: what is known of one is known of the other."""
    weld = FaceModel.embedded().tensor("weld")
    codes = provenance(shapes(yaw), empty_matte(1))[0]
    assert torch.equal(codes, codes[weld])


def test_no_faces_give_nothing():
    none = shapes()
    detail = FaceDetail(bump=torch.zeros(0, 1, 256, 256), shape=none)
    assert displacement_map(detail, 32).shape == (0, 1, 32, 32)
    assert provenance(none, empty_matte(0)).shape == (0, len(none.model.mean))
    assert mirror_places(none, 32)[1].shape == (0, 1, 32, 32)
