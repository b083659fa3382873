"""The plugin under test: made when needed, set up once for each device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
import torch
from torch import Tensor

from occface_core.stages import STAGES, Stage
from occface_core.testing.failure import CheckFailed
from occface_core.testing.inputs import arguments
from occface_core.types import FaceBatch


@attrs.define
class Subject:
    """A stage plugin as the checks see it.

    Attributes:
        make: called without arguments, gives a new instance; a class whose options all have defaults will do.
    """

    make: Callable[[], Stage]
    _ready: dict[str, Stage] = attrs.field(factory=dict, init=False)

    @property
    def kind(self) -> str:
        """The stage's key in a configuration."""
        return self.interface.stage

    @property
    def interface(self) -> type[Stage]:
        """The interface that the plugin implements."""
        cls = self.make if isinstance(self.make, type) else type(self.make())
        for interface in STAGES.values():
            if isinstance(cls, type) and issubclass(cls, interface):
                return interface
        raise CheckFailed(
            f"{cls!r} is no stage: it must inherit one of occface_core."
            + ", occface_core.".join(interface.__name__ for interface in STAGES.values())
        )

    @property
    def name(self) -> str:
        """The plugin's class name."""
        return self.make.__name__ if isinstance(self.make, type) else type(self.make()).__name__

    def fresh(self) -> Stage:
        """Return a new instance, not set up."""
        return self.make()

    def ready(self, device: str = "cpu") -> Stage:
        """Return an instance set up on the device; the same one every time."""
        if device not in self._ready:
            stage = self.make()
            stage.setup(device)
            self._ready[device] = stage
        return self._ready[device]

    def run(self, given: FaceBatch | Tensor, stage: Stage | None = None) -> Any:
        """Return the stage's answer to a batch, or to a photo for a landmark detector."""
        one: Any = stage or self.ready()
        with torch.inference_mode():
            return one.run(given) if isinstance(given, Tensor) else one.run(*arguments(one, given))

    def devices(self) -> tuple[str, ...]:
        """Return the devices of this machine that are tried."""
        return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def tensors(value: Any, path: str = "answer") -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor of an answer or of inputs, each with its path."""
    if isinstance(value, Tensor):
        yield path, value
    elif attrs.has(type(value)) and type(value).__module__ == "occface_core.types":
        for field in attrs.fields(type(value)):
            yield from tensors(getattr(value, field.name), f"{path}.{field.name}")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from tensors(item, f"{path}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from tensors(item, f"{path}[{i}]")
