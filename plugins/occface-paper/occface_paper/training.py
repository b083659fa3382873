"""What every training run here shares: weight averages, a schedule by time, checkpoints, samples made ahead."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import cv2
import torch
from attrs import define, field
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

Sample = TypeVar("Sample")

#: Part of the learning rate for weights that others have trained on far more pictures.
GENTLE = 0.2


@define(kw_only=True)
class WeightAverage:
    """Exponential moving average of a network's parameters and batch statistics."""

    network: nn.Module
    decay: float = 0.999
    steps: int = 0
    state: dict[str, torch.Tensor] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        if not self.state:
            self.state = {k: v.detach().clone() for k, v in self.network.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take the network's present weights in; the average forgets faster in the first steps."""
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        live = self.network.state_dict()
        averaged = [k for k, v in self.state.items() if v.is_floating_point()]
        torch._foreach_lerp_([self.state[k] for k in averaged], [live[k] for k in averaged], 1 - keep)
        for k, v in self.state.items():
            if not v.is_floating_point():
                v.copy_(live[k])


@define(kw_only=True)
class Clock:
    """Training time, counted over all resumed runs: cosine learning rate from start to end."""

    minutes: float
    steps: int | None
    spent: float = 0.0
    step: int = 0
    started: float = field(factory=time.monotonic)

    @classmethod
    def of(cls, minutes: float, steps: int | None, saved: dict[str, Any] | None) -> Clock:
        """A new run's clock, or that of one that goes on from its checkpoint's content."""
        clock = cls(minutes=minutes, steps=steps)
        if saved:
            clock.spent, clock.step = saved["seconds"], saved["step"]
        return clock

    def seconds(self) -> float:
        """Seconds trained, earlier runs included."""
        return self.spent + time.monotonic() - self.started

    def progress(self) -> float:
        """0 at the start, 1 when the time or the steps are used up, whichever is first."""
        by_time = self.seconds() / max(60 * self.minutes, 1e-9)
        by_steps = self.step / self.steps if self.steps else 0.0
        return min(1.0, max(by_time, by_steps))

    def learning_rate(self, peak: float, warm_up: int = 200) -> float:
        """Linear warm-up, then half a cosine down to 1 % of the peak."""
        cosine = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * self.progress()))
        return peak * cosine * min(1.0, (self.step + 1) / warm_up)


def save_checkpoint(path: Path, **content: Any) -> None:
    """Write a checkpoint so that a crash in the middle leaves the former one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(content, part)
    os.replace(part, path)


def export_half(path: Path, state: dict[str, torch.Tensor], metadata: dict[str, str]) -> str:
    """Write weights as float16 safetensors and return the file's SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = {k: (v.half() if v.is_floating_point() else v).contiguous().cpu() for k, v in state.items()}
    save_file(half, path, metadata=metadata)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def saved_run(out: Path, name: str, resume: bool, device: str) -> dict[str, Any] | None:
    """Return the content of a run's checkpoint, or None if it begins anew."""
    checkpoint = out / f"{name}.pt"
    if not (resume and checkpoint.exists()):
        return None
    content: dict[str, Any] = torch.load(checkpoint, map_location=device, weights_only=True)
    return content


def save_run(
    out: Path,
    name: str,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
    clock: Clock,
    metadata: dict[str, str],
    record: dict[str, Any],
) -> None:
    """Write checkpoint, averaged weights and a line of the log, and print that line.

    Args:
        out: folder of the run.
        name: of the network: NAME.pt is the checkpoint, NAME.safetensors the weights.
        network: in training.
        optimizer: its optimiser.
        average: its averaged weights.
        clock: time and steps so far.
        metadata: what the stage must know to build the network; the step is added.
        record: the line of the log.
    """
    save_checkpoint(
        out / f"{name}.pt",
        network=network.state_dict(),
        optimizer=optimizer.state_dict(),
        average=average.state,
        seconds=clock.seconds(),
        step=clock.step,
    )
    export_half(out / f"{name}.safetensors", average.state, metadata | {"step": str(clock.step)})
    with (out / "log.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\n")
    print(json.dumps(record), flush=True)


