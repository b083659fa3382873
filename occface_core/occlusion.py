"""How much of a face is hidden: in all, by part, by landmark, and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from occface_core.errors import RecordError
from occface_core.face_region import face_parts

if TYPE_CHECKING:
    from occface_core.types import FaceBatch

FREE, MOSTLY = 0.05, 0.75
"""Below FREE a part counts as free, from MOSTLY on as hidden, between the two as partly hidden."""


def occlusion_report(faces: FaceBatch) -> dict[str, Any]:
    """Say what of one face is hidden.

    Args:
        faces: a batch of one face whose matte is known.

    Returns:
        Plain data, ready for JSON: "fraction", hidden share of the face region; "parts", the hidden share
        by part (left and right are the person's; None where the part is not in the picture);
        "landmarks_visible", 68 numbers in [0, 1]; "landmarks_hidden", how many of them are hidden by more
        than half; "summary", sentences for a person.

    Raises:
        RecordError: not exactly one face, or no matte.
    """
    if len(faces) != 1:
        raise RecordError(f"occlusion_report takes one face, got {len(faces)}; take one with faces[i]")
    if faces.matte is None:
        raise RecordError("occlusion_report needs a matte; run the occlusion_matting stage first")
    alpha = faces.matte.alpha
    size = int(alpha.shape[-1])
    scale = size / faces.image.shape[-1]
    points = (faces.landmarks.points + 0.5) * scale - 0.5
    parts: dict[str, float | None] = {}
    for name, region in face_parts(points, size).items():
        area = float(region.sum())
        parts[name] = _rounded(float((alpha * region).sum()) / area) if area >= 4 else None
    visible = faces.landmarks.visible
    seen = [1.0] * 68 if visible is None else [_rounded(value) for value in visible[0].tolist()]
    fraction = _rounded(float(faces.matte.fraction()[0]))
    return {
        "fraction": fraction,
        "parts": parts,
        "landmarks_visible": seen,
        "landmarks_hidden": sum(value < 0.5 for value in seen),
        "summary": _in_words(fraction, parts),
    }


def _rounded(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), 4)


def _in_words(fraction: float, parts: dict[str, float | None]) -> list[str]:
    """Return a few sentences: how much in all, which parts are hidden, which partly."""
    if fraction < 0.005:
        return ["Nothing hides the face."]
    sentences = [f"{fraction:.0%} of the face is hidden."]
    known = {name.replace("_", " "): share for name, share in parts.items() if share is not None}
    hidden = [name for name, share in known.items() if share >= MOSTLY]
    partly = [f"{name} ({share:.0%})" for name, share in known.items() if FREE <= share < MOSTLY]
    free = [name for name, share in known.items() if share < FREE]
    if hidden:
        sentences.append(f"Hidden: {', '.join(hidden)}.")
    if partly:
        sentences.append(f"Partly hidden: {', '.join(partly)}.")
    if free:
        sentences.append(f"Free: {', '.join(free)}.")
    return sentences
