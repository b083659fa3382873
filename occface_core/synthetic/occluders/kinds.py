"""The kinds of occluders: their names, their parsing labels, and the functions that draw them."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from occface_core.synthetic.occluders.canvas import Canvas
from occface_core.synthetic.occluders.eyewear import glasses, sunglasses
from occface_core.synthetic.occluders.food import food
from occface_core.synthetic.occluders.hair import hair
from occface_core.synthetic.occluders.hand import hand
from occface_core.synthetic.occluders.hat import hat
from occface_core.synthetic.occluders.mask import mask
from occface_core.synthetic.occluders.microphone import microphone
from occface_core.synthetic.occluders.noise_block import noise_block
from occface_core.synthetic.occluders.objects import random_object
from occface_core.synthetic.occluders.scarf import scarf

Draw = Callable[[Canvas, np.random.Generator], None]

DRAW: MappingProxyType[str, Draw] = MappingProxyType(
    {
        "glasses": glasses,
        "sunglasses": sunglasses,
        "mask": mask,
        "hand": hand,
        "hair": hair,
        "scarf": scarf,
        "microphone": microphone,
        "object": random_object,
        "noise_block": noise_block,
        "hat": hat,
        "food": food,
    }
)
"""What draws each kind on a canvas."""

OCCLUDERS: tuple[str, ...] = tuple(DRAW)
"""Kinds that need nothing but this library; "cutout" is one more where a folder of pictures is given."""

CUTOUT = "cutout"
"""Kind that takes its pictures from a folder."""

LABEL_OF = MappingProxyType(
    {"glasses": "eyeglasses", "sunglasses": "eyeglasses", "hair": "hair", "scarf": "cloth", "hat": "hat"}
)
"""Parsing label of a kind; "other" where it has none here."""
