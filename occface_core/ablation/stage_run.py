"""One stage on the faces of a chunk: timed, watched, and compared with the truth."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from occface_core.ablation.examples import write_example
from occface_core.ablation.memory import PeakMemory
from occface_core.ablation.metrics.completion import completion_figures
from occface_core.ablation.metrics.crop import TruthInCrop, truth_in_crop
from occface_core.ablation.metrics.detail import detail_figures
from occface_core.ablation.metrics.landmarks import landmark_figures, match, reprojection_figures
from occface_core.ablation.metrics.lpips import Lpips
from occface_core.ablation.metrics.matte import matte_figures
from occface_core.ablation.metrics.shape import shape_figures
from occface_core.ablation.sample import Sample
from occface_core.ablation.tree import Node
from occface_core.batching import join
from occface_core.errors import StageError
from occface_core.geometry.align import transform_points
from occface_core.photo import to_tensor
from occface_core.pipeline import Photo, Pipeline
from occface_core.stages import Stage
from occface_core.types import FaceBatch


@attrs.define(kw_only=True, eq=False)
class ChunkResult:
    """What a stage made of a chunk of samples.

    Attributes:
        faces: the faces after the stage; None if none was found.
        samples: sample of each face.
        figures: sample → figure → value.
        milliseconds: sample → time of the stage.
        megabytes: highest memory in use.
    """

    faces: FaceBatch | None = None
    samples: list[int] = attrs.field(factory=list)
    figures: dict[int, dict[str, float]] = attrs.field(factory=dict)
    milliseconds: dict[int, float] = attrs.field(factory=dict)
    megabytes: float = 0.0


class StageRunner:
    """Runs stages on chunks and measures them.

    Args:
        device: torch device.
        batch_size: faces that stages 2 to 5 get at once.
        lpips: perceptual distance, None without weights.
        pictures: folder of the example faces.
        shown: samples that are shown.
    """

    def __init__(
        self,
        device: str,
        batch_size: int = 1,
        *,
        lpips: Lpips | None = None,
        pictures: Path | None = None,
        shown: Sequence[int] = (),
    ) -> None:
        self.device, self.batch_size = device, batch_size
        self.lpips, self.pictures, self.shown = lpips, pictures, set(shown)
        self._truths: dict[tuple[int, bytes], TruthInCrop] = {}

    def detect(self, pipeline: Pipeline, node: Node, samples: dict[int, Sample]) -> ChunkResult:
        """Run a landmark detector on every photo and keep the face that is the sample's."""
        result, found = ChunkResult(), []
        stage = pipeline.stage("landmark_detector")
        for number, sample in samples.items():
            photo = Photo(pixels=to_tensor(sample.photo).to(self.device), source=sample.name)
            if hasattr(stage, "prepare"):
                stage.prepare([sample], None, self.device)
            faces = self._timed(result, [number], pipeline, stage, photo)
            points = faces.photo_landmarks().double().cpu().numpy()
            which = match(sample, points)
            result.figures[number] = {"found": 0.0 if which is None else 100.0}
            if which is not None:
                found.append(attrs.evolve(faces[which], photo_size=None))
                result.samples.append(number)
                result.figures[number] |= landmark_figures(sample, points[which])
        result.faces = join(found) if found else None
        return result

    def run(
        self, pipeline: Pipeline, node: Node, samples: dict[int, Sample], faces: FaceBatch, numbers: list[int]
    ) -> ChunkResult:
        """Run any other stage on the faces of a chunk; `numbers` are the samples of the faces."""
        name = node.candidate.stage
        stage = pipeline.stage(name)
        result, done = ChunkResult(samples=numbers), []
        for start in range(0, len(numbers), self.batch_size):
            part = faces[start : start + self.batch_size]
            mine = numbers[start : start + self.batch_size]
            if hasattr(stage, "prepare"):
                stage.prepare([samples[number] for number in mine], part, self.device)
            answer = self._timed(result, mine, pipeline, stage, part)
            _check_finite(answer, name, node)
            for face, number in zip(answer, mine, strict=True):
                result.figures[number] = self._measure(name, face, number, samples[number])
                if not node.children and number in self.shown and self.pictures is not None:
                    truth = self._truth(face, number, samples[number])
                    write_example(self.pictures / f"{node.key}_{number}.jpg", face, truth)
            done.append(answer)
        result.faces = join(done)
        return result

    def _timed(
        self,
        result: ChunkResult,
        numbers: Sequence[int],
        pipeline: Pipeline,
        stage: Stage,
        faces: Photo | FaceBatch,
    ) -> FaceBatch:
        """Return the faces with a stage's answer; its own time and memory go to the result, filing does not."""
        watched = _Watched(stage, self.device)
        answer = pipeline.work(stage.stage, watched, faces)  # type: ignore[arg-type]
        result.megabytes = max(result.megabytes, watched.megabytes)
        result.milliseconds |= {number: 1000 * watched.seconds / len(numbers) for number in numbers}
        return answer

    def _measure(self, name: str, face: FaceBatch, number: int, sample: Sample) -> dict[str, float]:
        """Return the figures of one face after a stage."""
        if name == "occlusion_matting" and face.matte is not None:
            return matte_figures(self._truth(face, number, sample), face.matte.alpha[0, 0].cpu())
        if name == "face_inpainter" and face.clean is not None:
            return completion_figures(self._truth(face, number, sample), face.clean[0].cpu(), self.lpips)
        if name == "shape_regressor" and face.shape is not None:
            points = transform_points(face.crop_to_photo, face.shape.landmarks())[0].double().cpu().numpy()
            figures = reprojection_figures(sample, points)
            if sample.surface is not None:
                vertices = face.shape.vertices[0].cpu().numpy()
                figures |= shape_figures(sample.surface, vertices, face.shape.model)
            return figures
        if name == "detail_recoverer" and face.detail is not None:
            return detail_figures(self._truth(face, number, sample), face.detail)
        return {}

    def _truth(self, face: FaceBatch, number: int, sample: Sample) -> TruthInCrop:
        """Return the truth in a face's crop, which most nodes below one detector share."""
        key = (number, face.crop_to_photo.cpu().numpy().tobytes())
        if key not in self._truths:
            if len(self._truths) >= 128:
                self._truths.pop(next(iter(self._truths)))
            size = int(face.image.shape[-1])
            self._truths[key] = truth_in_crop(sample, face.crop_to_photo, face.landmarks.points, size)
        return self._truths[key]


