"""What hides a face, in the HTML report: the picture with its key, and the table by part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from occface_core.results.colours import HIDDEN, SURE, UNSURE
from occface_core.results.page import jpeg, safe

PICTURE = "occlusion.png"

_WIDTH, _SMALL_WIDTH = 640, 384


def occlusion_figure(folder: Path, small: bool = False) -> str:
    """Return the figure of a face's occlusion.png; "" where an older result has none.

    Args:
        folder: the face's.
        small: for pages of many faces.
    """
    path = folder / PICTURE
    if not path.is_file():
        return ""
    source = jpeg(path, _SMALL_WIDTH if small else _WIDTH, square=True)
    marks = (
        (f'<circle cx="7" cy="7" r="5" fill="{_css(SURE)}" stroke="#141414"/>', "seen"),
        (f'<circle cx="7" cy="7" r="4.2" fill="#fff" stroke="#141414" stroke-width="4.4"/>'
         f'<circle cx="7" cy="7" r="4.2" fill="none" stroke="{_css(SURE)}" stroke-width="2.4"/>', "hidden, guessed"),
        (f'<path d="M2 2 12 12M12 2 2 12" stroke="#141414" stroke-width="3.4"/>'
         f'<path d="M2 2 12 12M12 2 2 12" stroke="{_css(SURE)}" stroke-width="1.8"/>', "beyond the photo"),
    )  # fmt: skip
    key = "".join(
        f'<span class="mark"><svg viewBox="0 0 14 14" aria-hidden="true">{drawn}</svg>{words}</span>'
        for drawn, words in marks
    )
    ramp = f"linear-gradient(90deg,{_css(UNSURE)},{_css(SURE)})"
    return (
        f'<figure><img loading="lazy" alt="what hides the face, and which landmarks are guesses" src="{source}">'
        f'<figcaption class="pale"><span class="mark"><span class="key" style="background:{_css(HIDDEN)}"></span>'
        f"hidden</span>{key}"
        f'<span class="mark">unsure <span class="ramp" style="background:{ramp}"></span> sure</span>'
        f"</figcaption></figure>"
    )


def occlusion_table(report: Mapping[str, Any] | None) -> str:
    """Return what faces.json says of a face's occlusion: sentences, and bars by part."""
    if not report:
        return "<p>It is not known what hides the face.</p>"
    rows = [("face in all", report["fraction"]), *report.get("halves", {}).items(), *report["parts"].items()]
    cells = "".join(_row(name.replace("_", " "), share) for name, share in rows)
    words = " ".join(report["summary"])
    return (
        f'<p>{safe(words)}</p><table class="parts"><tr><th>part</th>'
        f'<th colspan="2">hidden</th></tr>{cells}</table>'
        f'<p class="pale">Left and right are the person\'s.</p>'
    )


def _row(name: str, share: float | None) -> str:
    if share is None:
        return f'<tr><td>{safe(name)}</td><td colspan="2" class="pale">not in the photo</td></tr>'
    bar = f'<span style="width:{share * 100:.0f}%"></span>' if share >= 0.005 else ""
    return (
        f'<tr><td>{safe(name)}</td><td class="number">{share:.0%}</td>'
        f'<td class="bar"><div>{bar}</div></td></tr>'
    )


def _css(colour: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{level:02x}" for level in colour)
