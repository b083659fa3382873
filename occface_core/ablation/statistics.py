"""How sure a mean is, and whether two rows differ: bootstrap intervals, a paired test, a correction for many rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

RESAMPLES, FLIPS, EXACT = 2000, 10_000, 13
"""Bootstrap resamples; random sign flips of the paired test; up to this many pairs all flips are tried."""

LEVEL = 0.95
"""Confidence of the intervals."""


def bootstrap_weights(count: int, seed: int = 0) -> Values:
    """Return (RESAMPLES, count): how often each sample is drawn, with replacement, in each resample."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(np.float64)


def interval(values: Values, weights: Values) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean of values (N,), NaN left out (Efron 1979).

    Args:
        values: one a sample.
        weights: (R, N) of `bootstrap_weights`; the same for all rows, so that resamples are paired.
    """
    known = np.isfinite(values)
    if known.sum() < 2:
        return float("nan"), float("nan")
    total = weights @ np.where(known, values, 0)
    count = weights @ known
    means = total[count > 0] / count[count > 0]
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def paired_test(differences: Values, seed: int = 0) -> float:
    """Return the two-sided p-value that the mean of paired differences is zero, by flipping signs.

    All flips are tried up to `EXACT` pairs, else `FLIPS` random ones, with the observed one counted in.

    Args:
        differences: (N,), NaN left out.
        seed: of the random flips.
    """
    known = differences[np.isfinite(differences)]
    if not len(known) or not known.any():
        return 1.0
    observed = abs(known.mean())
    count = len(known)
    if count <= EXACT:
        signs = 1.0 - 2.0 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
        return float((abs(signs @ known / count) >= observed * (1 - 1e-9)).mean())
    rng = np.random.default_rng(seed)
    extreme = 0
    for start in range(0, FLIPS, 1000):
        signs = rng.integers(0, 2, (min(1000, FLIPS - start), count)) * 2.0 - 1
        extreme += int((abs(signs @ known / count) >= observed * (1 - 1e-9)).sum())
    return (extreme + 1) / (FLIPS + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number, so that one false alarm in all is as rare as asked (Holm 1979)."""
    order = np.argsort(p_values)
    corrected: Any = np.empty(len(p_values))
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return [float(value) for value in corrected]
