"""Hair at the rim of the face is no occluder; hair that reaches deep into it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from occface_core.synthetic.labels import LABEL_NAMES, LABELS
from occface_paper.parsing.hidden import hidden_chance, soft_alpha, without_hairline


@pytest.fixture
def region() -> torch.Tensor:
    face = torch.zeros(1, 1, 256, 256)
    face[..., 50:200, 60:190] = 1
    return face


def hair(rows: slice, columns: slice) -> torch.Tensor:
    labels = np.full((256, 256), LABELS["skin"])
    labels[rows, columns] = LABELS["hair"]
    return (
        torch.nn.functional.one_hot(torch.as_tensor(labels), len(LABEL_NAMES)).permute(2, 0, 1)[None].float()
    )


def test_a_hairline_is_taken_out_of_the_face_and_not_marked(region: torch.Tensor):
    chance = hair(slice(0, 60), slice(0, 256))
    face = without_hairline(chance, region)
    alpha = soft_alpha(hidden_chance(chance, face), face, 2.0)
    assert not alpha.any()
    assert not face[..., 50:60, :].any() and (face[..., 62:200, 60:190] == 1).all()


def test_a_strand_across_the_face_is_marked_to_its_end(region: torch.Tensor):
    chance = hair(slice(0, 150), slice(110, 130))
    face = without_hairline(chance, region)
    assert torch.equal(face, region)
    assert (soft_alpha(hidden_chance(chance, face), face, 2.0)[..., 50:150, 110:130] == 1).all()
