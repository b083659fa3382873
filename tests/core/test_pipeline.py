import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch

from occface_core import Landmarks, Matte, Pipeline, Registry
from occface_core.batching import join
from occface_core.errors import ConfigError, GivenError, OccfaceError, PluginBroken, StageError
from tests.core.fakes import FAKE, Failing, WrongAnswer, frontal_points

PHOTO = (np.arange(256 * 256 * 3) % 251).astype(np.uint8).reshape(256, 256, 3)


def make(hooks=(), **changes):
    return Pipeline.from_config(
        {**FAKE, "hooks": list(hooks), **changes}, registry=Registry(discover=bool(hooks))
    )


def test_the_fold_fills_every_field_in_order():
    faces = make(landmark_detector={"plugin": FAKE["landmark_detector"], "faces": 2})(PHOTO)
    assert len(faces) == 2
    assert [record.stage for record in faces.lineage] == list(FAKE)
    assert faces.image.shape == (2, 3, 256, 256)
    assert torch.allclose(faces.clean[..., :128], torch.tensor(0.5))
    assert torch.equal(faces.clean[..., 128:], faces.image[..., 128:])
    assert faces.detail.bump.unique().item() == 1.0
    assert faces.photo_size == (256, 256)


def test_visibility_is_read_off_the_matte():
    faces = make()(PHOTO)
    hidden = faces.landmarks.points[0, :, 0] < 126
    shown = faces.landmarks.points[0, :, 0] > 129
    assert faces.landmarks.visible[0, hidden].max() < 1e-5  # sampled between pixels: rounding
    assert faces.landmarks.visible[0, shown].min() == 1


def test_no_face_is_an_empty_batch():
    faces = make(landmark_detector={"plugin": FAKE["landmark_detector"], "faces": 0})(PHOTO)
    assert len(faces) == 0 and faces.shape is None and faces.image.shape == (0, 3, 256, 256)


def test_setup_runs_once_and_on_the_device():
    pipeline = make()
    detector = pipeline.stage("landmark_detector")
    pipeline(PHOTO)
    pipeline(PHOTO)
    assert detector.setups == ["cpu"] and detector.calls == 2


def test_any_stage_alone():
    pipeline = make()
    faces = pipeline(PHOTO)
    clean = pipeline.stage("face_inpainter").run(faces.image, faces.matte, faces.landmarks)
    assert torch.equal(clean, faces.clean)
    with pytest.raises(OccfaceError, match="Did you mean 'face_inpainter'"):
        pipeline.stage("face_inpaint")


def test_given_landmarks_replace_the_detector():
    pipeline = make()
    points = np.stack([frontal_points(0.8, 100, 120).numpy(), frontal_points(0.5, 150, 150).numpy()])
    faces = pipeline(PHOTO, given={"landmarks": points})
    assert pipeline.stage("landmark_detector").calls == 0
    assert torch.allclose(faces.photo_landmarks(), torch.as_tensor(points), atol=1e-2)
    assert faces.lineage[0].plugin == "given"


def test_given_matte_replaces_the_matting():
    mask = np.zeros((256, 256), np.uint8)
    mask[:128] = 255
    faces = make()(PHOTO, given={"matte": mask})
    assert faces.lineage[1].plugin == "given"
    back = faces.photo_matte(0, 256, 256)
    inside = faces.photo_matte(0, 256, 256) > 0.5
    assert inside[:120].float().mean() > 0.5 and not inside[136:].any()
    assert back.shape == (256, 256)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"matte": np.zeros((3, 3))}, r"photo's shape \(256, 256\)"),
        ({"matte": np.full((256, 256), 2.0)}, r"\[0, 1\]"),
        ({"landmarks": np.zeros((5, 2))}, r"\(F, 68, 2\)"),
        ({"landmarks": np.full((1, 68, 2), np.nan)}, "NaN"),
        ({"mask": 1}, "unknown"),
        ({1: 1}, "unknown"),
        ([1], "dictionary"),
        ({"landmarks": "points.txt"}, "numbers"),
        ({"landmarks": [[1, 2], [3]]}, "numbers"),
        ({"landmarks": np.full((1, 68, 2), None)}, "numbers"),
        ({"landmarks": frontal_points()[None] / 256}, "not from 0 to 1"),
        ({"landmarks": frontal_points()[None] * 1e9}, "photo of 256 x 256"),
    ],
)
def test_what_is_given_is_checked(given, message):
    with pytest.raises(GivenError, match=message):
        make()(PHOTO, given=given)


