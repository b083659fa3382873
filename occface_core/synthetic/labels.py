"""Names of the parsing labels of synthetic faces."""

from __future__ import annotations

LABEL_NAMES = (
    "background",
    "skin",
    "brows",
    "eyes",
    "eyeglasses",
    "ears",
    "nose",
    "mouth",
    "lips",
    "neck",
    "cloth",
    "hair",
    "hat",
    "other",
)
"""Name of each code in `SyntheticFace.labels`; "mouth" is its inside, "other" any other thing in front."""

LABELS = {name: code for code, name in enumerate(LABEL_NAMES)}
"""Code of each name."""

FACE_LABELS = tuple(LABELS[name] for name in ("skin", "brows", "eyes", "nose", "mouth", "lips"))
"""Codes that make up the face region, in which a matte is judged."""
