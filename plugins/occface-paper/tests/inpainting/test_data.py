"""Masks, aligned faces and samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from occface_paper.inpainting.data import CANVAS, MARGIN, CleanFaces, Sampler, load_clean_faces, recoloured
from occface_paper.inpainting.masks import block, cover, half, strokes, widened
from occface_paper.pasting import SIDE, OccluderBank


@pytest.fixture(scope="module")
def clean(clean_pack: Path) -> CleanFaces:
    return load_clean_faces(clean_pack)


def test_faces_are_aligned_as_the_pipeline_does(clean: CleanFaces):
    from occface_core.geometry.align import mean_landmarks

    assert len(clean) == 8 and clean.images.shape == (8, CANVAS, CANVAS, 3)
    assert clean.is_val.sum() == 2
    middle = clean.points.mean(1) - MARGIN
    assert np.abs(middle - 128).max() < 40 and mean_landmarks().shape == (68, 2 + 1)
    eyes = clean.points[:, 42:48].mean(1) - clean.points[:, 36:42].mean(1)
    assert np.abs(eyes[:, 1] / eyes[:, 0]).max() < 0.2  # upright
    assert 0 < (clean.photo < 128).mean() < 1  # the right edge of the drawn photos is none


def test_samples_leave_the_validation_faces_out_and_repeat_from_a_seed(clean: CleanFaces):
    chosen = Sampler(faces=clean, size=64)
    picks = np.searchsorted(chosen.chance, np.linspace(0, 0.999, 50), side="right")
    assert not clean.is_val[picks].any()
    one, two = (chosen.draw(np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one.image, two.image) and np.array_equal(one.points, two.points)
    assert one.image.shape == (64, 64, 3) and one.hole.any() and one.hole.dtype == bool
    batch = chosen.batch(np.random.default_rng(0), 3)
    assert [a.shape for a in batch] == [(3, 64, 64, 3)] * 2 + [(3, 64, 64)] * 2 + [(3, 68, 2)]


def test_an_unmoved_sample_is_the_crop(clean: CleanFaces):
    sample = Sampler(faces=clean).sample(0, np.random.default_rng(0), jitter=False)
    inside = slice(MARGIN, MARGIN + 256)
    assert np.abs(sample.truth.astype(int) - clean.images[0, inside, inside]).max() <= 1


def region() -> np.ndarray:
    y, x = np.mgrid[:96, :96]
    return (x - 48) ** 2 + (y - 50) ** 2 < 34**2


@pytest.mark.parametrize("draw", [strokes, block], ids=["strokes", "block"])
def test_drawn_masks_hit_the_face(draw):
    holes = [draw(region(), np.random.default_rng(i)) for i in range(20)]
    assert all((hole & region()).any() for hole in holes)
    assert len({int(hole.sum()) for hole in holes}) > 10
    assert not draw(np.zeros((8, 8), bool), np.random.default_rng(0)).any()


def test_halves_lie_on_their_side(face_points: np.ndarray):
    lower = half(face_points, 128, np.random.default_rng(0), lower=True)
    assert lower[110, 64] and not lower[20, 64]
    sides = [half(face_points, 128, np.random.default_rng(i), lower=False) for i in range(12)]
    assert all(hole[64, 20] != hole[64, 108] for hole in sides)
    assert {bool(hole[64, 20]) for hole in sides} == {True, False}


def test_widened_grows_and_shrinks():
    hole = np.zeros((21, 21), bool)
    hole[8:13, 8:13] = True
    assert widened(hole, 2).sum() > 25 > widened(hole, -1).sum() == 9
    assert widened(hole, 0) is hole


def test_an_occluder_of_the_bank_covers_and_the_hole_hides_it(face_points: np.ndarray):
    alpha = np.zeros((1, SIDE, SIDE), np.uint8)
    alpha[:, 70:120, 60:130] = 255
    bank = OccluderBank(
        colour=np.full((1, SIDE, SIDE, 3), 250, np.uint8),
        alpha=alpha,
        points=face_points[None].astype(np.float32) * SIDE / 128,
        kind=np.zeros(1, np.int64),
    )
    image = np.full((128, 128, 3), 50, np.uint8)
    face = np.zeros((128, 128), bool)
    face[20:110, 24:104] = True
    hit = 0
    for seed in range(12):
        covered = cover(image, face_points, face, np.random.default_rng(seed), bank)
        if covered.kind == "glasses":  # the kind of index 0
            hit += 1
            changed = (covered.image != image).any(-1) & face
            assert changed.any() and (changed & ~covered.hole).sum() < 0.35 * changed.sum()
    assert hit >= 4 and (image == 50).all()


def test_recolouring_keeps_the_order_of_brightness():
    image = np.tile(np.arange(0, 250, 10, dtype=np.uint8)[None, :, None], (2, 1, 3))
    found = recoloured(image, np.random.default_rng(1)).astype(int)
    assert (np.diff(found[0, :, 0]) >= 0).all() and not np.array_equal(found, image)
