"""Colours that stand for the same thing on sheets, in files and in the report."""

from __future__ import annotations

PROVENANCE_COLOURS = {
    "seen": (0.30, 0.68, 0.35),
    "completed": (0.25, 0.50, 0.85),
    "mirrored": (0.58, 0.40, 0.74),
    "prior": (0.72, 0.72, 0.74),
}
"""RGB in [0, 1] of each kind of evidence that a vertex can rest on (`occface_core.types.PROVENANCE`)."""

HIDDEN = (214, 30, 90)
"""RGB in [0, 255] that what hides a face is tinted with."""

UNSURE, SURE = (250, 165, 30), (70, 205, 95)
"""RGB in [0, 255] of landmarks of confidence 0 and 1."""
