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
    "landmark_detector": "nme",
    "occlusion_matting": "matte_iou",
    "face_inpainter": "hole_psnr",
    "shape_regressor": "vertex_mm",
    "detail_recoverer": "normal_deg",
}
"""Stage → figure that judges it."""

FIGURES = {
    "found": ("faces found", "%", 0),
    "nme": ("landmark error", "% of the eyes' distance", 1),
    "matte_iou": ("matte IoU", "%", 1),
    "hole_psnr": ("PSNR in the hole", "dB", 1),
    "vertex_mm": ("error of the vertices", "mm", 2),
    "vertex_mm_hidden": ("error of the hidden vertices", "mm", 2),
    "normal_deg": ("error of the normals", "°", 1),
    "normal_deg_hidden": ("error of the hidden normals", "°", 1),
}
"""Column of the table → title, unit, digits."""

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
    ("The shape network alone, without its refinement by colours", "shape_regressor",
     "coefficient_net(refine_steps=0)", ("vertex_mm", "vertex_mm_hidden", "normal_deg")),
    ("Without detail", "detail_recoverer", "none", ("normal_deg", "normal_deg_hidden")),
)  # fmt: skip
"""What is asked, axis, value, figures that answer it."""

Row = dict[str, str]


def section(rows: list[Row]) -> str:
    """Return what docs/ablation.md says of the table."""
    base, *others = rows
    heads = [f"{title}, {unit}" for title, unit, _ in FIGURES.values()]
    lines = [
        f"On {base['faces']} drawn faces; the base is {', '.join(f'`{base[axis]}`' for axis in AXES)}.",
        "`+`: better than the base, `-`: worse, both after correction for the number of rows; `=`: the same by",
        "construction; no mark: no difference shown. Rows of `landmark_detector` find other faces than the base, so",
        "their later figures are means over other faces; the tests compare faces that both found.",
        "",
        f"| changed | {' | '.join(heads)} | ms | peak MB |",
        "|" + "---|" * (len(heads) + 3),
    ]
    for row in rows:
        cells = [_cell(row, base, name) for name in FIGURES]
        costs = [_round(row, "total_ms", 0), _round(row, "peak_memory_mb", 0)]
        lines.append(f"| {' | '.join([_changed(row, base), *cells, *costs])} |")
    lines += ["", "In words:", ""]
    for text, axis, value, names in QUESTIONS:
        row = next((one for one in others if one[axis] == value and _only(one, base, axis)), None)
        if row is not None:
            lines.append(f"- **{text}**: {_answers(row, base, names)}.")
    lines += ["", "Each stage of the base against each alternate, by the figure that judges that stage:", ""]
    for axis, name in OWN.items():
        title, unit, digits = FIGURES[name]
        mine = f"`{base[axis]}` {_round(base, name, digits)}"
        alternates = [row for row in others if _only(row, base, axis) and row[axis] not in ("given", "none")]
        said = [mine]
        for verdict, words in (("better", "better than it"), ("worse", "worse"), ("", "no difference shown")):
            named = [f"`{row[axis]}` {_round(row, name, digits)}" for row in alternates
                     if row["status"] == "ok" and row.get(f"{name}_verdict", "") == verdict]  # fmt: skip
            said += [f"{words}: {', '.join(named)}"] if named else []
        failed = [f"`{row[axis]}`" for row in alternates if row["status"] != "ok"]
        said += [f"failed: {', '.join(failed)}"] if failed else []
        lines.append(f"- `{axis}`, {title} in {unit}: {'; '.join(said)}.")
    return "\n".join(lines) + "\n"


def _only(row: Row, base: Row, axis: str) -> bool:
    return all((row[other] != base[other]) == (other == axis) for other in AXES)


def _changed(row: Row, base: Row) -> str:
    return ", ".join(f"{axis} `{row[axis]}`" for axis in AXES if row[axis] != base[axis]) or "nothing (base)"


def _round(row: Row, name: str, digits: int) -> str:
    return f"{float(row[name]):.{digits}f}" if row.get(name) else "-"


def _cell(row: Row, base: Row, name: str) -> str:
    text = _round(row, name, FIGURES[name][2])
    sign = {"better": "+", "worse": "-"}.get(row.get(f"{name}_verdict", ""), "")
    if row is not base and row.get(f"{name}_delta") and not row.get(f"{name}_p"):
        sign = "="
    return f"{text} {sign}".rstrip()


def _answers(row: Row, base: Row, names: tuple[str, ...]) -> str:
    if row["status"] != "ok":
        return "failed"
    parts = []
    for name in names:
        title, unit, digits = FIGURES[name]
        delta = row.get(f"{name}_delta")
        if not delta:
            continue
        what = row.get(f"{name}_verdict") or "no difference shown"
        if row.get(f"{name}_n") == base.get(f"{name}_n"):
            change = f"{_round(base, name, digits)} → {_round(row, name, digits)} {unit}"
        else:
            change = f"{float(delta):+.{digits}f} {unit} on the faces that both found"
        parts.append(f"{title} {change} ({what})")
    return "; ".join(parts) or "not measured"


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
