"""Training of the parsing network: `occface train parsing`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from attrs import frozen
from torch import Tensor
from torch.nn import functional as F

from occface_core.errors import WeightsMissing
from occface_core.synthetic.labels import LABELS
from occface_paper.context import begin_context, has_path, take_over
from occface_paper.occluders import load_cutouts
from occface_paper.parsing.augment import ParsingSampler
from occface_paper.parsing.data import LabelledCrops
from occface_paper.parsing.evaluate import composites, validate
from occface_paper.parsing.hidden import FACE, FRONT
from occface_paper.parsing.network import ParsingNetwork
from occface_paper.parsing.synthetic import synthetic_crops
from occface_paper.parsing.teachers import SOME_FACE, UNKNOWN
from occface_paper.pasting import OccluderBank
from occface_paper.training import Clock, TrainingRun, ahead, saved_run
from occface_paper.weights import load_weights

#: Weight of classes in the loss where it is not 1: small things would not count otherwise.
CLASS_WEIGHT = {
    "eyeglasses": 1.6,
    "brows": 1.5,
    "eyes": 1.5,
    "lips": 1.5,
    "mouth": 1.5,
}

#: Pixels so near (px) to where something begins to hide the face count so many times more: between fingers, along rims.
EDGE, EDGE_WEIGHT = 4, 3.0

#: Weight of the pixels that show some part of the face, as those of a class.
SOME_FACE_WEIGHT = 2.5


@frozen(kw_only=True)
class ParsingTraining:
    """Settings of one run.

    Attributes:
        width: of the network.
        size: side of the crops, px.
        batch: samples a step.
        rate: peak learning rate.
        weight_decay: of AdamW, on all but biases and norms.
        overlap: weight of the overlap loss of the hidden area.
        occluders: drawn before the first step.
        synthetic: synthetic faces drawn before the first step.
        synthetic_share: share of the samples that are synthetic.
    """

    width: float = 1.0
    size: int = 256
    batch: int = 10
    rate: float = 2e-3
    weight_decay: float = 0.01
    overlap: float = 0.5
    occluders: int = 3000
    synthetic: int = 900
    synthetic_share: float = 0.22


def parsing_loss(logits: Tensor, labels: Tensor, overlap: float) -> Tensor:
    """Weighted cross-entropy of the labels plus a soft overlap (Dice) loss of "in front of the face or not".

    Args:
        logits: (B, C, H, W).
        labels: (B, H, W) int64; 255 unknown: such pixels do not count; 254 some part of the face.
        overlap: weight of the second loss.
    """
    weight = logits.new_ones(logits.shape[1])
    for name, value in CLASS_WEIGHT.items():
        weight[LABELS[name]] = value
    some_face = labels == SOME_FACE
    classes = labels.masked_fill(some_face | (labels == UNKNOWN), 0)
    missed = F.cross_entropy(logits, classes, weight, reduction="none")
    weights = weight[classes]
    if some_face.any():
        chosen = logits.permute(0, 2, 3, 1)[some_face]
        missed[some_face] = SOME_FACE_WEIGHT * (chosen.logsumexp(1) - chosen[:, list(FACE)].logsumexp(1))
        weights[some_face] = SOME_FACE_WEIGHT
    near = edges_of_hidden(labels) * (labels != UNKNOWN)
    loss = (missed * near).sum() / (weights * near).sum().clamp_min(1.0)
    if not overlap:
        return loss
    front = [LABELS[n] for n in ("eyeglasses", "hat", "other")]
    counted = (labels != UNKNOWN) & (labels != LABELS["hair"])
    found = logits.softmax(1)[:, front].sum(1) * counted
    truth = torch.isin(labels, labels.new_tensor(front)) & counted
    both = (found * truth).sum((1, 2))
    dice = 1 - (2 * both + 50) / (found.sum((1, 2)) + truth.sum((1, 2)) + 50)
    return loss + overlap * dice.mean()


def edges_of_hidden(labels: Tensor) -> Tensor:
    """Weight of each pixel (B, H, W) in the loss: `EDGE_WEIGHT` where the face and what hides it meet, else 1.

    Args:
        labels: (B, H, W) int64.
    """
    front = torch.isin(labels, labels.new_tensor(FRONT))
    face = torch.isin(labels, labels.new_tensor((*FACE, SOME_FACE)))
    spread = [F.max_pool2d(each.float()[:, None], 2 * EDGE + 1, 1, EDGE)[:, 0] for each in (front, face)]
    return 1 + (EDGE_WEIGHT - 1) * spread[0] * spread[1]


def train_parsing(
    data: Path,
    labels: Path,
    out: Path,
    *,
    minutes: float = 100.0,
    steps: int | None = None,
    resume: bool = False,
    device: str = "cpu",
    seed: int = 0,
    threads: int | None = None,
    settings: ParsingTraining | None = None,
    start: Path | None = None,
    context: Path | None = None,
    checkpoint_seconds: float = 180.0,
    validate_every: int = 2,
) -> dict[str, Any]:
    """Train until the time or the steps are used up.

    Args:
        data: folder of the data pack, for mask cut-outs and skins.
        labels: file of labelled crops, made by tools/label_faces.py.
        out: folder of the run: ``parsing.pt``, ``parsing.safetensors``, ``log.jsonl``, and the banks drawn first.
        minutes: length of the schedule, earlier runs included.
        steps: stop after so many steps, if that comes first.
        resume: go on from the checkpoint in ``out``.
        device: of the network; on cuda the forward pass runs in bfloat16.
        seed: of the samples and the first weights.
        threads: of torch.
        settings: of the run.
        start: weights to begin with, of a network with or without the second path.
        context: torchvision's mobilenet_v2-b0353104.pth to begin the second path with; None: a network without it,
            unless the start or the checkpoint has it.
        checkpoint_seconds: between two checkpoints.
        validate_every: checkpoints between two validations.

    Returns:
        The last line of the log.
    """
    settings = settings or ParsingTraining()
    cv2.setNumThreads(0)  # before the fork: a pool of threads does not survive it
    saved = saved_run(out, "parsing", resume, device)
    clock = Clock.of(minutes, steps, saved)
    torch.manual_seed(seed)
    network = begun_network(settings.width, start, context, saved)
    real = LabelledCrops.load(labels)
    bank = _bank(out / "occluders.npz", real, settings.occluders, seed, settings.size)
    sets, shares = [real], [1.0]
    if settings.synthetic:
        sets.append(_synthetic(out / "synthetic.npz", settings.synthetic, seed, data / "skins"))
        shares = [1 - settings.synthetic_share, settings.synthetic_share]
    sampler = ParsingSampler(
        sets=sets, shares=shares, bank=bank, cutouts=load_cutouts(data / "occluders"), size=settings.size
    )
    made = composites(real, 66)
    first = clock.step

    def make(index: int) -> tuple[np.ndarray, np.ndarray]:
        return sampler.batch(np.random.default_rng((seed, first + index)), settings.batch)

    batches = iter(ahead(make))
    images, truth = next(batches)  # forks here, before torch starts threads
    if threads:
        torch.set_num_threads(threads)
    network = network.to(device).to(memory_format=torch.channels_last)
    run = TrainingRun.begin(
        "parsing",
        out,
        network,
        clock,
        saved,
        settings,
        clip=2.0,
        checkpoint_seconds=checkpoint_seconds,
        gentle="context.",
    )
    losses: list[float] = []
    while True:
        done = run.done
        if run.due(done):
            record: dict[str, Any] = run.record()
            record["loss"] = float(np.mean(losses)) if losses else float("nan")
            losses.clear()
            if made and (done or run.saves % validate_every == 0):
                tested = ParsingNetwork.of(network.metadata())
                tested.load_state_dict(run.average.state)
                record |= validate(tested.to(memory_format=torch.channels_last), made)
            run.save(network.metadata() | {"size": str(settings.size)}, record)
        if done:
            return record
        crop = (
            torch.as_tensor(images).to(device).float().div_(255).contiguous(memory_format=torch.channels_last)
        )
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            logits = network(crop)
        loss = parsing_loss(logits.float(), torch.as_tensor(truth).to(device).long(), settings.overlap)
        run.learn(loss)
        losses.append(float(loss.detach()))
        images, truth = next(batches)


def begun_network(
    width: float, start: Path | None, context: Path | None, saved: dict[str, Any] | None
) -> ParsingNetwork:
    """The network as it is before the first step, on the CPU; a checkpoint's content says only what it consists of."""
    state, metadata = load_weights(start) if start else ({}, {"width": str(width)})
    if start and "logits.weight" not in state:
        raise WeightsMissing(f"{start} does not hold a parsing network")
    names = saved["network"] if saved else state
    known = has_path(names)
    network = ParsingNetwork(float(metadata["width"]), context=known or (context is not None and not saved))
    if start:
        take_over(network, state, start)
    begin_context(network, None if known else context)
    return network


def _bank(path: Path, real: LabelledCrops, count: int, seed: int, size: int) -> OccluderBank:
    def draw() -> OccluderBank:
        bare = np.flatnonzero(~real.is_val & ~real.masked)
        margin = (real.images.shape[1] - size) // 2
        inner = slice(margin, margin + size)
        images, points = real.images[bare, inner, inner], real.points[bare] - margin
        return OccluderBank.build(images, points, count, seed, side=size)

    return OccluderBank.kept(path, draw)


def _synthetic(path: Path, count: int, seed: int, skins: Path) -> LabelledCrops:
    if not path.exists():
        synthetic_crops(count, seed + 7000, skins).save(path)
    return LabelledCrops.load(path)
