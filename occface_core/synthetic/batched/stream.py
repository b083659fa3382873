"""Batches one after the other: processes draw the next plans while the device paints."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from multiprocessing import get_context
from multiprocessing.pool import AsyncResult, Pool

import torch

from occface_core.synthetic.batched.generation import paint
from occface_core.synthetic.batched.plan import FacePlan, draw_plans
from occface_core.synthetic.batched.sample import SyntheticBatch
from occface_core.synthetic.generation import embedded
from occface_core.synthetic.options import SynthOptions

CHUNK = 8
"""Plans that a process draws at a time."""

AHEAD = 2
"""Batches that the processes are ahead of the device."""


def stream_batches(
    seed: int,
    indices: Iterable[int],
    options: SynthOptions | None = None,
    *,
    batch_size: int = 64,
    device: str | torch.device = "cpu",
    workers: int = 2,
    at_once: int = 16,
) -> Iterator[SyntheticBatch]:
    """Yield the faces of the embedded model that `generate_batch` gives, batch by batch; the last may be smaller.

    Args:
        seed: seed of the set, at least 0.
        indices: numbers of the samples, in the order in which they come.
        options: ranges and choices; None = all defaults.
        batch_size: faces a batch.
        device: where they are painted and stay.
        workers: processes that draw plans; 0 draws them in this one, in between.
        at_once: see `generate_batch`.
    """
    options = SynthOptions() if options is None else options
    place, every = torch.device(device), list(indices)
    batches = [every[k : k + batch_size] for k in range(0, len(every), batch_size)]
    if workers == 0:
        for batch in batches:
            yield paint(
                seed, draw_plans(seed, batch, options, embedded()), options, embedded(), place, at_once
            )
        return
    with get_context("spawn").Pool(workers, _single_thread) as pool:
        waiting: deque[list[AsyncResult[list[FacePlan]]]] = deque()
        for batch in [*batches, *([[]] * AHEAD)]:
            if batch:
                waiting.append(_ask(pool, seed, batch, options))
            if waiting and (len(waiting) > AHEAD or not batch):
                plans = [plan for part in waiting.popleft() for plan in part.get()]
                yield paint(seed, plans, options, embedded(), place, at_once)


def _ask(pool: Pool, seed: int, batch: list[int], options: SynthOptions) -> list[AsyncResult[list[FacePlan]]]:
    """Let the processes draw the plans of a batch."""
    parts = [batch[k : k + CHUNK] for k in range(0, len(batch), CHUNK)]
    return [pool.apply_async(_plans, (seed, part, options)) for part in parts]


def _plans(seed: int, indices: list[int], options: SynthOptions) -> list[FacePlan]:
    return draw_plans(seed, indices, options, embedded())


def _single_thread() -> None:
    """Prepare a process: one thread each, as there are several of them."""
    import cv2

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
