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
    """

    name: ClassVar[str] = ""

    @abc.abstractmethod
    def __len__(self) -> int:
        """Return how many samples there are."""

    @abc.abstractmethod
    def load(self, index: int) -> Sample:
        """Return a sample, the same each time and in every process.

        Raises:
            OccfaceError: a file is missing or not of the published format.
        """

    def slow(self) -> bool:
        """Say whether loading is slow, so that samples are worth keeping on disk while an ablation runs."""
        return False

    def describe(self) -> dict[str, Any]:
        """Return plain data that says which samples these are."""
        return {
            "name": self.name,
            "samples": len(self),
            **(options_of(self) if attrs.has(type(self)) else {}),
        }
