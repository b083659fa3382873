"""Results that depend on a mesh's connections alone, computed once for every face of a model."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

Given = ParamSpec("Given")
Result = TypeVar("Result")

MOST = 8
"""Results that each function keeps."""


def kept(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Let a pure function remember what it gave for the same tensors, as long as nobody writes into them.

    Tensors count as the same when they are the same objects (as those of `FaceModel.tensor` are), other arguments
    when they are equal. What is returned is shared: it must not be written into.
    """
    store: dict[Any, tuple[list[weakref.ref[Tensor]], Result]] = {}
    room = Lock()

    @wraps(function)
    def remembered(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        every = [*args, *kwargs.items()]
        tensors = [each for each in every if isinstance(each, Tensor)]
        if any(each.is_inference() for each in tensors):  # these do not count what is written into them
            return function(*args, **kwargs)
        key = tuple((id(each), each._version) if isinstance(each, Tensor) else each for each in every)
        found = store.get(key)
        if found is not None and all(one() is each for one, each in zip(found[0], tensors, strict=True)):
            return found[1]
        with torch.inference_mode(False):  # usable where gradients are wanted, too
            result = function(*args, **kwargs)
        with room:  # threads may share a pipeline
            while len(store) >= MOST:
                del store[next(iter(store))]
            store[key] = ([weakref.ref(each) for each in tensors], result)
        return result

    return remembered
