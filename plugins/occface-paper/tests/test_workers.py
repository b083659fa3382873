"""Sample-making processes work whatever torch has done before in their parent."""

from __future__ import annotations

import os

import cv2
import torch

from occface_paper.workers import forked

_SHIFT = 0.0


def _set(shift: float) -> None:
    global _SHIFT
    _SHIFT = shift


def _shifted_sum(size: int) -> tuple[float, int, int, int]:
    total = torch.ones(size, size).matmul(torch.ones(size, size)).sum()
    return float(total) + _SHIFT, torch.get_num_threads(), cv2.getNumThreads(), os.getpid()


def test_a_pool_forked_after_torch_began_its_threads_answers():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        x = torch.ones(512, 512, requires_grad=True)
        (x.matmul(x) + torch.rand(512, 512).exp()).sum().backward()
        with forked(2, _set, 0.5) as pool:
            answers = pool.map_async(_shifted_sum, [256, 300]).get(timeout=60)
    finally:
        torch.set_num_threads(before)
    assert [answer[0] for answer in answers] == [256.0**3 + 0.5, 300.0**3 + 0.5]
    assert all(answer[1:3] == (1, 1) for answer in answers)
    assert os.getpid() not in {answer[3] for answer in answers}
