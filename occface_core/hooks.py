"""The hooks that ship with the core: timing, progress, memory cache. Named in the config's `hooks` list."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import attrs

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

    @hookimpl(wrapper=True)
    def occface_run_pipeline(self, pipeline: Pipeline, photo: Photo) -> Generator[None, FaceBatch, FaceBatch]:
        """Show a status line while a photo is at work."""
        from rich.console import Console

        with Console(stderr=True).status(f"{photo.source}: reading") as self._status:
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
class MemoryCache:
    """Keep stage answers in memory, by content of what went in and fingerprint of who answered.

    Attributes:
        max_entries: answers kept; the least recently used goes first.
        hits: answers taken from the cache.
        misses: answers that had to be computed.
    """

    max_entries: int = attrs.field(default=256, validator=attrs.validators.ge(1))
    hits: int = attrs.field(default=0, init=False)
    misses: int = attrs.field(default=0, init=False)
    _kept: OrderedDict[str, FaceBatch] = attrs.field(factory=OrderedDict, init=False, repr=False)

    @hookimpl(specname="occface_run_stage", tryfirst=True)
    def read(self, stage_name: str, stage: Stage, faces: Photo | FaceBatch) -> FaceBatch | None:
        """Return the kept answer, or None."""
        key = _key(stage_name, stage, faces)
        kept = self._kept.get(key)
        if kept is None:
            self.misses += 1
            return None
        self.hits += 1
        self._kept.move_to_end(key)
        return kept

    @hookimpl(specname="occface_run_stage", wrapper=True)
    def write(
        self, stage_name: str, stage: Stage, faces: Photo | FaceBatch
    ) -> Generator[None, FaceBatch, FaceBatch]:
        """Keep the answer; an exception passes through and nothing is kept."""
        result = yield
        self._kept[_key(stage_name, stage, faces)] = result
        while len(self._kept) > self.max_entries:
            self._kept.popitem(last=False)
        return result


def _key(stage_name: str, stage: Stage, faces: Photo | FaceBatch) -> str:
    """Return a hash of the batch so far, its lineage, and the stage that is to answer."""
    digest = hashlib.sha256()
    mine = (
        stage_name,
        type(stage).__module__,
        type(stage).__qualname__,
        stage.summary(),
        stage.weights_sha256(),
    )
    digest.update(repr(mine).encode())
    _feed(digest, faces)
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    """Feed tensors and plain values of a record into a hash; measured seconds are left out."""
    if hasattr(value, "new_ones"):
        digest.update(repr((tuple(value.shape), value.dtype, str(value.device))).encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    elif attrs.has(type(value)) and type(value).__module__.startswith("occface_core."):
        for field in attrs.fields(type(value)):
            if field.name not in ("seconds", "model"):
                digest.update(field.name.encode())
                _feed(digest, getattr(value, field.name))
    elif isinstance(value, dict):
        for key in sorted(value):
            digest.update(str(key).encode())
            _feed(digest, value[key])
    elif isinstance(value, (tuple, list)):
        for item in value:
            _feed(digest, item)
    else:
        digest.update(repr(value).encode())


def _synchronise(faces: Photo | FaceBatch) -> None:
    """Wait for the device, so that the clock reads finished work."""
    tensor = faces.image if isinstance(faces, FaceBatch) else faces.pixels
    if tensor.device.type == "cuda":
        import torch

        torch.cuda.synchronize(tensor.device)
