"""Pasted occluders."""

from __future__ import annotations

import numpy as np
import pytest

from occface_paper.occluders import KINDS, occlude


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_hides_something_changes_only_what_it_hides_and_repeats(
    kind: str, face_points: np.ndarray
):
    image = np.full((128, 128, 3), 90, np.uint8)
    kept = image.copy()
    hidden = []
    for seed in range(5):
        first = occlude(image, face_points, kind, np.random.default_rng(seed))
        second = occlude(image, face_points, kind, np.random.default_rng(seed))
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
        picture, alpha = first
        assert picture.dtype == np.uint8 and alpha.shape == (128, 128)
        assert alpha.min() >= 0 and alpha.max() <= 1
        assert (picture[alpha == 0] == 90).all()
        hidden.append((alpha > 0.5).sum())
    assert max(hidden) > 20
    assert np.array_equal(image, kept)


def test_severity_hides_more(face_points: np.ndarray):
    image = np.zeros((128, 128, 3), np.uint8)
    share = [
        np.mean(
            [
                occlude(image, face_points, "block", np.random.default_rng(s), severity=v)[1].mean()
                for s in range(20)
            ]
        )
        for v in (0.1, 0.5)
    ]
    assert share[1] > 2 * share[0]
