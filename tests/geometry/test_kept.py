from __future__ import annotations

import torch

from occface_core.geometry.kept import MOST, kept


class Counted:
    """Sums tensors, and counts how often."""

    def __init__(self):
        self.calls = 0

        @kept
        def total(values, more=None, *, times=1):
            self.calls += 1
            return (values.sum() + (0 if more is None else more.sum())) * times

        self.total = total


def test_the_same_tensors_are_looked_at_once():
    counted, values, more = Counted(), torch.ones(3), torch.ones(2)
    assert [float(counted.total(values, more)) for _ in range(3)] == [5, 5, 5]
    assert counted.calls == 1
    assert counted.total(values) == 3 and counted.total(values, more, times=2) == 10
    assert counted.calls == 3


def test_what_was_written_into_is_looked_at_again():
    counted, values = Counted(), torch.ones(3)
    assert counted.total(values) == 3
    values[0] = 5
    assert counted.total(values) == 7


def test_a_new_tensor_in_an_old_ones_place_is_another():
    counted = Counted()
    assert [float(counted.total(torch.full((3,), float(k)))) for k in range(50)] == [
        3.0 * k for k in range(50)
    ]


def test_results_under_inference_mode_serve_gradients_later():
    counted, values = Counted(), torch.ones(3)
    with torch.inference_mode():
        counted.total(values)
        assert counted.total(torch.ones(3)) == counted.total(torch.ones(3)) == 3
    weight = torch.ones(1, requires_grad=True)
    (counted.total(values) * weight).sum().backward()
    assert weight.grad == 3


def test_old_results_make_room():
    counted, values = Counted(), torch.ones(3)
    for times in range(2 * MOST):
        counted.total(values, times=times)
    counted.total(values, times=2 * MOST - 1)
    assert counted.calls == 2 * MOST
    counted.total(values, times=0)
    assert counted.calls == 2 * MOST + 1
