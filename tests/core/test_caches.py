"""The memory and the disk cache: same answers, changes noticed, two processes, bounded, exceptions pass."""

import os
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch

from occface_core import Pipeline, Registry
from occface_core.batch_bytes import from_bytes, to_bytes
from occface_core.disk_cache import ANSWER, MODEL, PART, DiskCache, user_cache_folder
from occface_core.errors import RecordError, StageError
from occface_core.facemodel import FaceModel
from occface_core.fingerprints import code_fingerprint, model_fingerprint
from occface_core.hooks import MemoryCache
from occface_core.null import NoShape
from occface_core.types import StageRecord
from tests.core.fakes import FAKE, Failing, Grey

PHOTO = np.random.default_rng(0).integers(0, 255, (300, 320, 3), dtype=np.uint8)


def make(*hooks, **changes):
    return Pipeline.from_config({**FAKE, **changes, "hooks": list(hooks)}, registry=Registry(discover=False))


def hook(pipeline, number=0):
    return pipeline._hooks[number].instance


def disk(folder, **options):
    return {"plugin": DiskCache, "folder": str(folder), **options}


def files(folder, ending=ANSWER):
    return [one for one in Path(folder).iterdir() if one.name.endswith(ending)]


def assert_same(a, b):
    ours, theirs = (to_bytes(one)[0] for one in (a, b))
    assert ours == theirs


@pytest.fixture(params=["memory", "disk"])
def cache(request, tmp_path):
    return MemoryCache if request.param == "memory" else disk(tmp_path / "cache")


def test_the_second_time_nothing_is_computed(cache):
    pipeline = make(cache)
    first, second = pipeline(PHOTO), pipeline(PHOTO)
    assert pipeline.stage("landmark_detector").calls == 1
    assert (hook(pipeline).misses, hook(pipeline).hits) == (5, 5)
    assert_same(first, second)
    assert_same(first, make()(PHOTO))


def test_a_changed_photo_option_or_stage_is_another_call(cache):
    pipeline = make(cache)
    pipeline(PHOTO)
    pipeline(np.flipud(PHOTO).copy())
    assert hook(pipeline).hits == 0
    changed = make(cache, face_inpainter={"plugin": Grey, "level": 0.25})
    if cache is not MemoryCache:
        changed(PHOTO)
        assert hook(changed).hits == 2  # landmarks and matte; what follows the inpainter is new


def test_the_name_of_the_photo_changes_nothing(cache, tmp_path):
    from PIL import Image

    pipeline = make(cache)
    for name in ("a.png", "b.png"):
        Image.fromarray(PHOTO).save(tmp_path / name)
        pipeline(tmp_path / name)
    assert hook(pipeline).hits == 5


def test_exceptions_pass_through_and_nothing_is_kept_of_them(cache):
    pipeline = make(cache, occlusion_matting=Failing)
    for _ in range(2):
        with pytest.raises(StageError, match="by design"):
            pipeline(PHOTO)
    assert (hook(pipeline).hits, hook(pipeline).misses) == (1, 3)  # the landmarks; never the failing stage


def test_no_face_is_an_answer_too(cache):
    pipeline = make(cache, landmark_detector={"plugin": FAKE["landmark_detector"], "faces": 0})
    assert [len(pipeline(PHOTO)) for _ in range(2)] == [0, 0]
    assert pipeline.stage("landmark_detector").calls == 1


def test_threads_do_not_get_each_others_answers(cache):
    pipeline = make(cache)
    photos = [np.full((300, 320, 3), level, np.uint8) for level in range(0, 240, 10)]
    for _ in range(2):
        with ThreadPoolExecutor(8) as pool:
            for photo, faces in zip(photos, pool.map(pipeline, photos), strict=True):
                assert torch.allclose(faces.image, torch.tensor(float(photo[0, 0, 0]) / 255))


def test_memory_keeps_the_latest():
    pipeline = make({"plugin": MemoryCache, "max_entries": 5})
    pipeline(PHOTO)
    pipeline(np.flipud(PHOTO).copy())
    pipeline(PHOTO)
    assert hook(pipeline).hits == 0