class _Watched:
    """Stands for a stage and measures its `run` alone, the device's work included."""

    def __init__(self, stage: Stage, device: str) -> None:
        self._stage, self._device = stage, device
        self.consumes, self.produces = stage.consumes, stage.produces
        self.seconds = self.megabytes = 0.0

    def run(self, *inputs: Any) -> Any:
        """Run the stage."""
        with PeakMemory(self._device) as memory:
            self._synchronise()
            start = time.perf_counter()
            answer = self._stage.run(*inputs)  # type: ignore[attr-defined]
            self._synchronise()
            self.seconds = time.perf_counter() - start
        self.megabytes = memory.megabytes
        return answer

    def _synchronise(self) -> None:
        if self._device.startswith("cuda"):
            torch.cuda.synchronize(self._device)


def _check_finite(faces: FaceBatch, name: str, node: Node) -> None:
    """Raise if a stage answered with NaN or infinity."""
    answers: dict[str, list[Any]] = {
        "occlusion_matting": [faces.matte and faces.matte.alpha],
        "face_inpainter": [faces.clean],
        "shape_regressor": [faces.shape and faces.shape.vertices, faces.shape and faces.shape.translation],
        "detail_recoverer": [faces.detail and faces.detail.bump],
    }
    for value in answers[name]:
        if isinstance(value, Tensor) and not bool(torch.isfinite(value).all()):
            raise StageError(f"{name} plugin '{node.candidate.label}' returned NaN or infinity")
