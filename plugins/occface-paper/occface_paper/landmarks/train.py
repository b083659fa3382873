"""Training of the landmark network: `occface train landmarks`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from attrs import frozen

from occface_paper.context import begin_context, has_path, take_over
from occface_paper.landmarks.augment import Sampler
from occface_paper.landmarks.crop import mean_of_shapes
from occface_paper.landmarks.data import FaceCrops, load_face_crops
from occface_paper.landmarks.evaluate import validate
from occface_paper.landmarks.heatmap import HeatmapNetwork
from occface_paper.landmarks.loss import confidence_loss, landmark_loss, point_distances
from occface_paper.landmarks.network import LandmarkNetwork
from occface_paper.occluders import load_cutouts
from occface_paper.pasting import OccluderBank
from occface_paper.synthetic_bank import SyntheticBank
from occface_paper.training import Clock, TrainingRun, WeightAverage, ahead, saved_run
from occface_paper.weights import load_weights


@frozen(kw_only=True)
class LandmarkTraining:
    """Settings of one run.

    Attributes:
        head: "landmarks", the paper's fused taps, or "heatmap", integral regression on the same trunk.
        frozen: whether the trunk of a heatmap network stays as it begins.
        context: whether a heatmap network has the second path.
        width: width of the trunk.
        batch: samples a step.
        rate: peak learning rate.
        weight_decay: of AdamW, convolution and linear weights alone.
        sizes: crop sizes in the order trained.
        switch: share of the run after which each later size begins.
        squared: share of eq. 1's squared norm in the loss; the rest is the mean point distance.
        confidence: weight of the confidence loss.
    """

    head: str = "landmarks"
    frozen: bool = False
    context: bool = False
    width: float = 0.75
    batch: int = 32
    rate: float = 1.2e-3
    weight_decay: float = 0.02
    sizes: tuple[int, ...] = (128,)
    switch: tuple[float, ...] = (0.7,)
    squared: float = 0.0
    confidence: float = 0.02

    def network(self) -> LandmarkNetwork | HeatmapNetwork:
        """A new network."""
        if self.head == "heatmap":
            return HeatmapNetwork(self.width, context=self.context)
        return LandmarkNetwork(self.width)

    def size(self, progress: float) -> int:
        """Crop size at this share of the run."""
        passed = sum(progress >= s for s in self.switch)
        return self.sizes[min(passed, len(self.sizes) - 1)]


def training_loss(
    points: torch.Tensor, log_scale: torch.Tensor, truth: torch.Tensor, settings: LandmarkTraining
) -> torch.Tensor:
    """Mean point distance, blended with eq. 1 by ``settings.squared``, plus the confidence loss."""
    distances = point_distances(points, truth)
    loss = (1 - settings.squared) * distances.mean()
    if settings.squared:
        loss = loss + settings.squared * landmark_loss(points, truth)
    return loss + settings.confidence * confidence_loss(log_scale, distances)


def train_landmarks(
    data: Path,
    out: Path,
    *,
    minutes: float = 100.0,
    steps: int | None = None,
    resume: bool = False,
    device: str = "cpu",
    seed: int = 0,
    threads: int | None = None,
    settings: LandmarkTraining | None = None,
    folders: dict[str, float] | None = None,
    limit: int | None = None,
    occluders: int = 2000,
    start: Path | None = None,
    context: Path | None = None,
    synthetic: Path | None = None,
    checkpoint_seconds: float = 120.0,
    validate_every: int = 2,
) -> dict[str, Any]:
    """Train until the time or the steps are used up.

    Args:
        data: folder of the training data.
        out: folder of the run.
        minutes: length of the schedule, earlier runs included.
        steps: stop after so many steps, if that comes first.
        resume: go on from the checkpoint in ``out``.
        device: of the network.
        seed: of the samples and the first weights.
        threads: of torch.
        settings: of the run.
        folders: weights of the data folders.
        limit: at most so many crops a folder.
        occluders: how many occluders of the library's generator are drawn before the first step.
        start: weights to begin with (.safetensors), at a fresh learning rate; None: random ones.
        context: torchvision's mobilenet_v2-b0353104.pth, for the second path of a heatmap network.
        synthetic: folder of synthetic faces to mix in, see `SyntheticBank`; None: photos alone.
        checkpoint_seconds: between two checkpoints.
        validate_every: checkpoints between two validations.

    Writes to ``out``: the checkpoint (.pt) and the averaged weights in float16 (.safetensors), called as the head, and
    ``log.jsonl``. Returns the last log line.
    """
    settings = settings or LandmarkTraining()
    cv2.setNumThreads(1)  # before the fork: a pool of threads does not survive it
    crops = load_face_crops(data, folders, limit, side=max(256, 2 * max(settings.sizes)))
    cutouts = load_cutouts(data / "occluders")
    saved = saved_run(out, settings.head, resume, device)
    clock = Clock.of(minutes, steps, saved)
    if saved:
        mean_shape = saved["network"]["mean_shape"].cpu().numpy().astype(np.float64)
    elif start:
        begin, _ = load_weights(start)
        mean_shape = begin["mean_shape"].numpy().astype(np.float64)
    else:
        mean_shape = mean_of_shapes(crops.points[np.flatnonzero(~crops.is_val)[:800]].astype(np.float64))
    bank = occluder_bank(out / "occluders.npz", crops, occluders, seed) if occluders else None
    faces = SyntheticBank.load(synthetic) if synthetic else None
    samplers = {
        s: Sampler(crops=crops, mean_shape=mean_shape, size=s, cutouts=cutouts, bank=bank, drawn=faces)
        for s in settings.sizes
    }
    first = clock.step

    def make(index: int) -> tuple[np.ndarray, np.ndarray]:
        clock.step = first + index  # this runs in the sampling process, whose clock is a copy
        rng = np.random.default_rng((seed, clock.step))
        return samplers[settings.size(clock.progress())].batch(rng, settings.batch)

    batches = iter(ahead(make))
    crop, truth = next_batch(batches, device)  # forks here, before torch starts threads

    torch.manual_seed(seed)
    if threads:
        torch.set_num_threads(threads)
    network = settings.network().to(device).to(memory_format=torch.channels_last)
    network.mean_shape.copy_(torch.from_numpy(mean_shape))
    if start and not saved:
        begin_with(network, begin)
    if isinstance(network, HeatmapNetwork):
        known = saved["network"] if saved else begin if start else {}
        begin_context(network, None if has_path(known) else context)
    if settings.frozen and isinstance(network, HeatmapNetwork):
        network.freeze_trunk()
    run = TrainingRun.begin(
        settings.head,
        out,
        network,
        clock,
        saved,
        settings,
        clip=1.0,
        checkpoint_seconds=checkpoint_seconds,
        gentle="context.",
    )
    record: dict[str, Any] = {}
    losses: list[float] = []
    while True:
        done = run.done
        if run.due(done):
            record = run.record()
            record["loss"] = float(np.mean(losses)) if losses else float("nan")
            record["size"] = settings.size(clock.progress())
            losses.clear()
            if crops.is_val.any() and (done or run.saves % validate_every == 0):
                record |= validate(averaged(run.average, settings, device), crops, record["size"], cutouts)
            metadata = {"width": str(settings.width), "size": str(record["size"])}
            if settings.context:
                metadata["context"] = "yes"
            run.save(metadata, record)
        if done:
            break
        points, log_scale = network(crop)
        loss = training_loss(points, log_scale, truth, settings)
        run.learn(loss)
        losses.append(float(loss.detach()))
        crop, truth = next_batch(batches, device)
    return record


def occluder_bank(path: Path, crops: FaceCrops, count: int, seed: int) -> OccluderBank:
    """The bank that lies at ``path``, or a new one, drawn on the training crops and kept there."""
    train = np.flatnonzero(~crops.is_val)
    return OccluderBank.kept(
        path, lambda: OccluderBank.build(crops.images[train], crops.points[train], count, seed)
    )


def next_batch(batches: Iterator[Any], device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops (B, 3, S, S) float32 in [0, 1] and points (B, 68, 2) of the next batch, on the device."""
    images, truth = next(batches)
    crop = torch.as_tensor(images).to(device).float().div_(255).contiguous(memory_format=torch.channels_last)
    return crop, torch.as_tensor(truth).to(device)


def begin_with(network: LandmarkNetwork | HeatmapNetwork, state: dict[str, torch.Tensor]) -> None:
    """Take over the weights of a landmark network; a heatmap network takes its trunk alone."""
    if isinstance(network, HeatmapNetwork) and "points.weight" in state:
        network.trunk_state(state)
    else:
        take_over(network, state, None)


def averaged(
    average: WeightAverage, settings: LandmarkTraining, device: str
) -> LandmarkNetwork | HeatmapNetwork:
    """A network with the averaged weights, ready to measure."""
    network = settings.network()
    network.load_state_dict(average.state)
    return network.to(device).to(memory_format=torch.channels_last).eval()
