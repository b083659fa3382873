"""Read pickles of arrays without letting them run anything.

A pickle names callables to rebuild its objects. Only those that rebuild numpy arrays and scipy sparse
matrices are allowed; chumpy's array class, which old files use and which need not be installed, becomes
a plain holder of its data. Any other name is refused.
"""

from __future__ import annotations

import io
import pickle
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from occface_core.errors import FaceModelError

_NUMPY = {
    ("multiarray", "_reconstruct"),
    ("multiarray", "scalar"),
    ("numeric", "_frombuffer"),
}
_PLAIN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("builtins", "set"): set,
    ("builtins", "slice"): slice,
    ("builtins", "object"): object,
    ("__builtin__", "set"): set,
    ("__builtin__", "object"): object,
    ("collections", "OrderedDict"): dict,
}
_SPARSE = {"csc_matrix", "csr_matrix", "coo_matrix", "csc_array", "csr_array", "coo_array"}


class ArrayHolder:
    """Stands in for an array class that is not installed (chumpy): keeps its state, runs nothing."""

    def __init__(self, *arguments: Any) -> None:
        self.state: Any = arguments[0] if arguments else None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _latin1(text: Any, *_encoding: Any) -> bytes:
    if not isinstance(text, str):
        raise pickle.UnpicklingError("bytes are stored in an unknown way")
    return text.encode("latin1")


def _plain_instance(kind: Any, _base: Any, _state: Any) -> Any:
    if kind is not ArrayHolder:
        raise pickle.UnpicklingError(f"refused to make an instance of {kind!r}")
    return ArrayHolder()


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        parts = module.split(".")
        if parts[0] == "numpy" and (parts[-1], name) in _NUMPY:
            home = "numpy._core" if hasattr(np, "_core") else "numpy.core"
            return getattr(import_module(f"{home}.{parts[-1]}"), name)
        if (module, name) in (("copy_reg", "_reconstructor"), ("copyreg", "_reconstructor")):
            return _plain_instance
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        if parts[:2] == ["scipy", "sparse"] and name in _SPARSE:
            import scipy.sparse

            return getattr(scipy.sparse, name)
        if parts[0] == "chumpy":
            return ArrayHolder
        raise pickle.UnpicklingError(
            f"it wants to use {module}.{name}, which a file of arrays has no need of"
        )


def read_pickle(data: bytes, path: Path) -> Any:
    """Rebuild a pickle of dicts, lists, numbers, text, numpy arrays and scipy sparse matrices.

    Args:
        data: the pickle's bytes (Python 2 files too).
        path: where they come from, for the message.

    Raises:
        FaceModelError: the file is damaged or names anything else; nothing of it was run.
    """
    try:
        return _Reader(io.BytesIO(data), encoding="latin1").load()
    except Exception as error:  # a damaged pickle can raise anything
        raise FaceModelError(
            f"{path} is not a plain pickle of arrays, and was not opened: {error}"
        ) from error


def read_object_npy(path: Path) -> Any:
    """Read a .npy that holds one pickled object (``np.save`` of a dict), with the same restrictions."""
    with path.open("rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            _, _, dtype = read(file)
        except ValueError as error:
            raise FaceModelError(f"{path} is not a .npy file ({error})") from error
        if not dtype.hasobject:
            file.seek(0)
            return np.load(file, allow_pickle=False)
        value = read_pickle(file.read(), path)
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value


def as_array(value: Any, dtype: Any = np.float64) -> Any:
    """Return an array out of an array, a sparse matrix or a chumpy stand-in."""
    if isinstance(value, ArrayHolder):
        state = value.state
        value = state.get("x", state.get("a")) if isinstance(state, dict) else state
        return as_array(value, dtype)
    if hasattr(value, "toarray"):
        value = value.toarray()
    return np.asarray(value, dtype)
