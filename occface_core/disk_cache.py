"""The hook `disk_cache`: stage answers in files, shared by runs and by processes."""

from __future__ import annotations

import os
import sys
import time
import uuid
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from occface_core.caching import StageCache
from occface_core.errors import OccfaceError
from occface_core.fingerprints import code_fingerprint, model_fingerprint, stage_fingerprint

if TYPE_CHECKING:
    from occface_core.facemodel import FaceModel
    from occface_core.stages import Stage
    from occface_core.types import FaceBatch

ANSWER, MODEL, PART = ".occface-answer", ".occface-model.npz", ".occface-part"
"""Endings of the files in the folder: answers, the face models that they name, and what is being written."""

ABANDONED = 3600
"""Seconds after which a file that is being written is taken for one of a process that was killed."""


@attrs.define(kw_only=True, eq=False)
class DiskCache(StageCache):
    """Keep stage answers in a folder, by content of what went in and fingerprint of who answered.

    Safe under several processes: a file appears whole or not at all, and one that is damaged, or removed by
    another process, is computed again. The sources of the core and of the plugin's package belong to the
    fingerprint. Reading runs no code from the folder.

    Attributes:
        folder: where the files are; None for `occface` in the user's cache folder. Made when first needed.
        max_bytes: size of all files together; those not used for longest go first.
        hits: answers taken from the cache.
        misses: answers that had to be computed.
    """

    folder: str | None = None
    max_bytes: int = attrs.field(default=2 * 1024**3, validator=attrs.validators.ge(1))
    _models: dict[str, FaceModel] = attrs.field(factory=dict, init=False, repr=False)
    _warned: bool = attrs.field(default=False, init=False, repr=False)

    @property
    def path(self) -> Path:
        """The folder in use."""
        return Path(self.folder).expanduser() if self.folder else user_cache_folder()

    def fingerprint(self, stage_name: str, stage: Stage) -> str:
        """Return what makes this stage's answers its own: they outlive the process, so its code belongs to it."""
        return stage_fingerprint(stage_name, stage) + code_fingerprint(type(stage).__module__)

    def get(self, key: str) -> FaceBatch | None:
        """Return the kept answer, or None; a damaged file is removed."""
        from occface_core.batch_bytes import from_bytes

        file = self.path / (key + ANSWER)
        try:
            data = file.read_bytes()
        except OSError:
            return None
        try:
            answer = from_bytes(data, self._find_model)
        except (OccfaceError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
            with suppress(OSError):
                file.unlink()
            return None
        with suppress(OSError):
            os.utime(file)  # used now: goes last
        return answer

    def put(self, key: str, answer: FaceBatch) -> None:
        """Keep an answer, and remove the oldest files beyond `max_bytes`; a full disk is a warning only."""
        from occface_core.batch_bytes import to_bytes

        with suppress(OSError):
            os.utime(self.path / (key + ANSWER))  # another process, or a cache before this one, had it
            return
        try:
            data, models = to_bytes(answer)
        except OccfaceError:
            return  # holds what cannot be written; computed again next time
        if len(data) > self.max_bytes:
            return
        try:
            for name, model in models.items():
                self._keep_model(name, model)
            self._write(key + ANSWER, lambda file: file.write_bytes(data))
            self._shrink()
        except OSError as error:
            if not self._warned:
                self._warned = True
                text = f"disk_cache cannot write to {self.path} ({error}); going on without keeping answers"
                warnings.warn(text, RuntimeWarning, stacklevel=2)

    def _write(self, name: str, write: Callable[[Path], object]) -> None:
        """Write a file under another name and move it to its place in one step."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self.path / f"{os.getpid()}-{uuid.uuid4().hex}{PART}{Path(name).suffix}"
        try:
            write(part)
            part.replace(self.path / name)
        finally:
            with suppress(OSError):
                part.unlink()

    def _keep_model(self, name: str, model: FaceModel) -> None:
        """Write a face model that answers name, unless it is the one that comes with the library."""
        self._models[name] = model
        file = self.path / (name + MODEL)
        if name == _embedded()[0]:
            return
        try:
            os.utime(file)
        except OSError:
            self._write(file.name, model.save)

    def _find_model(self, name: str) -> FaceModel:
        """Return the face model that an answer names: the same object for every answer."""
        from occface_core.facemodel import FaceModel

        if name not in self._models:
            known, embedded = _embedded()
            if name == known:
                self._models[name] = embedded
            else:
                file = self.path / (name + MODEL)
                self._models[name] = FaceModel.load(file)
                with suppress(OSError):
                    os.utime(file)
        return self._models[name]

    def _shrink(self) -> None:
        """Remove the files that were not used for longest until the rest fits; other processes may do so too."""
        files = []
        with os.scandir(self.path) as found:
            for item in found:
                if not item.name.endswith((ANSWER, MODEL)) and PART not in item.name:
                    continue  # not ours
                with suppress(OSError):
                    about = item.stat()
                    if PART in item.name and time.time() - about.st_mtime > ABANDONED:
                        os.unlink(item.path)
                        continue
                    files.append((about.st_mtime_ns, about.st_size, item.path))
        size = sum(one for _, one, _ in files)
        for _, one, path in sorted(files):
            if size <= self.max_bytes:
                break
            with suppress(OSError):
                os.unlink(path)
            size -= one


def user_cache_folder() -> Path:
    """Return the folder `occface` where the user's programs keep what can be made again."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "occface"


def _embedded() -> tuple[str, FaceModel]:
    from occface_core.facemodel import FaceModel

    model = FaceModel.embedded()
    return model_fingerprint(model), model
