"""Take faces out of a batch, join batches, move them: the same walk over records for all three."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

if TYPE_CHECKING:
    from torch import Tensor

    from occface_core.types import FaceBatch

R = TypeVar("R")


def _is_tensor(value: object) -> bool:
    return hasattr(value, "new_ones") and hasattr(value, "shape")


def _is_record(value: object) -> bool:
    return attrs.has(type(value)) and type(value).__module__ == "occface_core.types"


def map_tensors(function: Callable[[list[Tensor]], Tensor], values: Sequence[Any]) -> Any:
    """Apply `function` to corresponding tensors of equally built values.

    Records of `occface_core.types` and mappings of tensors are walked; everything else (names, models,
    lineage) is taken from the first value.
    """
    first = values[0]
    if _is_tensor(first):
        return function(list(values))
    if _is_record(first):
        changes = {
            field.alias or field.name: map_tensors(function, [getattr(value, field.name) for value in values])
            for field in attrs.fields(type(first))
            if field.init
        }
        return type(first)(**changes)
    if isinstance(first, Mapping) and first and all(_is_tensor(value) for value in first.values()):
        return {key: map_tensors(function, [value[key] for value in values]) for key in first}
    return first


def select(record: R, index: int | slice) -> R:
    """Return the faces at `index` of a record; a single index keeps the batch dimension of size 1."""
    if isinstance(index, int):
        size = len(record)  # type: ignore[arg-type]
        if not -size <= index < size:
            known = f"there are {size} (0 to {size - 1})" if size else "no face was found; see len(faces)"
            raise IndexError(f"face {index} asked for, but {known}")
        index = slice(index % size, index % size + 1)
    kept = index
    return map_tensors(lambda tensors: tensors[0][kept], [record])  # type: ignore[no-any-return]


def join(batches: Sequence[R]) -> R:
    """Return one record with the faces of all, in order. All must have the same fields set."""
    import torch

    if len(batches) == 1:
        return batches[0]
    return map_tensors(lambda tensors: torch.cat(tensors), batches)  # type: ignore[no-any-return]


def to_device(faces: FaceBatch, device: str) -> FaceBatch:
    """Return the same faces with every tensor on `device`."""
    return map_tensors(lambda tensors: tensors[0].to(device), [faces])  # type: ignore[no-any-return]
