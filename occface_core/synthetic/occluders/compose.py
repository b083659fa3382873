"""Put one occluder on a picture: canvas at the right scale, light, drawing, shadow, blending."""

from __future__ import annotations

import attrs
import cv2
import numpy as np

from occface_core.errors import RecordError, did_you_mean
from occface_core.synthetic.occluders.canvas import Canvas
from occface_core.synthetic.occluders.cutout import cutout
from occface_core.synthetic.occluders.face_frame import FaceFrame
from occface_core.synthetic.occluders.kinds import CUTOUT, DRAW, LABEL_OF, OCCLUDERS
from occface_core.synthetic.occluders.light import Light, estimate_light
from occface_core.synthetic.occluders.noise_block import noise_block

TRIES = 5
LEAST_SHARE = 0.004
"""An occluder that hides less than this share of the face's box is drawn anew."""

FAINT = 0.05
"""A shadow that takes no more of the light than this is left out."""

HEAD_BLUR = 4.0
"""Softness of the edge of what shadows fall on, mm."""

CANVAS_FACE = 330.0
"""Height of the face on the canvas, in canvas pixels, where supersampling does not ask for more."""


@attrs.define(frozen=True, kw_only=True, eq=False)
class Occlusion:
    """A picture with something in front of the face: image = alpha·colour + (1 - alpha)·shadow·before.

    Attributes:
        image: (H, W, 3), of the same type as the picture that was given.
        alpha: (H, W) float32 in [0, 1], 1 = occluder.
        shadow: (H, W) float32 in (0, 1], what the occluder's shadow leaves of the light.
        kind: name of the occluder.
        label: name of its parsing label.
    """

    image: np.ndarray
    alpha: np.ndarray
    shadow: np.ndarray
    kind: str
    label: str


