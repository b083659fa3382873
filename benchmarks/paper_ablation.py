"""The paper's own ablation: tables into `results`, and what they show into docs/ablation.md, in words.

    occface ablate benchmarks/specs/paper.toml -o OUT
    python benchmarks/paper_ablation.py OUT

Without OUT only the page is written again, from the table in `results`. Every word about better and worse is the
verdict of the corrected paired test in that table, so the page cannot say more than was measured.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import typer

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
TABLE = RESULTS / "ablation_paper.csv"
PAGE = ROOT / "docs" / "ablation.md"
BEGIN, END = "<!-- from benchmarks/paper_ablation.py -->", "<!-- end -->"

AXES = ("landmark_detector", "occlusion_matting", "face_inpainter", "shape_regressor", "detail_recoverer")
OWN = {
    "landmark_detector": ("nme", "landmark error, % of the eyes' distance", 1),
    "occlusion_matting": ("matte_iou", "matte IoU, %", 1),
    "face_inpainter": ("hole_psnr", "PSNR in the hole, dB", 1),
    "shape_regressor": ("vertex_mm", "error of the vertices, mm", 2),
    "detail_recoverer": ("normal_deg", "error of the normals, °", 1),
}
"""Stage → figure that judges it alone, its name, digits."""

COLUMNS = {
    "found": ("faces found, %", 0),
    **{figure: (title, digits) for figure, title, digits in OWN.values()},
    "vertex_mm_hidden": ("the same, hidden part", 2),
    "normal_deg_hidden": ("the same, hidden part", 1),
}
ORDER = (
    "found",
    "nme",
    "matte_iou",
    "hole_psnr",
    "vertex_mm",
    "vertex_mm_hidden",
    "normal_deg",
    "normal_deg_hidden",
)
QUESTIONS = (
    ("Without matting", "occlusion_matting", "none", ("hole_psnr", "vertex_mm", "normal_deg_hidden")),
    ("Occluders removed by hand (the true matte) instead of automatically", "occlusion_matting", "given",
     ("hole_psnr", "vertex_mm", "normal_deg_hidden")),
    ("Without synthesis, the occluder left in the picture", "face_inpainter", "none",
     ("hole_psnr", "vertex_mm", "normal_deg_hidden")),
    ("Synthesis without the landmarks' guidance", "face_inpainter", "landmark_gan(guided=False)",
     ("hole_psnr", "vertex_mm")),
    ("A perfect completion, the face without occluder", "face_inpainter", "given",
     ("vertex_mm", "normal_deg_hidden")),
    ("True landmarks", "landmark_detector", "given", ("matte_iou", "hole_psnr", "vertex_mm")),
    ("Without detail", "detail_recoverer", "none", ("normal_deg", "normal_deg_hidden")),
)  # fmt: skip
"""What is asked, axis, value, figures that answer it."""

Row = dict[str, str]


def section(rows: list[Row]) -> str:
    """Return what docs/ablation.md says of the table."""
    base, *others = rows
    paper = ", ".join(f"`{base[axis]}`" for axis in AXES)
    lines = [
        f"`benchmarks/specs/paper.toml` on {base['faces']} drawn faces; the base is {paper}. One thing is changed in",
        "each row. `+` better and `-` worse than the base after correction for the number of rows, `=` the same by",
        "construction, nothing: no difference shown, which on so few faces is not the same as none.",
        "",
        f"| changed | {' | '.join(COLUMNS[name][0] for name in ORDER)} | ms | peak MB |",
        "|" + "---|" * (len(ORDER) + 3),
    ]
    for row in rows:
        cells = [_cell(row, base, name) for name in ORDER]
        lines.append(f"| {_changed(row, base)} | {' | '.join(cells)} | {_round(row, 'total_ms', 0)} | "
                     f"{_round(row, 'peak_memory_mb', 0)} |")  # fmt: skip
    lines += ["", "In words:", ""]
    for text, axis, value, names in QUESTIONS:
        row = next((one for one in others if one[axis] == value and _only(one, base, axis)), None)
        if row is not None:
            lines.append(f"- **{text}**: {_answers(row, base, names)}.")
    lines += [
        "",
        "Each network of the paper against each alternate, by the figure that judges its stage:",
        "",
    ]
    for axis, (name, title, digits) in OWN.items():
        mine = f"`{base[axis]}` {_round(base, name, digits)}"
        alternates = [
            f"`{row[axis]}` {_round(row, name, digits) if row['status'] == 'ok' else 'failed'}{_word(row, name)}"
            for row in others
            if _only(row, base, axis) and row[axis] not in ("given", "none")
        ]
        lines.append(f"- `{axis}`, {title}: {'; '.join([mine, *alternates])}.")
    return "\n".join(lines) + "\n"


def _only(row: Row, base: Row, axis: str) -> bool:
    return all((row[other] != base[other]) == (other == axis) for other in AXES)


def _changed(row: Row, base: Row) -> str:
    changed = [f"{axis} `{row[axis]}`" for axis in AXES if row[axis] != base[axis]]
    return ", ".join(changed) or "nothing (base)"


def _round(row: Row, name: str, digits: int) -> str:
    return f"{float(row[name]):.{digits}f}" if row.get(name) else "-"


def _cell(row: Row, base: Row, name: str) -> str:
    text = _round(row, name, COLUMNS[name][1])
    if row is not base and row.get(name) and not row.get(f"{name}_p"):
        return f"{text} ="
    return f"{text} {({'better': '+', 'worse': '-'}).get(row.get(f'{name}_verdict', ''), '')}".rstrip()


def _word(row: Row, name: str) -> str:
    verdict = row.get(f"{name}_verdict", "")
    return f" ({verdict})" if verdict else ""


def _answers(row: Row, base: Row, names: tuple[str, ...]) -> str:
    if row["status"] != "ok":
        return "failed"
    parts = []
    for name in names:
        if not row.get(name) or not base.get(name):
            continue
        digits = COLUMNS[name][1]
        title = (
            COLUMNS[name][0]
            if "hidden" not in name
            else f"{COLUMNS[name.removesuffix('_hidden')][0]}, hidden part"
        )
        what = row.get(f"{name}_verdict") or "no difference shown"
        # the difference is that of faces which both rows know; the means may be over others
        parts.append(f"{title} {_round(base, name, digits)} → {_round(row, name, digits)} ({what})")
    return "; ".join(parts)


def read(path: Path = TABLE) -> list[Row]:
    """Return the rows of results.csv, the base first."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main(out: Path | None = typer.Argument(None, help="Folder of the finished ablation.")) -> None:
    """Write the tables and the page."""
    if out is not None:
        for name in ("csv", "md"):
            shutil.copy(out / f"results.{name}", RESULTS / f"ablation_paper.{name}")
        shutil.copy(out / "severity.csv", RESULTS / "ablation_paper_severity.csv")
    text = PAGE.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    PAGE.write_text(f"{before}\n\n{section(read())}\n{after}", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
