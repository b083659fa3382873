"""Severity curves: a figure against the hidden share of the face."""

from __future__ import annotations

from itertools import pairwise

import attrs
import numpy as np
from numpy.typing import NDArray

from occface_core.ablation.statistics import bootstrap_weights, interval

EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
"""Borders of the bins of the hidden share."""

LEAST = 3
"""A bin with fewer faces has no point on the curve."""


@attrs.define(frozen=True, kw_only=True)
class CurvePoint:
    """The mean of a figure over faces of which a like share is hidden.

    Attributes:
        low: least hidden share of the bin.
        high: largest hidden share of the bin.
        share: mean hidden share of its faces.
        count: faces.
        value: mean of the figure.
        value_low: lower end of its interval.
        value_high: upper end.
    """

    low: float
    high: float
    share: float
    count: int
    value: float
    value_low: float
    value_high: float


def severity_curve(
    shares: NDArray[np.float64], values: NDArray[np.float64], seed: int = 0
) -> list[CurvePoint]:
    """Return the curve of values (N,) over hidden shares (N,), both NaN where not known."""
    curve = []
    for low, high in pairwise(EDGES):
        last = high == EDGES[-1]
        inside = np.isfinite(values) & (shares >= low) & ((shares <= high) if last else (shares < high))
        count = int(inside.sum())
        if count < LEAST:
            continue
        value_low, value_high = interval(values[inside], bootstrap_weights(count, seed))
        curve.append(
            CurvePoint(
                low=low,
                high=high,
                share=float(shares[inside].mean()),
                count=count,
                value=float(values[inside].mean()),
                value_low=value_low,
                value_high=value_high,
            )
        )
    return curve
