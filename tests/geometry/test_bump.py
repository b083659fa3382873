from __future__ import annotations

import pytest
import torch

from occface_core.errors import RecordError
from occface_core.geometry import bump as b
from occface_core.geometry.camera import intrinsics, pixel_grid, rays, unproject

F64 = torch.float64


def test_encoding_by_hand():
    got = b.encode(torch.tensor([0.0, 1.0, -1.0, 12.5, 100, -100]))
    assert got.tolist() == pytest.approx([127, 136.6, 117.4, 247, 255, 0])


def test_a_level_is_the_published_step():
    assert float(b.decode(torch.tensor(128.0))) == pytest.approx(1.25 / 12)


def test_decode_inverts_encode_in_its_range():
    bump = torch.linspace(-13.2, 13.3, 99, dtype=F64)
    assert torch.allclose(b.decode(b.encode(bump)), bump)


def test_depth_moves_along_the_line_of_sight():
    """The moved point lies on the same ray, nearer to the camera by exactly the bump."""
    k = intrinsics(32).double()
    depth = 950 + 100 * torch.rand(2, 1, 32, 32, dtype=F64, generator=torch.manual_seed(0))
    bump = torch.randn(2, 1, 32, 32, dtype=F64, generator=torch.manual_seed(1))
    moved = b.detailed_depth(depth, bump, k)
    pixels = pixel_grid(32, 32, k)[None]
    before, after = (unproject(pixels, d.flatten(1), k).norm(dim=-1) for d in (depth, moved))
    assert torch.allclose(before - after, bump.flatten(1), atol=1e-9)
    assert torch.allclose(b.bump_from_depths(depth, moved, k), bump, atol=1e-9)


def test_positive_is_towards_the_camera():
    depth = torch.full((1, 1, 8, 8), 1000.0)
    assert (b.detailed_depth(depth, torch.ones(1, 1, 8, 8), intrinsics(8)) < 1000).all()


def test_no_surface_stays_no_surface():
    depth = torch.full((1, 1, 8, 8), 1000.0)
    depth[..., 0] = torch.nan
    moved = b.detailed_depth(depth, torch.ones(1, 1, 8, 8), intrinsics(8))
    assert torch.equal(moved.isnan(), depth.isnan())
    assert (b.bump_from_depths(depth, moved, intrinsics(8))[..., 0] == 0).all()


def test_other_sizes_show_the_same_bump():
    """A linear bump in the picture's own coordinates is the same linear bump at twice the size."""
    x = (torch.arange(16, dtype=F64) + 0.5) / 16
    bump = x.expand(1, 1, 16, 16)
    depth = torch.full((1, 1, 32, 32), 1000.0, dtype=F64)
    k = intrinsics(32).double()
    raised = b.bump_from_depths(depth, b.detailed_depth(depth, bump, k), k)
    want = (torch.arange(32, dtype=F64) + 0.5) / 32
    assert torch.allclose(raised[0, 0, :, 1:-1], want[1:-1].expand(32, 30), atol=1e-9)


def test_ray_lengths_are_those_of_the_rays():
    k = intrinsics(16).double()
    want = rays(pixel_grid(16, 16, k), k).norm(dim=-1).reshape(1, 1, 16, 16)
    assert torch.allclose(b.ray_lengths(k, 16, 16), want)


def test_wrong_shape_is_named():
    with pytest.raises(RecordError, match=r"\(B, 1, H, W\)"):
        b.detailed_depth(torch.zeros(1, 8, 8), torch.zeros(1, 1, 8, 8), intrinsics(8))
    with pytest.raises(RecordError, match="shape of base"):
        b.bump_from_depths(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 4, 4), intrinsics(8))
