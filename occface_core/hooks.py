"""Hooks that ship with the core: timing, progress, memory cache; `disk_cache` has a module of its own."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import attrs

from occface_core.caching import StageCache
from occface_core.hookspecs import hookimpl
from occface_core.types import FaceBatch

if TYPE_CHECKING:
    from occface_core.pipeline import Photo, Pipeline
    from occface_core.stages import Stage


@attrs.define(kw_only=True, eq=False)
class Timing:
    """Measure the wall time of every stage; the result's lineage holds it in `seconds`.

    Attributes:
        totals: stage name → seconds in all, since this hook was made.
    """

    totals: dict[str, float] = attrs.field(factory=dict, init=False)

    @hookimpl(wrapper=True, tryfirst=True)
    def occface_run_stage(
        self, stage_name: str, stage: Stage, faces: Photo | FaceBatch
    ) -> Generator[None, FaceBatch, FaceBatch]:
        """Add the seconds that the stage took to the last line of the lineage."""
        _synchronise(faces)
        start = time.perf_counter()
        result = yield
        _synchronise(result)
        seconds = time.perf_counter() - start
        self.totals[stage_name] = self.totals.get(stage_name, 0.0) + seconds
        *before, last = result.lineage
        return attrs.evolve(result, lineage=(*before, attrs.evolve(last, seconds=seconds)))


@attrs.define(kw_only=True, eq=False)
class Progress:
    """Show on standard error which stage of which photo is at work; silent where there is no terminal."""

    _status: Any = attrs.field(default=None, init=False)
    _console: Any = attrs.field(default=None, init=False, repr=False)

    @hookimpl(wrapper=True)
    def occface_run_pipeline(self, pipeline: Pipeline, photo: Photo) -> Generator[None, FaceBatch, FaceBatch]:
        """Show a status line while a photo is at work."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(stderr=True)
        if (
            not self._console.is_terminal or self._status is not None
        ):  # one line, whatever the number of threads
            return (yield)
        with self._console.status(f"{photo.source}: reading") as self._status:
            try:
                result = yield
            finally:
                self._status = None
        return result

    @hookimpl(wrapper=True)
    def occface_run_stage(
        self, stage_name: str, stage: Stage, faces: Photo | FaceBatch
    ) -> Generator[None, FaceBatch, FaceBatch]:
        """Name the stage in the status line."""
        if self._status is not None:
            self._status.update(f"{stage_name}: {type(stage).__name__}")
        return (yield)


@attrs.define(kw_only=True, eq=False)
class MemoryCache(StageCache):
    """Keep stage answers in memory, by content of what went in and fingerprint of who answered.

    Attributes:
        max_entries: answers kept; the least recently used goes first.
        hits: answers taken from the cache.
        misses: answers that had to be computed.
    """

    max_entries: int = attrs.field(default=256, validator=attrs.validators.ge(1))
    _kept: OrderedDict[str, FaceBatch] = attrs.field(factory=OrderedDict, init=False, repr=False)

    def get(self, key: str) -> FaceBatch | None:
        """Return the kept answer, or None."""
        try:
            self._kept.move_to_end(key)
            return self._kept[key]
        except KeyError:  # never there, or forgotten just now by another thread
            return None

    def put(self, key: str, answer: FaceBatch) -> None:
        """Keep an answer, and forget the least recently used ones beyond `max_entries`."""
        self._kept[key] = answer
        while len(self._kept) > self.max_entries:
            self._kept.popitem(last=False)


def _synchronise(faces: Photo | FaceBatch) -> None:
    """Wait for the device, so that the clock reads finished work."""
    tensor = faces.image if isinstance(faces, FaceBatch) else faces.pixels
    if tensor.device.type == "cuda":
        import torch

        torch.cuda.synchronize(tensor.device)
