"""Variables of MATLAB files, of the old format and of the one that is HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from occface_core.errors import OccfaceError


def read_matlab(path: Path, *wanted: str) -> dict[str, Any]:
    """Return variables of a .mat file as arrays in MATLAB's axes; cells become lists.

    Args:
        path: file of version 5, 6, 7 (read by scipy) or 7.3 (read by h5py, which must be installed).
        wanted: names of variables.

    Raises:
        OccfaceError: the file cannot be read or lacks a variable.
    """
    try:
        with path.open("rb") as file:
            newest = file.read(10) == b"MATLAB 7.3"
        found = _read_hdf5(path, wanted) if newest else _read_old(path, wanted)
    except OccfaceError:
        raise
    except Exception as error:
        raise OccfaceError(
            f"{path}: cannot be read as a MATLAB file ({type(error).__name__}: {error})"
        ) from error
    missing = [name for name in wanted if name not in found]
    if missing:
        raise OccfaceError(f"{path}: lacks {', '.join(missing)}. Give the file as the data set publishes it")
    return found


def _read_old(path: Path, wanted: tuple[str, ...]) -> dict[str, Any]:
    from scipy.io import loadmat

    content = loadmat(path, variable_names=list(wanted))
    found = {name: content[name] for name in wanted if name in content}
    return {
        name: [np.asarray(cell) for cell in value.ravel(order="F")] if value.dtype == object else value
        for name, value in found.items()
    }


def _read_hdf5(path: Path, wanted: tuple[str, ...]) -> dict[str, Any]:
    try:
        import h5py  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as error:
        raise OccfaceError(f"{path}: is of MATLAB 7.3; install h5py to read it (pip install h5py)") from error
    found: dict[str, Any] = {}
    with h5py.File(path, "r") as file:
        for name in wanted:
            if name not in file:
                continue
            data = file[name]
            if data.dtype == h5py.ref_dtype or data.dtype == object:
                found[name] = [np.asarray(file[ref]).T for ref in np.asarray(data).ravel()]
            else:
                found[name] = np.asarray(data).T
    return found
