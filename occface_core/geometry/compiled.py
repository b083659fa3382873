"""Functions compiled for the CPU, and threads that run them side by side."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import torch


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """Compile without the interpreter's lock; keep the machine code on disk where that is possible."""
    ready: Any
    try:
        ready = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no place to keep it
        ready = numba.njit(nogil=True)(function)
    return ready  # type: ignore[no-any-return]


def for_each(work: Callable[[int], None], count: int) -> None:
    """Run `work` for 0 to count - 1 with as many threads as torch may use.

    Plain threads rather than numba's own: those stop a process that was forked or that uses two at once.
    """
    workers = min(count, torch.get_num_threads())
    if workers > 1:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, range(count)))
    else:
        for i in range(count):
            work(i)
