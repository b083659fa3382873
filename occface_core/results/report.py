"""report.html: all results of a folder in one file that needs no network, with turnable 3D views."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import warnings
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from occface_core.results.colours import PROVENANCE_COLOURS
from occface_core.results.page import address, jpeg, safe
from occface_core.results.report_occlusion import occlusion_figure, occlusion_table
from occface_core.results.saving import DOCUMENT, find_results
from occface_core.results.writing import check_folder, write_text
from occface_core.types import PROVENANCE

MAX_VIEWS = 40
"""Faces with a turnable view; more would make the file too heavy for a browser. All have their pictures."""

_FULL_SHEETS, _FULL_WIDTH, _SMALL_WIDTH = 24, 1872, 1100


class ResultDamaged(UserWarning):
    """A result in the folder cannot be read, and is left out of the report."""


def write_report(folder: str | Path, failures: Mapping[str, str] | None = None) -> Path:
    """Write folder/report.html from the results in the folders below.

    Args:
        folder: where `save` wrote one folder a photo.
        failures: photo → why it failed.

    Returns:
        Path of the report.

    Raises:
        OutputError: it cannot be written.

    Warns:
        ResultDamaged: a result cannot be read; the report names it, and shows the others.
    """
    target = check_folder(folder)
    told = dict(failures or {})
    results = [(path, content) for path in find_results(target) if (content := _read(path, told))]
    data: dict[str, Any] = {
        "topologies": {},
        "faces": {},
        "colours": [list(PROVENANCE_COLOURS[name]) for name in PROVENANCE],
    }
    total = sum(len(content["faces"]) for _, content in results)
    width = _FULL_WIDTH if total <= _FULL_SHEETS else _SMALL_WIDTH
    body = []
    everywhere = set.intersection(*(set(content["warnings"]) for _, content in results)) if results else set()
    for path, content in results:
        try:
            body.append(_photo(path, content, data, width, told=everywhere))
        except Exception as error:  # whatever a damaged picture or mesh makes its reader raise
            _damaged(path, error, told)
    body.insert(0, _head(results, told, total))
    parts = {
        "css": _resource("report.css"),
        "body": "\n".join(body),
        "data": json.dumps(data, separators=(",", ":")).replace("</", "<\\/"),
        "script": _resource("viewer.js"),
    }
    report = target / "report.html"
    write_text(report, _PAGE.format(**parts))
    return report


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>occface report</title>
<style>
{css}</style>
</head>
<body>
{body}
<script type="application/json" id="occface-data">{data}</script>
<script>
{script}</script>
</body>
</html>
"""


