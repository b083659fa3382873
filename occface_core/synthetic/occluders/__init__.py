"""Occluders of our own making, for synthetic faces and for real photos alike.

`add_occluder(image, landmarks, kind, rng)` draws one on a picture with 68 landmarks; `occlude` returns the
shadow and the label too.
"""

from __future__ import annotations

from occface_core.synthetic.occluders.compose import Occlusion, add_occluder, occlude
from occface_core.synthetic.occluders.kinds import OCCLUDERS

__all__ = ["OCCLUDERS", "Occlusion", "add_occluder", "occlude"]
