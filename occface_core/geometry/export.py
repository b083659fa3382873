"""Write meshes as .glb, .obj, .ply and .stl."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from occface_core.errors import OutputError, did_you_mean

if TYPE_CHECKING:
    from occface_core.geometry.mesh import Mesh

FORMATS = (".glb", ".obj", ".ply", ".stl")


def export_mesh(mesh: Mesh, path: Path) -> Path:
    """Write a mesh in the format that the path's suffix names; see `Mesh.export`."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise OutputError(
            f"{path}: meshes are written as .glb, .obj, .ply or .stl, not as '{path.suffix}'. "
            f"{did_you_mean(suffix, FORMATS)}".rstrip()
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for file, content in _files(mesh, path, suffix).items():
            file.write_bytes(content)
    except OSError as error:
        raise OutputError(
            f"{path}: the mesh cannot be written ({error.strerror or error}). "
            f"Choose a folder that you may write to, on a disk with room"
        ) from error
    return path


def _files(mesh: Mesh, path: Path, suffix: str) -> dict[Path, bytes]:
    """Return what belongs in which file."""
    trimesh: Any = import_module("trimesh")
    if suffix == ".stl":
        return {path: _bytes(trimesh.exchange.stl.export_stl(_plain(mesh)))}
    if suffix == ".ply":
        return {path: _bytes(trimesh.exchange.ply.export_ply(_coloured(mesh), vertex_normal=True))}
    textured = _textured(mesh, path.stem)
    if suffix == ".glb":
        content = _bytes(trimesh.exchange.gltf.export_glb(textured, include_normals=True))
        return {path: _with_expressions(mesh, content) if mesh.morph_targets else content}
    text, beside = trimesh.exchange.obj.export_obj(
        textured,
        include_normals=True,
        include_texture=True,
        return_texture=True,
        write_texture=False,
        mtl_name=f"{path.stem}.mtl",
        header=None,
    )
    files = {path: _bytes(text)}
    files.update({path.parent / name: _bytes(content) for name, content in beside.items()})
    return files


def _with_expressions(mesh: Mesh, content: bytes) -> bytes:
    """Return a .glb with the mesh's morph targets, in the order of the vertices that were written."""
    from occface_core.geometry.morph import add_morph_targets

    source = np.arange(len(mesh.vertices))
    if mesh.texture is not None and mesh.uv is not None and mesh.uv.ndim == 3:
        source, _, _ = split_seams(mesh.triangles, mesh.uv)
    targets = {name: offsets[source] for name, offsets in mesh.morph_targets.items()}
    return add_morph_targets(content, targets, mesh.morph_weights)


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _plain(mesh: Mesh, **extra: Any) -> Any:
    """Return the bare mesh as trimesh holds it, vertices in order and none merged."""
    trimesh: Any = import_module("trimesh")
    return trimesh.Trimesh(
        vertices=mesh.vertices,
        faces=mesh.triangles,
        vertex_normals=mesh.normals,
        process=False,
        validate=False,
        **extra,
    )


def _coloured(mesh: Mesh) -> Any:
    """Return the mesh with colours at its vertices, taken from the texture if it has no others."""
    colours = mesh.colours if mesh.colours is not None else _texture_at_vertices(mesh)
    if colours is None:
        return _plain(mesh)
    return _plain(mesh, vertex_colors=_opaque(colours))


def _opaque(colours: np.ndarray) -> np.ndarray:
    """Return RGB in [0, 1] (V, 3) as RGBA uint8 (V, 4)."""
    levels = (colours.clip(0, 1) * 255).round().astype(np.uint8)
    return np.concatenate((levels, np.full_like(levels[:, :1], 255)), 1)


def _textured(mesh: Mesh, name: str) -> Any:
    """Return the mesh with its texture; vertices on a seam are doubled, as these formats want it."""
    from PIL import Image

    trimesh: Any = import_module("trimesh")
    if mesh.texture is None or mesh.uv is None:
        return _coloured(mesh)
    if mesh.uv.ndim == 2:
        source, triangles, uv = np.arange(len(mesh.vertices)), mesh.triangles, mesh.uv
    else:
        source, triangles, uv = split_seams(mesh.triangles, mesh.uv)
    relief = mesh.normal_texture
    material = trimesh.visual.material.PBRMaterial(
        name=name,
        baseColorTexture=Image.fromarray(mesh.texture),
        normalTexture=None if relief is None else Image.fromarray(relief),
        baseColorFactor=np.array([255, 255, 255, 255], np.uint8),
        metallicFactor=0.0,
        roughnessFactor=1.0,
        doubleSided=True,
    )
    normals = _plain(mesh).vertex_normals[source]
    return trimesh.Trimesh(
        vertices=mesh.vertices[source],
        faces=triangles,
        vertex_normals=normals,
        visual=trimesh.visual.TextureVisuals(uv=uv, material=material),
        process=False,
        validate=False,
    )


def split_seams(triangles: np.ndarray, uv: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Double the vertices that have several places in the texture.

    Args:
        triangles: (T, 3) int64.
        uv: (T, 3, 2) place of each triangle corner.

    Returns:
        The old vertex of each new one (N,), the new triangles (T, 3), and the places (N, 2).
    """
    keys = np.concatenate((triangles.reshape(-1, 1), uv.reshape(-1, 2).round(6)), 1)
    _, first, new = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return triangles.reshape(-1)[first], new.reshape(triangles.shape), uv.reshape(-1, 2)[first]


def _texture_at_vertices(mesh: Mesh) -> np.ndarray | None:
    """Return (V, 3) RGB in [0, 1] of the texel nearest to each vertex."""
    if mesh.texture is None or mesh.uv is None:
        return None
    uv = mesh.uv
    if uv.ndim == 3:
        uv = np.zeros((len(mesh.vertices), 2), np.float32)
        uv[mesh.triangles.reshape(-1)] = mesh.uv.reshape(-1, 2)
    height, width = mesh.texture.shape[:2]
    column = (uv[:, 0] * width).astype(np.int64).clip(0, width - 1)
    row = ((1 - uv[:, 1]) * height).astype(np.int64).clip(0, height - 1)
    colours: np.ndarray = mesh.texture[row, column].astype(np.float32) / 255
    return colours
