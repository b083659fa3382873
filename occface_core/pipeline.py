"""Configuration → Pipeline → FaceBatch: a fold over the five stages."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np
import pluggy
import torch
from torch import Tensor

from occface_core import __version__, config, hookspecs, photo
from occface_core.batching import join
from occface_core.errors import (
    ConfigError,
    FallbackWarning,
    GivenError,
    OccfaceError,
    PhotoError,
    PluginBroken,
    Problem,
    StageError,
    did_you_mean,
)
from occface_core.face_region import face_region
from occface_core.geometry.align import crop_to_photo, transform_points, warp_crop
from occface_core.given_masks import doubts_about_mask, given_mask
from occface_core.landmark_visibility import inside_photo, landmark_visibility
from occface_core.registry import Registry
from occface_core.stages import STAGES, Stage
from occface_core.types import FaceBatch, FaceDetail, FaceShape, Landmarks, Matte, StageRecord

CROP_SIZE = 256
"""Side S of the aligned crops, pixels."""

PhotoLike = str | Path | np.ndarray[Any, Any]


@attrs.define(frozen=True, kw_only=True, eq=False)
class Photo:
    """A photo as read, with what the caller already knows of it.

    Attributes:
        pixels: (1, 3, H, W) float32 RGB in [0, 1], on the pipeline's device.
        source: path of the file, or "array".
        landmarks: (F, 68, 2) photo pixels that replace the landmark detector; None if not given.
        matte: (H, W) in [0, 1], 1 = occluder, that replaces the matting; None if not given.
    """

    pixels: Tensor
    source: str
    landmarks: Tensor | None = None
    matte: Tensor | None = None


class Pipeline:
    """Five stages and the hooks around them. Make one with `from_config`."""

    def __init__(
        self,
        stages: Mapping[str, config.Choice],
        hooks: list[config.Choice],
        device: str,
        licence: str = "any",
    ) -> None:
        self.device = _checked_device(device)
        self._licence = licence
        self._choices = dict(stages)
        self._hooks = list(hooks)
        self._ready: set[str] = set()
        self._setting_up = threading.RLock()
        self._weights: dict[str, str | None] = {}
        self._plugins = pluggy.PluginManager(hookspecs.PROJECT)
        self._plugins.add_hookspecs(hookspecs)
        self._plugins.register(_Work(self), name="occface_core.pipeline")
        for hook in self._hooks:
            wanted = "hooks that implement occface_core.hookspecs, each once"
            if self._plugins.has_plugin(hook.name):
                raise ConfigError([Problem("hooks", wanted, f"'{hook.name}' twice")])
            try:
                self._plugins.register(hook.instance, name=hook.name)
                self._plugins.check_pending()
            except (ValueError, pluggy.PluginValidationError) as error:
                raise ConfigError([Problem("hooks", wanted, hook.name, str(error))]) from error
            if not self._plugins.get_hookcallers(hook.instance):
                raise ConfigError([Problem("hooks", wanted, f"'{hook.name}', which implements none of them")])

    @classmethod
    def from_config(
        cls,
        configuration: str | Path | Mapping[str, Any] = "paper",
        *,
        device: str = "cpu",
        registry: Registry | None = None,
    ) -> Pipeline:
        """Make a pipeline.

        Args:
            configuration: preset name ("paper", "classic"), dictionary, or path of a .json/.toml file.
            device: torch device, such as "cpu" or "cuda"; "auto" takes CUDA where there is one.
            registry: where plugins are looked up; the installed ones by default.

        Raises:
            ConfigError: with every problem of the configuration at once.

        Warns:
            FallbackWarning: a preset's plugin is not installed and a stand-in is used.
        """
        import warnings

        data, _ = config.load(configuration)
        stages, hooks = config.resolve(configuration, registry or Registry())
        for choice in stages.values():
            if choice.warning:
                warnings.warn(choice.warning, FallbackWarning, stacklevel=2)
        return cls(stages, hooks, device, data.get("licence", "any"))

    def __call__(self, photo: PhotoLike, given: Mapping[str, Any] | None = None) -> FaceBatch:
        """Reconstruct every face of one photo.

        Args:
            photo: path, or (H, W, 3) uint8 RGB array.
            given: what is already known and replaces that stage: "landmarks" (F, 68, 2) photo pixels,
                "matte" (H, W) with 1 = occluder.

        Returns:
            `FaceBatch`, best face first; of length 0 if no face was found.

        Raises:
            PhotoError: the photo cannot be read.
            GivenError: what is given does not fit the photo.
            StageError: a stage failed.
        """
        with torch.inference_mode():
            source = self._read(photo, given or {})
            faces: FaceBatch = self._plugins.hook.occface_run_pipeline(pipeline=self, photo=source)
            return faces

    def map(
        self,
        photos: Iterable[PhotoLike],
        batch_size: int = 16,
        on_error: Literal["raise", "return"] = "raise",
    ) -> Iterator[Any]:
        """Reconstruct many photos; stages 2 to 5 run on batches of faces across photos.

        Args:
            photos: paths or (H, W, 3) uint8 RGB arrays; read lazily.
            batch_size: faces a batch, at least 1.
            on_error: "raise" stops at the first photo that fails; "return" yields the `OccfaceError` in its
                place and goes on.

        Yields:
            One `FaceBatch` a photo, in order, equal to `pipeline(photo)`.
        """
        if isinstance(photos, (str, bytes, Path)) or not isinstance(photos, Iterable):
            raise PhotoError(
                f"map takes a list of photos, got {photos!r}. Give [photo], or call pipeline(photo)"
            )
        if not isinstance(batch_size, int) or batch_size < 1:
            raise OccfaceError(f"batch_size must be a whole number from 1 up, got {batch_size!r}")
        if on_error not in ("raise", "return"):
            raise OccfaceError(f"on_error must be 'raise' or 'return', got {on_error!r}")
        waiting: list[FaceBatch | OccfaceError] = []
        for one in photos:
            try:
                with torch.inference_mode():
                    waiting.append(self._run_stage("landmark_detector", self._read(one, {})))
            except OccfaceError as error:
                if on_error == "raise":
                    raise
                waiting.append(error)
            if sum(len(faces) for faces in waiting if isinstance(faces, FaceBatch)) >= batch_size:
                yield from self._finish(waiting, batch_size, on_error)
                waiting = []
        yield from self._finish(waiting, batch_size, on_error)

    def stage(self, name: str) -> Any:
        """Return one stage, set up and on the pipeline's device.

        Raises:
            OccfaceError: there is no stage of that name.
            WeightsMissing: its weights are not there, or are damaged.
            PluginBroken: setting it up failed.
        """
        if name not in STAGES:
            raise OccfaceError(f"there is no stage '{name}'. {did_you_mean(str(name), list(STAGES))}")
        choice = self._choices[name]
        with self._setting_up:
            if name not in self._ready:
                try:
                    choice.instance.setup(self.device)
                except OccfaceError:
                    raise
                except (Exception, SystemExit) as error:
                    raise PluginBroken(
                        f"{name} plugin '{choice.name}' cannot be set up: {type(error).__name__}: {error}. "
                        f"Look at its options, reinstall it, or take another plugin for this stage"
                    ) from error
                self._ready.add(name)
        return choice.instance

    def to_config(self) -> dict[str, Any]:
        """Return the resolved configuration: every option, and under "provenance" what made it.

        `Pipeline.from_config(pipeline.to_config())` makes the same pipeline again.
        """
        provenance: dict[str, Any] = {"occface_core": __version__, "device": self.device, "stages": {}}
        for stage, choice in self._choices.items():
            provenance["stages"][stage] = {
                "distribution": choice.distribution,
                "version": choice.version,
                "weights_sha256": choice.instance.weights_sha256(),
                "licence": choice.instance.licence,
                **({"warning": choice.warning} if choice.warning else {}),
            }
        return {
            **{stage: _spec(choice) for stage, choice in self._choices.items()},
            "hooks": [_spec(choice) for choice in self._hooks],
            **({} if self._licence == "any" else {"licence": self._licence}),
            "provenance": provenance,
        }

    def fingerprint(self, name: str) -> str:
        """Return a text that changes whenever a stage's answer may: plugin, version, options, weights."""
        choice = self._choices[name]
        weights = choice.instance.weights_sha256()
        return repr((name, _spec(choice), choice.distribution, choice.version, weights))

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to another process as configured; stages are set up there."""
        hooks = [_not_set_up(choice) for choice in self._hooks]
        stages = {stage: _not_set_up(choice) for stage, choice in self._choices.items()}
        return type(self), (stages, hooks, self.device, self._licence)

    def __repr__(self) -> str:
        rows = "".join(f"\n  {stage}: {c.name} {c.instance.summary()}" for stage, c in self._choices.items())
        return f"Pipeline on {self.device}:{rows}"

    def _read(self, source: PhotoLike, given: Mapping[str, Any]) -> Photo:
        if not isinstance(given, Mapping):
            raise GivenError(
                f"given must be a dictionary such as {{'matte': mask}}, got {type(given).__name__}"
            )
        for key in given:
            if key not in ("landmarks", "matte"):
                raise GivenError(
                    f"given['{key}'] is unknown. {did_you_mean(str(key), ['landmarks', 'matte'])}"
                )
        pixels = photo.to_tensor(photo.read_photo(source)).to(self.device)
        name = str(source) if isinstance(source, (str, Path)) else "array"
        height, width = pixels.shape[-2:]
        return Photo(
            pixels=pixels,
            source=name,
            landmarks=_given_landmarks(given.get("landmarks"), self.device),
            matte=_given_matte(given.get("matte"), int(height), int(width), self.device),
        )

    def _fold(self, source: Photo) -> FaceBatch:
        faces = self._run_stage("landmark_detector", source)
        for name in list(STAGES)[1:]:
            if len(faces) == 0:
                break
            if name == "occlusion_matting" and source.matte is not None:
                faces = _with_given_matte(faces, source.matte)
            else:
                faces = self._run_stage(name, faces)
            if name == "occlusion_matting":
                faces = _seen_in(faces, _in_photo(faces))
        return faces

    def _finish(
        self, waiting: list[FaceBatch | OccfaceError], batch_size: int, on_error: str
    ) -> Iterator[FaceBatch | OccfaceError]:
        """Run stages 2 to 5 on what has been detected, in batches, and hand it back photo by photo."""
        with torch.inference_mode():
            singles = [face for faces in waiting if isinstance(faces, FaceBatch) for face in faces]
            done: list[FaceBatch | OccfaceError] = []
            for start in range(0, len(singles), batch_size):
                done += self._finish_batch(singles[start : start + batch_size], on_error)
        for faces in waiting:
            if isinstance(faces, OccfaceError) or len(faces) == 0:
                yield faces
                continue
            mine, done = done[: len(faces)], done[len(faces) :]
            failed = [face for face in mine if isinstance(face, OccfaceError)]
            yield failed[0] if failed else _of_one_photo([f for f in mine if isinstance(f, FaceBatch)], faces)

    def _finish_batch(self, singles: list[FaceBatch], on_error: str) -> list[FaceBatch | OccfaceError]:
        inside = torch.cat([_in_photo(single) for single in singles])
        batch = join([attrs.evolve(single, photo_size=None) for single in singles])
        try:
            for name in list(STAGES)[1:]:
                batch = self._run_stage(name, batch)
                if name == "occlusion_matting":
                    batch = _seen_in(batch, inside)
        except OccfaceError as error:
            if on_error == "raise":
                raise
            if len(singles) == 1:
                return [error]
            return [done for single in singles for done in self._finish_batch([single], on_error)]
        return list(batch)

    def _run_stage(self, name: str, faces: Photo | FaceBatch) -> FaceBatch:
        if name == "landmark_detector" and isinstance(faces, Photo) and faces.landmarks is not None:
            _check_extent(faces.landmarks, faces, GivenError, "given['landmarks'] has")
            return _cropped(faces, Landmarks(points=faces.landmarks), StageRecord(stage=name, plugin="given"))
        instance = self.stage(name)
        return self._plugins.hook.occface_run_stage(  # type: ignore[no-any-return]
            stage_name=name, stage=instance, faces=faces
        )

    def work(self, name: str, stage: Stage, faces: Photo | FaceBatch) -> FaceBatch:
        """Run a stage and file its answer: the innermost implementation of `occface_run_stage`."""
        inputs = (
            [faces.pixels]
            if isinstance(faces, Photo)
            else [getattr(faces, field) for field in stage.consumes]
        )
        label = f"{name} plugin '{self._choices[name].name}'"
        try:
            answer = stage.run(*inputs)  # type: ignore[attr-defined]
        except OccfaceError:
            raise
        except (Exception, SystemExit) as error:
            raise StageError(f"{label} failed: {type(error).__name__}: {error}") from error
        record = self._record(name)
        if isinstance(faces, Photo):
            _check_answer(label, answer, Landmarks, None)
            _check_extent(answer.points, faces, StageError, f"{label} returned")
            return _cropped(faces, answer, record)
        _check_answer(label, answer, _ANSWERS[name], faces)
        return _filed(faces, stage.produces, answer, record)

    def _record(self, name: str) -> StageRecord:
        choice = self._choices[name]
        return StageRecord(
            stage=name,
            plugin=choice.name,
            distribution=f"{choice.distribution} {choice.version}".strip(),
            options=config.unstructure(choice.instance),
            weights_sha256=self._weights_sha256(name),
            warning=choice.warning,
        )

    def _weights_sha256(self, name: str) -> str | None:
        """Return the hash of a stage's weights; the files are read once, not for every photo."""
        if name not in self._ready:
            return self._choices[name].instance.weights_sha256()  # type: ignore[no-any-return]
        if name not in self._weights:
            self._weights[name] = self._choices[name].instance.weights_sha256()
        return self._weights[name]


