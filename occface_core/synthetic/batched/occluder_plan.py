"""The host's part of occluders: which, where, of what shape and texture.

Things made of surfaces are handed over as surfaces, hands as pixels that the host has traced and the device
lights. Hair (brush strokes), noise blocks and cut-outs are painted on the host, by the same functions as for
single faces.
"""

from __future__ import annotations

import attrs
import numpy as np

from occface_core.synthetic.batched.sheet_canvas import SheetCanvas
from occface_core.synthetic.occluders.canvas import Canvas
from occface_core.synthetic.occluders.compose import (
    FAINT,
    HEAD_BLUR,
    LEAST_SHARE,
    TRIES,
    Window,
    canvas_of,
    draw_shadow,
    head_shape,
    shrink,
    window_of,
)
from occface_core.synthetic.occluders.cutout import cutout
from occface_core.synthetic.occluders.face_frame import FaceFrame
from occface_core.synthetic.occluders.kinds import CUTOUT, DRAW, LABEL_OF
from occface_core.synthetic.occluders.light import Light
from occface_core.synthetic.occluders.noise_block import noise_block
from occface_core.synthetic.options import SynthOptions
from occface_core.synthetic.seeds import chance

SURFACES = ("glasses", "sunglasses", "mask", "hand", "scarf", "microphone", "object", "hat", "food")
"""Kinds that consist of surfaces and hands only."""


@attrs.define(frozen=True, kw_only=True, eq=False)
class OccluderPlan:
    """One occluder of one face, to be drawn.

    Attributes:
        kind: name.
        label: name of its parsing label.
        board: its surfaces, where the device draws it.
        layer: (h, w, 4) float32 premultiplied RGBA of the window, where the host has drawn it.
        window: x0, y0, x1, y1 of the part of the picture that is drawn on.
        canvas: height and width of the canvas, pixels.
        frame: the face on the canvas.
        light: light on it.
        shadow: how much light its shadow takes, 0 = none.
        shift: (2,) px by which the shadow lies off.
        soft: width of the shadow's blur, px.
        head: (h, w) uint8 of the window, 255 where the shadow may fall; None without a shadow.
        head_blur: width of the blur of `head`, px.
    """

    kind: str
    label: str
    board: SheetCanvas | None
    layer: np.ndarray | None
    window: Window
    canvas: tuple[int, int]
    frame: FaceFrame
    light: Light
    shadow: float
    shift: np.ndarray
    soft: float
    head: np.ndarray | None
    head_blur: float


def plan_occluders(
    frame: FaceFrame, light: Light, options: SynthOptions, rng: np.random.Generator
) -> list[OccluderPlan]:
    """Return none, one or two occluders, from the same random numbers as for single faces."""
    if not options.occluders or not chance(rng, options.occluded):
        return []
    count = min(2 if chance(rng, options.second_occluder) else 1, len(options.occluders))
    kinds = [options.occluders[int(kind)] for kind in rng.permutation(len(options.occluders))[:count]]
    plans = [_plan(kind, frame, light, options, rng) for kind in kinds]
    return [plan for plan in plans if plan is not None]


def _plan(
    kind: str, frame: FaceFrame, light: Light, options: SynthOptions, rng: np.random.Generator
) -> OccluderPlan | None:
    """Return one occluder, None where there is no face in the picture that it could hide."""
    points, size = frame.landmarks, options.size
    low, high = points.min(0), points.max(0)
    inside_low, inside_high = np.maximum(low, -0.5), np.minimum(high, size - 0.5)
    seen = np.maximum(inside_high - inside_low, 0)
    if seen.min() < 1 or max(high - low) < 2:
        return None
    window, scale = window_of(frame, size, size)
    least = max(LEAST_SHARE * float(np.prod(seen)), 1.0)
    board: SheetCanvas | None = None
    layer: np.ndarray | None = None
    for attempt in range(TRIES + 1):
        canvas = canvas_of(frame, window, scale, light)
        if kind in SURFACES and attempt < TRIES:
            board = SheetCanvas(canvas.height, canvas.width, canvas.frame, light)
            DRAW[kind](board, rng)
            corners = (np.array([inside_low, inside_high]) - window[:2]) * scale
            if board.cover(*corners.ravel()) >= least * scale**2:
                break
            board = None
        else:
            if attempt == TRIES:
                centred = (inside_low + inside_high) / 2 - points.mean(0)
                canvas.frame = attrs.evolve(canvas.frame, offset=canvas.frame.offset + centred * scale)
            layer = _painted(canvas, kind if attempt < TRIES else "noise_block", window, options, rng)
            box = layer[
                max(int(inside_low[1]) - window[1], 0) : int(inside_high[1]) + 1 - window[1],
                max(int(inside_low[0]) - window[0], 0) : int(inside_high[0]) + 1 - window[0],
                3,
            ]
            if float(box.sum()) >= least:
                break
    strength, shift, soft = draw_shadow(rng, frame, light, kind)
    return OccluderPlan(
        kind=kind,
        label=LABEL_OF.get(kind, "other"),
        board=board,
        layer=layer,
        window=window,
        canvas=(canvas.height, canvas.width),
        frame=canvas.frame,
        light=light,
        shadow=strength if strength > FAINT else 0.0,
        shift=shift,
        soft=soft,
        head=head_shape(frame, window) if strength > FAINT else None,
        head_blur=max(HEAD_BLUR * frame.scale, 0.3),
    )


def _painted(
    canvas: Canvas, kind: str, window: Window, options: SynthOptions, rng: np.random.Generator
) -> np.ndarray:
    """Return the lit layer (h, w, 4) of the window, drawn on the host."""
    if kind == CUTOUT:
        cutout(canvas, rng, str(options.cutouts))
    elif kind == "noise_block":
        noise_block(canvas, rng)
    else:
        DRAW[kind](canvas, rng)
    layer = shrink(canvas.resolve(), window)
    return np.asarray(layer, np.float32)
