from __future__ import annotations

import attrs
import numpy as np
import pytest
from PIL import Image

from occface_core.ablation.metrics.estimators import (
    REGIONS,
    estimates,
    icp_aligned,
    landmark_aligned,
    pairs_told_apart,
    region_aligned,
    regions_of,
    similarity_fit,
    turn_between,
)
from occface_core.ablation.metrics.shape import skin
from occface_core.ablation.sample import HIDDEN, VISIBLE, Surface
from occface_core.ablation.suites import make_suite
from occface_core.errors import OccfaceError
from occface_core.facemodel import FaceModel

MODEL = FaceModel.embedded()
IDS = np.flatnonzero(MODEL.region("face") & skin(MODEL))


def rotation(angle: float = 0.5) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def surface(vertices: np.ndarray = MODEL.mean, state: np.ndarray | None = None) -> Surface:
    return Surface(
        vertices=vertices[IDS].astype(np.float32),
        landmarks=vertices[MODEL.landmarks68].astype(np.float32),
        landmark_ids=np.arange(68),
        state=state,
    )


def test_similarity_is_found_again() -> None:
    points = np.random.default_rng(0).normal(size=(20, 3))
    scale, turn, shift = similarity_fit(points, 1.7 * points @ rotation().T + [1, -2, 3])
    assert scale == pytest.approx(1.7)
    assert np.allclose(turn, rotation()) and np.allclose(shift, [1, -2, 3])


def test_seven_points_forgive_scale_and_icp_does_not() -> None:
    larger = 1.1 * MODEL.mean @ rotation().T + [5, 6, 7]
    assert landmark_aligned(surface(), larger, MODEL).max() < 1e-3
    assert icp_aligned(surface(), larger, MODEL).mean() > 0.8
    assert icp_aligned(surface(), MODEL.mean @ rotation().T + [5, 6, 7], MODEL).max() < 1e-3


def test_a_shift_of_a_part_is_an_error_but_not_to_its_own_alignment() -> None:
    """Seven points are not moved: the error of the forehead is what it was moved by, along its normal."""
    bent = MODEL.mean.astype(np.float64).copy()
    forehead = MODEL.region("forehead")
    bent[forehead, 2] += 2.0
    truth = surface()
    whole = landmark_aligned(truth, bent, MODEL)
    inner = forehead[IDS] & (np.abs(MODEL.mean[IDS, 0]) < 20) & (MODEL.mean[IDS, 1] > 70)
    assert 1.2 < whole[inner].mean() <= 2.0
    parts = region_aligned(truth, bent, MODEL)
    assert parts["forehead"].mean() < 0.6 * whole[inner].mean() and parts["nose"].mean() < 0.05


def test_regions_lie_where_their_names_say() -> None:
    masks = regions_of(surface())
    assert tuple(masks) == REGIONS and all(mask.sum() > 100 for mask in masks.values())
    middle = {name: MODEL.mean[IDS][mask].mean(0) for name, mask in masks.items()}
    assert middle["forehead"][1] > middle["nose"][1] > middle["mouth"][1]
    assert sum(mask.astype(int) for mask in masks.values()).max() == 1
    scan = attrs.evolve(
        surface((MODEL.mean @ rotation().T) * 3),
        landmarks=(MODEL.mean[MODEL.landmarks68[[36, 39, 42, 45, 33, 48, 54]]] @ rotation().T * 3),
        landmark_ids=np.array([36, 39, 42, 45, 33, 48, 54]),
    )
    again = regions_of(scan)
    assert all((again[name] == masks[name]).mean() > 0.97 for name in REGIONS)


def test_all_figures_and_what_is_hidden_apart() -> None:
    state = np.where(MODEL.region("mouth")[IDS], HIDDEN, VISIBLE).astype(np.uint8)
    vertices = MODEL.mean.astype(np.float64).copy()
    vertices[MODEL.region("mouth"), 2] += 4
    figures = estimates(surface(state=state), vertices, MODEL)
    assert figures["icp_mm_hidden"] > 2 * figures["icp_mm_visible"]
    assert figures["region_mm"] == pytest.approx(np.mean([figures[f"region_{name}_mm"] for name in REGIONS]))
    assert {"now_mm", "now_median_mm", "icp_mm"} <= set(figures)


def test_turn_between_two_rotations() -> None:
    assert turn_between(rotation(0.2), rotation(0.5)) == pytest.approx(np.degrees(0.3), abs=1e-6)


def test_pairs_of_persons_by_hand() -> None:
    people = np.zeros((3, 1, 3))
    people[:, 0, 0] = [0, 10, 30]
    assert pairs_told_apart(people, people + 1) == 100
    assert pairs_told_apart(people * 0, people * 0) == 50
    # the first two are mixed up: two of six comparisons are lost from either side
    assert pairs_told_apart(people, people[[1, 0, 2]]) == pytest.approx(100 * 4 / 6)


def write_obj(path, vertices) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"v {x:.5f} {y:.5f} {z:.5f}\n" for x, y, z in vertices) + "f 1 2 3\n")


def realy(folder) -> None:
    """Two scans in units of half a millimetre, three photos and a depth map."""
    masks = regions_of(surface())
    for person in (1, 2):
        marks = np.concatenate([MODEL.mean[MODEL.landmarks68], np.zeros((17, 3))])
        write_obj(folder / "REALY_HIFI3D_keypoints" / f"{person}.obj", 2 * marks)
        for name, mask in masks.items():
            write_obj(folder / "REALY_scan_region" / str(person) / f"{name}.obj", 2 * MODEL.mean[IDS][mask])
    (folder / "metrical_scale.txt").write_text("0.5\n0.5\n")
    for name in ("REALY_image/1.jpg", "REALY_image/2.jpg", "multiview_image/2_3.jpg", "image_depth/1.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(folder / name)


def test_realy(tmp_path) -> None:
    realy(tmp_path)
    suite = make_suite({"name": "REALY", "folder": str(tmp_path)})
    assert [suite.load(k).name for k in range(3)] == ["REALY_image/1", "REALY_image/2", "multiview_image/2_3"]
    truth = suite.load(2).surface
    assert suite.load(2).kind == "several views"
    assert np.allclose(truth.landmarks, MODEL.mean[MODEL.landmarks68], atol=1e-4)
    figures = estimates(truth, MODEL.mean, MODEL)
    assert max(figures.values()) < 0.01 and all(f"region_{name}_mm" in figures for name in REGIONS)


def test_realy_says_what_is_missing(tmp_path) -> None:
    realy(tmp_path)
    (tmp_path / "REALY_scan_region" / "1" / "nose.obj").unlink()
    suite = make_suite({"name": "realy", "folder": str(tmp_path)})
    with pytest.raises(OccfaceError, match=r"nose\.obj"):
        suite.load(0)
    (tmp_path / "metrical_scale.txt").write_text("0.5\n")
    with pytest.raises(OccfaceError, match="1 numbers"):
        suite.load(1)
    with pytest.raises(OccfaceError, match="no sample found"):
        (tmp_path / "empty").mkdir()
        make_suite({"name": "realy", "folder": str(tmp_path / "empty")})