def _read(path: Path, told: dict[str, str]) -> dict[str, Any]:
    """Return what a result's faces.json says, or an empty dictionary and why not in `told`."""
    try:
        content: dict[str, Any] = json.loads((path / DOCUMENT).read_text(encoding="utf-8"))
        missing = {"faces", "warnings", "photo", "lineage", "timings"} - set(content)
        if missing:
            raise KeyError(", ".join(sorted(missing)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        _damaged(path / DOCUMENT, error, told)
        return {}
    return content


def _damaged(path: Path, error: Exception, told: dict[str, str]) -> None:
    reason = (
        f"{path}: the result cannot be read ({type(error).__name__}: {error}). Reconstruct the photo again"
    )
    told[str(path)] = reason
    warnings.warn(reason, ResultDamaged, stacklevel=3)


def _resource(name: str) -> str:
    return (files("occface_core.results") / name).read_text(encoding="utf-8")


def _head(results: list[tuple[Path, dict[str, Any]]], failures: Mapping[str, str], total: int) -> str:
    empty = [content["photo"]["source"] or path.name for path, content in results if not content["faces"]]
    lines = [
        "<h1>Reconstructed faces</h1>",
        f'<p class="pale">{_count(len(results) + len(failures), "photo")}, {_count(total, "face")}. '
        f"Drag a face to turn it; click it and use the wheel, or pinch, to zoom; double-click to reset.</p>",
    ]
    told: dict[str, int] = {}
    for _, content in results:
        for warning in content["warnings"]:
            told[warning] = told.get(warning, 0) + 1
    for warning, times in told.items():
        where = f" ({times} of {_count(len(results), 'photo')})" if len(results) > 1 else ""
        lines.append(f'<p class="note"><b>Note</b>{where}: {safe(warning)}</p>')
    for photo, reason in failures.items():
        lines.append(
            f'<p class="failed"><b>Failed</b>: {safe(reason if photo in reason else photo + ": " + reason)}</p>'
        )
    for photo in empty:
        lines.append(f'<p class="failed"><b>No face found</b>: {safe(photo)}</p>')
    return "\n".join(lines)


def _photo(path: Path, content: dict[str, Any], data: dict[str, Any], width: int, told: set[str]) -> str:
    lines = [f"<h2>{safe(path.name)}</h2>", f'<p class="pale">{safe(_facts(content))}</p>']
    new = [warning for warning in content["warnings"] if warning not in told]
    lines += [f'<p class="note"><b>Note</b>: {safe(warning)}</p>' for warning in new]
    if not content["faces"]:
        lines.append("<p>No face was found in this photo.</p>")
    for face in content["faces"]:
        lines.append(_face(path, face, data, width))
    return "\n".join(lines)


def _facts(content: dict[str, Any]) -> str:
    facts = [str(content["photo"]["source"] or "")]
    if content["photo"]["width"]:
        facts.append(f"{content['photo']['width']} × {content['photo']['height']} pixels")
    facts += [f"{record['stage']}: {record['plugin']}" for record in content["lineage"]]
    if "total" in content["timings"]:
        facts.append(f"{content['timings']['total']:.1f} s")
    return " · ".join(fact for fact in facts if fact)


def _face(path: Path, face: dict[str, Any], data: dict[str, Any], width: int) -> str:
    folder = path / face["folder"]
    identity = f"{path.name}/{face['folder']}"
    view = _view(folder, identity, data)
    sheet = folder / "sheet.png"
    picture = ""
    if sheet.is_file():
        source = jpeg(sheet, width)
        picture = f'<img class="sheet" loading="lazy" alt="every step of {safe(identity)}" src="{source}">'
    known = face.get("occlusion")
    parts = [
        f'<div class="viewer">{view}</div>',
        occlusion_figure(folder, width < _FULL_WIDTH) if known else "",
    ]
    parts.append(f"<div>{occlusion_table(known)}{_pose(face)}</div>")
    title = safe(face["folder"].replace("_", " "))
    return f'<h3>{title}</h3>\n<div class="face">{"".join(parts)}</div>\n{picture}'


def _view(folder: Path, identity: str, data: dict[str, Any]) -> str:
    """Return the canvas of one face and put its mesh into the page's data."""
    if len(data["faces"]) >= MAX_VIEWS:
        return (
            f'<p class="pale">Only the first {MAX_VIEWS} faces can be turned in this report. '
            f"Open {safe(identity)}/mesh.glb with any 3D viewer.</p>"
        )
    meshes = {name: _read_mesh(folder / f"{name}.glb") for name in ("base", "mesh")}
    known = {name: mesh for name, mesh in meshes.items() if mesh is not None}
    if not known:
        return '<p class="pale">No shape was made.</p>'
    best = known["mesh"] if "mesh" in known else known["base"]
    entry: dict[str, Any] = {}
    for name, key in (("base", "base"), ("mesh", "detailed")):
        if name in known:
            entry[key] = {"topology": _topology(known[name], data), **_packed(known[name]["vertices"])}
    modes = [(1, "detailed")] if "detailed" in entry else []
    if best["texture"] is not None:
        entry["texture"] = best["texture"]
        modes.insert(0, (0, "textured"))
    if "base" in entry:
        modes.append((2, "base shape"))
    codes = (
        _provenance(folder / "provenance.ply", len(known["base"]["vertices"])) if "base" in known else None
    )
    keys = ""
    if codes is not None:
        entry["provenance"] = _text(codes)
        modes.append((3, "what it rests on"))
        keys = '<p class="pale">' + "".join(
            f'<span class="key" style="background:rgb({",".join(str(round(255 * c)) for c in colour)})"></span>{name}'
            for name, colour in PROVENANCE_COLOURS.items()
        ) + "</p>"  # fmt: skip
    data["faces"][identity] = entry
    buttons = "".join(
        f'<button type="button" data-mode="{mode}" aria-pressed="{str(i == 0).lower()}">{label}</button>'
        for i, (mode, label) in enumerate(modes)
    )
    return (
        f'<canvas class="view" tabindex="0" data-face="{safe(identity)}" role="img" '
        f'aria-label="3D view; arrow keys turn it, plus and minus zoom"></canvas>'
        f'<div class="buttons">{buttons}</div>{keys}'
    )


def _read_mesh(path: Path) -> dict[str, Any] | None:
    """Return vertices, triangles, uv and texture (a data address) of a .glb that `Mesh.export` wrote."""
    if not path.is_file():
        return None
    import trimesh

    loaded: Any = trimesh.load(path, file_type="glb", force="mesh", process=False)
    uv = getattr(loaded.visual, "uv", None)
    material = getattr(loaded.visual, "material", None)
    image = getattr(material, "baseColorTexture", None)
    texture = None
    if image is not None and uv is not None:
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=88)
        texture = address(buffer.getvalue())
    count = len(loaded.vertices)
    return {
        "vertices": np.asarray(loaded.vertices, np.float32),
        "triangles": np.asarray(loaded.faces, np.int64),
        "uv": np.zeros((count, 2), np.float32) if uv is None else np.asarray(uv, np.float32),
        "texture": texture,
    }


def _topology(mesh: dict[str, Any], data: dict[str, Any]) -> str:
    """Return the key of the mesh's triangles and texture places; faces of one model share them."""
    large = len(mesh["vertices"]) > 65535
    triangles = mesh["triangles"].astype("<u4" if large else "<u2")
    uv = np.round(np.clip(mesh["uv"], 0, 1) * 65535).astype("<u2")
    key = hashlib.sha256(triangles.tobytes() + uv.tobytes()).hexdigest()[:12]
    data["topologies"].setdefault(key, {"triangles": _text(triangles), "uv": _text(uv), "large": large})
    return key


def _packed(vertices: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return vertices as 16-bit numbers: steps of some thousandths of a mm."""
    step = max(float(np.abs(vertices).max()), 1e-3) / 32767
    return {"step": step, "data": _text(np.round(vertices / step).astype("<i2"))}


def _provenance(path: Path, count: int) -> np.ndarray[Any, Any] | None:
    """Return the evidence code of each vertex from the colours of provenance.ply."""
    if not path.is_file():
        return None
    import trimesh

    loaded: Any = trimesh.load(path, process=False)
    colours = np.asarray(loaded.visual.vertex_colors, np.float32)[:, :3] / 255
    if len(colours) != count:
        return None
    known = np.array([PROVENANCE_COLOURS[name] for name in PROVENANCE], np.float32)
    return np.asarray(np.abs(colours[:, None] - known).sum(-1).argmin(1), np.uint8)


def _pose(face: dict[str, Any]) -> str:
    lines = []
    if "pose" in face:
        angles = ", ".join(
            f"{name} {round(np.degrees(face['pose'][name]))}°"
            for name in ("pitch", "yaw", "roll")
            if face["pose"][name] is not None
        )
        lines.append(f"Pose: {angles}.")
    expression = face.get("coefficients", {}).get("expression", {})
    if isinstance(expression, dict):
        strong = sorted(
            ((v or 0.0, k) for k, v in expression.items() if abs(v or 0.0) >= 0.15), reverse=True
        )[:6]
        if strong:
            lines.append("Expression: " + ", ".join(f"{name} {value:.2f}" for value, name in strong) + ".")
    shares = face.get("detail", {}).get("provenance", {})
    if shares:
        lines.append(
            "Mesh rests on: " + ", ".join(f"{name} {share:.0%}" for name, share in shares.items()) + "."
        )
    return "".join(f'<p class="pale">{safe(line)}</p>' for line in lines)


def _text(values: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
