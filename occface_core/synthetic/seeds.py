"""Randomness that depends on a seed and an index only, never on the worker that draws."""

from __future__ import annotations

import numpy as np


def sample_generator(seed: int, index: int, part: str = "") -> np.random.Generator:
    """Return the generator of one part of one sample.

    Args:
        seed: seed of the whole set, at least 0.
        index: number of the sample, at least 0.
        part: what is drawn with it; parts do not disturb each other, so that another occluder leaves the
            same face behind it.
    """
    return np.random.default_rng(np.random.SeedSequence([seed, index, *part.encode()]))


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Return true with the given probability."""
    return bool(rng.random() < probability)


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a number drawn evenly from [low, high)."""
    return float(low + (high - low) * rng.random())


def pick(rng: np.random.Generator, *choices: str) -> str:
    """Return one of the choices, all equally likely."""
    return choices[int(rng.integers(len(choices)))]
