"""What can be chosen about synthetic faces."""

from __future__ import annotations

import attrs

from occface_core.errors import RecordError
from occface_core.synthetic.occluders.kinds import CUTOUT, OCCLUDERS


def _kinds(value: tuple[str, ...] | list[str] | str) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


@attrs.define(frozen=True, kw_only=True)
class SynthOptions:
    """Options of `generate`; the defaults give the widest variety.

    Attributes:
        size: side of the pictures in pixels.
        occluders: kinds to draw from, see `OCCLUDERS`; empty = no occluder. "cutout" needs `cutouts`.
        occluded: share of the faces that get an occluder.
        second_occluder: share of the occluded faces that get one more, of another kind.
        yaw: largest turn to either side, radians; small turns are the most frequent.
        pitch: largest nod, radians.
        jitter: how far the crop strays from the pipeline's alignment: 1 = up to 6 % of the size in place,
            8 % in scale, 6 degrees in roll; 0 = exactly aligned.
        distance: nearest and farthest camera, mm; the focal length grows with it, so that the face keeps
            its size. (1000, 1000) gives the pipeline's own camera.
        expression: strength of expressions, 1 = full range, 0 = all at rest.
        degrade: strength of blur, noise, JPEG and colour changes, 0 to 1.
        wrinkles: strength of the procedural wrinkles, 0 = flat bump map.
        hard_light: share of the faces with a directed light that casts shadows.
        skins: folder of skin textures (.jpg or .png) in the model's texture layout, or None.
        backgrounds: folder of pictures to stand behind the faces, or None.
        cutouts: folder of RGBA .png occluders for the kind "cutout", or None.
    """

    size: int = 256
    occluders: tuple[str, ...] = attrs.field(default=OCCLUDERS, converter=_kinds)
    occluded: float = 0.85
    second_occluder: float = 0.1
    yaw: float = 1.31
    pitch: float = 0.5
    jitter: float = 1.0
    distance: tuple[float, float] = (550.0, 2000.0)
    expression: float = 1.0
    degrade: float = 1.0
    wrinkles: float = 1.0
    hard_light: float = 0.3
    skins: str | None = None
    backgrounds: str | None = None
    cutouts: str | None = None

    def __attrs_post_init__(self) -> None:
        unknown = [kind for kind in self.occluders if kind not in (*OCCLUDERS, CUTOUT)]
        if unknown:
            raise RecordError(
                f"SynthOptions.occluders: unknown {', '.join(unknown)}; known are {', '.join((*OCCLUDERS, CUTOUT))}"
            )
        if CUTOUT in self.occluders and self.cutouts is None:
            raise RecordError(
                "SynthOptions.occluders names 'cutout': give cutouts=, a folder of RGBA .png pictures"
            )
        if not 32 <= self.size <= 1024:
            raise RecordError(f"SynthOptions.size must lie in 32 to 1024, got {self.size}")
        for name in ("occluded", "second_occluder", "degrade", "hard_light"):
            if not 0 <= getattr(self, name) <= 1:
                raise RecordError(f"SynthOptions.{name} must lie in [0, 1], got {getattr(self, name)}")
        if not 300 <= self.distance[0] <= self.distance[1]:
            raise RecordError(
                f"SynthOptions.distance must be (near, far) with 300 <= near <= far mm, got {self.distance}"
            )