def add_occluder(
    image: np.ndarray,
    landmarks: np.ndarray,
    kind: str,
    rng: np.random.Generator,
    *,
    folder: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Put an occluder on a face in any picture.

    Args:
        image: (H, W, 3) RGB, uint8 or float in [0, 1]; it stays as it is.
        landmarks: (68, 2) pixels in iBUG order; some may lie outside the picture.
        kind: one of `OCCLUDERS`, or "cutout" together with `folder`.
        rng: source of randomness; the same state gives the same picture.
        folder: folder of RGBA .png cut-outs, for the kind "cutout".

    Returns:
        the occluded picture, of the type given, and alpha (H, W) float32 in [0, 1], 1 = occluder.

    Raises:
        RecordError: wrong shapes, values or kind.
        PhotoError: the folder of cut-outs cannot be used.
    """
    done = occlude(image, landmarks, kind, rng, folder=folder)
    return done.image, done.alpha


def occlude(
    image: np.ndarray,
    landmarks: np.ndarray,
    kind: str,
    rng: np.random.Generator,
    *,
    light: Light | None = None,
    frame: FaceFrame | None = None,
    folder: str | None = None,
) -> Occlusion:
    """Put an occluder on a face and say all about it; see `add_occluder`.

    Args:
        image: (H, W, 3) RGB, uint8 or float in [0, 1].
        landmarks: (68, 2) pixels.
        kind: one of `OCCLUDERS` or "cutout".
        rng: source of randomness.
        light: light on the face; guessed from the picture if None.
        frame: where the face is; fitted to the landmarks if None.
        folder: folder of cut-outs.
    """
    picture, points = _checked(image, landmarks, kind, folder)
    height, width = picture.shape[:2]
    nothing = np.zeros((height, width), np.float32)
    low, high = points.min(0), points.max(0)
    inside_low, inside_high = np.maximum(low, -0.5), np.minimum(high, [width - 0.5, height - 0.5])
    visible = np.maximum(inside_high - inside_low, 0)
    label = LABEL_OF.get(kind, "other")
    if visible.min() < 1 or max(high - low) < 2:  # no face in the picture, nothing to hide
        return Occlusion(image=image.copy(), alpha=nothing, shadow=nothing + 1, kind=kind, label=label)
    frame = FaceFrame.fit(points) if frame is None else frame
    if light is None:
        light = attrs.evolve(estimate_light(picture, points), crown=_crown(picture, frame))
    window, scale = window_of(frame, height, width)
    least = LEAST_SHARE * float(np.prod(visible))
    layer = np.zeros((1, 1, 4), np.float32)
    for attempt in range(TRIES + 1):
        canvas = canvas_of(frame, window, scale, light)
        if attempt == TRIES:
            centred = (inside_low + inside_high) / 2 - points.mean(0)
            canvas.frame = attrs.evolve(canvas.frame, offset=canvas.frame.offset + centred * scale)
            noise_block(canvas, rng)
        elif kind == CUTOUT:
            cutout(canvas, rng, str(folder))
        else:
            DRAW[kind](canvas, rng)
        layer = shrink(canvas.resolve(), window)
        x0, y0 = window[0], window[1]
        box = layer[
            max(int(inside_low[1]) - y0, 0) : int(inside_high[1]) + 1 - y0,
            max(int(inside_low[0]) - x0, 0) : int(inside_high[0]) + 1 - x0,
            3,
        ]
        if float(box.sum()) >= max(least, 1.0):
            break
    return _blend(image, picture, layer, window, frame, light, kind, rng)


def _crown(picture: np.ndarray, frame: FaceFrame) -> np.ndarray | None:
    """Return (3,) the colour where hair should be, above the forehead."""
    x, y = frame.rigid(np.array([0.0, 128.0, -45.0]))[:2]
    reach = max(round(9 * frame.scale), 1)
    patch = picture[
        max(int(y) - reach, 0) : max(int(y) + reach, 0), max(int(x) - reach, 0) : max(int(x) + reach, 0)
    ]
    return np.median(patch.reshape(-1, 3), 0) if patch.size else None


def _checked(
    image: np.ndarray, landmarks: np.ndarray, kind: str, folder: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the picture as float32 in [0, 1] and the landmarks as float64."""
    if kind not in DRAW and kind != CUTOUT:
        known = (*OCCLUDERS, CUTOUT)
        raise RecordError(
            f"kind must be one of {', '.join(known)}, got {kind!r}. {did_you_mean(kind, known)}"
        )
    if kind == CUTOUT and folder is None:
        raise RecordError("kind 'cutout' needs folder=, a folder of RGBA .png pictures")
    image, points = np.asarray(image), np.asarray(landmarks, np.float64)
    if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < 1:
        raise RecordError(f"image must have shape (H, W, 3), got {image.shape}")
    if image.dtype != np.uint8 and not np.issubdtype(image.dtype, np.floating):
        raise RecordError(f"image must be uint8, or float in [0, 1], got {image.dtype}")
    if points.shape != (68, 2) or not np.isfinite(points).all():
        raise RecordError(f"landmarks must be finite and have shape (68, 2), got {points.shape}")
    picture = image.astype(np.float32) / 255 if image.dtype == np.uint8 else image.astype(np.float32)
    return np.ascontiguousarray(picture), points


Window = tuple[int, int, int, int]


def window_of(frame: FaceFrame, height: int, width: int) -> tuple[Window, float]:
    """Return x0, y0, x1, y1 of the part of the picture that is drawn on, and canvas pixels per picture pixel."""
    reach = 260.0 * frame.scale
    centre = frame.landmarks.mean(0)
    x0, y0 = (int(max(np.floor(v - reach), 0)) for v in centre)
    x1 = max(min(int(np.ceil(centre[0] + reach)) + 1, width), x0 + 1)
    y1 = max(min(int(np.ceil(centre[1] + reach)) + 1, height), y0 + 1)
    tall = 160.0 * frame.scale  # brows to chin and a little more
    scale = float(np.clip(CANVAS_FACE / max(tall, 1.0), 0.25, 4.0))
    if 1.2 < scale < 2.2:
        scale = 1.5
    return (x0, y0, x1, y1), scale


def canvas_of(frame: FaceFrame, window: Window, scale: float, light: Light) -> Canvas:
    """Return an empty canvas over a window of the picture, `scale` times as fine."""
    x0, y0, x1, y1 = window
    height, width = max(round((y1 - y0) * scale), 1), max(round((x1 - x0) * scale), 1)
    shift = -np.array([x0, y0]) * scale + (scale - 1) / 2
    return Canvas(height, width, frame.moved(scale, shift), light)


def shrink(layer: np.ndarray, window: Window) -> np.ndarray:
    """Return the layer at the picture's own resolution."""
    size = (window[2] - window[0], window[3] - window[1])
    smaller = layer.shape[1] > size[0]
    return np.asarray(cv2.resize(layer, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR))


def _blend(
    image: np.ndarray,
    picture: np.ndarray,
    layer: np.ndarray,
    window: Window,
    frame: FaceFrame,
    light: Light,
    kind: str,
    rng: np.random.Generator,
) -> Occlusion:
    """Cast the shadow and lay the layer over the picture."""
    x0, y0, x1, y1 = window
    height, width = picture.shape[:2]
    alpha, shadow = np.zeros((height, width), np.float32), np.ones((height, width), np.float32)
    small = np.clip(layer[..., 3], 0, 1)
    alpha[y0:y1, x0:x1] = small
    strength, shift, soft = draw_shadow(rng, frame, light, kind)
    if strength > FAINT:
        move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
        cast = cv2.warpAffine(small, move, (small.shape[1], small.shape[0]), borderMode=cv2.BORDER_REPLICATE)
        cast = cv2.GaussianBlur(cast, (0, 0), soft)
        head = _soft_head(frame, window)
        shadow[y0:y1, x0:x1] = 1 - strength * cast * head
        shadow[shadow > 0.995] = 1
    before = picture[y0:y1, x0:x1]
    after = before * shadow[y0:y1, x0:x1, None] * (1 - small[..., None]) + layer[..., :3]
    touched = (small > 0) | (shadow[y0:y1, x0:x1] < 1)
    out = image.copy()
    value = np.clip(after, 0, 1)
    if image.dtype == np.uint8:
        value = np.round(value * 255)
    out[y0:y1, x0:x1] = np.where(touched[..., None], value, out[y0:y1, x0:x1]).astype(image.dtype)
    return Occlusion(image=out, alpha=alpha, shadow=shadow, kind=kind, label=LABEL_OF.get(kind, "other"))


def draw_shadow(
    rng: np.random.Generator, frame: FaceFrame, light: Light, kind: str
) -> tuple[float, np.ndarray, float]:
    """Return an occluder's shadow: how much light it takes, by how much it is moved (2,), its blur in pixels."""
    strength = rng.uniform(0.0, 0.55) * (0 if kind == "noise_block" else 1)
    reach = rng.uniform(3, 12) * frame.scale
    shift = -light.direction[:2] * reach * 1.5 + np.array([0.0, 0.35 * reach])
    return strength, shift, max(0.45 * reach, 0.3)


def _soft_head(frame: FaceFrame, window: Window) -> np.ndarray:
    """Return (h, w) soft mask of the head and upper neck, where a shadow may fall."""
    mask = head_shape(frame, window).astype(np.float32) / 255
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(HEAD_BLUR * frame.scale, 0.3)))


def head_shape(frame: FaceFrame, window: Window) -> np.ndarray:
    """Return (h, w) uint8, 255 on the head and the upper neck, where a shadow may fall."""
    x0, y0, x1, y1 = window
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    angle = np.linspace(0, 2 * np.pi, 40)
    oval = np.stack((76 * np.cos(angle), 8 + 108 * np.sin(angle), -25 + 0 * angle), 1)
    outline = frame.place(oval)[:, :2] - [x0, y0]
    cv2.fillPoly(mask, [np.round(np.clip(outline, -3e3, 2e4) * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
    return mask
