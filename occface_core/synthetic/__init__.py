"""Synthetic faces with exact ground truth, and occluders for synthetic and real photos.

The names below load what they need when they are first used, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from occface_core.synthetic.batched.generation import generate_batch
    from occface_core.synthetic.batched.sample import SyntheticBatch
    from occface_core.synthetic.batched.stream import stream_batches
    from occface_core.synthetic.dataset import SyntheticFaces
    from occface_core.synthetic.generation import generate
    from occface_core.synthetic.labels import FACE_LABELS, LABEL_NAMES, LABELS
    from occface_core.synthetic.occluders.compose import Occlusion, add_occluder, occlude
    from occface_core.synthetic.occluders.kinds import OCCLUDERS
    from occface_core.synthetic.options import SynthOptions
    from occface_core.synthetic.sample import SyntheticFace
    from occface_core.synthetic.writing import write

_HOME = {
    "FACE_LABELS": "labels",
    "LABELS": "labels",
    "LABEL_NAMES": "labels",
    "OCCLUDERS": "occluders.kinds",
    "Occlusion": "occluders.compose",
    "SynthOptions": "options",
    "SyntheticBatch": "batched.sample",
    "SyntheticFace": "sample",
    "SyntheticFaces": "dataset",
    "add_occluder": "occluders.compose",
    "generate": "generation",
    "generate_batch": "batched.generation",
    "occlude": "occluders.compose",
    "stream_batches": "batched.stream",
    "write": "writing",
}

__all__ = [
    "FACE_LABELS",
    "LABELS",
    "LABEL_NAMES",
    "OCCLUDERS",
    "Occlusion",
    "SynthOptions",
    "SyntheticBatch",
    "SyntheticFace",
    "SyntheticFaces",
    "add_occluder",
    "generate",
    "generate_batch",
    "occlude",
    "stream_batches",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
