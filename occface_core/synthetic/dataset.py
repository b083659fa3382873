"""Synthetic faces as a set: indexable, iterable, and ready for a torch DataLoader."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from occface_core.errors import RecordError
from occface_core.synthetic.generation import generate
from occface_core.synthetic.options import SynthOptions
from occface_core.synthetic.sample import SyntheticFace


@attrs.define(frozen=True, kw_only=True)
class SyntheticFaces:
    """A set of synthetic faces, each drawn when it is asked for.

    It has what a torch DataLoader asks of a map-style set (`__len__`, `__getitem__`); give it
    ``collate_fn=list``, or a function of your own that stacks the fields you need. Workers and order make no
    difference to the samples.

    Attributes:
        seed: seed of the set.
        length: how many faces it holds.
        options: ranges and choices.
        start: index of the first face.
    """

    seed: int = 0
    length: int = 100
    options: SynthOptions = attrs.field(factory=SynthOptions)
    start: int = 0

    def __attrs_post_init__(self) -> None:
        if self.seed < 0 or self.length < 0 or self.start < 0:
            raise RecordError(
                f"SyntheticFaces: seed, length and start must not be negative, "
                f"got {self.seed}, {self.length}, {self.start}"
            )

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> SyntheticFace:
        if not -self.length <= index < self.length:
            raise IndexError(f"index {index} is outside a set of {self.length} faces")
        return generate(self.seed, self.start + index % self.length, self.options)

    def __iter__(self) -> Iterator[SyntheticFace]:
        return (self[index] for index in range(self.length))