# On disk


def test_another_run_finds_the_answers(tmp_path):
    first = make(disk(tmp_path))(PHOTO)
    again = make(disk(tmp_path))
    second = again(PHOTO)
    assert (hook(again).hits, hook(again).misses) == (5, 0)
    assert_same(first, second)
    assert second.shape.model is first.shape.model  # the one that comes with the library is not written
    assert len(files(tmp_path)) == 5 and not files(tmp_path, MODEL)


def test_a_damaged_file_is_computed_again(tmp_path):
    make(disk(tmp_path))(PHOTO)
    for number, file in enumerate(files(tmp_path)):
        data = bytearray(file.read_bytes())
        if number % 2:
            data[len(data) // 2] ^= 1
        file.write_bytes(data if number % 2 else data[: len(data) // 3])
    again = make(disk(tmp_path))
    assert_same(again(PHOTO), make()(PHOTO))
    assert (hook(again).hits, hook(again).misses) == (0, 5)
    assert make(disk(tmp_path))(PHOTO) and len(files(tmp_path)) == 5


def test_the_folder_stays_below_its_size(tmp_path):
    make(disk(tmp_path))(PHOTO)
    whole = sum(file.stat().st_size for file in files(tmp_path))
    bound = int(whole * 1.5)
    strange = tmp_path / "not ours.txt"
    strange.write_text("keep me")
    old = tmp_path / f"1-2{PART}.npz"
    old.write_bytes(b"left by a process that was killed")
    os.utime(old, (0, 0))
    for shift in range(4):
        make(disk(tmp_path, max_bytes=bound))(np.roll(PHOTO, shift + 1, axis=0))
        assert sum(file.stat().st_size for file in files(tmp_path)) <= bound
    assert strange.read_text() == "keep me" and not old.exists()


def test_what_was_used_last_stays(tmp_path):
    cache = DiskCache(folder=str(tmp_path), max_bytes=10**9)
    answer = make()(PHOTO)
    for name in ("a", "b", "c"):
        cache.put(name, answer)
        os.utime(tmp_path / (name + ANSWER), (time.time() - 100 + ord(name), time.time() - 100 + ord(name)))
    assert cache.get("a") is not None
    size = (tmp_path / ("a" + ANSWER)).stat().st_size
    bounded = DiskCache(folder=str(tmp_path), max_bytes=2 * size + 1)
    bounded.put("d", answer)
    assert sorted(file.name.removesuffix(ANSWER) for file in files(tmp_path)) == ["a", "d"]


def test_an_answer_larger_than_the_folder_may_be_is_not_kept(tmp_path):
    make(disk(tmp_path / "cache", max_bytes=1000))(PHOTO)
    assert not (tmp_path / "cache").exists() or not files(tmp_path / "cache")


def test_a_folder_that_cannot_be_written_is_a_warning_and_a_result(tmp_path):
    (tmp_path / "file").write_text("in the way")
    pipeline = make(disk(tmp_path / "file" / "cache"))
    with pytest.warns(RuntimeWarning, match="disk_cache cannot write") as caught:
        assert len(pipeline(PHOTO)) == 1
    assert sum("disk_cache" in str(one.message) for one in caught) == 1


@attrs.define(kw_only=True)
class OwnModel(NoShape):
    """Answers with a face model that does not come with the library."""

    _model: FaceModel | None = attrs.field(default=None, init=False, repr=False)

    def setup(self, device="cpu"):
        embedded = FaceModel.embedded()
        self._model = attrs.evolve(embedded, name="own", mean=embedded.mean + np.float32(1))

    def run(self, clean, landmarks):
        return attrs.evolve(NoShape().run(clean, landmarks), model=self._model)


def test_a_face_model_of_the_users_is_written_once_and_read_back(tmp_path):
    first = make(disk(tmp_path), shape_regressor=OwnModel)(PHOTO)
    assert len(files(tmp_path, MODEL)) == 1
    again = make(disk(tmp_path), shape_regressor=OwnModel)
    second = again(PHOTO)
    assert hook(again).hits == 5
    assert second.shape.model.name == "own" and second.detail.shape.model is second.shape.model
    assert model_fingerprint(second.shape.model) == model_fingerprint(first.shape.model)
    files(tmp_path, MODEL)[0].unlink()
    without = make(disk(tmp_path), shape_regressor=OwnModel)
    assert_same(without(PHOTO), first)
    assert hook(without).misses == 1  # the shape; with it the model is there for the detail


WORK = """
import sys, numpy as np, warnings
warnings.simplefilter("error")
from tests.core.test_caches import PHOTO, disk, make, to_bytes
wanted = {shift: to_bytes(make()(np.roll(PHOTO, shift, axis=1)))[0] for shift in range(2)}
for round in range(3):
    for shift in range(2):
        pipeline = make(disk(sys.argv[1], max_bytes=int(sys.argv[2])))
        faces = pipeline(np.roll(PHOTO, shift, axis=1))
        assert to_bytes(faces)[0] == wanted[shift]
"""


def test_two_processes_share_a_folder_that_is_too_small(tmp_path):
    make(disk(tmp_path))(PHOTO)
    bound = int(1.4 * sum(file.stat().st_size for file in files(tmp_path)))
    root = Path(__file__).resolve().parents[2]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORK, str(tmp_path), str(bound)],
            cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for worker in workers:
        _, err = worker.communicate(timeout=280)
        assert worker.returncode == 0, err
    for _ in range(2):  # what they left behind can be used
        last = make(disk(tmp_path, max_bytes=bound))
        last(PHOTO)
    assert hook(last).hits == 5
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= bound
    assert not [one for one in tmp_path.iterdir() if PART in one.name]


def test_edited_code_is_another_call(tmp_path, monkeypatch):
    (tmp_path / "edited_plugin.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    code_fingerprint.cache_clear()
    before = code_fingerprint("edited_plugin")
    assert before == code_fingerprint("edited_plugin")
    (tmp_path / "edited_plugin.py").write_text("x = 2\n")
    code_fingerprint.cache_clear()
    assert code_fingerprint("edited_plugin") != before
    code_fingerprint.cache_clear()


def test_the_constructor_makes_no_folder(tmp_path):
    DiskCache(folder=str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_the_default_is_the_users_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache_folder() == DiskCache().path == tmp_path / "occface"


# Bytes


def test_bytes_give_the_batch_back():
    batch = make()(PHOTO)
    record = StageRecord(stage="s", plugin="p", options={"sides": [1, 2], "scale": 0.1, "none": None})
    batch = attrs.evolve(batch, lineage=(*batch.lineage, record))
    data, models = to_bytes(batch)
    again = from_bytes(data, models.__getitem__)
    assert [attrs.asdict(one) for one in again.lineage] == [attrs.asdict(one) for one in batch.lineage]
    assert again.photo_size == batch.photo_size
    assert torch.equal(again.detail.bump, batch.detail.bump)
    assert again.landmarks.visible.dtype == torch.float32 and again.detail.provenance.dtype == torch.uint8
    assert to_bytes(again)[0] == data


def test_what_is_no_batch_is_refused():
    data, models = to_bytes(make()(PHOTO))
    with pytest.raises(RecordError, match="checksum"):
        from_bytes(data[:-1], models.__getitem__)
    record = StageRecord(stage="s", plugin="p", options={"odd": object()})
    with pytest.raises(RecordError, match="cannot be written"):
        to_bytes(attrs.evolve(make()(PHOTO), lineage=(record,)))


def test_an_answer_that_cannot_be_written_is_not_kept(tmp_path):
    cache = DiskCache(folder=str(tmp_path))
    record = StageRecord(stage="s", plugin="p", options={"odd": object()})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.put("key", attrs.evolve(make()(PHOTO), lineage=(record,)))
    assert cache.get("key") is None
