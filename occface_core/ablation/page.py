"""report.html of an ablation: tables, plots and example faces in one file that needs no network."""

from __future__ import annotations

import base64
import html
import math
from importlib.resources import files

from occface_core.ablation.examples import STEPS
from occface_core.ablation.figures import FIGURES
from occface_core.ablation.plots import PALETTE, Point, Series, bars, lines, scatter
from occface_core.ablation.result import AblationResult, Row
from occface_core.ablation.tables import TIMED, arrow, facts, mark, short

SHOWN = 24
"""Rows with example faces; more would make the file too heavy. The folder `examples` has all."""


def page(result: AblationResult) -> str:
    """Return the page as text."""
    title = html.escape(str(result.provenance.get("title") or "Ablation"))
    body = [
        f"<h1>{title}</h1>",
        _summary(result),
        _table(result),
        _failed(result),
        _bars(result),
        _curves(result),
        _costs(result),
        _examples(result),
        _facts(result),
    ]
    folder = files("occface_core.ablation") / "web"
    css = (folder / "ablation.css").read_text(encoding="utf-8")
    script = (folder / "ablation.js").read_text(encoding="utf-8")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{css}</style></head>\n'
        f"<body>{''.join(part for part in body if part)}<script>{script}</script></body></html>\n"
    )


def _good(result: AblationResult) -> list[tuple[int, Row]]:
    """Return the rows that did not fail, with their numbers."""
    return [(number, row) for number, row in enumerate(result.rows) if not row.reason]


def _main(result: AblationResult) -> list[str]:
    return [name for name in result.figure_names() if FIGURES[name].main]


def _summary(result: AblationResult) -> str:
    work = result.work
    return (
        f"<p>{len(result.rows)} combinations on {len(result.samples)} faces of the suite "
        f"“{html.escape(str(result.provenance['suite']['name']))}”. {work.prefixes} distinct prefixes stand for "
        f"{work.stages} stages: what combinations begin with alike was run once.</p>"
        "<p>Each figure is the mean over the faces on which it is defined, with its 95 % bootstrap interval below. "
        "The first row is the base. Against it, on the same faces: "
        '<b class="better">better</b> and <b class="worse">worse</b> are shown where a paired sign-flip test finds '
        "p &lt; 0.05 after Holm’s correction for the number of rows; “=” marks what is the same by construction; "
        "where nothing is marked, no difference is shown. Bold names differ from the base's. Click a heading to "
        "sort.</p>" + "".join(f'<p class="worse">{html.escape(text)}</p>' for text in result.warnings())
    )


def _table(result: AblationResult) -> str:
    names = _main(result)
    extra = [name for name in result.figure_names() if name not in names]
    heads = "".join(f"<th>{html.escape(axis)}</th>" for axis in result.axes)
    heads += "".join(_head(name, "") for name in names) + "".join(_head(name, "more") for name in extra)
    heads += "<th>total ms</th><th>peak MB</th>"
    rows = []
    for number, row in _good(result):
        dot = f'<i style="background:{PALETTE[number % len(PALETTE)]}"></i>'
        cells = [
            f"<td>{dot if place == 0 else ''}{_label(result, axis, label)}</td>"
            for place, (axis, label) in enumerate(row.labels.items())
        ]
        cells += [_cell(row, name, "") for name in names] + [_cell(row, name, "more") for name in extra]
        total = row.milliseconds.get("total")
        cells.append(f'<td data-value="{total.median:.6g}">{total.median:.1f}'
                     f"<small>{total.q25:.1f} – {total.q75:.1f}</small></td>" if total else "<td></td>")  # fmt: skip
        memory = row.peak_memory_mb
        cells.append(f'<td data-value="{memory}">{memory:.0f}</td>' if memory else "<td></td>")
        rows.append(f'<tr class="{"base-row" if number == 0 else ""}">{"".join(cells)}</tr>')
    button = '<p><label><input type="checkbox" id="more"> all figures</label></p>' if extra else ""
    return (
        f"<h2>Table</h2>{button}<div class='scroll'><table class='sortable'><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>{_null(result)}"
    )