def adamw(
    network: nn.Module, rate: float, weight_decay: float, gentle: str | None = None
) -> torch.optim.AdamW:
    """AdamW over what is trained; biases, norms and the weights of learned pooling do not decay.

    Args:
        network: in training.
        rate: learning rate.
        weight_decay: of weights.
        gentle: beginning of the names of parameters that learn at `GENTLE` of the rate.
    """
    trained = [(n, p) for n, p in network.named_parameters() if p.requires_grad]
    slow = [(n, p) for n, p in trained if gentle and n.startswith(gentle)]
    fast = [(n, p) for n, p in trained if not (gentle and n.startswith(gentle))]
    groups = []
    for part, share in ((fast, 1.0), (slow, GENTLE)):
        decayed = [p for n, p in part if p.ndim > 1 and "pool" not in n]
        others = [p for n, p in part if not (p.ndim > 1 and "pool" not in n)]
        groups += [
            {"params": decayed, "weight_decay": weight_decay, "share": share},
            {"params": others, "weight_decay": 0.0, "share": share},
        ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=rate)


class Rates(Protocol):
    """What the settings of every run say."""

    @property
    def rate(self) -> float:
        """Peak learning rate."""

    @property
    def weight_decay(self) -> float:
        """As in `adamw`."""


@define(kw_only=True)
class TrainingRun:
    """One network in training: its steps, and its checkpoints every so often.

    Attributes:
        name: of the files in the folder ``out``.
        out: folder of the run.
        network: in training.
        optimizer: its optimiser.
        average: its averaged weights.
        clock: time and steps.
        rate: peak learning rate.
        clip: largest norm of the gradients.
        checkpoint_seconds: between two checkpoints.
        saves: checkpoints that were due so far.
    """

    name: str
    out: Path
    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: WeightAverage
    clock: Clock
    rate: float
    clip: float
    checkpoint_seconds: float
    saves: int = 0
    last_save: float = field(factory=time.monotonic)

    @classmethod
    def begin(
        cls,
        name: str,
        out: Path,
        network: nn.Module,
        clock: Clock,
        saved: dict[str, Any] | None,
        settings: Rates,
        *,
        clip: float,
        checkpoint_seconds: float,
        decay: float = 0.999,
        gentle: str | None = None,
    ) -> TrainingRun:
        """Begin, or go on from a checkpoint's content; the clock starts now.

        Args as the attributes, and:
            saved: see `saved_run`.
            settings: of the run.
            decay: of the averaged weights.
            gentle: beginning of the names of parameters that learn slowly.
        """
        optimizer = adamw(network, settings.rate, settings.weight_decay, gentle)
        average = WeightAverage(network=network, decay=decay)
        if saved:
            network.load_state_dict(saved["network"])
            optimizer.load_state_dict(saved["optimizer"])
            average = WeightAverage(network=network, decay=decay, steps=saved["step"], state=saved["average"])
        out.mkdir(parents=True, exist_ok=True)
        clock.started = time.monotonic()
        return cls(
            name=name,
            out=out,
            network=network,
            optimizer=optimizer,
            average=average,
            clock=clock,
            rate=settings.rate,
            clip=clip,
            checkpoint_seconds=checkpoint_seconds,
        )

    @property
    def done(self) -> bool:
        """Whether the time or the steps are used up."""
        return self.clock.progress() >= 1

    def due(self, done: bool) -> bool:
        """Whether a checkpoint has to be written now; counts it."""
        if not (done or time.monotonic() - self.last_save > self.checkpoint_seconds):
            return False
        self.saves, self.last_save = self.saves + 1, time.monotonic()
        return True

    def record(self) -> dict[str, Any]:
        """The beginning of a line of the log."""
        return {"step": self.clock.step, "minutes": round(self.clock.seconds() / 60, 2)}

    def save(self, metadata: dict[str, str], record: dict[str, Any]) -> None:
        """Write the checkpoint, the averaged weights and the line; see `save_run`."""
        save_run(
            self.out, self.name, self.network, self.optimizer, self.average, self.clock, metadata, record
        )

    def learn(self, loss: torch.Tensor) -> None:
        """Take one step down a loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.clock.learning_rate(self.rate) * group.get("share", 1.0)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        self.optimizer.step()
        self.clock.step += 1
        self.average.update()


class _Endless(IterableDataset[Any]):
    """make(0), make(1), ... without end."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        self.make = make

    def __iter__(self) -> Iterator[Any]:
        return map(self.make, itertools.count())


def ahead(make: Callable[[int], Sample], depth: int = 4) -> Iterator[Sample]:
    """Yield make(0), make(1), ... computed in a forked process ahead of their use.

    A process, not a thread: samples are made in many small steps of Python, which would make the training
    step wait for the interpreter's lock at each of its operations. The fork shares the crops in memory.
    """
    cv2.setNumThreads(0)  # before the fork: OpenCV's thread pool hangs in a child that inherits it
    yield from DataLoader(
        _Endless(make),
        batch_size=None,
        num_workers=1,
        prefetch_factor=depth,
        multiprocessing_context="fork",
    )
