"""The hooks: who else wants to know. The registry answers "which one?", hooks only observe or short-cut.

A hook plugin is a class with methods marked `hookimpl`, named in the config's `hooks` list. Wrappers
(`hookimpl(wrapper=True)`) see every call and its result or exception; a `tryfirst` implementation that
returns something other than None replaces the work (a cache does).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from occface_core.pipeline import Photo, Pipeline
    from occface_core.stages import Stage
    from occface_core.types import FaceBatch

PROJECT = "occface"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def occface_run_pipeline(pipeline: Pipeline, photo: Photo) -> FaceBatch | None:  # type: ignore[empty-body]
    """Reconstruct one photo; called once for every `pipeline(photo)`.

    Args:
        pipeline: the pipeline at work.
        photo: the photo as read; `photo.pixels` is (1, 3, H, W).

    Returns:
        Every face of the photo, or None to let the next implementation do it.
    """


@hookspec(firstresult=True)
def occface_run_stage(  # type: ignore[empty-body]
    stage_name: str, stage: Stage, faces: Photo | FaceBatch
) -> FaceBatch | None:
    """Run one stage on a batch; called by `pipeline(photo)` and by `pipeline.map(photos)`.

    Args:
        stage_name: key in `STAGES`.
        stage: the stage, set up.
        faces: the batch so far; for the landmark detector, which comes first, the `Photo`.

    Returns:
        The batch with the stage's field filled in, or None to let the next implementation do it.
    """
