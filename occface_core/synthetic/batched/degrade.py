"""What cameras and files do to pictures, to many at once: each changed in its own way, as `degrade` does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from occface_core.synthetic.batched.fields import blurred
from occface_core.synthetic.batched.jpeg import jpeg
from occface_core.synthetic.batched.scaling import lower
from occface_core.synthetic.degrade import LUMA, Changes


def degrade(pictures: Sequence[Tensor], changes: Sequence[Changes]) -> list[Tensor]:
    """Return pictures (B, 3, S, S) RGB in [0, 1], item k of each changed as `changes[k]` says."""
    count = len(pictures)
    batch = len(changes)
    # photo and clean picture of a sample are changed alike: one after the other along the first axis
    every = torch.cat(list(pictures))
    every = _tone(every, changes, count)
    every = _blur(every, changes, count)
    every = _motion(every, changes, count)
    every = _smaller(every, changes, count)
    every = _noise(every, changes, count)
    every = _jpeg(every, changes, count)
    every = _grey(every, changes, count)
    return list(torch.split(every.clamp(0, 1), batch))


def _rows(chosen: Sequence[int], batch: int, count: int, device: torch.device) -> Tensor:
    """Return where the chosen samples' pictures are."""
    return torch.tensor([k + part * batch for part in range(count) for k in chosen], device=device)


def _numbers(values: Sequence[object], like: Tensor) -> Tensor:
    return torch.as_tensor(np.asarray(values, np.float32)).to(like.device)


def _tone(every: Tensor, changes: Sequence[Changes], count: int) -> Tensor:
    gain = _numbers([one.gain for one in changes], every).repeat(count, 1)[:, :, None, None]
    lift, gamma, colourful = (
        _numbers([getattr(one, name) for one in changes], every).repeat(count)[:, None, None, None]
        for name in ("lift", "gamma", "colourful")
    )
    out = (every * gain + lift).clamp(0, 1) ** gamma
    grey = out.mean(1, keepdim=True)
    return (grey + colourful * (out - grey)).clamp(0, 1)


def _blur(every: Tensor, changes: Sequence[Changes], count: int) -> Tensor:
    chosen = [k for k, one in enumerate(changes) if one.blur]
    if not chosen:
        return every
    rows = _rows(chosen, len(changes), count, every.device)
    sigma = _numbers([changes[k].blur for k in chosen], every).repeat(count)
    return every.index_copy(0, rows, blurred(every[rows], sigma))


def _motion(every: Tensor, changes: Sequence[Changes], count: int) -> Tensor:
    kernels = {k: one.motion for k, one in enumerate(changes) if one.motion is not None}
    if not kernels:
        return every
    rows = _rows(list(kernels), len(changes), count, every.device)
    side = max(len(kernel) for kernel in kernels.values())
    padded = [np.pad(kernel, (side - len(kernel)) // 2) for kernel in kernels.values()]
    weight = _numbers(padded, every).repeat(count, 1, 1).repeat_interleave(every.shape[1], 0)
    edge = side // 2
    place = torch.arange(-edge, every.shape[-1] + edge, device=every.device)
    size = every.shape[-1]
    place = torch.where(place < 0, -1 - place, torch.where(place >= size, 2 * size - 1 - place, place))
    wide = every[rows].index_select(2, place).index_select(3, place)
    flat = wide.reshape(1, -1, *wide.shape[2:])
    done = torch.nn.functional.conv2d(flat, weight[:, None], groups=flat.shape[1])
    return every.index_copy(0, rows, done.reshape(len(rows), -1, size, size))


def _smaller(every: Tensor, changes: Sequence[Changes], count: int) -> Tensor:
    chosen = [k for k, one in enumerate(changes) if one.share]
    if not chosen:
        return every
    rows = _rows(chosen, len(changes), count, every.device)
    size = every.shape[-1]
    low = [max(int(size * changes[k].share), 8) for k in chosen]
    matrix = torch.stack(
        [lower(size, small, changes[k].enlarge) for k, small in zip(chosen, low, strict=True)]
    )
    matrix = matrix.to(every).repeat(count, 1, 1)[:, None]
    return every.index_copy(0, rows, (matrix @ every[rows] @ matrix.mT).clamp(0, 1))


def _noise(every: Tensor, changes: Sequence[Changes], count: int) -> Tensor:
    chosen = [k for k, one in enumerate(changes) if one.grain is not None]
    if not chosen:
        return every
    rows = _rows(chosen, len(changes), count, every.device)
    grain = _numbers([changes[k].grain for k in chosen], every).permute(0, 3, 1, 2)
    grey = torch.tensor([changes[k].grain_grey for k in chosen], device=every.device)[:, None, None, None]
    soft = torch.tensor([changes[k].grain_soft for k in chosen], device=every.device)
    grain = torch.where(grey, 1.7 * grain.mean(1, keepdim=True), grain)
    grain = torch.where(soft[:, None, None, None], 2 * blurred(grain, 0.8 * soft.float()), grain)
    strength = _numbers([changes[k].noise for k in chosen], every)[:, None, None, None]
    grain = (grain * strength).repeat(count, 1, 1, 1)
    return every.index_copy(0, rows, every[rows] + grain * (0.5 + every[rows]))


def _jpeg(every: Tensor, changes: Sequence[Changes], count: int) -> Tensor:
    chosen = [k for k, one in enumerate(changes) if one.quality]
    if not chosen:
        return every
    rows = _rows(chosen, len(changes), count, every.device)
    quality = torch.tensor([changes[k].quality for k in chosen], device=every.device).repeat(count)
    return every.index_copy(0, rows, jpeg(every[rows], quality))


def _grey(every: Tensor, changes: Sequence[Changes], count: int) -> Tensor:
    chosen = [k for k, one in enumerate(changes) if one.grey]
    if not chosen:
        return every
    rows = _rows(chosen, len(changes), count, every.device)
    luma = (every[rows] * every.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
    return every.index_copy(0, rows, luma.expand(-1, 3, -1, -1).contiguous())
