from __future__ import annotations

import numpy as np
import pytest
import torch

from occface_core.errors import RecordError
from occface_core.face_region import PARTS, face_halves, face_parts, face_region


def upright_face(size: int = 256, scale: float = 1.0) -> torch.Tensor:
    """A drawn 68-point face, symmetric about the middle column; written by hand."""
    jaw = [(-80 * np.cos(a), 10 + 85 * np.sin(a)) for a in np.linspace(0, np.pi, 17)]
    right_brow = [(x, -48 - 8 * np.sin((x + 65) / 45 * np.pi)) for x in np.linspace(-65, -20, 5)]
    left_brow = [(-x, y) for x, y in right_brow[::-1]]
    nose = [(0, -30), (0, -15), (0, 0), (0, 14), (-14, 24), (-7, 27), (0, 29), (7, 27), (14, 24)]
    right_eye = [(-52, -28), (-42, -34), (-30, -34), (-20, -27), (-30, -23), (-42, -23)]
    left_eye = [(-x, y) for x, y in (right_eye[i] for i in (3, 2, 1, 0, 5, 4))]
    outer = [(26 * np.cos(a), 52 + 11 * np.sin(a)) for a in np.pi + np.arange(12) * np.pi / 6]
    inner = [(20 * np.cos(a), 52 + 3 * np.sin(a)) for a in np.pi + np.arange(8) * np.pi / 4]
    points = np.array(jaw + right_brow + left_brow + nose + right_eye + left_eye + outer + inner)
    return torch.tensor(points * scale * size / 256 + (size - 1) / 2, dtype=torch.float32)[None]


def test_region_holds_every_landmark_and_a_forehead() -> None:
    points = upright_face()
    region = face_region(points, 256)
    assert region.shape == (1, 1, 256, 256)
    assert region.min() == 0 and region.max() == 1
    rows, columns = points[0, 17:].round().long().flip(1).unbind(1)
    assert (region[0, 0, rows, columns] > 0.99).all()
    brow_row = int(points[0, 17:27, 1].min())
    assert region[0, 0, brow_row - 30, 127] == 1
    assert region[0, 0, 0].sum() == 0


def test_area_is_the_polygons_area() -> None:
    """The drawn area of a region scales with the square of the scale, up to its one-pixel border."""
    small = face_region(upright_face(scale=0.5), 256).sum()
    large = face_region(upright_face(scale=1.0), 256).sum()
    assert float(large / small) == pytest.approx(4, rel=0.03)


def test_symmetric_face_has_symmetric_regions_and_left_is_the_persons() -> None:
    parts = face_parts(upright_face(), 256)
    assert set(parts) == set(PARTS)
    for name in ("nose", "mouth", "jaw", "forehead"):
        assert (parts[name] - parts[name].flip(3)).abs().mean() < 2e-3, name
    for side in ("brow", "eye", "cheek"):
        difference = parts[f"left_{side}"] - parts[f"right_{side}"].flip(3)
        assert difference.abs().mean() < 2e-3, side
        columns = torch.arange(256.0)
        centre = (parts[f"left_{side}"].sum((0, 1, 2)) * columns).sum() / parts[f"left_{side}"].sum()
        assert centre > 128, "the person's left is on the viewer's right"


def test_parts_are_disjoint_and_cover_the_region() -> None:
    points = upright_face()
    region = face_region(points, 256)
    total = torch.stack(list(face_parts(points, 256).values())).sum(0)
    assert (total - region).max() < 0.51
    assert (region - total).clamp_min(0).sum() / region.sum() < 0.02


def test_halves_are_the_persons_and_make_up_the_region() -> None:
    points = upright_face()
    halves, region = face_halves(points, 256), face_region(points, 256)
    torch.testing.assert_close(halves["right_half"] + halves["left_half"], region)
    areas = [float(halves[name].sum()) for name in ("right_half", "left_half")]
    assert areas[0] == pytest.approx(areas[1], rel=0.03)
    columns = torch.arange(256.0)
    middles = [float((half[0, 0] * columns).sum() / half.sum()) for half in halves.values()]
    assert middles[0] < middles[1]  # the person's right is the viewer's left
    turned = points @ torch.tensor([[0.0, 1.0], [-1.0, 0.0]]) + torch.tensor([255.0, 0.0])  # by a quarter
    for name, half in face_halves(turned, 256).items():
        assert float(half.sum()) == pytest.approx(float(halves[name].sum()), rel=0.03)


@pytest.mark.parametrize("size", [1, 17, 64, 256, 300])
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_any_size_and_batch(size: int, batch: int) -> None:
    points = upright_face(size).expand(batch, 68, 2)
    assert face_region(points, size).shape == (batch, 1, size, size)
    assert all(part.shape == (batch, 1, size, size) for part in face_parts(points, size).values())


def test_degenerate_and_far_points_do_not_fail() -> None:
    wild = torch.stack([torch.zeros(68, 2), torch.full((68, 2), 1e9), torch.full((68, 2), torch.nan)])
    region = face_region(wild, 64)
    assert torch.isfinite(region).all()


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(RecordError, match="68"):
        face_region(torch.zeros(1, 5, 2), 64)
    with pytest.raises(RecordError, match="size"):
        face_parts(torch.zeros(1, 68, 2), 0)
