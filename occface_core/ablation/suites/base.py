"""What a suite is."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import attrs

from occface_core.ablation.choices import options_of
from occface_core.ablation.sample import Sample


class Suite(abc.ABC):
    """A numbered set of samples; the fields of a suite's attrs class are its options.

    Attributes:
        name: name in specs.
        keep: whether loading is slow, so that samples are kept on disk while an ablation runs.
    """

    name: ClassVar[str] = ""
    keep: ClassVar[bool] = False

    @abc.abstractmethod
    def __len__(self) -> int:
        """Return how many samples there are."""

    @abc.abstractmethod
    def load(self, index: int) -> Sample:
        """Return a sample, the same each time and in every process.

        Raises:
            OccfaceError: a file is missing or not of the published format.
        """

    def describe(self) -> dict[str, Any]:
        """Return plain data that says which samples these are."""
        return {
            "name": self.name,
            "samples": len(self),
            **(options_of(self) if attrs.has(type(self)) else {}),
        }
