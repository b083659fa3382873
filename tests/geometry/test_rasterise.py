from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from occface_core.errors import RecordError
from occface_core.geometry.camera import intrinsics, pixel_grid, project, rays, unproject
from occface_core.geometry.fragments import Fragments
from occface_core.geometry.rasterise import interpolate, rasterise

ENGINES = ["numba", "torch"]
FLAT = torch.eye(3)  # with z = 1, camera coordinates are pixels


def flat(points):
    """Return (1, V, 3) vertices whose picture is at the given pixels."""
    return torch.tensor([[[x, y, 1.0] for x, y in points]], dtype=torch.float64)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_triangle_by_hand(engine):
    vertices = flat([(0.5, 0.5), (4.5, 0.5), (0.5, 4.5)])
    got = rasterise(vertices, FLAT, torch.tensor([[0, 1, 2]]), 6, 6, engine=engine)
    # pixel centres with x + y < 5 inside; those exactly on the slanted edge (x + y = 5) belong to a neighbour
    want = [[int(x >= 1 and y >= 1 and x + y < 5) for x in range(6)] for y in range(6)]
    assert got.mask[0].int().tolist() == want
    assert got.barycentric[0, 1, 2].tolist() == pytest.approx([0.5, 0.375, 0.125])
    assert got.barycentric[0, 0, 0].tolist() == [0, 0, 0]
    assert got.depth[0, 0, 0].isnan() and got.depth[0, 1, 1] == 1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(3))
def test_every_pixel_belongs_to_exactly_one_triangle(engine, seed):
    """A rectangle cut into triangles, many corners and edges exactly on pixel centres: no crack, no overlap."""
    from scipy.spatial import Delaunay

    rng = np.random.default_rng(seed)
    corners = np.array([[-1, -1], [24, -1], [-1, 24], [24, 24]])
    inner = rng.integers(0, 24, (40, 2)) + rng.choice([0, 0.5, 0.25, 1 / 3], (40, 2))
    points = np.concatenate((corners, inner))
    triangles = torch.tensor(Delaunay(points).simplices, dtype=torch.int64)
    flip = torch.tensor(rng.random(len(triangles)) < 0.5)
    triangles[flip] = triangles[flip].flip(1)  # either winding
    vertices = flat(points)
    count = torch.zeros(24, 24)
    for triangle in triangles:
        count += rasterise(vertices, FLAT, triangle[None], 24, 24, engine=engine).mask[0]
    assert (count == 1).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_sphere_has_the_depth_of_a_sphere(engine, ellipsoid, view):
    """Closed form: the ray through each pixel meets the ellipsoid that the mesh is inscribed in."""
    vertices, triangles = ellipsoid
    k = intrinsics(256).double()
    got = rasterise(view(vertices), k, triangles, 256, 256, engine=engine)
    ray = rays(pixel_grid(256, 256, k), k)
    inverse = torch.tensor([1 / 70, 1 / 95, 1 / 80], dtype=torch.float64)
    centre = torch.tensor([0.0, 0, 1000], dtype=torch.float64)
    a = ((ray * inverse) ** 2).sum(1)
    b = ((ray * inverse) * (centre * inverse)).sum(1)
    c = ((centre * inverse) ** 2).sum() - 1
    root = b * b - a * c
    want = torch.where(root > 0, (b - root.clamp_min(0).sqrt()) / a, torch.nan).reshape(256, 256)
    inside = (root > 0.02 * root.max()).reshape(256, 256)  # away from the outline
    assert got.mask[0][inside].all()
    assert not got.mask[0][want.isnan()].any()
    error = (got.depth[0] - want)[inside]
    assert error.min() > -0.01 and error.max() < 0.2  # chords lie behind the surface
    assert error.median() < 0.05


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_are_perspective_correct(engine, ellipsoid, view):
    """Interpolated positions must project to the very pixels, and lie at the depth drawn."""
    vertices, triangles = ellipsoid
    k = intrinsics(128).double()
    points = view(vertices, 0.2, 0.5, shift=(10, -20, 500.0))
    got = rasterise(points, k, triangles, 128, 128, engine=engine)
    position = interpolate(got, triangles, points)[0].flatten(1).T
    seen = got.mask[0].flatten()
    assert seen.any() and not seen.all()
    assert torch.allclose(got.barycentric.sum(-1).flatten()[seen], torch.ones(1, dtype=torch.float64))
    again = project(position[None], k)[0][seen]
    assert (again - pixel_grid(128, 128, k)[seen]).abs().max() < 5e-3
    assert torch.allclose(position[seen, 2], got.depth.flatten()[seen], atol=1e-6)
    assert (position[~seen] == 0).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_nearest_surface_is_seen_and_the_lower_row_of_equals(engine):
    square = torch.tensor([[-9.0, -9], [9, -9], [9, 9], [-9, 9]])
    vertices = torch.cat([torch.cat((square * z, torch.full((4, 1), z)), 1) for z in (3.0, 2.0, 2.0)])[None]
    quads = [[0, 1, 2], [0, 2, 3]]
    triangles = torch.tensor([[v + 4 * k for v in quad] for k in (0, 2, 1) for quad in quads])
    got = rasterise(vertices, FLAT, triangles, 5, 5, engine=engine)
    assert set(got.triangle.flatten().tolist()) <= {2, 3}
    assert (got.depth == 2).all()


