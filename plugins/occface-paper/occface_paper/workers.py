"""Processes that make samples beside the training."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.pool import Pool
from typing import Any

import cv2
import torch


def forked(workers: int, prepare: Callable[..., None] | None = None, *arguments: Any) -> Pool:
    """A pool of forked processes with one thread each, which share the parent's memory.

    One thread each, as there are several of them; and a child that inherits a started pool of OpenMP
    threads, which torch begins with its first larger operation, waits for those threads for ever.

    Args:
        workers: processes.
        prepare: called with ``arguments`` once in each of them.
        arguments: of ``prepare``.
    """
    return get_context("fork").Pool(workers, _start, (prepare, arguments))


def _start(prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    if prepare is not None:
        prepare(*arguments)
