"""What cameras and files do to pictures: blur, noise, JPEG, low resolution, colour cast, gamma, exposure."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from occface_core.synthetic.seeds import between, chance

Change = Callable[[np.ndarray], np.ndarray]


def degrade(images: list[np.ndarray], rng: np.random.Generator, strength: float = 1.0) -> list[np.ndarray]:
    """Return the pictures, all degraded in exactly the same way.

    Args:
        images: (H, W, 3) float32 RGB in [0, 1], of one size.
        rng: source of randomness.
        strength: 0 = unchanged, 1 = from untouched to an old phone's picture.
    """
    if strength <= 0 or not images:
        return [image.copy() for image in images]
    changes = _draw_changes(rng, images[0].shape[:2], strength)
    out = []
    for image in images:
        picture = image
        for change in changes:
            picture = change(picture)
        out.append(np.clip(picture, 0, 1).astype(np.float32))
    return out


def _draw_changes(rng: np.random.Generator, shape: tuple[int, int], strength: float) -> list[Change]:
    height, width = shape
    unit = max(height, width) / 256
    changes: list[Change] = [_tone(rng, strength)]
    if chance(rng, 0.4 * strength):
        changes.append(_blur(between(rng, 0.3, 1.8) * unit))
    elif chance(rng, 0.12 * strength):
        changes.append(_motion(rng, between(rng, 2, 8) * unit))
    if chance(rng, 0.3 * strength):
        changes.append(_smaller(rng, between(rng, 0.25, 0.8)))
    if chance(rng, 0.6 * strength):
        changes.append(_noise(rng, shape, between(rng, 0.003, 0.05) * rng.random()))
    if chance(rng, 0.6 * strength):
        changes.append(_jpeg(int(rng.integers(25, 96))))
    if chance(rng, 0.06 * strength):
        changes.append(_grey)
    return changes


def _tone(rng: np.random.Generator, strength: float) -> Change:
    gain = np.exp(strength * (0.12 * rng.standard_normal() + 0.05 * rng.standard_normal(3)))
    gamma = float(np.exp(strength * 0.16 * rng.standard_normal()))
    lift = strength * 0.03 * rng.standard_normal()
    colourful = float(np.exp(strength * 0.18 * rng.standard_normal()))

    def change(image: np.ndarray) -> np.ndarray:
        out = np.clip(image * gain.astype(np.float32) + np.float32(lift), 0, 1) ** np.float32(gamma)
        grey = cv2.transform(out, np.full((1, 3), 1 / 3, np.float32))[..., None]
        return np.asarray(np.clip(grey + np.float32(colourful) * (out - grey), 0, 1))

    return change


def _blur(sigma: float) -> Change:
    return lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), sigma))


def _motion(rng: np.random.Generator, length: float) -> Change:
    side = max(int(length) | 1, 3)
    kernel = np.zeros((side, side), np.float32)
    angle = between(rng, 0, np.pi)
    step = (side - 1) / 2 * np.array([np.cos(angle), np.sin(angle)])
    middle = np.array([(side - 1) / 2] * 2)
    ends = [tuple(int(v) for v in np.round(middle + sign * step)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    kernel /= kernel.sum()
    return lambda image: np.asarray(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT))


def _smaller(rng: np.random.Generator, share: float) -> Change:
    way = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)[int(rng.choice(3, p=[0.5, 0.42, 0.08]))]

    def change(image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        low = (max(int(width * share), 8), max(int(height * share), 8))
        small = cv2.resize(image, low, interpolation=cv2.INTER_AREA)
        return np.asarray(np.clip(cv2.resize(small, (width, height), interpolation=way), 0, 1))

    return change


def _noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Change:
    grain: np.ndarray = rng.standard_normal((*shape, 3), dtype=np.float32)
    if chance(rng, 0.4):
        grain = cv2.transform(grain, np.full((3, 3), 1.7 / 3, np.float32))
    if chance(rng, 0.3):
        grain = cv2.GaussianBlur(grain, (0, 0), 0.8) * np.float32(2)
    grain *= np.float32(sigma)
    return lambda image: image + grain * (np.float32(0.5) + image)


def _jpeg(quality: int) -> Change:
    def change(image: np.ndarray) -> np.ndarray:
        coded = cv2.imencode(
            ".jpg",
            np.round(np.clip(image[..., ::-1], 0, 1) * 255).astype(np.uint8),
            [cv2.IMWRITE_JPEG_QUALITY, quality],
        )[1]
        return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.float32)[..., ::-1] / 255

    return change


def _grey(image: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.transform(image, np.tile(np.array([0.299, 0.587, 0.114], np.float32), (3, 1))))