def test_both_engines_agree_to_the_last_bit(head, view):
    vertices = torch.cat([view(head["mean"], p, y) for p, y in ((0, 0), (0.3, -0.8), (-0.4, 1.5))])
    one = rasterise(vertices, intrinsics(256), head["triangles"], 256, 240, engine="numba")
    other = rasterise(vertices, intrinsics(256), head["triangles"], 256, 240, engine="torch")
    assert torch.equal(one.triangle, other.triangle)
    assert torch.equal(one.barycentric, other.barycentric)
    assert torch.equal(one.depth.nan_to_num(), other.depth.nan_to_num())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_answers_as_the_cpu(head, view):
    vertices = view(head["mean"], 0.2, -0.6)
    one = rasterise(vertices, intrinsics(256), head["triangles"], 256, 256)
    other = rasterise(vertices.cuda(), intrinsics(256).cuda(), head["triangles"].cuda(), 256, 256)
    assert other.triangle.is_cuda
    assert (one.triangle != other.triangle.cpu()).float().mean() < 1e-4
    assert (one.depth - other.depth.cpu()).nan_to_num().abs().median() < 1e-4


@pytest.mark.parametrize("engine", ENGINES)
def test_each_item_of_a_batch_is_drawn_alone(engine, head, view):
    views = [view(head["mean"], 0, y) for y in (-0.5, 0.0, 0.9)]
    matrices = torch.stack(
        (intrinsics(96), intrinsics(96) * torch.tensor([[0.8], [0.8], [1]]), intrinsics(96))
    )
    together = rasterise(torch.cat(views), matrices, head["triangles"], 96, 96, engine=engine)
    for i, (vertices, matrix) in enumerate(zip(views, matrices, strict=True)):
        alone = rasterise(vertices, matrix, head["triangles"], 96, 96, engine=engine)
        assert torch.equal(alone.triangle[0], together.triangle[i])


@pytest.mark.parametrize("engine", ENGINES)
def test_surface_behind_the_camera_is_cut_off(engine):
    """An endless floor 50 mm below the camera, from behind it to far away: depth in closed form."""
    vertices = torch.tensor(
        [[[-9e4, 50, -500], [9e4, 50, -500], [9e4, 50, 9e4], [-9e4, 50, 9e4]]], dtype=torch.float64
    )
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]])
    k = intrinsics(64).double()
    got = rasterise(vertices, k, triangles, 64, 64, engine=engine)
    row = torch.arange(64, dtype=torch.float64)
    want = 50 * k[1, 1] / (row - k[1, 2])
    below = row > k[1, 2] + 1
    assert got.mask[0][below].all() and not got.mask[0][row < k[1, 2]].any()
    assert torch.allclose(got.depth[0][below], want[below, None].expand(-1, 64), rtol=1e-4)
    position = interpolate(got, triangles, vertices)[0].flatten(1).T
    again = project(position[None], k)[0].reshape(64, 64, 2)[below]
    assert (again - pixel_grid(64, 64, k).reshape(64, 64, 2)[below]).abs().max() < 0.02


