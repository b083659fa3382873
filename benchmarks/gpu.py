"""How many faces a second every stage and the whole pipeline reach, and how much of the device that is.

    python benchmarks/gpu.py [--device cuda] [--batches 1,16,64,256] [--modes eager,channels_last,compile,graphs]

Needs no data: faces are drawn. On a GPU networks run under bfloat16 autocast beside float32; without one the CPU is
measured with small batches, and says so. The device's own rates come from the same process: a large matrix
product in the same type, and a copy of a large tensor. Operations are those of matrix products and convolutions
(torch.utils.flop_counter), bytes those that every operation reads and writes if nothing stays in a cache. The
bound is the time that the larger of the two needs at the device's rates; `share_bound` is that time over the
measured one. Photos are found one by one, so that `landmark_detector` has no batches; `pipeline` is
`Pipeline.map` over as many photos of one face as the batch holds. `generator` draws synthetic faces: `plans` on
the host, `paint` on the device.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import typer
from table import about, write
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from occface_core import STAGES, Pipeline
from occface_core.synthetic import SynthOptions, generate_batch
from occface_core.synthetic.batched.generation import paint
from occface_core.synthetic.batched.plan import draw_plans
from occface_core.synthetic.generation import embedded
from occface_core.testing import inputs

SEED = 3
PHOTO = 480
MODES = ("eager", "channels_last", "compile", "graphs")


class Traffic(TorchDispatchMode):
    """Adds up the bytes that operations read and write, views left out."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            used = {id(value): value for value in tree_leaves((args, kwargs or {}, out))}
            self.bytes += sum(
                v.numel() * v.element_size() for v in used.values() if isinstance(v, torch.Tensor)
            )
        return out


def waited(device: torch.device) -> None:
    """Return when the device has done all its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], Any], device: torch.device, runs: int, limit: float = 20.0) -> list[float]:
    """Return the time of each run, after one that does not count; no more begin after `limit` seconds."""
    work()
    waited(device)
    found: list[float] = []
    while not found or (len(found) < runs and sum(found) < limit):
        began = time.perf_counter()
        work()
        waited(device)
        found.append(time.perf_counter() - began)
    return found


def rates(device: torch.device, dtype: torch.dtype) -> tuple[float, float]:
    """Return the operations a second of a matrix product, and the bytes a second of a copy."""
    side = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    product = min(seconds(lambda: a @ b, device, 5))
    count = (1 << 30) if device.type == "cuda" else (1 << 26)
    source = torch.ones(count // 4, device=device)
    target = torch.empty_like(source)
    copy = min(seconds(lambda: target.copy_(source), device, 5))
    return 2 * side**3 / product, 2 * count / copy


def counted(work: Callable[[], Any]) -> tuple[float, float]:
    """Return the operations and the bytes of one run."""
    with FlopCounterMode(display=False) as flops, Traffic() as traffic:
        work()
    return float(flops.get_total_flops()), float(traffic.bytes)


def networks(stage: Any) -> dict[str, torch.nn.Module]:
    """Return the networks that a stage holds, by attribute."""
    names = dir(stage)
    held = {name: getattr(stage, name, None) for name in names if not name.startswith("__")}
    return {name: value for name, value in held.items() if isinstance(value, torch.nn.Module)}


def prepare(stage: Any, mode: str) -> None:
    """Put a stage's networks into a mode, for good."""
    for name, network in networks(stage).items():
        if mode == "channels_last":
            network.to(memory_format=torch.channels_last)
        elif mode in ("compile", "graphs"):
            how = "reduce-overhead" if mode == "graphs" else "default"
            object.__setattr__(stage, name, torch.compile(network, mode=how))


class Table:
    """Rows of figures of one device."""

    def __init__(self, device: torch.device, runs: int) -> None:
        self.device, self.runs = device, runs
        self.rows: list[dict[str, Any]] = []
        self.name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU, no GPU present"
        self._rates: dict[torch.dtype, tuple[float, float]] = {}

    def add(self, stage: str, plugin: str, batch: int, mode: str, dtype: torch.dtype, work: Callable[[], Any],
            count: bool = True) -> None:  # fmt: skip
        """Measure one case and print it."""
        if dtype not in self._rates:
            self._rates[dtype] = rates(self.device, dtype)
        product, copy = self._rates[dtype]
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        found = seconds(work, self.device, self.runs)
        middle = statistics.median(found)
        peak = torch.cuda.max_memory_allocated(self.device) / 1e6 if self.device.type == "cuda" else math.nan
        flops, traffic = counted(work) if count else (math.nan, math.nan)
        bound = max(flops / product, traffic / copy)
        row = {
            **about(SEED),
            "device": self.name,
            "stage": stage,
            "plugin": plugin,
            "batch": batch,
            "mode": mode,
            "dtype": str(dtype).removeprefix("torch."),
            "ms_batch": round(1000 * middle, 2),
            "ms_least": round(1000 * min(found), 2),
            "faces_per_s": round(batch / middle, 2),
            "gflop_face": _number(flops / batch / 1e9),
            "mb_face": _number(traffic / batch / 1e6),
            "device_tflops": round(product / 1e12, 3),
            "device_gb_per_s": round(copy / 1e9, 1),
            "share_product": _number(flops / middle / product),
            "share_copy": _number(traffic / middle / copy),
            "share_bound": _number(bound / middle),
            "peak_mb": _number(peak),
            "runs": len(found),
        }
        self.rows.append(row)
        print(
            f"{stage:18s} {plugin:22s} {batch:4d} {mode:13s} {row['dtype']:8s} {row['ms_batch']:9.2f} ms "
            f"{row['faces_per_s']:9.2f} faces/s  {row['gflop_face']} GFLOP, {row['mb_face']} MB a face, "
            f"{row['share_bound']} of the bound"
        )


