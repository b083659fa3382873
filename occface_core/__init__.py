"""occface: an occluded photo in, a complete, detailed 3D face out, every step swappable and measurable."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from occface_core.ablation.api import ablate
    from occface_core.errors import OccfaceError
    from occface_core.facemodel import FaceModel
    from occface_core.geometry.mesh import Mesh
    from occface_core.hookspecs import hookimpl
    from occface_core.pipeline import Pipeline
    from occface_core.registry import Registry
    from occface_core.stages import (
        STAGES,
        DetailRecoverer,
        FaceInpainter,
        LandmarkDetector,
        OcclusionMatting,
        ShapeRegressor,
        Stage,
    )
    from occface_core.types import PROVENANCE, FaceBatch, FaceDetail, FaceShape, Landmarks, Matte, StageRecord

__version__ = "0.1.0"

_HOME = {
    "Pipeline": "pipeline",
    "Registry": "registry",
    "FaceModel": "facemodel",
    "Mesh": "geometry.mesh",
    "ablate": "ablation.api",
    "hookimpl": "hookspecs",
    "OccfaceError": "errors",
    **dict.fromkeys(
        ("STAGES", "Stage", "LandmarkDetector", "OcclusionMatting", "FaceInpainter", "ShapeRegressor",
         "DetailRecoverer"), "stages"
    ),
    **dict.fromkeys(
        ("PROVENANCE", "FaceBatch", "FaceDetail", "FaceShape", "Landmarks", "Matte", "StageRecord"), "types"
    ),
}  # fmt: skip
"""Public name → module; imported on first use, so that `import occface_core` stays light."""

__all__ = [
    "PROVENANCE",
    "STAGES",
    "DetailRecoverer",
    "FaceBatch",
    "FaceDetail",
    "FaceInpainter",
    "FaceModel",
    "FaceShape",
    "LandmarkDetector",
    "Landmarks",
    "Matte",
    "Mesh",
    "OccfaceError",
    "OcclusionMatting",
    "Pipeline",
    "Registry",
    "ShapeRegressor",
    "Stage",
    "StageRecord",
    "__version__",
    "ablate",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