@pytest.mark.parametrize("engine", ENGINES)
def test_near_plane_cuts_at_its_depth(engine, ellipsoid, view):
    vertices, triangles = ellipsoid
    k = intrinsics(128).double()
    got = rasterise(view(vertices), k, triangles, 128, 128, near=950.0, engine=engine)
    middle = got.depth[0, 62:66, 62:66]
    assert got.depth.nan_to_num(nan=1e9).min() >= 950
    assert torch.allclose(middle, torch.full_like(middle, 1080.0), atol=0.5)  # the inside of the far wall


@pytest.mark.parametrize("engine", ENGINES)
def test_what_cannot_be_drawn_is_left_out(engine):
    triangles = torch.tensor([[0, 1, 2]])
    for vertices in (
        torch.tensor([[[0.0, 0, -1], [5, 0, -1], [0, 5, -1]]]),  # behind
        torch.tensor([[[0.0, 0, 2], [float("nan"), 0, 2], [0, 9, 2]]]),  # not a number
        torch.tensor([[[0.0, 0, 2], [4, 4, 2], [8, 8, 2]]]),  # no area
        torch.tensor([[[90.0, 0, 1], [99, 0, 1], [90, 9, 1]]]),  # beside the picture
    ):
        got = rasterise(vertices, FLAT, triangles, 8, 8, near=0.5, engine=engine)
        assert not got.mask.any()
    empty = rasterise(torch.zeros(2, 3, 3), FLAT, triangles[:0], 4, 5, engine=engine)
    assert empty.triangle.shape == (2, 4, 5) and not empty.mask.any()
    assert rasterise(torch.zeros(0, 3, 3), FLAT, triangles, 4, 5, engine=engine).mask.shape == (0, 4, 5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_types_follow_and_inputs_stay(dtype, head, view):
    vertices = view(head["mean"].to(dtype))
    before = vertices.clone()
    got = rasterise(vertices, intrinsics(64), head["triangles"], 64, 64)
    assert got.depth.dtype == got.barycentric.dtype == dtype
    assert torch.equal(vertices, before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_drawn_in_single(dtype, head, view):
    vertices = view(head["mean"]).to(dtype)
    got = rasterise(vertices, intrinsics(64), head["triangles"], 64, 64)
    want = rasterise(vertices.float(), intrinsics(64), head["triangles"], 64, 64)
    assert got.depth.dtype == torch.float32
    assert torch.equal(got.triangle, want.triangle)
    values = head["albedo_mean"].to(dtype)
    spread = interpolate(got, head["triangles"], values)
    assert spread.dtype == dtype
    assert torch.allclose(spread.float(), interpolate(want, head["triangles"], values.float()), atol=0.01)


def test_interpolation_is_differentiable_in_the_attributes(head, view):
    vertices = view(head["mean"])
    k = intrinsics(12)
    fragments = rasterise(vertices.double(), k, head["triangles"], 12, 12)
    seen = torch.unique(head["triangles"][fragments.triangle[fragments.mask]])
    small = torch.randn(len(seen), 2, dtype=torch.float64, generator=torch.manual_seed(0), requires_grad=True)

    def draw(values):
        full = torch.zeros(len(head["mean"]), 2, dtype=torch.float64).index_copy(0, seen, values)
        return interpolate(fragments, head["triangles"], full)

    loss = draw(small).square().sum()
    (gradient,) = torch.autograd.grad(loss, small)
    step = 1e-6 * torch.randn(small.shape, dtype=torch.float64, generator=torch.manual_seed(1))
    with torch.no_grad():
        change = draw(small + step).square().sum() - draw(small - step).square().sum()
    assert change == pytest.approx(2 * float((gradient * step).sum()), rel=1e-5)


def test_compiled_interpolation_equals_the_one_with_gradients(head, view):
    vertices = torch.cat((view(head["mean"]), view(head["mean"], 0, 1.0)))
    fragments = rasterise(vertices, intrinsics(96), head["triangles"], 96, 96)
    values = torch.rand(2, len(head["mean"]), 5, generator=torch.manual_seed(0))
    plain = interpolate(fragments, head["triangles"], values)
    with_gradient = interpolate(fragments, head["triangles"], values.clone().requires_grad_())
    assert torch.allclose(plain, with_gradient, atol=1e-6)


def test_wrong_input_is_named():
    triangles = torch.tensor([[0, 1, 2]])
    with pytest.raises(RecordError, match=r"\(B, V, 3\), got \(3, 3\)"):
        rasterise(torch.zeros(3, 3), FLAT, triangles, 4, 4)
    with pytest.raises(RecordError, match="int64"):
        rasterise(torch.zeros(1, 3, 3), FLAT, triangles.int(), 4, 4)
    with pytest.raises(RecordError, match="vertices 0 to 1, got 0 to 2"):
        rasterise(torch.zeros(1, 2, 3), FLAT, triangles, 4, 4)
    with pytest.raises(RecordError, match="'numba', 'torch' or None, got 'gl'"):
        rasterise(torch.zeros(1, 3, 3), FLAT, triangles, 4, 4, engine="gl")
    fragments = rasterise(torch.zeros(1, 3, 3), FLAT, triangles, 4, 4)
    with pytest.raises(RecordError, match="attributes"):
        interpolate(fragments, triangles, torch.zeros(3, 3, 1))
    with pytest.raises(RecordError, match="depth"):
        Fragments(triangle=fragments.triangle, barycentric=fragments.barycentric, depth=torch.zeros(1, 4, 3))


def test_depth_equals_open3d_ray_casting(head, view, open3d):
    """Independent reference: within 0.01 mm on at least 99.9 % of the pixels away from edges."""
    k = intrinsics(256)
    pixels = pixel_grid(256, 256, k)
    ray = rays(pixels, k)
    for pitch, yaw in ((0.0, 0.0), (0.2, -0.7), (-0.3, 1.4)):
        vertices = view(head["mean"], pitch, yaw)
        got = rasterise(vertices, k, head["triangles"], 256, 256).depth[0]
        near = vertices[..., 2].min() - 20  # rays start close to the head, where single precision is finer
        scene = open3d.t.geometry.RaycastingScene()
        scene.add_triangles(
            open3d.core.Tensor(vertices[0].numpy()),
            open3d.core.Tensor(head["triangles"].numpy().astype("uint32")),
        )
        lines = torch.cat((ray * near, ray), 1).numpy().astype("float32")
        hit = scene.cast_rays(open3d.core.Tensor(lines))["t_hit"].numpy()
        want = torch.tensor(hit + float(near)).reshape(256, 256)
        window = torch.nn.functional.unfold(torch.nan_to_num(got)[None, None], 3, padding=1)[0]
        calm = ((window.amax(0) - window.amin(0)) < 5).reshape(256, 256) & got.isfinite()
        assert calm.sum() > 10000
        agree = (got - want)[calm].abs() <= 0.01
        print(f"yaw {yaw}: {agree.float().mean():.5f} of {int(calm.sum())} pixels within 0.01 mm")
        assert agree.float().mean() >= 0.999


def test_speed(ellipsoid, view):
    """At least 60 meshes a second of 27k triangles at 256² on two cores (a new mesh each time)."""
    vertices, triangles = ellipsoid
    triangles = torch.cat((triangles, triangles[:6500]))  # 26,980
    k = intrinsics(256)
    batch = view(vertices.float()) + torch.randn(16, 1, 3, generator=torch.manual_seed(0))
    rasterise(batch[:1], k, triangles, 256, 256)
    rates, walls = [], []
    for _ in range(5):
        start, used = time.perf_counter(), time.process_time()
        for vertices in batch:
            rasterise(vertices[None], k, triangles, 256, 256)
        walls.append(16 / (time.perf_counter() - start))
        rates.append(2 * 16 / (time.process_time() - used))  # processor time: others may use the machine
    print(
        f"{max(rates):.0f} meshes/s of {len(triangles)} triangles on two cores, {max(walls):.0f} by the clock"
    )
    assert max(rates) >= 60


def test_unprojected_depth_lies_on_the_mesh(head, view):
    """Independent reference: trimesh's nearest points, for the pixels of a small picture."""
    trimesh = pytest.importorskip("trimesh")
    vertices = view(head["mean"], 0.1, 0.4)
    k = intrinsics(24)
    got = rasterise(vertices, k, head["triangles"], 24, 24)
    seen = got.mask.flatten()
    points = unproject(pixel_grid(24, 24, k)[None], got.depth.flatten(1), k)[0][seen]
    surface = trimesh.Trimesh(vertices[0].numpy(), head["triangles"].numpy(), process=False)
    rows = surface.triangles[got.triangle.flatten()[seen].numpy()]
    nearest = trimesh.triangles.closest_point(rows, points.numpy())
    assert np.abs(nearest - points.numpy()).max() < 5e-3
