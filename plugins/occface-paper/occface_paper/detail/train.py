"""Training of the bump network: `occface train detail`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from attrs import frozen
from torch import Tensor

from occface_paper.context import take_over
from occface_paper.detail.data import DetailSampler
from occface_paper.detail.evaluate import fine_correlation, normal_errors
from occface_paper.detail.inputs import network_input
from occface_paper.detail.losses import bump_loss
from occface_paper.detail.network import PAPER_WIDTHS, WIDTHS, BumpNetwork
from occface_paper.synthetic_bank import SyntheticBank
from occface_paper.training import Clock, TrainingRun, ahead, saved_run
from occface_paper.weights import load_weights

#: Name of the weights file.
WEIGHTS = "bump_unet"


@frozen(kw_only=True)
class DetailTraining:
    """Settings of one run.

    Attributes:
        widths: channels of every level of the network.
        fold: see `BumpNetwork`.
        size: side of the crops, px; a multiple of fold * 2 ** (levels - 1).
        batch: samples a step.
        rate: peak learning rate.
        weight_decay: of AdamW, on all but biases and norms.
        slope: weight of the slope terms of eq. 8; the paper's is 1.
        wrong: share of the samples with a wrong base shape.
        held_out: faces at the end of the bank that are not trained on; None for the bank's own rule.
        validated: held-out faces on which the network is measured.
    """

    widths: tuple[int, ...] = WIDTHS
    fold: int = 2
    size: int = 160
    batch: int = 6
    rate: float = 2.5e-3
    weight_decay: float = 0.01
    slope: float = 4.0
    wrong: float = 0.25
    held_out: int | None = None
    validated: int = 48

    @classmethod
    def paper(cls) -> DetailTraining:
        """The paper's network and weights of the loss, on whole crops."""
        return cls(widths=PAPER_WIDTHS, fold=1, size=256, batch=16, slope=1.0)


def train_detail(
    data: Path,
    out: Path,
    *,
    faces: Path | None = None,
    start: Path | None = None,
    count: int = 9000,
    minutes: float = 80.0,
    steps: int | None = None,
    resume: bool = False,
    device: str = "cpu",
    seed: int = 0,
    threads: int | None = None,
    settings: DetailTraining | None = None,
    checkpoint_seconds: float = 120.0,
) -> dict[str, Any]:
    """Train until the time or the steps are used up.

    Args:
        data: folder of the data pack, for its skins.
        out: folder of the run: ``bump_unet.pt``, ``bump_unet.safetensors``, ``log.jsonl``, and the faces drawn first.
        faces: folder of synthetic faces drawn before, see `SyntheticBank`; None draws them into ``out``.
        start: weights of a bump network of these settings to begin with (.safetensors); None: random ones.
        count: synthetic faces to draw.
        minutes: length of the schedule, earlier runs included.
        steps: stop after so many steps, if that comes first.
        resume: go on from the checkpoint in ``out``.
        device: of the network; on cuda the forward pass runs in bfloat16.
        seed: of the samples and the first weights.
        threads: of torch.
        settings: of the run.
        checkpoint_seconds: between two checkpoints.

    Returns:
        The last line of the log.
    """
    settings = settings or DetailTraining()
    cv2.setNumThreads(0)  # before the fork: a pool of threads does not survive it
    bank = SyntheticBank.kept(faces or out / "faces", count, seed + 41, skins=data / "skins")
    training, held_out = bank.split(settings.held_out)
    sampler = DetailSampler(bank=bank, indices=training, size=settings.size, wrong=settings.wrong)
    saved = saved_run(out, WEIGHTS, resume, device)
    torch.manual_seed(seed)
    network = BumpNetwork(settings.widths, settings.fold)
    if start and not saved:
        take_over(network, load_weights(start)[0], start)
    clock = Clock.of(minutes, steps, saved)
    first = clock.step

    def make(index: int) -> dict[str, np.ndarray]:
        torch.set_num_threads(1)
        return sampler.batch(np.random.default_rng((seed, first + index)), settings.batch)

    batches = iter(ahead(make))
    batch = next(batches)  # forks here, before torch starts threads
    if threads:
        torch.set_num_threads(threads)
    tested = held_out[:: max(len(held_out) // settings.validated, 1)][: settings.validated]
    network = network.to(device).to(memory_format=torch.channels_last)
    run = TrainingRun.begin(
        WEIGHTS,
        out,
        network,
        clock,
        saved,
        settings,
        clip=5.0,
        checkpoint_seconds=checkpoint_seconds,
        decay=0.998,
    )
    losses: list[float] = []
    while True:
        done = run.done
        if run.due(done):
            record: dict[str, Any] = run.record()
            record["loss"] = float(np.mean(losses)) if losses else float("nan")
            losses.clear()
            if len(tested) and (done or run.saves % 2 == 1):
                trained = BumpNetwork(settings.widths, settings.fold)
                trained.load_state_dict(run.average.state)
                record |= validate(trained, bank, tested)
            metadata = {"widths": json.dumps(settings.widths), "fold": str(settings.fold)}
            run.save(metadata, record)
        if done:
            return record
        given = {name: torch.as_tensor(value).to(device) for name, value in batch.items()}
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            bump, logits = network(prepared(given))
        loss = bump_loss(
            bump.float(),
            logits.float(),
            given["bump"],
            given["valid"],
            given["weight"],
            settings.slope,
        )
        run.learn(loss)
        losses.append(float(loss.detach()))
        batch = next(batches)


def prepared(given: dict[str, Tensor]) -> Tensor:
    """Input of the network from a batch of samples."""
    x = network_input(
        given["picture"].float() / 255,
        given["matte"],
        given["normals"],
        given["depth"],
        given["face"],
        given["centre"],
    )
    return x.contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def validate(network: BumpNetwork, bank: SyntheticBank, indices: np.ndarray) -> dict[str, float]:
    """Measure a network on whole clean pictures of faces, over the exact base and over a wrong one.

    Returns:
        For both: "normal", the mean normal error as a share of the base surface's, and "fine", the correlation
        of the fine relief; those of the wrong base end in "_wrong".
    """
    network.eval().to(memory_format=torch.channels_last)
    sampler = DetailSampler(bank=bank, indices=indices, size=bank.clean.shape[-1])
    figures: dict[str, list[float]] = {}
    for wrong, end in ((False, ""), (True, "_wrong")):
        errors, flat, fine = [], [], []
        for index in indices:
            rng = np.random.default_rng(int(index))
            sample = sampler.cut(int(index), 0, 0, rng, "nothing", wrong)
            names = type(sample).__annotations__
            given = {name: torch.as_tensor(np.array(getattr(sample, name)))[None] for name in names}
            mask = given["valid"] > 0
            if int(mask.sum()) < 500:
                continue
            bump = network(prepared(given))[0]
            camera = torch.as_tensor(bank.intrinsics[index].copy())[None]
            scene = (given["bump"], given["depth"], camera, mask)
            errors.append(float(normal_errors(bump, *scene)))
            flat.append(float(normal_errors(torch.zeros_like(bump), *scene)))
            fine.append(float(fine_correlation(bump, given["bump"], mask)))
        figures["normal" + end] = [float(np.sum(errors) / max(np.sum(flat), 1e-6))] if errors else []
        figures["fine" + end] = fine
    return {name: round(float(np.mean(values)), 4) for name, values in figures.items() if values}
