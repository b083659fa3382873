"""What an answer depends on, as a hash: the input's content, the stage, its options, weights and code."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import attrs

if TYPE_CHECKING:
    from occface_core.facemodel import FaceModel
    from occface_core.pipeline import Photo
    from occface_core.stages import Stage
    from occface_core.types import FaceBatch

UNIMPORTANT = ("seconds", "source")
"""Fields of records that change no answer: measured times, and the name of the file that a photo came from."""

LIBRARIES = ("torch", "numpy", "opencv-python", "scipy", "kornia", "numba")
"""Distributions whose version may change an answer."""

_models: WeakKeyDictionary[FaceModel, str] = WeakKeyDictionary()


def stage_fingerprint(stage_name: str, stage: Stage) -> str:
    """Return a text that changes with the stage's class, options and weights; reads the weights file."""
    cls = type(stage)
    return repr((stage_name, cls.__module__, cls.__qualname__, stage.summary(), stage.weights_sha256()))


def call_key(fingerprint: str, faces: Photo | FaceBatch) -> str:
    """Return the hash of a call: who is asked (`stage_fingerprint`), and the content of what is given."""
    digest = hashlib.sha256(fingerprint.encode())
    _feed(digest, faces)
    return digest.hexdigest()


def model_fingerprint(model: FaceModel) -> str:
    """Return the hash of a face model's data; computed once for each model."""
    if model not in _models:
        digest = hashlib.sha256()
        for field in attrs.fields(type(model)):
            if field.init:
                _feed(digest, getattr(model, field.name))
        _models[model] = digest.hexdigest()
    return _models[model]


@lru_cache(maxsize=64)
def code_fingerprint(module: str) -> str:
    """Return the hash of the sources of the core and of a module's package, and of versions that matter.

    For answers that outlive the process: a package that was edited or updated must not get its old ones.
    """
    digest = hashlib.sha256()
    for package in ("occface_core", module.partition(".")[0]):
        spec = find_spec(package) if package != "__main__" else None
        folders = [Path(one) for one in (spec and spec.submodule_search_locations) or ()]
        files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
        if spec and not folders and spec.origin:
            files = [Path(spec.origin)]
        for file in files:
            digest.update(file.name.encode() + file.read_bytes())
    for name in LIBRARIES:
        try:
            digest.update(f"{name} {metadata.version(name)}".encode())
        except metadata.PackageNotFoundError:
            continue
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    """Feed tensors, arrays and plain values of a record into a hash."""
    if hasattr(value, "new_ones"):
        digest.update(repr((tuple(value.shape), value.dtype, str(value.device))).encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    elif hasattr(value, "tobytes") and hasattr(value, "dtype"):
        digest.update(repr((value.shape, str(value.dtype))).encode())
        digest.update(value.tobytes())
    elif attrs.has(type(value)) and type(value).__module__.startswith("occface_core.facemodel"):
        digest.update(model_fingerprint(value).encode())
    elif attrs.has(type(value)) and type(value).__module__.startswith("occface_core."):
        for field in attrs.fields(type(value)):
            if field.init and field.name not in UNIMPORTANT:
                digest.update(field.name.encode())
                _feed(digest, getattr(value, field.name))
    elif isinstance(value, dict):
        for key in sorted(value):
            digest.update(str(key).encode())
            _feed(digest, value[key])
    elif isinstance(value, (tuple, list)):
        for item in value:
            _feed(digest, item)
    else:
        digest.update(repr(value).encode())
