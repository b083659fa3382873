"""Timing and progress: what they show, and that exceptions pass through them. Caches: test_caches.py."""

import io
from types import SimpleNamespace

import attrs
import numpy as np
import pytest
from rich.console import Console

from occface_core import Pipeline, Registry, hookimpl
from occface_core.errors import StageError
from occface_core.hooks import MemoryCache, Progress, Timing
from tests.core.fakes import FAKE, LeftHalf

PHOTO = np.random.default_rng(0).integers(0, 255, (200, 220, 3), dtype=np.uint8)


@attrs.define(kw_only=True)
class FailsOnce(LeftHalf):
    """Fails the first time."""

    calls: int = attrs.field(default=0, init=False)

    def run(self, image, landmarks):
        self.calls += 1
        if self.calls == 1:
            raise ZeroDivisionError("by design")
        return LeftHalf.run(self, image, landmarks)


def make(*hooks, **changes):
    return Pipeline.from_config({**FAKE, **changes, "hooks": list(hooks)}, registry=Registry(discover=False))


def hook(pipeline):
    return pipeline._hooks[0].instance


def test_timing_counts_every_stage_and_nothing_for_one_that_failed():
    pipeline = make(Timing, occlusion_matting=FailsOnce)
    with pytest.raises(StageError, match="by design"):
        pipeline(PHOTO)
    assert set(hook(pipeline).totals) == {"landmark_detector"}
    faces = pipeline(PHOTO)
    totals = hook(pipeline).totals
    assert set(totals) == set(FAKE)
    assert all(record.seconds > 0 for record in faces.lineage)
    assert totals["detail_recoverer"] == pytest.approx(faces.lineage[-1].seconds)
    assert totals["landmark_detector"] > faces.lineage[0].seconds  # of two photos


@pytest.fixture
def terminal(monkeypatch):
    """What a person sees: every text that the status line had, and whether a line is on show."""
    seen = SimpleNamespace(texts=[], showing=0)

    class Status:
        def __init__(self, text):
            seen.texts.append(text)

        def __enter__(self):
            seen.showing += 1
            return self

        def __exit__(self, *error):
            seen.showing -= 1

        def update(self, text):
            seen.texts.append(text)

    monkeypatch.setattr(Console, "status", lambda self, text: Status(text))
    monkeypatch.setattr(Console, "is_terminal", True)
    return seen


def test_progress_names_the_photo_and_its_stages(terminal):
    make(Progress)(PHOTO)
    assert terminal.texts[0] == "array: reading"
    assert [text.partition(":")[0] for text in terminal.texts[1:]] == list(FAKE)
    assert terminal.showing == 0


def test_progress_clears_its_line_when_a_stage_fails(terminal):
    pipeline = make(Progress, occlusion_matting=FailsOnce)
    with pytest.raises(StageError, match="by design"):
        pipeline(PHOTO)
    assert terminal.showing == 0 and hook(pipeline)._status is None
    assert len(pipeline(PHOTO)) == 1 and terminal.showing == 0


def test_progress_is_silent_without_a_terminal(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr("sys.stderr", out)
    make(Progress)(PHOTO)
    assert out.getvalue().strip() == ""


def test_progress_leaves_map_alone(terminal):
    assert len(list(make(Progress).map([PHOTO, PHOTO]))) == 2
    assert terminal.texts == []


@attrs.define(kw_only=True, eq=False)
class Watch:
    """Notes what passes."""

    seen: list = attrs.field(factory=list, init=False)

    @hookimpl(wrapper=True)
    def occface_run_stage(self, stage_name, stage, faces):
        try:
            result = yield
        except StageError as error:
            self.seen.append(f"{stage_name}: {error.__cause__}")
            raise
        self.seen.append(stage_name)
        return result


def test_a_wrapper_sees_the_error_of_the_stage_and_hands_it_on():
    pipeline = make(Watch, Timing, MemoryCache, Progress, occlusion_matting=FailsOnce)
    with pytest.raises(StageError, match="by design"):
        pipeline(PHOTO)
    assert hook(pipeline).seen == ["landmark_detector", "occlusion_matting: by design"]


@attrs.define(kw_only=True, eq=False)
class BrokenHook:
    """Fails itself."""

    @hookimpl(wrapper=True)
    def occface_run_stage(self, stage_name, stage, faces):
        result = yield
        if stage_name == "face_inpainter":
            raise RuntimeError("the hook's own")
        return result


def test_an_error_of_a_hook_is_not_taken_for_one_of_a_stage():
    with pytest.raises(RuntimeError, match="the hook's own"):
        make(BrokenHook, Timing)(PHOTO)
