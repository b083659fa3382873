"""The finder's targets, decoding and suppression."""

from __future__ import annotations

import numpy as np
import torch

from occface_paper.faces.assign import targets
from occface_paper.faces.find import FoundFaces, find_faces, resized, suppress, thinned
from occface_paper.faces.loss import focal_loss
from occface_paper.faces.network import STRIDES, FaceNetwork, decode
from occface_paper.faces.verifier import FIVE_PLACES, opinions


def test_every_face_is_asked_for_and_decodes_to_itself():
    rng = np.random.default_rng(0)
    centres = np.array([[30.0, 30], [120, 60], [200, 190], [60, 180]])
    sizes = np.array([12.0, 36, 90, 60])
    boxes = np.concatenate([centres - sizes[:, None] / 2, centres + sizes[:, None] / 2], 1)
    points = centres[:, None] + rng.uniform(-0.3, 0.3, (4, 5, 2)) * sizes[:, None, None]
    seen = set()
    for (label, values), stride in zip(targets(boxes, points, 256, 256), STRIDES, strict=True):
        raw = torch.zeros(1, 15, 256 // stride, 256 // stride)
        raw[0, 1:] = torch.from_numpy(values)
        _, box, point = decode(raw, stride)
        for cell in np.flatnonzero(label.ravel() > 0.5):
            error = np.abs(boxes - box[0, cell].numpy()).max(1)
            face = int(error.argmin())
            assert error[face] < 1e-3
            assert np.abs(points[face] - point[0, cell].numpy()).max() < 1e-3
            seen.add(face)
    assert seen == {0, 1, 2, 3}


def test_ignored_faces_give_cells_that_are_not_asked():
    boxes, points = np.array([[40.0, 40, 80, 80]]), np.full((1, 5, 2), 60.0)
    maps = targets(boxes, points, 128, 128, np.array([True]))
    assert all(label.max() <= 0 for label, _ in maps) and any(label.min() == -1 for label, _ in maps)


def test_cells_not_asked_cost_nothing():
    logits = torch.tensor([[3.0, -3.0, 0.5]])
    with_ignored = focal_loss(logits, torch.tensor([[1.0, 0.0, -1.0]]))
    assert torch.allclose(with_ignored, focal_loss(logits[:, :2], torch.tensor([[1.0, 0.0]])))


def test_suppression_keeps_the_best_of_each_face():
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60], [2, 2, 6, 6]])
    assert suppress(boxes, torch.tensor([0.6, 0.9, 0.7, 0.5])).tolist() == [1, 2]


def test_suppression_of_nothing():
    assert suppress(torch.zeros(0, 4), torch.zeros(0)).tolist() == []


def test_shrinking_a_large_picture_keeps_its_mean():
    picture = torch.rand(1, 3, 700, 1100)
    assert abs(resized(thinned(picture, 30, 47), 30, 47).mean() - picture.mean()) < 0.01


def test_an_untrained_finder_sees_nothing_in_any_size():
    network = FaceNetwork(16).eval()
    for size in ((1, 1), (1, 50), (33, 7), (300, 200)):
        found = find_faces(network, torch.rand(1, 3, *size), score_threshold=0.9)
        assert found.boxes.shape == (0, 4) and found.points.shape == (0, 5, 2) and len(found) == 0


def test_the_verifier_sees_each_candidates_own_pixels():
    class Opinion(torch.nn.Module):
        def forward(self, crop: torch.Tensor) -> torch.Tensor:
            return crop.mean((1, 2, 3))

    photo = torch.zeros(1, 3, 60, 200)
    photo[..., :100] = 1.0
    boxes = torch.tensor([[130.0, 10, 170, 50], [30, 10, 70, 50]])
    points = (boxes[:, :2] + boxes[:, 2:])[:, None] / 2 + torch.tensor(FIVE_PLACES) * 20
    faces = FoundFaces(boxes=boxes, points=points, scores=torch.tensor([0.9, 0.6]))
    assert torch.allclose(opinions(Opinion(), photo, faces), torch.tensor([0.0, 1.0]), atol=1e-3)
    assert opinions(Opinion(), photo, faces[:0]).shape == (0,)