def _label(result: AblationResult, axis: str, label: str) -> str:
    """Return what stands on an axis, bold where it is not the base's."""
    text = html.escape(label)
    return text if label == result.rows[0].labels[axis] else f"<b>{text}</b>"


def _null(result: AblationResult) -> str:
    if not result.reference:
        return ""
    parts = [
        f"{html.escape(FIGURES[name].title.removeprefix('mean face: '))} {short(estimate.value, name)} "
        f"{FIGURES[name].unit}"
        for name, estimate in result.reference.items()
    ]
    return f"<p>Null method, the mean face in place of any estimate: {'; '.join(parts)}.</p>"


def _head(name: str, kind: str) -> str:
    figure = FIGURES[name]
    unit = f", {figure.unit}" if figure.unit else ""
    return f'<th class="{kind}" title="{name}">{html.escape(figure.title)}{unit} {arrow(name)}</th>'


def _cell(row: Row, name: str, kind: str) -> str:
    estimate = row.figures.get(name)
    if estimate is None or not math.isfinite(estimate.value):
        return f'<td class="{kind}"></td>'
    verdict = estimate.verdict(name)
    tip = f"{estimate.count} faces"
    if estimate.delta is not None and not estimate.same:
        tip += f"; {estimate.delta:+.4g} against the base"
        if estimate.p is not None:
            tip += f", p = {estimate.p:.3g} (corrected)"
    interval = f"<small>{short(estimate.low, name)} – {short(estimate.high, name)}</small>"
    sign = f'<span class="{verdict}">{html.escape(mark(row, name))}</span>'
    return (
        f'<td class="{kind} {verdict}" data-value="{estimate.value:.6g}" title="{html.escape(tip)}">'
        f"{short(estimate.value, name)} {sign}{interval if math.isfinite(estimate.low) else ''}</td>"
    )


def _failed(result: AblationResult) -> str:
    failed = [row for row in result.rows if row.reason]
    if not failed:
        return ""
    rows = "".join(
        f"<tr><td>{html.escape(row.name())}</td><td>{html.escape(row.reason)}</td></tr>" for row in failed
    )
    head = "<thead><tr><th>combination</th><th>reason</th></tr></thead>"
    return f"<h2>Failed</h2><table>{head}<tbody>{rows}</tbody></table>"


def _bars(result: AblationResult) -> str:
    names_of = result.short_names()
    plots = []
    for name in _main(result):
        rows = [
            Series(name=names_of[number], number=number, points=[
                Point(x=0, y=row.figures[name].value, low=row.figures[name].low, high=row.figures[name].high)
            ])
            for number, row in _good(result)
            if name in row.figures and math.isfinite(row.figures[name].value) and not row.figures[name].same
        ]  # fmt: skip
        if len({row.points[0].y for row in rows}) < 2:
            continue
        null = result.reference.get(f"mean_face_{name}")
        reference = ("mean face", null.value) if null else None
        figure = FIGURES[name]
        plots.append(
            f"<figure><figcaption>{html.escape(figure.title)} {arrow(name)}</figcaption>"
            f"{bars(rows, figure.unit, reference)}</figure>"
        )
    note = (
        "<p>Dots: means; lines: 95 % intervals; dashed: the base; dotted: the mean face. "
        "Rows that equal the base by construction are left out.</p>"
    )
    return f"<h2>Rows against each other</h2>{note}<div class='plots'>{''.join(plots)}</div>" if plots else ""


def _curves(result: AblationResult) -> str:
    names_of = result.short_names()
    names = [name for name in FIGURES if any(name in row.curves for row in result.rows)]
    plots = []
    for name in names:
        rows = _distinct([
            Series(name=names_of[number], number=number, points=[
                Point(x=100 * p.share, y=p.value, low=p.value_low, high=p.value_high) for p in row.curves[name]
            ])
            for number, row in _good(result) if name in row.curves
        ])  # fmt: skip
        unit = f", {FIGURES[name].unit}" if FIGURES[name].unit else ""
        plots.append(
            f"<figure>{lines(rows, 'hidden share of the face, %', FIGURES[name].title + unit)}</figure>"
        )
    if not plots:
        return ""
    return (
        "<h2>Severity</h2><p>Each figure against how much of the face is hidden. Rows that share a stage and all "
        f"before it share the curve. Colours as in the table.</p><div class='plots'>{''.join(plots)}</div>"
    )


