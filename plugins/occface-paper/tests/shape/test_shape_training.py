"""`occface train shape` for twenty steps, resumed, on faces made here; samples and figures."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from occface_core.geometry.camera import intrinsics, project, to_camera
from occface_paper.landmarks.data import FaceCrops, load_face_crops
from occface_paper.pasting import OccluderBank
from occface_paper.shape.augment import (
    AlignedFaces,
    SyntheticSampler,
    completed,
    mirrored,
    noisy_points,
    sample_of,
    shows_through,
)
from occface_paper.shape.coefficients import Estimate, split
from occface_paper.shape.evaluate import (
    aligned_error,
    angle_between,
    noisy_rows,
    reprojection,
    shape_errors,
    synthetic_figures,
)
from occface_paper.shape.found import FoundPoints
from occface_paper.synthetic_bank import SyntheticBank, draw_bank
from occface_paper.train import app
from occface_paper.weights import load_weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("faces")
    draw_bank(root, 4, seed=9, yaw=0.6, workers=1)
    return root


@pytest.fixture(scope="module")
def bank(folder: Path) -> SyntheticBank:
    return SyntheticBank.load(folder)


@pytest.fixture(scope="module")
def pack(bank: SyntheticBank, tmp_path_factory) -> Path:
    """A data folder whose photos are synthetic faces with their points; the last one is for validation."""
    root = tmp_path_factory.mktemp("pack")
    (root / "faces68" / "images").mkdir(parents=True)
    names = [f"p{i}" for i in range(4)]
    for name, picture in zip(names, bank.clean, strict=True):
        cv2.imwrite(str(root / "faces68" / "images" / f"{name}.jpg"), picture.transpose(1, 2, 0)[..., ::-1])
    np.savez(
        root / "faces68" / "landmarks.npz",
        names=names,
        points=np.asarray(bank.outline),
        valid_rect=np.tile(np.float32([0, 0, 256, 256]), (4, 1)),
        is_val=np.array([False, False, False, True]),
    )
    return root


@pytest.fixture(scope="module")
def aligned(pack: Path) -> AlignedFaces:
    return AlignedFaces.of(load_face_crops(pack, {"faces68": 1.0}))


@pytest.fixture(scope="module")
def occluders(bank: SyntheticBank) -> OccluderBank:
    images = np.ascontiguousarray(np.asarray(bank.clean).transpose(0, 2, 3, 1))
    return OccluderBank.build(images, np.asarray(bank.outline), 6, side=128, workers=1)


def test_training_runs_resumes_and_leaves_weights(
    folder: Path, pack: Path, occluders: OccluderBank, tmp_path: Path
) -> None:
    occluders.save(tmp_path / "bank.npz")
    out = tmp_path / "run"
    common = ["shape", "--data", str(pack), "--out", str(out), "--synthetic", str(folder)]
    common += ["--bank", str(tmp_path / "bank.npz"), "--width", "0.5", "--size", "64", "--threads", "1"]
    common += ["--batch", "2", "--pairs", "1"]
    for steps, extra in ((12, []), (20, ["--resume"])):
        result = CliRunner().invoke(app, [*common, "--steps", str(steps), *extra])
        assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [12, 20]
    assert {
        "vertex",
        "form",
        "photo_point",
        "agreement",
        "clean_seven",
        "completed_pose",
        "photo_nme",
    } <= set(lines[-1])
    state, metadata = load_weights(out / "coefficient_net.safetensors")
    assert metadata["trunk"] == "mobilenet_v3" and metadata["step"] == "20"
    assert all(torch.isfinite(value.float()).all() for value in state.values())


def test_a_synthetic_sample_is_true_in_the_nominal_camera(bank: SyntheticBank, basis) -> None:
    for index, rng in ((0, None), (1, np.random.default_rng(3)), (2, np.random.default_rng(5))):
        row = {k: torch.tensor(v)[None] for k, v in sample_of(bank, index, 128, rng).items()}
        truth = torch.cat([row["identity"], row["expression"]], 1)
        marks = basis.landmarks(truth)
        pixels = project(to_camera(marks, row["rotation"], row["translation"]), intrinsics(256))
        error = (pixels - row["marks"])[:, 17:].norm(dim=-1)
        assert float(error.mean()) < 1.5, index
        assert row["crop"].shape == (1, 3, 128, 128) and row["crop"].dtype == torch.uint8


@pytest.mark.parametrize("shown", ["occluded", "completed"])
def test_a_hidden_face_keeps_its_truth(bank: SyntheticBank, shown: str) -> None:
    free, hidden = sample_of(bank, 1, 128, None), sample_of(bank, 1, 128, None, shown)
    for name in ("identity", "rotation", "marks", "image"):
        np.testing.assert_array_equal(free[name], hidden[name])


def test_points_are_found_once_and_near_the_faces(bank: SyntheticBank, tmp_path: Path, monkeypatch) -> None:
    found = FoundPoints.kept(tmp_path / "found.npz", bank)
    apart = np.linalg.norm(found.clean - bank.outline, axis=-1)[:, 17:]
    assert np.median(apart) < 10  # px of 256
    assert found.photo_trust.min() >= 0 and found.clean_trust.max() <= 1
    monkeypatch.setattr("occface_paper.shape.found.find_points", None)
    np.testing.assert_array_equal(FoundPoints.kept(tmp_path / "found.npz", bank).photo, found.photo)
    row = sample_of(bank, 1, 64, None, found=found)
    np.testing.assert_allclose((row["points"] + 1) * 128 - 0.5, found.clean[1], atol=1e-3)


def test_trust_ends_behind_the_occluder() -> None:
    occluder = np.zeros((256, 256), np.uint8)
    occluder[:, :128] = 255
    points = np.stack([np.linspace(0, 255, 68), np.full(68, 40.0)], 1)
    kept = shows_through(occluder, points, None)
    assert (kept[points[:, 0] < 127] == 0).all() and (kept[points[:, 0] > 128] == 1).all()
    drawn = [shows_through(occluder, points, np.random.default_rng(seed)).min() for seed in range(60)]
    assert 0.1 < np.mean(drawn) < 0.5  # at times nobody notices


def test_sampling_is_seeded(bank: SyntheticBank) -> None:
    sampler = SyntheticSampler(bank=bank, chosen=np.arange(4))
    a, b = (sampler.draw(np.random.default_rng(1)) for _ in range(2))
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


def test_a_hole_is_filled_from_around() -> None:
    image = np.full((64, 64, 3), 200, np.uint8)
    matte = np.zeros((64, 64), np.uint8)
    matte[20:40, 20:40] = 255
    image[matte > 0] = 0
    filled = completed(image, matte)
    assert filled[24:36, 24:36].min() > 150 and (filled[:10] == 200).all()


def test_points_are_noisy_but_near() -> None:
    points = np.full((68, 2), 100.0)
    moves = []
    for seed in range(40):
        found, trust = noisy_points(points, np.ones(68), np.random.default_rng(seed))
        moves.append(np.abs((found + 1) * 128 - 0.5 - points).mean())
        assert trust.min() >= 0 and trust.max() <= 1
    assert 0.5 < np.mean(moves) < 4


def test_photos_are_aligned_and_paired(aligned: AlignedFaces, occluders: OccluderBank) -> None:
    sampler = aligned.sampler(occluders, 64)
    drawn = [sampler.draw(np.random.default_rng(seed)) for seed in range(6)]
    for free, hidden in drawn:
        assert free["crop"].shape == hidden["crop"].shape == (3, 64, 64)
        np.testing.assert_array_equal(free["marks"], hidden["marks"])
        np.testing.assert_array_equal(free["image"], hidden["image"])
    assert sampler.chance[-1] == sampler.chance[-2]  # the validation photo is never drawn


def test_validation_photos_stay_out(aligned: AlignedFaces) -> None:
    assert aligned.is_val.tolist() == [False, False, False, True]
    assert isinstance(aligned.names[0], str) and not issubclass(AlignedFaces, FaceCrops)


def test_the_mirror_is_its_own_inverse() -> None:
    points = np.random.default_rng(0).uniform(0, 255, (68, 2))
    np.testing.assert_allclose(mirrored(mirrored(points)), points)


def test_alignment_removes_what_it_may() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(2, 50, 3, generator=generator) * 40
    turn = torch.linalg.matrix_exp(torch.tensor([[0, -0.3, 0.1], [0.3, 0, 0.2], [-0.1, -0.2, 0]]))
    found = 1.3 * truth @ turn.T + torch.tensor([5.0, -3, 8])
    assert float(aligned_error(found, truth).max()) < 1e-3
    assert float(aligned_error(found, truth, torch.arange(7)).max()) < 1e-3
    assert float(aligned_error(found, truth, scaled=False).min()) > 5
    assert float(angle_between(turn[None], torch.eye(3)[None])) == pytest.approx(21.44, abs=0.1)


def test_the_truth_has_no_error(bank: SyntheticBank, basis) -> None:
    rows = noisy_rows(bank, np.arange(3), 64, "clean", noise=0.0)
    names = ("identity", "expression", "albedo", "angles", "translation", "illumination")
    truth = Estimate(**{name: rows[name] for name in names}, log_variance=torch.randn(3, 6))
    figures = synthetic_figures(truth, rows, basis)
    assert figures["seven"] < 0.01 and figures["rigid_share"] < 0.01 and figures["pose"] < 0.2
    whole, inner = reprojection(truth, rows["marks"], basis)
    assert float(inner.max()) < 0.02 and float(whole.max()) < 0.2
    shape = torch.cat([rows["identity"], rows["expression"]], 1)
    assert float(shape_errors(shape * 0, shape, basis)["seven"].min()) > 0.5
    assert list(split(truth.vector())) == list(names)
