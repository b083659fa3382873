"""The samples of a run: loaded once, kept on disk where loading is slow, the last ones also in memory."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from occface_core.ablation.sample import Sample, read_sample, size_of, write_sample
from occface_core.ablation.suites import Suite

IN_MEMORY = 400_000_000
"""Bytes of samples kept in memory; one of 256 pixels takes 2 MB."""


class Samples:
    """Hands out the samples of a suite by number.

    Args:
        suite: where they come from.
        folder: where slow ones are kept.
    """

    def __init__(self, suite: Suite, folder: Path) -> None:
        self._suite = suite
        self._folder = folder
        self._kept: OrderedDict[int, Sample] = OrderedDict()

    def __len__(self) -> int:
        return len(self._suite)

    def __getitem__(self, index: int) -> Sample:
        if index not in self._kept:
            self._kept[index] = self._load(index)
            while len(self._kept) > 1 and sum(map(size_of, self._kept.values())) > IN_MEMORY:
                self._kept.popitem(last=False)
        self._kept.move_to_end(index)
        return self._kept[index]

    def _load(self, index: int) -> Sample:
        if not self._suite.slow():
            return self._suite.load(index)
        path = self._folder / f"{index:06d}.npz"
        if path.exists():
            return read_sample(path)
        sample = self._suite.load(index)
        self._folder.mkdir(parents=True, exist_ok=True)
        write_sample(path, sample)
        return sample
