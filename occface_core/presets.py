"""Named configurations, and what stands in for a network of the paper that is not installed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PRESETS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "paper": MappingProxyType(
            {
                "landmark_detector": "mobilenet_v3",
                "occlusion_matting": "landmark_parsing",
                "face_inpainter": "landmark_gan",
                "shape_regressor": "coefficient_net",
                "detail_recoverer": "bump_unet",
            }
        ),
        "classic": MappingProxyType(
            {
                "landmark_detector": "mobilenet_v3",
                "occlusion_matting": "grabcut",
                "face_inpainter": "model_texture",
                "shape_regressor": "landmark_fit",
                "detail_recoverer": "shape_from_shading",
            }
        ),
    }
)
"""Preset name → stage → plugin name."""

DEFAULT_PRESET = "paper"

FALLBACKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "occlusion_matting": ("grabcut", "none"),
        "face_inpainter": ("model_texture", "telea", "none"),
        "shape_regressor": ("landmark_fit", "none"),
        "detail_recoverer": ("shape_from_shading", "none"),
    }
)
"""Stage → stand-ins, tried in order, for a plugin that a preset names and nobody has installed.

Only presets fall back, never a plugin that the user named; every fall-back is a `FallbackWarning` and is
kept in the result's lineage. There is no stand-in for the landmark detector.
"""