def test_map_equals_single_calls_whatever_the_batch_size():
    detector = {"plugin": FAKE["landmark_detector"], "faces": 3}
    photos = [PHOTO, np.flipud(PHOTO).copy(), np.full((200, 300, 3), 7, np.uint8)]
    singles = [make(landmark_detector=detector)(photo) for photo in photos]
    for batch_size in (1, 2, 16):
        mapped = list(make(landmark_detector=detector).map(photos, batch_size=batch_size))
        assert len(mapped) == 3
        for one, other in zip(singles, mapped, strict=True):
            assert torch.equal(one.image, other.image) and torch.equal(one.clean, other.clean)
            assert torch.allclose(one.shape.vertices, other.shape.vertices)
            assert torch.equal(one.detail.provenance, other.detail.provenance)
            assert one.photo_size == other.photo_size
            assert [r.stage for r in one.lineage] == [r.stage for r in other.lineage]


def test_map_goes_on_after_a_bad_photo(tmp_path):
    photos = [PHOTO, tmp_path / "absent.png", PHOTO]
    good, bad, again = make().map(photos, on_error="return")
    assert len(good) == len(again) == 1
    assert isinstance(bad, OccfaceError) and "absent.png" in str(bad)
    with pytest.raises(OccfaceError):
        list(make().map(photos))


def test_map_is_lazy():
    seen = []

    def photos():
        for i in range(100):
            seen.append(i)
            yield PHOTO

    next(make().map(photos(), batch_size=2))
    assert len(seen) <= 3


def test_a_failing_stage_is_named():
    with pytest.raises(
        StageError, match=r"occlusion_matting plugin '.*Failing' failed: ZeroDivisionError: by design"
    ):
        make(occlusion_matting=Failing)(PHOTO)


def test_a_wrong_answer_is_named():
    with pytest.raises(StageError, match=r"face_inpainter .* must return shape"):
        make(face_inpainter=WrongAnswer)(PHOTO)


@pytest.mark.parametrize("device", ["cuda:99", "quantum", "meta", "", None])
def test_a_device_that_is_not_there(device):
    with pytest.raises(ConfigError, match="device='cpu'"):
        Pipeline.from_config(FAKE, registry=Registry(discover=False), device=device)


def test_a_torch_device_is_written_as_its_name():
    made = Pipeline.from_config(FAKE, registry=Registry(discover=False), device=torch.device("cpu"))
    assert made.to_config()["provenance"]["device"] == "cpu"


@attrs.define(kw_only=True)
class Answering(FAKE["face_inpainter"]):
    """An inpainter whose answer, or setting up, is wrong in a way of one's choice."""

    way: str = "nan"

    def setup(self, device="cpu"):
        if self.way == "setup":
            raise RuntimeError("by design")

    def run(self, image, matte, landmarks):
        if self.way == "leaves":
            raise SystemExit(0)
        return {"nan": image * float("nan"), "double": image.double()}[self.way]


@pytest.mark.parametrize(
    "way, error, says",
    [
        ("nan", StageError, "face_inpainter plugin .* NaN"),
        ("double", StageError, "float64.*float"),
        ("leaves", StageError, "SystemExit"),
        ("setup", PluginBroken, "face_inpainter plugin .* cannot be set up: RuntimeError: by design"),
    ],
)
def test_what_a_plugin_does_wrong_is_told_with_its_name(way, error, says):
    with pytest.raises(error, match=says):
        make(face_inpainter={"plugin": Answering, "way": way})(PHOTO)


