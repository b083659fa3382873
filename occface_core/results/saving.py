"""Write a result: faces.json, and a folder a face with its pictures and meshes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from occface_core.errors import OutputError
from occface_core.results.colours import PROVENANCE_COLOURS
from occface_core.results.writing import check_folder, output_errors, write_picture, write_text
from occface_core.types import PROVENANCE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from occface_core.geometry.mesh import Mesh
    from occface_core.types import FaceBatch

FORMATS = ("glb", "obj", "ply", "stl", "expressions", "albedo")
"""Formats that meshes can be written in, glb always, and more meshes that can be asked for."""

DOCUMENT = "faces.json"
_KINDS: Mapping[str, tuple[str, ...]] = {
    "provenance": ("ply",),
    **dict.fromkeys(("light", "expressions", "albedo"), ("glb",)),
}
_MORE = ("expressions", "albedo")


def save(
    faces: FaceBatch,
    folder: str | Path,
    formats: Sequence[str] = ("glb",),
    *,
    photo: NDArray[np.uint8] | None = None,
    reference: NDArray[np.uint8] | None = None,
    source: str | None = None,
    configuration: Mapping[str, Any] | None = None,
    warnings: Sequence[str] | None = None,
    seconds: float | None = None,
) -> Path:
    """Write everything that is known of the faces of one photo.

    What stages have not run yet is left out. Files of an earlier result in the folder are replaced, others
    are left alone. faces.json comes last, so that it is there only where all is there.

    Args:
        faces: every face of one photo; there may be none.
        folder: made if it is not there.
        formats: mesh formats besides glb: "obj", "ply", "stl"; "expressions" for a mesh with the expressions as
            morph targets, "albedo" for one without the photo's light.
        photo: (H, W, 3) uint8, shown on the sheet.
        reference: (H, W, 3) uint8 the same photo without the occluder, where it is known; shown on the sheet.
        source: path of the photo.
        configuration: resolved configuration, as `Pipeline.to_config` returns it.
        warnings: what the user must know; the faces' own by default.
        seconds: wall time of the reconstruction.

    Returns:
        The folder.

    Raises:
        OutputError: an unknown format, or something cannot be written.
    """
    from occface_core.results.document import document

    formats = (formats,) if isinstance(formats, str) else formats
    unknown = [name for name in formats if name.lower().lstrip(".") not in FORMATS]
    if unknown:
        raise OutputError(f"meshes are written as {', '.join(FORMATS)}, not as '{unknown[0]}'")
    kinds = tuple(dict.fromkeys(("glb", *(name.lower().lstrip(".") for name in formats))))
    target = check_folder(folder)
    told = faces.warnings if warnings is None else tuple(warnings)
    faces = faces.to("cpu")
    with output_errors(target):
        _clear(target)
    files = [
        _save_face(face, target / f"face_{i}", kinds, photo, reference, source, told)
        for i, face in enumerate(faces)
    ]
    content = document(
        faces, source=source, configuration=configuration, warnings=told, seconds=seconds, files=files
    )
    write_text(target / DOCUMENT, json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
    return target


def find_results(folder: str | Path) -> list[Path]:
    """Return the folders directly below `folder` that hold a complete result, sorted by name."""
    return sorted(path.parent for path in Path(folder).glob(f"*/{DOCUMENT}"))


def is_complete(folder: str | Path, source: str | Path) -> bool:
    """Return whether a folder holds the complete result of the photo `source`."""
    try:
        content = json.loads((Path(folder) / DOCUMENT).read_text(encoding="utf-8"))
        return os.path.abspath(str(content["photo"]["source"])) == os.path.abspath(source)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _clear(folder: Path) -> None:
    """Remove an earlier result: only folders that its faces.json names, and no file of anybody else."""
    old = folder / DOCUMENT
    if not old.is_file():
        return
    try:
        names = [str(face["folder"]) for face in json.loads(old.read_text(encoding="utf-8"))["faces"]]
    except (ValueError, KeyError, TypeError):
        names = []
    old.unlink()
    for name in names:
        if name.startswith("face_") and name[5:].isdigit() and (folder / name).is_dir():
            shutil.rmtree(folder / name)


def _save_face(
    face: FaceBatch,
    folder: Path,
    kinds: Sequence[str],
    photo: NDArray[np.uint8] | None,
    reference: NDArray[np.uint8] | None,
    source: str | None,
    warnings: Sequence[str],
) -> list[str]:
    """Write one face's files and return their names."""
    from occface_core.results.face_sheet import face_sheet
    from occface_core.results.pictures import step_pictures

    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, pixels in step_pictures(face).items():
        write_picture(folder / name, pixels)
    meshes = _meshes(face)
    usual = [kind for kind in kinds if kind not in _MORE]
    for name, mesh in (meshes | _more_meshes(face, meshes, kinds)).items():
        for kind in _KINDS.get(name, usual):
            mesh.export(folder / f"{name}.{kind}")
    sheet = face_sheet(
        face, meshes, photo=photo, reference=reference, heading=_heading(folder, source), warnings=warnings
    )
    write_picture(folder / "sheet.png", sheet)
    return sorted(path.name for path in folder.iterdir())


def _meshes(face: FaceBatch) -> dict[str, Mesh]:
    """Return "base", "mesh" (detailed), "light" (details as a picture) and "provenance", as far as they are known."""
    from occface_core.detail_meshes import light_mesh
    from occface_core.reconstruction import build_mesh, provenance_mesh

    if face.shape is None:
        return {}
    base = build_mesh(face, detailed=False)
    meshes = {"base": base}
    if face.detail is not None:
        meshes["mesh"] = build_mesh(face, detailed=True, texture=base.texture)
        meshes["light"] = light_mesh(face, base)
        if face.detail.provenance is not None:
            colours = [PROVENANCE_COLOURS[name] for name in PROVENANCE]
            meshes["provenance"] = provenance_mesh(face, base, colours)
    return meshes


def _more_meshes(face: FaceBatch, meshes: Mapping[str, Mesh], kinds: Sequence[str]) -> dict[str, Mesh]:
    """Return the meshes of `_MORE` that were asked for."""
    from occface_core.expression_meshes import albedo_mesh, expression_mesh

    if "base" not in meshes:
        return {}
    makers = {"expressions": expression_mesh, "albedo": albedo_mesh}
    return {name: makers[name](face, meshes["base"]) for name in _MORE if name in kinds}


def _heading(folder: Path, source: str | None) -> str:
    number = folder.name.replace("_", " ")
    return f"{Path(source).name} · {number}" if source else number