class _Work:
    """The core's own hook implementations: they come last and do the work."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    @hookspecs.hookimpl(trylast=True)
    def occface_run_pipeline(self, pipeline: Pipeline, photo: Photo) -> FaceBatch:
        return pipeline._fold(photo)

    @hookspecs.hookimpl(trylast=True)
    def occface_run_stage(self, stage_name: str, stage: Stage, faces: Photo | FaceBatch) -> FaceBatch:
        return self._pipeline.work(stage_name, stage, faces)


_ANSWERS: dict[str, type] = {
    "occlusion_matting": Matte,
    "face_inpainter": Tensor,
    "shape_regressor": FaceShape,
    "detail_recoverer": FaceDetail,
}


def _check_answer(label: str, answer: Any, wanted: type, faces: FaceBatch | None) -> None:
    if not isinstance(answer, wanted):
        raise StageError(f"{label} must return {wanted.__name__}, got {type(answer).__name__}")
    _check_size(label, answer, faces)
    _check_numbers(label, answer)


def _check_numbers(label: str, answer: Any) -> None:
    """Refuse what would fail without a name later: NaN, infinity, and double precision."""
    fields = {"its answer": answer} if isinstance(answer, Tensor) else _tensors(answer)
    for name, value in fields.items():
        if value.dtype == torch.float64:
            raise StageError(
                f"{label} must return float32, but {name} is {value.dtype}; convert it with .float()"
            )
        if value.is_floating_point() and not _all_finite(value):
            raise StageError(f"{label} must return finite numbers, but {name} holds NaN or infinity")


def _all_finite(value: Tensor) -> bool:
    """Return whether there is no NaN and no infinity; a finite sum, ten times as quick, says so already."""
    return math.isfinite(float(value.sum())) or bool(torch.isfinite(value).all())


def _tensors(record: Any) -> dict[str, Tensor]:
    """Return the tensors of a record itself, not of the records in it."""
    values = ((name, getattr(record, name)) for name in _given_fields(type(record)))
    return {name: value for name, value in values if isinstance(value, Tensor)}


_FIELDS: dict[Any, tuple[str, ...]] = {}


def _given_fields(record: Any) -> tuple[str, ...]:
    """Return the names of a record class's own fields; found once, as every answer is asked for them."""
    if record not in _FIELDS:
        _FIELDS[record] = tuple(field.name for field in attrs.fields(record) if field.init)
    return _FIELDS[record]


