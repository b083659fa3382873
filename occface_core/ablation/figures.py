"""The figures of an ablation: name, unit, which way is better, and the stage that each one judges."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import attrs


@attrs.define(frozen=True)
class Figure:
    """One number measured on each face and averaged over a suite.

    Attributes:
        name: column of the tables.
        title: name for a person.
        unit: unit of the number.
        stage: stage whose answer it judges, "" for the null method.
        higher_is_better: which way is better.
        main: whether pages show it without being asked.
    """

    name: str
    title: str
    unit: str
    stage: str
    higher_is_better: bool = False
    main: bool = False


def _regions(name: str, title: str, unit: str, stage: str, main: bool = False) -> tuple[Figure, ...]:
    """Return a figure over the whole face, over what the camera sees, and over what an occluder hides."""
    return (
        Figure(name, title, unit, stage, main=main),
        Figure(f"{name}_visible", f"{title}, visible part", unit, stage),
        Figure(f"{name}_hidden", f"{title}, hidden part", unit, stage, main=main),
    )


FIGURES: Mapping[str, Figure] = MappingProxyType(
    {
        figure.name: figure
        for figure in (
            Figure("found", "faces found", "%", "landmark_detector", True, True),
            Figure("nme", "landmark error / eye distance", "%", "landmark_detector", main=True),
            Figure("nme_visible", "landmark error, visible points", "%", "landmark_detector"),
            Figure("nme_hidden", "landmark error, hidden points", "%", "landmark_detector"),
            Figure("nme_box", "landmark error / box", "%", "landmark_detector"),
            Figure("matte_iou", "matte IoU", "%", "occlusion_matting", True, True),
            Figure("matte_f1", "matte F1", "%", "occlusion_matting", True),
            Figure("bare_marked", "bare face marked wrongly", "%", "occlusion_matting"),
            Figure("hole_psnr", "PSNR in the hole", "dB", "face_inpainter", True, True),
            Figure("hole_ssim", "SSIM in the hole", "", "face_inpainter", True),
            Figure("hole_lpips", "LPIPS of the face, hole replaced", "", "face_inpainter"),
            Figure("reprojection_nme", "projected landmarks / eye distance", "%", "shape_regressor"),
            *_regions("vertex_mm", "error at same vertices", "mm", "shape_regressor", True),
            *_regions("surface_mm", "distance to surface after ICP", "mm", "shape_regressor", True),
            Figure("landmark_mm", "distance to surface after landmark fit", "mm", "shape_regressor"),
            *_regions("normal_deg", "normal error", "°", "detail_recoverer", True),
            *_regions("mean_face_vertex_mm", "mean face: error at same vertices", "mm", ""),
            *_regions("mean_face_surface_mm", "mean face: distance to surface after ICP", "mm", ""),
            Figure("mean_face_landmark_mm", "mean face: distance to surface after landmark fit", "mm", ""),
        )
    }
)
"""All figures by name, in the order of the tables."""