def _distinct(rows: list[Series]) -> list[Series]:
    """Return the series without those that lie exactly on an earlier one."""
    seen: dict[tuple[tuple[float, float], ...], Series] = {}
    for row in rows:
        seen.setdefault(tuple((point.x, point.y) for point in row.points), row)
    return list(seen.values())


def _costs(result: AblationResult) -> str:
    names_of = result.short_names()
    good = _good(result)
    heads = "".join(f"<th>{html.escape(axis)}</th>" for axis in result.axes)
    heads += "".join(f"<th>{stage} ms</th>" for stage in TIMED) + "<th>peak MB</th>"
    rows = []
    for _, row in good:
        cells = [f"<td>{_label(result, axis, label)}</td>" for axis, label in row.labels.items()]
        for stage in TIMED:
            spread = row.milliseconds.get(stage)
            cells.append(
                f'<td data-value="{spread.median:.6g}">{spread.median:.1f}<small>{spread.q25:.1f} – {spread.q75:.1f}'
                "</small></td>" if spread else "<td></td>"
            )  # fmt: skip
        memory = row.peak_memory_mb
        cells.append(f'<td data-value="{memory}">{memory:.0f}</td>' if memory else "<td></td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    plots = []
    for name in ("nme", "matte_iou", "hole_psnr", "surface_mm", "vertex_mm", "normal_deg"):
        points = [
            Series(name=names_of[number], number=number, points=[
                Point(x=row.milliseconds["total"].median, y=row.figures[name].value, low=row.figures[name].low,
                      high=row.figures[name].high)
            ])
            for number, row in good
            if name in row.figures and "total" in row.milliseconds and math.isfinite(row.figures[name].value)
        ]  # fmt: skip
        if len({series.points[0].y for series in points}) > 1:
            title = (
                f"{FIGURES[name].title}, {FIGURES[name].unit}" if FIGURES[name].unit else FIGURES[name].title
            )
            plots.append(f"<figure>{scatter(points, 'all stages, ms a face', title)}</figure>")
    return (
        "<h2>Cost</h2><p>Milliseconds a face, median and quartiles; highest memory while the row's stages ran.</p>"
        f"<div class='scroll'><table class='sortable'><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody>"
        f"</table></div><div class='plots'>{''.join(plots)}</div>"
    )


def _examples(result: AblationResult) -> str:
    names_of = result.short_names()
    rows = [(number, row) for number, row in _good(result) if row.examples][:SHOWN]
    if not rows:
        return ""
    parts = []
    for sample in rows[0][1].examples:
        tiles = []
        for number, row in rows:
            picture = row.examples.get(sample)
            if picture is None:
                tiles.append(f"<div><p>{html.escape(names_of[number])}: no face found</p></div>")
                continue
            coded = base64.b64encode(picture).decode()
            label = f"{html.escape(names_of[number])}: {', '.join(STEPS)}"
            colour = PALETTE[number % len(PALETTE)]
            tiles.append(
                f'<div><p><i style="background:{colour}"></i>{html.escape(names_of[number])}</p>'
                f'<img src="data:image/jpeg;base64,{coded}" alt="{label}" loading="lazy"></div>'
            )
        parts.append(f"<h3>{html.escape(sample)}</h3><div class='examples'>{''.join(tiles)}</div>")
    return (
        f"<h2>Example faces</h2><p>From left to right: {', '.join(STEPS)}. Red: the matte; yellow: border of what is "
        f"truly hidden.</p>{''.join(parts)}"
    )


def _facts(result: AblationResult) -> str:
    rows = "".join(
        f"<tr><th>{html.escape(key)}</th><td>{html.escape(value)}</td></tr>"
        for key, value in facts(result).items()
    )
    return f"<h2>Where this comes from</h2><table class='facts'><tbody>{rows}</tbody></table>"