def _check_extent(points: Tensor, source: Photo, error: type[OccfaceError], who: str) -> None:
    """Refuse faces that are no face of this photo: they would take all memory, or mean nothing."""
    height, width = source.pixels.shape[-2:]
    spans = (points.amax(1) - points.amin(1)).amax(-1).tolist() if len(points) else []
    for i, span in enumerate(spans):
        if span > 8 * max(height, width) + 1024 or (span < 2 < max(height, width) and error is GivenError):
            raise error(
                f"{who} a face ({i}) that is {span:.3g} pixels large in a photo of {width} x {height}; "
                f"landmarks are (x, y) in pixels of the photo, not from 0 to 1"
            )


def _check_size(label: str, answer: Any, faces: FaceBatch | None) -> None:
    if faces is None:
        return
    if len(answer) != len(faces):
        raise StageError(f"{label} must return {len(faces)} faces as it was given, got {len(answer)}")
    if isinstance(answer, Tensor) and answer.shape != faces.image.shape:
        raise StageError(f"{label} must return shape {tuple(faces.image.shape)}, got {tuple(answer.shape)}")
    if isinstance(answer, Matte) and answer.alpha.shape[-1] != faces.image.shape[-1]:
        raise StageError(
            f"{label} must return mattes of {faces.image.shape[-1]} px, got {answer.alpha.shape[-1]}"
        )