def _number(value: float) -> float | str:
    return "" if math.isnan(value) else float(f"{value:.4g}")


def photos(count: int) -> list[Any]:
    """Return photos of one synthetic face each, (H, W, 3) uint8."""
    options = SynthOptions(size=PHOTO, yaw=0.4, degrade=0)
    faces = generate_batch(SEED, range(count), options)
    return [(face.permute(1, 2, 0) * 255).byte().numpy() for face in faces.photo]


def measure_stage(
    table: Table, preset: str, name: str, batches: list[int], mode: str, dtype: torch.dtype
) -> None:
    """Add the rows of one stage in one mode."""
    made = Pipeline.from_config(preset, device=str(table.device))
    stage = made.stage(name)
    if mode != "eager":
        if not networks(stage):
            return
        prepare(stage, mode)
    for batch in [1] if name == "landmark_detector" else batches:
        if name == "landmark_detector":
            given: list[Any] = [
                torch.as_tensor(photos(1)[0]).permute(2, 0, 1)[None].float().div(255).to(table.device)
            ]
        else:
            given = inputs.arguments(stage, inputs.faces(batch, device=str(table.device)))

        def work(stage: Any = stage, given: list[Any] = given) -> None:
            low = dtype != torch.float32
            with torch.inference_mode(), torch.autocast(table.device.type, dtype) if low else nullcontext():
                stage.run(*given)

        plugin = made.to_config()[name]
        table.add(name, plugin if isinstance(plugin, str) else plugin["plugin"], batch, mode, dtype, work,
                  count=mode in ("eager", "channels_last"))  # fmt: skip


def measure_pipeline(table: Table, preset: str, batches: list[int], dtype: torch.dtype) -> None:
    """Add the rows of the whole pipeline, photos to reconstructed faces."""
    made = Pipeline.from_config(preset, device=str(table.device))
    some = photos(min(max(batches), 16))
    for batch in batches:
        pictures = [some[k % len(some)] for k in range(batch)]

        def work(pictures: list[Any] = pictures, batch: int = batch) -> None:
            low = dtype != torch.float32
            with torch.autocast(table.device.type, dtype) if low else nullcontext():
                for _ in made.map(pictures, batch_size=batch):
                    pass

        table.add("pipeline", preset, batch, "eager", dtype, work, count=batch <= 64)


def measure_generator(table: Table, batches: list[int]) -> None:
    """Add the rows of the generator of synthetic faces."""
    options = SynthOptions()
    for batch in batches:
        plans = draw_plans(SEED, range(batch), options, embedded())
        host = Table(torch.device("cpu"), min(table.runs, 3))
        host.add("generator", "plans, on the host", batch, "eager", torch.float32,
                 lambda batch=batch: draw_plans(SEED, range(batch), options, embedded()), count=False)  # fmt: skip
        host.rows[0]["device"] = "CPU, one process" + (
            "" if table.device.type == "cuda" else ", no GPU present"
        )
        table.rows += host.rows
        table.add("generator", "paint, on the device", batch, "eager", torch.float32,
                  lambda plans=plans: paint(SEED, plans, options, embedded(), table.device), count=False)  # fmt: skip


def main(
    device: str = "auto",
    batches: str = "",
    modes: str = "",
    stages: str = "",
    preset: str = "paper",
    runs: int = 0,
    pipeline: bool = True,
    generator: bool = True,
    out: Path = Path(__file__).parent / "results" / "gpu.csv",
) -> None:
    """Measure and write one row a case."""
    there = torch.cuda.is_available()
    place = torch.device(("cuda" if there else "cpu") if device == "auto" else device)
    gpu = place.type == "cuda"
    if not gpu:
        print("no GPU is measured" + ("" if there else ": none is present") + "; these are the CPU's figures")
        torch.set_num_threads(1)
    sizes = [int(size) for size in (batches or ("1,16,64,256" if gpu else "1,4")).split(",")]
    chosen = (modes or ("eager,channels_last,compile,graphs" if gpu else "eager,channels_last")).split(",")
    unknown = [mode for mode in chosen if mode not in MODES]
    if unknown:
        raise typer.BadParameter(f"--modes knows {', '.join(MODES)}, got {', '.join(unknown)}")
    kinds = [torch.float32, torch.bfloat16] if gpu else [torch.float32]
    table = Table(place, runs or (20 if gpu else 3))
    for name in stages.split(",") if stages else STAGES:
        for mode in chosen:
            for dtype in kinds:
                measure_stage(table, preset, name, sizes, mode, dtype)
    if pipeline:
        for dtype in kinds:
            measure_pipeline(table, preset, sizes, dtype)
    if generator:
        measure_generator(table, sizes)
    write(out, table.rows)


if __name__ == "__main__":
    typer.run(main)
