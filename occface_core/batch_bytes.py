"""`FaceBatch` ↔ bytes: tensors as safetensors, the rest as JSON beside them. Reading runs no code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from occface_core import types
from occface_core.errors import RecordError
from occface_core.fingerprints import model_fingerprint

if TYPE_CHECKING:
    from torch import Tensor

    from occface_core.facemodel import FaceModel

FORMAT = "occface batch, 1"
_RECORDS = {
    cls.__name__: cls
    for cls in (
        types.FaceBatch,
        types.FaceDetail,
        types.FaceShape,
        types.Landmarks,
        types.Matte,
        types.StageRecord,
    )
}
_DIGEST = 32  # bytes of checksum before the rest


def to_bytes(batch: types.FaceBatch) -> tuple[bytes, dict[str, FaceModel]]:
    """Return a batch as bytes, and the face models that it names, by fingerprint.

    Raises:
        RecordError: it holds something other than tensors, records and plain values.
    """
    from safetensors.torch import save

    tensors: dict[int, Tensor] = {}
    models: dict[str, FaceModel] = {}
    text = json.dumps(_pack(batch, tensors, models))
    named = {str(i): one.detach().cpu().contiguous().clone() for i, one in enumerate(tensors.values())}
    body = save(named, {FORMAT: text})  # one entry: several come in an order that changes
    return hashlib.blake2b(body, digest_size=_DIGEST).digest() + body, models


def from_bytes(data: bytes, find_model: Callable[[str], FaceModel]) -> types.FaceBatch:
    """Return the batch that `to_bytes` wrote.

    Args:
        data: the bytes.
        find_model: fingerprint → face model; what it raises passes through.

    Raises:
        RecordError: the bytes are damaged or not of this format.
    """
    from safetensors.torch import load

    checksum, body = data[:_DIGEST], data[_DIGEST:]
    if hashlib.blake2b(body, digest_size=_DIGEST).digest() != checksum:
        raise RecordError("the bytes of the batch are damaged: their checksum is another one")
    length = int.from_bytes(body[:8], "little")
    about = json.loads(body[8 : 8 + length]).get("__metadata__", {})
    if FORMAT not in about:
        raise RecordError(f"the bytes have format {', '.join(about)!r}, expected {FORMAT!r}")
    found = _unpack(json.loads(about[FORMAT]), load(body), find_model)
    if not isinstance(found, types.FaceBatch):
        raise RecordError(f"the bytes hold a {type(found).__name__}, not a FaceBatch")
    return found


def _pack(value: Any, tensors: dict[int, Tensor], models: dict[str, FaceModel]) -> Any:
    """Return a value as JSON can hold it, with tensors by number; one that occurs twice is kept once."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "new_ones"):
        tensors.setdefault(id(value), value)
        return {"tensor": str(list(tensors).index(id(value))), "device": str(value.device)}
    if type(value) in _RECORDS.values():
        fields = {
            f.alias or f.name: _pack(getattr(value, f.name), tensors, models)
            for f in attrs.fields(type(value))
            if f.init
        }
        return {"record": type(value).__name__, "fields": fields}
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {"mapping": {key: _pack(item, tensors, models) for key, item in value.items()}}
    if isinstance(value, (tuple, list)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_pack(item, tensors, models) for item in value]}
    if type(value).__name__ == "FaceModel" and type(value).__module__.startswith("occface_core."):
        key = model_fingerprint(value)
        models[key] = value
        return {"model": key}
    raise RecordError(f"a {type(value).__name__} cannot be written; options and records must be plain data")


def _unpack(value: Any, tensors: Mapping[str, Tensor], find_model: Callable[[str], FaceModel]) -> Any:
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]].to(value["device"])
    if "record" in value:
        cls = _RECORDS[value["record"]]
        return cls(**{name: _unpack(item, tensors, find_model) for name, item in value["fields"].items()})
    if "mapping" in value:
        return {key: _unpack(item, tensors, find_model) for key, item in value["mapping"].items()}
    if "model" in value:
        return find_model(value["model"])
    kind = "tuple" if "tuple" in value else "list"
    items = [_unpack(item, tensors, find_model) for item in value[kind]]
    return tuple(items) if kind == "tuple" else items