def _cropped(source: Photo, landmarks: Landmarks, record: StageRecord) -> FaceBatch:
    """Return the aligned crops of every face, with the landmarks moved into them."""
    to_photo = crop_to_photo(landmarks.points, CROP_SIZE)
    moved = attrs.evolve(landmarks, points=transform_points(torch.linalg.inv(to_photo), landmarks.points))
    height, width = source.pixels.shape[-2:]
    return FaceBatch(
        image=warp_crop(source.pixels, to_photo, CROP_SIZE),
        crop_to_photo=to_photo,
        landmarks=moved,
        lineage=(record,),
        photo_size=(int(height), int(width)),
    )


def _filed(faces: FaceBatch, field: str, answer: Any, record: StageRecord) -> FaceBatch:
    """Return the batch with a stage's answer in its field, and what follows from it."""
    changes: dict[str, Any] = {field: answer, "lineage": (*faces.lineage, record)}
    if isinstance(answer, Matte):
        changes["landmarks"] = attrs.evolve(
            faces.landmarks, visible=landmark_visibility(answer, faces.landmarks.points)
        )
    if isinstance(answer, FaceDetail) and answer.matte is None:
        changes[field] = attrs.evolve(answer, matte=faces.matte)
    return attrs.evolve(faces, **changes)


