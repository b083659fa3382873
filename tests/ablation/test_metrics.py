import attrs
import numpy as np
import pytest
import torch
import trimesh

from occface_core.ablation.metrics.completion import completion_figures, ssim_map
from occface_core.ablation.metrics.crop import truth_in_crop, turned
from occface_core.ablation.metrics.detail import detail_figures
from occface_core.ablation.metrics.landmarks import landmark_figures, match
from occface_core.ablation.metrics.matte import matte_figures
from occface_core.ablation.metrics.nearest import nearest_points
from occface_core.ablation.metrics.shape import shape_figures, skin
from occface_core.ablation.sample import HIDDEN, VISIBLE, Sample, Surface, read_sample, write_sample
from occface_core.facemodel import FaceModel
from tests.ablation.small import SmallSuite, points


@pytest.fixture
def sample() -> Sample:
    return SmallSuite().load(2)


@pytest.fixture
def truth(sample):
    return truth_in_crop(sample, torch.eye(3)[None], torch.from_numpy(sample.points)[None], 256)


def test_landmark_error_by_hand(sample):
    eyes = np.linalg.norm(sample.points[36] - sample.points[45])
    visible = np.ones(68, np.float32)
    visible[:17] = 0
    found = sample.points.copy()
    found[:17, 0] += 3
    figures = landmark_figures(attrs.evolve(sample, visible=visible), found)
    assert figures["nme"] == pytest.approx(100 * 3 * 17 / 68 / eyes, rel=1e-5)
    assert figures["nme_hidden"] == pytest.approx(100 * 3 / eyes, rel=1e-5) and figures["nme_visible"] == 0


def test_the_face_that_is_meant_is_found_among_others(sample):
    others = np.stack([sample.points + 300, sample.points + 5])
    assert match(sample, others) == 1
    assert match(sample, others[:1]) is None and match(sample, others[:0]) is None


def test_fewer_points_than_68_are_made_of_them(sample):
    mapping = np.zeros((2, 68), np.float32)
    mapping[0, 8], mapping[1, [36, 39]] = 1, 0.5
    few = attrs.evolve(
        sample, points=mapping @ sample.points, point_map=mapping, normaliser=50.0, visible=None
    )
    assert landmark_figures(few, sample.points + np.array([3, 4]))["nme"] == pytest.approx(100 * 5 / 50)


def test_matte_figures_by_hand(truth):
    hidden = int(truth.hidden.sum())
    assert matte_figures(truth, truth.hidden.float()) == {"matte_iou": 100, "matte_f1": 100}
    assert matte_figures(truth, torch.zeros(256, 256)) == {"matte_iou": 0, "matte_f1": 0}
    everything = matte_figures(truth, torch.ones(256, 256))
    assert everything["matte_iou"] == pytest.approx(100 * hidden / int(truth.region.sum()))
    bare = attrs.evolve(truth, hidden=torch.zeros(256, 256, dtype=torch.bool))
    assert matte_figures(bare, torch.ones(256, 256)) == {"bare_marked": 100}


def test_psnr_counts_the_hole_alone(truth):
    off = truth.clean + 0.1 * truth.hidden
    off[:, ~truth.hidden] = 0
    assert completion_figures(truth, off)["hole_psnr"] == pytest.approx(20, abs=1e-3)
    assert completion_figures(truth, truth.clean)["hole_ssim"] == pytest.approx(1)


def test_ssim_agrees_with_kornia():
    from kornia.metrics import ssim

    generator = torch.Generator().manual_seed(0)
    a = torch.rand(64, 64, generator=generator)
    b = (a + 0.2 * torch.rand(64, 64, generator=generator)).clamp(0, 1)
    other = ssim(a[None, None], b[None, None], 11)[0, 0]
    assert torch.allclose(ssim_map(a, b)[8:-8, 8:-8], other[8:-8, 8:-8], atol=1e-3)


def surface(state=None) -> Surface:
    model = FaceModel.embedded()
    ids = np.flatnonzero(model.region("face") & skin(model))
    return Surface(
        vertices=model.mean[ids],
        landmarks=model.mean[model.landmarks68],
        landmark_ids=np.arange(68),
        state=state,
        model=model.name,
        ids=ids,
    )


def moved(vertices):
    turn = trimesh.transformations.rotation_matrix(0.4, [1, 2, 3])[:3, :3]
    return vertices @ turn.T + [10, -200, 900]


def test_a_moved_shape_is_no_error_and_a_larger_one_is():
    model = FaceModel.embedded()
    same = shape_figures(surface(), moved(model.mean), model)
    assert same["vertex_mm"] < 1e-3 and same["surface_mm"] < 1e-3
    larger = shape_figures(surface(), moved(1.1 * model.mean), model)
    assert larger["vertex_mm"] > 3 and larger["surface_mm"] > 0.8


def test_errors_are_told_apart_by_region():
    model = FaceModel.embedded()
    vertices = model.mean.astype(np.float64).copy()
    nose = model.region("nose")
    vertices[nose, 2] += 3
    truth = surface()
    state = np.where(nose[truth.ids], HIDDEN, VISIBLE).astype(np.uint8)
    figures = shape_figures(attrs.evolve(truth, state=state), vertices, model)
    assert figures["vertex_mm_hidden"] > 2 > 0.6 > figures["vertex_mm_visible"]
    assert figures["surface_mm_hidden"] > 1 > 0.4 > figures["surface_mm_visible"]


