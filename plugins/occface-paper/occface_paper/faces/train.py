"""Training of the face finder: `occface train faces`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from attrs import frozen

from occface_paper.faces.assign import targets
from occface_paper.faces.augment import CanvasSampler
from occface_paper.faces.data import Photo, load_crops, load_photos
from occface_paper.faces.evaluate import measure
from occface_paper.faces.loss import finder_loss
from occface_paper.faces.network import FaceNetwork
from occface_paper.occluders import load_cutouts
from occface_paper.pasting import OccluderBank
from occface_paper.training import Clock, TrainingRun, WeightAverage, ahead, saved_run
from occface_paper.weights import load_weights

#: Occluders are drawn on at most so many faces.
BANK_FACES = 600


@frozen(kw_only=True)
class FinderTraining:
    """Settings of one run.

    Attributes:
        width: channels of the finder.
        trunk: multiplier of the landmark network's trunk that it looks through; 0 for dense convolutions.
        batch: canvases a step.
        rate: peak learning rate.
        weight_decay: of AdamW, convolution weights alone.
        size: side of the canvases, px.
    """

    width: int = 40
    trunk: float = 0.0
    batch: int = 12
    rate: float = 2e-3
    weight_decay: float = 0.01
    size: int = 256


def train_faces(
    data: Path,
    out: Path,
    *,
    minutes: float = 60.0,
    steps: int | None = None,
    resume: bool = False,
    device: str = "cpu",
    seed: int = 0,
    threads: int | None = None,
    settings: FinderTraining | None = None,
    limit: int | None = None,
    occluders: int = 2000,
    start: Path | None = None,
    synthetic: Path | None = None,
    checkpoint_seconds: float = 120.0,
    validate_every: int = 4,
) -> dict[str, Any]:
    """Train until the time or the steps are used up.

    Args as in `train_landmarks`.

    Writes to ``out``: ``faces.pt`` (checkpoint), ``faces.safetensors`` (averaged weights, float16) and
    ``log.jsonl``. Returns the last log line.
    """
    settings = settings or FinderTraining()
    cv2.setNumThreads(1)  # before the fork: a pool of threads does not survive it
    crops, held_out = load_crops(data, limit, synthetic)
    photos, held_out_photos = load_photos(data)
    bank = occluder_bank(out / "occluders.npz", crops, occluders, seed) if occluders else None
    cutouts = load_cutouts(data / "occluders")
    sampler = CanvasSampler(crops=crops, photos=photos, cutouts=cutouts, size=settings.size, bank=bank)
    saved = saved_run(out, "faces", resume, device)
    clock = Clock.of(minutes, steps, saved)
    first = clock.step

    def make(index: int) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
        rng = np.random.default_rng((seed, first + index))
        images, answers = [], []
        for _ in range(settings.batch):
            image, boxes, points, ignored = sampler.draw(rng)
            images.append(image)
            answers.append(targets(boxes, points, settings.size, settings.size, ignored))
        labels = [
            np.stack(maps) for maps in zip(*([a[0] for a in answer] for answer in answers), strict=True)
        ]
        values = [
            np.stack(maps) for maps in zip(*([a[1] for a in answer] for answer in answers), strict=True)
        ]
        return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2)), labels, values

    batches = iter(ahead(make))
    batch = next_batch(batches, device)  # forks here, before torch starts threads

    torch.manual_seed(seed)
    if threads:
        torch.set_num_threads(threads)
    network = FaceNetwork(settings.width, settings.trunk).to(device).to(memory_format=torch.channels_last)
    if start and not saved:
        network.begin_with(load_weights(start)[0])
    run = TrainingRun.begin(
        "faces", out, network, clock, saved, settings, clip=5.0, checkpoint_seconds=checkpoint_seconds
    )
    record: dict[str, Any] = {}
    losses: list[float] = []
    while True:
        done = run.done
        if run.due(done):
            record = run.record()
            record["loss"] = float(np.mean(losses)) if losses else float("nan")
            losses.clear()
            if done or run.saves % validate_every == 0:
                ready = averaged(run.average, settings, device)
                for name, part in (("crops", held_out), ("photos", held_out_photos)):
                    if part:
                        record[name] = measure(ready, part)
            metadata = {"width": str(settings.width), "trunk": str(settings.trunk)}
            run.save(metadata, record)
        if done:
            break
        photo, labels, values = batch
        loss = finder_loss(network(photo), labels, values)
        run.learn(loss)
        losses.append(float(loss.detach()))
        batch = next_batch(batches, device)
    return record


def occluder_bank(path: Path, crops: list[Photo], count: int, seed: int) -> OccluderBank | None:
    """The bank that lies at ``path``, or a new one, drawn on some of the crops and kept there."""
    if not path.exists():
        marked = [photo for photo in crops if photo.landmarks is not None][:BANK_FACES]
        if not marked:
            return None
        images = np.stack([photo.image for photo in marked])
        points = np.concatenate([photo.landmarks for photo in marked if photo.landmarks is not None])
        OccluderBank.build(images, points, count, seed).save(path)
    return OccluderBank.load(path)


def next_batch(
    batches: Iterator[Any], device: str
) -> tuple[torch.Tensor, list[torch.Tensor], list[torch.Tensor]]:
    """Canvases (B, 3, S, S) float32 in [0, 1] and the targets of each stride, on the device."""
    images, labels, values = next(batches)
    photo = torch.as_tensor(images).to(device).float().div_(255).contiguous(memory_format=torch.channels_last)
    return (
        photo,
        [torch.as_tensor(m).to(device) for m in labels],
        [torch.as_tensor(m).to(device) for m in values],
    )


def averaged(average: WeightAverage, settings: FinderTraining, device: str) -> FaceNetwork:
    """A network with the averaged weights, ready to measure."""
    network = FaceNetwork(settings.width, settings.trunk)
    network.load_state_dict(average.state)
    return network.to(device).to(memory_format=torch.channels_last).eval()
