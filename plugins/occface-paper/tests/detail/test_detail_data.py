"""Training samples of the bump network: what they promise, on a few faces drawn here."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from occface_core.geometry.normals import depth_normals
from occface_paper.detail.data import HIDING, MOST, DetailSample, DetailSampler, crude_fill, missing_relief
from occface_paper.synthetic_bank import SyntheticBank


def test_a_sample_has_every_field_at_the_crops_size(sampler: DetailSampler):
    batch = sampler.batch(np.random.default_rng(0), 3)
    assert set(batch) == set(DetailSample.__annotations__)
    assert batch["picture"].shape == (3, 3, 96, 96) and batch["normals"].shape == (3, 3, 96, 96)
    for name in ("matte", "depth", "face", "bump", "valid", "weight"):
        assert batch[name].shape == (3, 1, 96, 96), name
        assert name == "depth" or np.isfinite(batch[name]).all(), name


def test_samples_depend_on_the_generator_alone(sampler: DetailSampler):
    first, second = (sampler.draw(np.random.default_rng(5)) for _ in range(2))
    assert all(
        np.array_equal(getattr(first, n), getattr(second, n), equal_nan=True) for n in first.__annotations__
    )


def test_the_crop_is_cut_out_of_the_whole(bank: SyntheticBank):
    rng = np.random.default_rng(0)
    whole = DetailSampler(bank=bank, indices=np.arange(len(bank)), size=256).cut(
        0, 0, 0, rng, "nothing", False
    )
    part = DetailSampler(bank=bank, indices=np.arange(len(bank)), size=96).cut(
        0, 70, 90, rng, "nothing", False
    )
    window = (slice(None), slice(90, 186), slice(70, 166))
    for name in ("picture", "bump", "valid", "face"):
        assert np.array_equal(getattr(part, name), getattr(whole, name)[window]), name
    both = np.isfinite(part.depth) & np.isfinite(whole.depth[window])
    assert np.abs(part.depth - whole.depth[window])[both].max() < 0.05
    assert np.array_equal(part.picture, bank.clean[0][window])


def test_normals_are_those_of_the_depth(bank: SyntheticBank):
    sampler = DetailSampler(bank=bank, indices=np.arange(len(bank)), size=256)
    sample = sampler.cut(1, 0, 0, np.random.default_rng(0), "nothing", False)
    intrinsics = torch.from_numpy(bank.intrinsics[1].copy())[None]
    expected = depth_normals(torch.from_numpy(sample.depth)[None], intrinsics)[0].numpy()
    cosine = (expected * sample.normals).sum(0)[sample.valid[0] > 0]
    assert np.median(cosine) > 0.995


def test_truth_is_flat_and_light_where_there_is_no_skin(sampler: DetailSampler):
    for hiding in HIDING:
        sample = sampler.cut(0, 60, 60, np.random.default_rng(1), hiding, True)
        assert (sample.bump[sample.valid == 0] == 0).all()
        assert sample.weight[sample.valid == 0].max() < sample.weight.max() == 1


def test_a_missed_occluder_is_not_valid_and_a_known_one_is_in_the_matte(bank: SyntheticBank):
    index = int(np.argmax((bank.occluder > 128).sum((1, 2))))
    assert (bank.occluder[index] > 128).any()
    sampler = DetailSampler(bank=bank, indices=np.arange(len(bank)), size=256)
    covered = bank.occluder[index] > 128
    missed = sampler.cut(index, 0, 0, np.random.default_rng(0), "missed", False)
    assert not missed.valid[0][covered].any() and not missed.matte.any()
    known = sampler.cut(index, 0, 0, np.random.default_rng(0), "own", False)
    assert (known.matte[0] >= covered * known.face[0] * 0.5).all()


def test_missing_relief_leaves_an_offset_out_and_finds_a_ridge():
    base = np.full((96, 96), 1000.0, np.float32)
    assert np.abs(missing_relief(base, base - 5)[20:-20, 20:-20]).max() < 0.05
    ridge = np.exp(-(((np.arange(96) - 48) / 2.0) ** 2)).astype(np.float32)
    found = missing_relief(base, base - ridge[None])
    assert found[48, 48] == pytest.approx(0.75, abs=0.2) and found.max() <= MOST
    assert abs(found[48, 30]) < 0.15


def test_missing_relief_has_no_answer_at_edges_of_either_surface():
    base, true = np.full((96, 96), 1000.0, np.float32), np.full((96, 96), 1000.0, np.float32)
    base[:, 40:], true[:, 50:] = np.nan, np.nan
    true[:, :20] += 200
    found = missing_relief(base, true)
    assert (
        np.isfinite(found).all() and np.abs(found[:, 36:]).max() < 0.05 and np.abs(found[:, :20]).max() == 0
    )


def test_crude_fill_does_not_know_what_it_covers():
    picture = np.full((3, 64, 64), 120, np.uint8)
    matte = np.zeros((64, 64), np.float32)
    matte[20:40, 20:40] = 1
    picture[:, 22:38, 22:38] = 255
    filled = crude_fill(picture, matte)
    assert np.abs(filled[:, 20:40, 20:40] - 120).max() < 2