def test_a_scan_in_its_own_frame_is_compared_without_known_vertices():
    model = FaceModel.embedded()
    seven = np.array([36, 39, 42, 45, 33, 48, 54])
    ids = np.flatnonzero(model.region("face") & skin(model))
    landmarks = moved(model.mean[model.landmarks68[seven]])
    vertices = moved(model.mean[ids])
    scan = Surface(
        vertices=vertices.astype(np.float32), landmarks=landmarks.astype(np.float32), landmark_ids=seven
    )
    figures = shape_figures(scan, model.mean, model)
    assert set(figures) == {"landmark_mm", "surface_mm"} and max(figures.values()) < 1e-2


def test_nearest_points_agree_with_trimesh():
    mesh = trimesh.creation.icosphere(subdivisions=1)
    where = np.random.default_rng(0).normal(size=(50, 3))
    every = np.tile(np.arange(len(mesh.faces)), (50, 1))
    mine = nearest_points(where, np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int64), every)
    triangles = mesh.triangles
    others = np.array([
        min((trimesh.triangles.closest_point(triangles, np.tile(p, (len(triangles), 1)))),
            key=lambda q, p=p: np.linalg.norm(q - p))
        for p in where
    ])  # fmt: skip
    assert np.allclose(
        np.linalg.norm(mine - where, axis=1), np.linalg.norm(others - where, axis=1), atol=1e-9
    )


def test_normals_turn_with_the_crop():
    angle = 0.3  # crop px → photo px: a turn clockwise in the picture, whose y runs down
    matrix = torch.tensor(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]]
    )
    right = torch.tensor([0.6, 0.0, 0.8]).reshape(3, 1, 1)
    found = turned(right, matrix.float())[:, 0, 0]
    # photo's right is, seen from the crop, turned back: up in viewer axes
    assert torch.allclose(
        found, torch.tensor([0.6 * np.cos(angle), 0.6 * np.sin(angle), 0.8]).float(), atol=1e-6
    )


def test_normal_error_of_the_true_shape_is_small_and_of_a_tilted_one_is_the_tilt():
    from occface_core.geometry.normals import depth_normals
    from occface_core.null import NoDetail, NoShape

    shape = NoShape().run(torch.zeros(1, 3, 256, 256), None)
    detail = NoDetail().run(torch.zeros(1, 3, 256, 256), shape, None)
    normals = depth_normals(shape.depth(256), shape.intrinsics)[0]
    sample = attrs.evolve(SmallSuite().load(0), normals=normals.numpy())
    there = torch.from_numpy(points())[None]
    truth = truth_in_crop(sample, torch.eye(3)[None], there, 256)
    assert detail_figures(truth, detail)["normal_deg"] < 0.5
    c, s = np.cos(0.2), np.sin(0.2)
    tilt = torch.tensor([[1, 0, 0], [0, c, -s], [0, s, c]], dtype=torch.float32)
    tilted = attrs.evolve(truth, normals=torch.einsum("ij,jyx->iyx", tilt, truth.normals))
    error = detail_figures(tilted, detail)["normal_deg"]
    assert 0.5 * np.rad2deg(0.2) < error <= np.rad2deg(0.2) + 0.5


def test_a_sample_comes_back_from_disk(tmp_path):
    sample = SmallSuite(surface=True).load(1)
    write_sample(tmp_path / "a.npz", sample)
    again = read_sample(tmp_path / "a.npz")
    assert again.name == sample.name and again.surface.model == sample.surface.model
    for one, other in ((sample.photo, again.photo), (sample.surface.vertices, again.surface.vertices)):
        assert np.array_equal(one, other)
    assert again.normals is None and again.hidden_fraction() == sample.hidden_fraction()


def test_lpips_from_a_state_dict_of_the_reference(tmp_path):
    from occface_core.ablation.metrics.lpips import Lpips
    from occface_core.errors import WeightsMissing

    shapes = {"slice1.0": (64, 3, 11, 11), "slice2.3": (192, 64, 5, 5), "slice3.6": (384, 192, 3, 3),
              "slice4.8": (256, 384, 3, 3), "slice5.10": (256, 256, 3, 3)}  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    state = {
        f"net.{name}.weight": torch.randn(shape, generator=generator) * 0.02 for name, shape in shapes.items()
    }
    state |= {f"net.{name}.bias": torch.zeros(shape[0]) for name, shape in shapes.items()}
    state |= {f"lin{k}.model.1.weight": torch.rand(1, shape[0], 1, 1, generator=generator)
              for k, shape in enumerate(shapes.values())}  # fmt: skip
    torch.save(state, tmp_path / "alex.pth")
    lpips = Lpips(tmp_path / "alex.pth")
    picture = torch.rand(3, 96, 96, generator=generator)
    assert lpips(picture, picture) == 0
    assert 0 < lpips(picture, (picture + 0.02).clamp(0, 1)) < lpips(picture, 1 - picture)
    with pytest.raises(WeightsMissing):
        Lpips(tmp_path / "none.pth")
