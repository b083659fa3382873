"""Plots as SVG texts: bars with intervals, curves, and cost against error. Colours come from the page's style."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import attrs

PALETTE = (
    "#2f6fb5",
    "#c8553d",
    "#3d8f5f",
    "#8d5fa8",
    "#b8862b",
    "#4aa3a8",
    "#a84a6b",
    "#6b6f2f",
    "#5a5a5a",
    "#d08c9c",
)
"""Colours of the rows, in order; they repeat when there are more."""

DASHES = ("", "6 3", "2 3", "8 3 2 3")
"""Lines' patterns, one more after each turn of the palette."""


@attrs.define(frozen=True, kw_only=True)
class Point:
    """A point with an interval; NaN ends draw none."""

    x: float
    y: float
    low: float = math.nan
    high: float = math.nan


@attrs.define(frozen=True, kw_only=True)
class Series:
    """Points of one row.

    Attributes:
        name: for the tooltip.
        number: row, which gives the colour.
        points: in order of x.
    """

    name: str
    number: int
    points: Sequence[Point]

    def colour(self) -> str:
        """Return the row's colour."""
        return PALETTE[self.number % len(PALETTE)]

    def dash(self) -> str:
        """Return the row's line pattern."""
        return DASHES[self.number // len(PALETTE) % len(DASHES)]


def bars(rows: Sequence[Series], unit: str, reference: tuple[str, float] | None = None) -> str:
    """Return one line a row: a dot at the mean, a line over its interval; the base's mean as a dashed line.

    Args:
        rows: series of one point each, `y` the value; the first is the base.
        unit: of the values.
        reference: name and value of a null method, drawn as another line.
    """
    left, width, step = 250, 640, 22
    height = step * len(rows) + 34
    values = [v for row in rows for p in row.points for v in (p.y, p.low, p.high) if math.isfinite(v)]
    values += [reference[1]] if reference else []
    low, high = _range(values)

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (width - left - 20)

    parts = [_open(width, height)]
    for tick in _ticks(low, high):
        parts.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="4" y2="{height - 28}"/>')
        parts.append(f'<text x="{x(tick):.1f}" y="{height - 14}" text-anchor="middle">{_tidy(tick)}</text>')
    parts.append(f'<text x="{width - 4}" y="{height - 2}" text-anchor="end">{html.escape(unit)}</text>')
    marks = [("base", rows[0].points[0].y, "base")] if rows and rows[0].points else []
    marks += [(reference[0], reference[1], "null")] if reference else []
    for name, value, kind in marks:
        parts.append(
            f'<line class="{kind}" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="4" y2="{height - 28}">'
            f"<title>{html.escape(name)}: {value:.4g} {html.escape(unit)}</title></line>"
        )
    for place, row in enumerate(rows):
        y = 15 + step * place
        parts.append(
            f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{html.escape(_shortened(row.name, 32))}</text>'
        )
        for point in row.points:
            tip = f"{row.name}: {point.y:.4g} {unit}"
            if math.isfinite(point.low):
                tip += f" [{point.low:.4g}, {point.high:.4g}]"
                parts.append(
                    f'<line x1="{x(point.low):.1f}" x2="{x(point.high):.1f}" y1="{y}" y2="{y}" '
                    f'stroke="{row.colour()}" stroke-width="3" stroke-linecap="round" opacity="0.55"/>'
                )
            parts.append(f'<circle cx="{x(point.y):.1f}" cy="{y}" r="5" fill="{row.colour()}">'
                         f"<title>{html.escape(tip)}</title></circle>")  # fmt: skip
    return "".join([*parts, "</svg>"])


def lines(rows: Sequence[Series], x_title: str, y_title: str) -> str:
    """Return curves with their intervals as bands."""
    return _chart(rows, x_title, y_title, joined=True)


def scatter(rows: Sequence[Series], x_title: str, y_title: str) -> str:
    """Return points without lines, on a logarithmic x where the values span much."""
    return _chart(rows, x_title, y_title, joined=False)


def _chart(rows: Sequence[Series], x_title: str, y_title: str, joined: bool) -> str:
    width, height, left, bottom = 440, 300, 58, 44
    points = [point for row in rows for point in row.points]
    xs = [point.x for point in points]
    logarithmic = not joined and min(xs) > 0 and max(xs) / min(xs) > 20
    at = (lambda value: math.log10(value)) if logarithmic else float
    x_low, x_high = _range([at(value) for value in xs])
    y_low, y_high = _range([v for p in points for v in (p.y, p.low, p.high) if math.isfinite(v)])

    def x(value: float) -> float:
        return left + (at(value) - x_low) / (x_high - x_low) * (width - left - 16)

    def y(value: float) -> float:
        return 10 + (y_high - value) / (y_high - y_low) * (height - bottom - 10)

    parts = [_open(width, height)]
    for tick in _ticks(y_low, y_high):
        parts.append(
            f'<line class="grid" x1="{left}" x2="{width - 16}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        )
        parts.append(f'<text x="{left - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{_tidy(tick)}</text>')
    for tick in _ticks(x_low, x_high):
        value = 10**tick if logarithmic else tick
        place = left + (tick - x_low) / (x_high - x_low) * (width - left - 16)
        parts.append(
            f'<text x="{place:.1f}" y="{height - bottom + 16}" text-anchor="middle">{_tidy(value)}</text>'
        )
    parts.append(
        f'<text x="{(left + width - 16) / 2}" y="{height - 6}" text-anchor="middle">{html.escape(x_title)}</text>'
    )
    parts.append(f'<text transform="translate(13 {(height - bottom) / 2}) rotate(-90)" text-anchor="middle">'
                 f"{html.escape(y_title)}</text>")  # fmt: skip
    for row in rows:
        colour = row.colour()
        banded = [point for point in row.points if math.isfinite(point.low)]
        if joined and len(banded) > 1 and len(rows) <= 6:
            edge = [f"{x(p.x):.1f},{y(p.high):.1f}" for p in banded]
            edge += [f"{x(p.x):.1f},{y(p.low):.1f}" for p in reversed(banded)]
            parts.append(f'<polygon points="{" ".join(edge)}" fill="{colour}" opacity="0.10"/>')
        if joined:
            path = " ".join(f"{x(p.x):.1f},{y(p.y):.1f}" for p in row.points)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" '
                         f'stroke-dasharray="{row.dash()}"/>')  # fmt: skip
        for point in row.points:
            if not joined and math.isfinite(point.low):
                parts.append(f'<line x1="{x(point.x):.1f}" x2="{x(point.x):.1f}" y1="{y(point.low):.1f}" '
                             f'y2="{y(point.high):.1f}" stroke="{colour}" opacity="0.5"/>')  # fmt: skip
            tip = f"{row.name}: {point.y:.4g} at {point.x:.4g}"
            parts.append(f'<circle cx="{x(point.x):.1f}" cy="{y(point.y):.1f}" r="{3.5 if joined else 5}" '
                         f'fill="{colour}"><title>{html.escape(tip)}</title></circle>')  # fmt: skip
    return "".join([*parts, "</svg>"])


def _open(width: int, height: int) -> str:
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or abs(high) * 0.05 or 1.0
    return low - margin, high + margin


def _ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    rough = (high - low) / wanted
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * k for k in (1, 2, 2.5, 5, 10) if unit * k >= rough)
    first = math.ceil(low / step)
    return [k * step for k in range(first, math.floor(high / step) + 1)]


def _tidy(value: float) -> str:
    """Return a tick's label: 0.25, 12, 12,000."""
    if abs(value) < 1e-12:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