def _in_photo(faces: FaceBatch) -> Tensor:
    """Return (B, 68) bool: whether each landmark lies in the photo."""
    return inside_photo(faces.landmarks.points, faces.crop_to_photo, faces.photo_size)


def _seen_in(faces: FaceBatch, inside: Tensor) -> FaceBatch:
    """Return the batch with landmarks that lie beyond the photo's edge marked as not visible."""
    visible = faces.landmarks.visible
    if visible is None or bool(inside.all()):
        return faces
    return attrs.evolve(faces, landmarks=attrs.evolve(faces.landmarks, visible=visible * inside))


def _with_given_matte(faces: FaceBatch, matte: Tensor) -> FaceBatch:
    size = faces.image.shape[-1]
    alpha = warp_crop(matte[None, None], faces.crop_to_photo, size).clamp(0, 1)
    answer = Matte(alpha=alpha, face=face_region(faces.landmarks.points, size))
    warning = doubts_about_mask(matte, answer)
    return _filed(
        faces, "matte", answer, StageRecord(stage="occlusion_matting", plugin="given", warning=warning)
    )


def _of_one_photo(singles: list[FaceBatch], detected: FaceBatch) -> FaceBatch:
    return attrs.evolve(join(singles), photo_size=detected.photo_size)


def _spec(choice: config.Choice) -> str | dict[str, Any]:
    options = config.unstructure(choice.instance)
    return {"plugin": choice.name, **options}


def _not_set_up(choice: config.Choice) -> config.Choice:
    """Return the choice with an instance of the same options that has loaded nothing."""
    return (
        attrs.evolve(choice, instance=attrs.evolve(choice.instance))
        if attrs.has(type(choice.instance))
        else choice
    )


def _checked_device(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    device = str(device)  # a torch.device too
    try:
        if torch.empty(0, device=device).is_meta:
            raise RuntimeError("it keeps no numbers")
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        cure = f"Use device='cpu' or 'auto' ({reason})"
        raise ConfigError(
            [Problem("device", "a device that torch can use here", repr(device), cure)]
        ) from error
    return device


def _given_landmarks(value: Any, device: str) -> Tensor | None:
    if value is None:
        return None
    try:
        points = torch.as_tensor(np.asarray(value) if not isinstance(value, Tensor) else value)
    except (TypeError, ValueError) as error:
        raise GivenError(
            f"given['landmarks'] must be numbers of shape (F, 68, 2) in photo pixels, got {type(value).__name__}"
        ) from error
    points = points.to(device=device, dtype=torch.float32)
    if points.ndim == 2:
        points = points[None]
    if points.ndim != 3 or points.shape[1:] != (68, 2):
        raise GivenError(
            f"given['landmarks'] must have shape (F, 68, 2) in photo pixels, got {tuple(points.shape)}"
        )
    if not bool(torch.isfinite(points).all()):
        raise GivenError("given['landmarks'] must be finite; it holds NaN or infinity")
    return points


def _given_matte(value: Any, height: int, width: int, device: str) -> Tensor | None:
    return None if value is None else given_mask(value, height, width).to(device)
