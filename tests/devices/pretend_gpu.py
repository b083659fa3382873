"""A device that is not there: tensors that say "cuda:0", refuse what CUDA refuses, and compute on the CPU.

Code that mixes devices, turns a GPU's tensor into numpy, or makes a tensor where its neighbours are not, fails on
these tensors as it would on a GPU; values are those of the CPU. Speed, memory, rounding and what GPUs cannot
compute at all are not seen. For code that takes no gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

GPU = torch.device("cuda", 0)
MOVES = ("to", "cpu", "cuda", "copy_", "type", "_apply")
INDEXING = ("__getitem__", "__setitem__", "index_put_", "index_put")
MAKERS = ("tensor", "as_tensor", "from_numpy")
REFUSED = ("numpy", "__array__")


class PretendTensor(Tensor):
    """A tensor of the device that is not there; `inner` holds its values on the CPU."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> PretendTensor:
        made = Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            device=GPU, requires_grad=False,
        )  # fmt: skip
        made.inner = inner
        return made

    def __repr__(self, *_: Any) -> str:
        return f"pretend {self.inner}"

    def __array__(self, *_: Any, **__: Any) -> Any:
        """Refuse, as a GPU's tensor does."""
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")

    def __reduce_ex__(self, protocol: Any) -> Any:
        return (PretendTensor, (self.inner,))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func} reached a pretended tensor from outside of pretended_gpu()")


def _is_gpu(value: Any) -> bool:
    return isinstance(value, (str, torch.device)) and str(value).startswith("cuda")


class _Pretending(TorchFunctionMode):
    """Computes what is asked of pretended tensors on the CPU, after the checks that CUDA would make."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        flat, _ = tree_flatten((args, kwargs))
        tensors = [value for value in flat if isinstance(value, Tensor)]
        pretend = [value for value in tensors if isinstance(value, PretendTensor)]
        asked = _is_gpu(kwargs.get("device")) or (name in MOVES and any(_is_gpu(value) for value in flat))
        if func is torch.device or not (pretend or asked):
            return func(*args, **kwargs)
        if name == "_has_compatible_shallow_copy_type":
            return False
        if name in REFUSED:
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")
        if name == "__get__" and getattr(func.__self__, "__name__", "") in ("device", "is_cuda", "is_cpu"):
            return GPU if func.__self__.__name__ == "device" else func.__self__.__name__ == "is_cuda"
        if name not in MOVES:
            _check_devices(name, func, tensors, args)
        stays = asked or self._stays(name, tensors, kwargs, flat)
        known = {id(value.inner): value for value in pretend}
        plain = tree_map(
            lambda value: (
                value.inner
                if isinstance(value, PretendTensor)
                else (torch.device("cpu") if _is_gpu(value) and not isinstance(value, str) else value)
            ),
            (args, {key: "cpu" if _is_gpu(value) else value for key, value in kwargs.items()}),
        )
        plain_args = tuple("cpu" if name in MOVES and _is_gpu(value) else value for value in plain[0])
        if name == "cuda":
            return PretendTensor(plain_args[0].clone())
        out = func(*plain_args, **(plain[1] | ({"pin_memory": False} if "pin_memory" in plain[1] else {})))
        if not stays:
            return out

        def wrap(value: Any) -> Any:
            if not isinstance(value, Tensor) or isinstance(value, PretendTensor):
                return value
            return known.get(id(value)) if id(value) in known else PretendTensor(value)

        return tree_map(wrap, out)

    @staticmethod
    def _stays(name: str, tensors: list[Tensor], kwargs: dict[str, Any], flat: list[Any]) -> bool:
        """Whether what comes out of a call that asks for no GPU lies on it."""
        if name == "cpu" or ("device" in kwargs and kwargs["device"] is not None):
            return False
        if name == "to":
            if any(
                isinstance(value, torch.device) or value == "cpu"
                for value in flat
                if not isinstance(value, Tensor)
            ):
                return False
            return isinstance(tensors[-1], PretendTensor)
        if name == "copy_":
            return isinstance(tensors[0], PretendTensor)
        return True


def _check_devices(name: str, func: Any, tensors: list[Tensor], args: Any) -> None:
    """Raise what CUDA raises where tensors of both devices meet; single numbers may come from the CPU."""
    others = [value for value in tensors if not isinstance(value, PretendTensor) and value.ndim > 0]
    if name in INDEXING:
        if not isinstance(args[0], PretendTensor):
            raise RuntimeError(
                f"indices should be on the same device as the indexed tensor (cpu), found cuda ({func})"
            )
        others = [value for value in tree_flatten(args[2:])[0] if isinstance(value, Tensor)]
        others = [value for value in others if not isinstance(value, PretendTensor) and value.ndim > 0]
    if others:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found cuda:0 and cpu! ({func})"
        )


@contextmanager
def pretended_gpu() -> Iterator[Callable[[Tensor], Tensor]]:
    """Let code use device "cuda" inside; yields a function that moves a tensor there."""
    with mock.patch.object(torch.cuda, "_lazy_init", lambda: None), torch.no_grad(), _Pretending():
        yield PretendTensor
