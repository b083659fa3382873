"""What cameras and files do to pictures: blur, noise, JPEG, low resolution, colour cast, gamma, exposure."""

from __future__ import annotations

import attrs
import cv2
import numpy as np

from occface_core.synthetic.seeds import between, chance

ENLARGE = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)
"""How a picture of low resolution is enlarged again."""

LUMA = (0.299, 0.587, 0.114)
"""What red, green and blue add to a picture without colours."""


@attrs.define(frozen=True, kw_only=True, eq=False)
class Changes:
    """What is done to one picture, in this order.

    Attributes:
        gain: (3,) float32 factor of each colour.
        lift: added after it.
        gamma: exponent.
        colourful: factor on what departs from grey.
        blur: width of a Gaussian filter in pixels, 0 = none.
        motion: (n, n) float32 kernel of a blur by motion, or None.
        share: how small the picture is made before it is enlarged again, 0 = it keeps its size.
        enlarge: place in `ENLARGE`.
        grain: (H, W, 3) float32 random numbers of the noise, or None.
        grain_grey: whether the noise is alike in all colours.
        grain_soft: whether it is a little blurred.
        noise: its strength.
        quality: of the JPEG coding, 0 = not coded.
        grey: whether colours are taken away.
    """

    gain: np.ndarray
    lift: float
    gamma: float
    colourful: float
    blur: float
    motion: np.ndarray | None
    share: float
    enlarge: int
    grain: np.ndarray | None
    grain_grey: bool
    grain_soft: bool
    noise: float
    quality: int
    grey: bool

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return a picture (H, W, 3) float32 RGB in [0, 1] as it is after the changes."""
        out = _tone(image, self)
        if self.blur:
            out = np.asarray(cv2.GaussianBlur(out, (0, 0), self.blur))
        if self.motion is not None:
            out = np.asarray(cv2.filter2D(out, -1, self.motion, borderType=cv2.BORDER_REFLECT))
        if self.share:
            out = _smaller(out, self.share, ENLARGE[self.enlarge])
        if self.grain is not None:
            out = out + _noise(self) * (np.float32(0.5) + out)
        if self.quality:
            out = _jpeg(out, self.quality)
        if self.grey:
            out = np.asarray(cv2.transform(out, np.tile(np.array(LUMA, np.float32), (3, 1))))
        return np.asarray(np.clip(out, 0, 1), np.float32)


def degrade(images: list[np.ndarray], rng: np.random.Generator, strength: float = 1.0) -> list[np.ndarray]:
    """Return the pictures, all degraded in exactly the same way.

    Args:
        images: (H, W, 3) float32 RGB in [0, 1], of one size.
        rng: source of randomness.
        strength: 0 = unchanged, 1 = from untouched to an old phone's picture.
    """
    if strength <= 0 or not images:
        return [image.copy() for image in images]
    change = draw_changes(rng, images[0].shape[:2], strength)
    return [change(image) for image in images]


def draw_changes(rng: np.random.Generator, shape: tuple[int, ...], strength: float) -> Changes:
    """Return what is done to a picture of height and width `shape`; see `degrade`."""
    height, width = shape
    unit = max(height, width) / 256
    gain = np.exp(strength * (0.12 * rng.standard_normal() + 0.05 * rng.standard_normal(3)))
    gamma = float(np.exp(strength * 0.16 * rng.standard_normal()))
    lift = strength * 0.03 * rng.standard_normal()
    colourful = float(np.exp(strength * 0.18 * rng.standard_normal()))
    blur, motion = 0.0, None
    if chance(rng, 0.4 * strength):
        blur = between(rng, 0.3, 1.8) * unit
    elif chance(rng, 0.12 * strength):
        motion = _motion(rng, between(rng, 2, 8) * unit)
    share, enlarge = 0.0, 0
    if chance(rng, 0.3 * strength):
        share = between(rng, 0.25, 0.8)
        enlarge = int(rng.choice(3, p=[0.5, 0.42, 0.08]))
    noise, grain, grain_grey, grain_soft = 0.0, None, False, False
    if chance(rng, 0.6 * strength):
        noise = between(rng, 0.003, 0.05) * rng.random()
        grain = rng.standard_normal((height, width, 3), dtype=np.float32)
        grain_grey, grain_soft = chance(rng, 0.4), chance(rng, 0.3)
    return Changes(
        gain=gain.astype(np.float32),
        lift=lift,
        gamma=gamma,
        colourful=colourful,
        blur=blur,
        motion=motion,
        share=share,
        enlarge=enlarge,
        grain=grain,
        grain_grey=grain_grey,
        grain_soft=grain_soft,
        noise=noise,
        quality=int(rng.integers(25, 96)) if chance(rng, 0.6 * strength) else 0,
        grey=chance(rng, 0.06 * strength),
    )


def _tone(image: np.ndarray, changes: Changes) -> np.ndarray:
    out = np.clip(image * changes.gain + np.float32(changes.lift), 0, 1) ** np.float32(changes.gamma)
    grey = cv2.transform(out, np.full((1, 3), 1 / 3, np.float32))[..., None]
    return np.asarray(np.clip(grey + np.float32(changes.colourful) * (out - grey), 0, 1))


def _motion(rng: np.random.Generator, length: float) -> np.ndarray:
    side = max(int(length) | 1, 3)
    kernel = np.zeros((side, side), np.float32)
    angle = between(rng, 0, np.pi)
    step = (side - 1) / 2 * np.array([np.cos(angle), np.sin(angle)])
    middle = np.array([(side - 1) / 2] * 2)
    ends = [tuple(int(v) for v in np.round(middle + sign * step)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return np.asarray(kernel / kernel.sum())


def _smaller(image: np.ndarray, share: float, way: int) -> np.ndarray:
    height, width = image.shape[:2]
    low = (max(int(width * share), 8), max(int(height * share), 8))
    small = cv2.resize(image, low, interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(cv2.resize(small, (width, height), interpolation=way), 0, 1))


def _noise(changes: Changes) -> np.ndarray:
    grain = np.asarray(changes.grain)
    if changes.grain_grey:
        grain = cv2.transform(grain, np.full((3, 3), 1.7 / 3, np.float32))
    if changes.grain_soft:
        grain = cv2.GaussianBlur(grain, (0, 0), 0.8) * np.float32(2)
    return np.asarray(grain * np.float32(changes.noise))


def _jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    coded = cv2.imencode(
        ".jpg",
        np.round(np.clip(image[..., ::-1], 0, 1) * 255).astype(np.uint8),
        [cv2.IMWRITE_JPEG_QUALITY, quality],
    )[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.float32)[..., ::-1] / 255
