"""The build script's steps on small inputs; the wheel itself is not needed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
if not (TOOLS / "face_model_build").is_dir():
    pytest.skip("the maintainers' tools are not part of an installed package", allow_module_level=True)
sys.path.insert(0, str(TOOLS))

from face_model_build import albedo, eyes, makehuman, sampling, statistics, subdivision  # noqa: E402

CUBE = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
CUBE_QUADS = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])


def test_parse_obj() -> None:
    text = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\ng body\nf 1/1 2/2 3/3 4/4\n"
    mesh = makehuman.parse_obj(text)
    np.testing.assert_array_equal(mesh.quads, [[0, 1, 2, 3]])
    np.testing.assert_array_equal(mesh.texture_quads, [[0, 1, 2, 3]])
    assert mesh.groups.tolist() == ["body"] and mesh.vertices.shape == (4, 3)


def test_parse_target() -> None:
    displacement = makehuman.parse_target("# comment\n2 .5 -1 0\n", 4)
    np.testing.assert_array_equal(displacement[2], [0.5, -1, 0])
    assert not displacement[[0, 1, 3]].any()


def test_pair_targets() -> None:
    names = ["nose-width-decr", "nose-width-incr", "head-oval", "asym-jaw-l", "asym-jaw-r", "chin-up"]
    assert makehuman.pair_targets(names) == [
        ("asym-jaw-l", "asym-jaw-r"),
        (None, "chin-up"),
        (None, "head-oval"),
        ("nose-width-decr", "nose-width-incr"),
    ]


def test_level_weights_share_out_one() -> None:
    weights = sampling.three_level_weights(np.linspace(-0.2, 1.2, 29))
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert weights.min() >= 0
    np.testing.assert_allclose(sampling.three_level_weights(np.array([0.0, 0.5, 1.0])), np.eye(3))


def test_modifiers_are_deterministic_and_bounded() -> None:
    names = ("head-oval", "l-ear-scale-incr", "r-ear-scale-incr", "head-trans-up", "asym-jaw-r")
    one_sided = np.array([True, False, False, False, False])
    draw = [sampling.draw_modifiers(names, one_sided, 4000, np.random.default_rng(5)) for _ in range(2)]
    np.testing.assert_array_equal(draw[0], draw[1])
    assert np.abs(draw[0]).max() <= 1 and draw[0][:, 0].min() >= 0
    assert np.corrcoef(draw[0][:, 1], draw[0][:, 2])[0, 1] > 0.85, "ears go together"
    np.testing.assert_allclose(draw[0][:, 3].std(), 0.19 * 0.3, rtol=0.05)
    np.testing.assert_allclose(draw[0][:, 4].std(), 0.15, rtol=0.05)


def test_catmull_clark_of_a_cube() -> None:
    """Closed form: face points at 1, edge points at 3/4, corners at 5/9 of the cube's coordinates."""
    points = subdivision.catmull_clark_weights(CUBE_QUADS, 8) @ CUBE
    np.testing.assert_allclose(points[:8], CUBE * 5 / 9)
    edges, _ = subdivision.edge_table(CUBE_QUADS)
    np.testing.assert_allclose(points[8:20], CUBE[edges].mean(axis=1) * 0.75)
    np.testing.assert_allclose(points[20:], CUBE[CUBE_QUADS].mean(axis=1))


@pytest.mark.parametrize("fine", [[0], [0, 2], range(6), []])
def test_refinement_has_no_cracks(fine: list[int]) -> None:
    mask = np.isin(np.arange(6), list(fine))
    mesh = subdivision.refine(CUBE_QUADS, CUBE_QUADS, 8, 8, mask)
    np.testing.assert_allclose(np.asarray(mesh.weights.sum(axis=1)).ravel(), 1)
    sides = np.concatenate([mesh.triangles[:, [0, 1]], mesh.triangles[:, [1, 2]], mesh.triangles[:, [2, 0]]])
    directed, count = np.unique(sides, axis=0, return_counts=True)
    assert count.max() == 1
    np.testing.assert_array_equal(np.unique(directed[:, ::-1], axis=0), directed, "every side has its twin")


def test_rigid_alignment_undoes_a_motion() -> None:
    generator = np.random.default_rng(0)
    shape = generator.normal(size=(30, 3))
    turn, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    moved = shape @ turn + [3, -1, 2]
    np.testing.assert_allclose(statistics.rigid_align(moved[None], shape, np.ones(30))[0], shape, atol=1e-9)


def test_components_rebuild_low_rank_data() -> None:
    generator = np.random.default_rng(0)
    data = generator.normal(size=(200, 3)) @ generator.normal(size=(3, 40)) + 5
    weights = generator.uniform(0.5, 2, 40)
    parts = statistics.principal_components(data, weights, 3)
    assert parts.explained > 1 - 1e-9
    coefficients = statistics.project(data, parts, weights)
    np.testing.assert_allclose(coefficients @ parts.basis + parts.mean, data, atol=1e-8)
    np.testing.assert_allclose(coefficients.std(axis=0), 1, rtol=1e-6)


def test_eyeball_follows_an_affine_motion() -> None:
    generator = np.random.default_rng(0)
    rest = generator.normal(size=(50, 3))
    rest = rest / np.linalg.norm(rest, axis=1, keepdims=True) * 15
    rest -= rest.mean(axis=0)
    radius = np.median(np.linalg.norm(rest, axis=1))
    for sign in (1.0, -1.0):
        control = eyes.control_matrix(rest, sign)
        weights = eyes.eyeball_weights(eyes.make_eyeball().directions * [sign, 1, 1])
        stretch = generator.normal(size=(3, 3))
        rebuilt = weights @ (control @ (rest @ stretch + [1, 2, 3]))
        np.testing.assert_allclose(
            rebuilt, eyes.make_eyeball().directions * radius @ stretch + [1, 2, 3], atol=1e-9
        )


def test_eyeball_is_a_closed_cap() -> None:
    ball = eyes.make_eyeball()
    a, b, c = (ball.directions[ball.triangles[:, k]] for k in range(3))
    assert (np.einsum("ij,ij->i", np.cross(b - a, c - a), a + b + c) > 0).all(), "seen from outside"
    assert set(np.round(ball.angle, 3)) >= {0.0, 88.0}


def test_noise_has_unit_variance_and_is_smooth() -> None:
    points = np.random.default_rng(0).uniform(-50, 50, (400, 3))
    noise = albedo.smooth_noise(points, 500, 40.0, np.random.default_rng(1))
    np.testing.assert_allclose(noise.std(), 1, rtol=0.1)
    again = albedo.smooth_noise(points + 0.5, 500, 40.0, np.random.default_rng(1))
    assert np.abs(again - noise).mean() < 0.15
