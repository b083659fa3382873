"""The noise and the fine texture of a photo's skin, measured where it is seen and drawn where it is not."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

_BANDS = (0.0, 0.7, 1.4, 2.8)  # standard deviations of the blurs between which a band lies, pixels
_LEAST = 200  # pixels that are enough to measure
_MOST = 0.008  # more than this in one band is no grain
_QUANTILE, _QUANTILE_OF_NORMAL = (
    0.35,
    0.4538,
)  # the smoother part of the skin: freckles and stubble are no grain


def grain_like(
    image: NDArray[np.float32], skin: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return (S, S, 3) noise of mean 0 with as much of each fineness as the skin in view has.

    Robust deviations of three band-passed copies, of brightness and of what colours differ from it; each band
    is drawn anew from band-passed white noise.

    Args:
        image: (S, S, 3) in [0, 1].
        skin: (S, S), pixels that show bare skin.
        rng: source of randomness.
    """
    total = np.zeros_like(image)
    if int(skin.sum()) < _LEAST:
        return total
    size = len(image)
    grey = rng.standard_normal((size, size, 1)).astype(np.float32)
    colours = rng.standard_normal((size, size, 3)).astype(np.float32)
    for fine, coarse in pairwise(_BANDS):
        observed = (_blur(image, fine) - _blur(image, coarse))[skin]
        common = observed.mean(1, keepdims=True)
        for noise, seen in ((grey, common), (colours, observed - common)):
            deviation = np.minimum(np.quantile(np.abs(seen), _QUANTILE, axis=0) / _QUANTILE_OF_NORMAL, _MOST)
            band = _blur(noise, fine) - _blur(noise, coarse)
            total = total + band / max(float(band.std()), 1e-6) * deviation
    return np.asarray(total, dtype=np.float32)


def _blur(image: NDArray[np.float32], deviation: float) -> NDArray[np.float32]:
    if deviation <= 0:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), deviation), dtype=np.float32).reshape(image.shape)
