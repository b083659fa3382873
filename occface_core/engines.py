"""How many photos are worked on: one after the other here, on other machines in other distributions.

An engine is an `attrs.define(kw_only=True)` class that inherits `Engine`, offered in the entry-point group
"occface.engines". A worker anywhere calls `run_job`, which never raises for a photo that fails.
"""

from __future__ import annotations

import abc
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from occface_core.errors import FallbackWarning, OccfaceError

if TYPE_CHECKING:
    from occface_core.pipeline import Pipeline


@attrs.define(frozen=True, kw_only=True)
class Job:
    """One photo to be worked on.

    Attributes:
        photo: path of the photo.
        name: name of the folder that takes its results.
        mask: picture of what lies in front of the face (white), in place of the matting stage.
    """

    photo: Path
    name: str
    mask: Path | None = None


@attrs.define(frozen=True, kw_only=True)
class Outcome:
    """What became of a job.

    Attributes:
        job: the job.
        faces: number of faces found and saved.
        seconds: wall time in all, saving included.
        error: why it failed, or "".
        warnings: what the user must know: fall-backs, a reduced photo.
    """

    job: Job
    faces: int = 0
    seconds: float = 0.0
    error: str = ""
    warnings: tuple[str, ...] = ()


class Engine(abc.ABC):
    """Works through jobs."""

    @abc.abstractmethod
    def run(
        self,
        jobs: Sequence[Job],
        *,
        configuration: Mapping[str, Any],
        device: str,
        folder: Path,
        formats: Sequence[str],
    ) -> Iterator[Outcome]:
        """Reconstruct and save every photo; yield outcomes as they come, in any order.

        Args:
            jobs: what is to be done.
            configuration: configuration dictionary, as `Pipeline.from_config` takes it.
            device: torch device of each worker.
            folder: results go to folder/<job name>.
            formats: mesh formats besides glb.

        Raises:
            ConfigError: the configuration is wrong; raised before the first outcome.
        """


@attrs.define(kw_only=True)
class Local(Engine):
    """One photo after the other, in this process."""

    def run(
        self,
        jobs: Sequence[Job],
        *,
        configuration: Mapping[str, Any],
        device: str,
        folder: Path,
        formats: Sequence[str],
    ) -> Iterator[Outcome]:
        """Reconstruct and save every photo, in order."""
        pipeline = make_pipeline(configuration, device)
        for job in jobs:
            yield run_job(pipeline, job, folder, formats)


def find_engine(name: str) -> Engine:
    """Return the engine of that name, made with its default options.

    Raises:
        PluginNotFound: nothing of that name is installed.
        PluginBroken: it cannot be imported or made.
    """
    from occface_core.errors import PluginBroken
    from occface_core.registry import Registry

    registry = Registry()
    if name == "local" and name not in registry.names("engines"):
        registry.register("engines", name, Local)
    cls = registry.get("engines", name)
    if not (isinstance(cls, type) and issubclass(cls, Engine)):
        raise PluginBroken(
            f"engine '{name}' ({cls!r}) must be a class that inherits occface_core.engines.Engine"
        )
    try:
        return cls()
    except TypeError as error:
        raise PluginBroken(f"engine '{name}' cannot be made without options: {error}") from error


def make_pipeline(configuration: Mapping[str, Any], device: str) -> Pipeline:
    """Return a pipeline with every stage set up, so that missing weights are known before the first photo.

    Fall-backs are not warned of here: every result's lineage names them.
    """
    from occface_core.pipeline import Pipeline
    from occface_core.stages import STAGES

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FallbackWarning)
        pipeline = Pipeline.from_config(configuration, device=device)
    for name in STAGES:
        pipeline.stage(name)
    return pipeline


def run_job(pipeline: Pipeline, job: Job, folder: Path, formats: Sequence[str] = ()) -> Outcome:
    """Reconstruct one photo and save it under folder/<job name>; a failure is an outcome, never raised."""
    from occface_core.photo import PhotoReduced, read_mask, read_photo
    from occface_core.results import save

    start = time.perf_counter()
    seen: tuple[str, ...] = ()
    error = ""
    count = 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", PhotoReduced)
        try:
            pixels = read_photo(job.photo)
            given = {"matte": read_mask(job.mask, *pixels.shape[:2])} if job.mask else None
            faces = pipeline(pixels, given)
            count = len(faces)
            seen = (*(str(item.message) for item in caught), *faces.warnings)
            save(
                faces,
                folder / job.name,
                formats=formats,
                photo=pixels,
                source=str(job.photo),
                configuration=pipeline.to_config(),
                warnings=seen,
                seconds=time.perf_counter() - start,
            )
        except OccfaceError as problem:
            error = str(problem)
        except Exception as problem:
            error = (
                f"unexpected {type(problem).__name__}: {problem}. This is a defect of occface or of a plugin; "
                f"please report it with the photo and `occface doctor`"
            )
    seconds = time.perf_counter() - start
    return Outcome(job=job, faces=0 if error else count, seconds=seconds, error=error, warnings=seen)