def test_a_matte_or_points_that_are_no_numbers_name_their_plugin():
    class Nowhere(FAKE["landmark_detector"]):
        def run(self, photo):
            return Landmarks(points=torch.full((1, 68, 2), float("nan")))

    class Blank(FAKE["occlusion_matting"]):
        def run(self, image, landmarks):
            return Matte(alpha=torch.full_like(image[:, :1], float("nan")))

    for stage, plugin in (("landmark_detector", Nowhere), ("occlusion_matting", Blank)):
        with pytest.raises(StageError, match=f"{stage} plugin .* NaN"):
            make(**{stage: plugin})(PHOTO)


@pytest.mark.parametrize("photos", ["photo.jpg", Path("photo.jpg"), None])
def test_map_wants_a_list(photos):
    with pytest.raises(OccfaceError, match=r"list of photos"):
        list(make().map(photos))


@pytest.mark.parametrize("options", [{"batch_size": "8"}, {"batch_size": 1.5}, {"on_error": "retrun"}])
def test_options_of_map_are_checked(options):
    with pytest.raises(OccfaceError, match=next(iter(options))):
        list(make().map([PHOTO], **options))


def test_a_pipeline_goes_to_another_process_as_configured():
    made = make(hooks=["timing"], face_inpainter={"plugin": FAKE["face_inpainter"], "level": 0.25})
    before = made(PHOTO)
    again = pickle.loads(pickle.dumps(made))
    assert torch.equal(again(PHOTO).clean, before.clean)
    assert again.stage("landmark_detector").calls == 1
    assert again.to_config() == made.to_config()


def test_several_threads_set_a_stage_up_once():
    @attrs.define(kw_only=True)
    class Slow(FAKE["landmark_detector"]):
        def setup(self, device="cpu"):
            time.sleep(0.05)
            self.setups.append(device)

    made = make(landmark_detector=Slow)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(made, [PHOTO] * 4))
    assert made.stage("landmark_detector").setups == ["cpu"]


def test_a_photo_without_a_face_says_so_when_a_face_is_asked_for():
    faces = make(landmark_detector={"plugin": FAKE["landmark_detector"], "faces": 0})(PHOTO)
    with pytest.raises(IndexError, match="no face was found"):
        faces.mesh(0)


def test_timing_fills_the_lineage():
    faces = make(hooks=["timing"])(PHOTO)
    assert all(record.seconds is not None and record.seconds >= 0 for record in faces.lineage)
    assert all(record.seconds is None for record in make()(PHOTO).lineage)


def test_memory_cache_answers_the_second_time_and_knows_a_change():
    from occface_core.hooks import MemoryCache

    pipeline = make(hooks=[MemoryCache])
    first = pipeline(PHOTO)
    second = pipeline(PHOTO)
    assert pipeline.stage("landmark_detector").calls == 1
    assert torch.equal(first.detail.bump, second.detail.bump)
    pipeline(np.flipud(PHOTO).copy())
    assert pipeline.stage("landmark_detector").calls == 2


def test_exceptions_pass_through_all_hooks():
    from occface_core.hooks import MemoryCache

    pipeline = make(hooks=["timing", "progress", MemoryCache], occlusion_matting=Failing)
    for _ in range(2):
        with pytest.raises(StageError, match="by design"):
            pipeline(PHOTO)


def test_a_hook_that_implements_nothing_known_is_refused():
    from occface_core import hookimpl
    from occface_core.errors import ConfigError

    class Typo:
        @hookimpl
        def occface_run_stages(self):
            pass

    with pytest.raises(ConfigError, match="occface_run_stages"):
        make(hooks=[Typo])


def test_provenance_is_worked_out_when_asked_for_and_kept(monkeypatch):
    from occface_core import provenance

    calls = []
    work = provenance.provenance
    monkeypatch.setattr(provenance, "provenance", lambda *given: calls.append(1) or work(*given))
    faces = make(landmark_detector={"plugin": FAKE["landmark_detector"], "faces": 2})(PHOTO)
    assert not calls
    codes = faces.detail.provenance
    assert codes.dtype == torch.uint8 and faces.detail.provenance is codes and len(calls) == 1
    assert torch.equal(faces[1].detail.provenance, codes[1:])
    given = attrs.evolve(faces.detail, provenance=torch.zeros_like(codes))
    assert not given.provenance.any() and not join([given, given]).provenance.any()
