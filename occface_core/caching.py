"""What the memory and the disk cache share: one key a call, read before the stage, write after it."""

from __future__ import annotations

import abc
import threading
from collections.abc import Generator
from typing import TYPE_CHECKING

import attrs

from occface_core.fingerprints import call_key, stage_fingerprint
from occface_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from occface_core.pipeline import Photo
    from occface_core.stages import Stage
    from occface_core.types import FaceBatch


@attrs.define(kw_only=True, eq=False)
class StageCache(abc.ABC):
    """A cache of stage answers; a subclass says where they are kept.

    The key is the content of what goes in and the fingerprint of who answers, so the same photo under another
    name is the same call, and another option or other weights make another one.

    Attributes:
        hits: answers taken from the cache.
        misses: answers that had to be computed.
    """

    hits: int = attrs.field(default=0, init=False)
    misses: int = attrs.field(default=0, init=False)
    _known: dict[int, tuple[Stage, str]] = attrs.field(factory=dict, init=False, repr=False)
    _call: threading.local = attrs.field(factory=threading.local, init=False, repr=False)

    @abc.abstractmethod
    def get(self, key: str) -> FaceBatch | None:
        """Return the kept answer, or None."""

    @abc.abstractmethod
    def put(self, key: str, answer: FaceBatch) -> None:
        """Keep an answer."""

    def fingerprint(self, stage_name: str, stage: Stage) -> str:
        """Return what makes this stage's answers its own."""
        return stage_fingerprint(stage_name, stage)

    @hookimpl(specname="occface_run_stage", tryfirst=True)
    def read(self, stage_name: str, stage: Stage, faces: Photo | FaceBatch) -> FaceBatch | None:
        """Return the kept answer, or None to let the stage work."""
        kept = self.get(self._call.key)
        self._call.hit = kept is not None
        self.hits += self._call.hit
        self.misses += not self._call.hit
        return kept

    @hookimpl(specname="occface_run_stage", wrapper=True)
    def write(
        self, stage_name: str, stage: Stage, faces: Photo | FaceBatch
    ) -> Generator[None, FaceBatch, FaceBatch]:
        """Keep the answer; an exception passes through and nothing is kept."""
        self._call.key = call_key(self._fingerprint_once(stage_name, stage), faces)
        self._call.hit = False
        result = yield
        if not self._call.hit:
            self.put(self._call.key, result)
        return result

    def _fingerprint_once(self, stage_name: str, stage: Stage) -> str:
        """Return the fingerprint; weights files are read once for each stage."""
        if id(stage) not in self._known:
            self._known[id(stage)] = stage, self.fingerprint(stage_name, stage)
        return self._known[id(stage)][1]
