"""The mesh that a user takes away: arrays only, so that it needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from occface_core.errors import RecordError


def _array(value: Any) -> np.ndarray:
    """Return a numpy array of an array, a list or a torch tensor on any device."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)


def _floats(value: Any) -> np.ndarray:
    return _array(value).astype(np.float32)


def _whole(value: Any) -> np.ndarray:
    array = _array(value)
    if array.size and array.dtype.kind not in "iu":
        raise RecordError(f"Mesh.triangles must be whole numbers, got {array.dtype}")
    return array.astype(np.int64)


def _picture(value: Any) -> np.ndarray:
    """Return uint8 RGB; floating point means [0, 1]."""
    array = _array(value)
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise RecordError(f"Mesh.texture must be uint8, or floating point in [0, 1], got {array.dtype}")
    levels: np.ndarray = (np.nan_to_num(array).clip(0, 1) * 255).round().astype(np.uint8)
    return levels


def _named_floats(value: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: _floats(offsets) for name, offsets in value.items()}


def _numbers(value: Mapping[str, float]) -> dict[str, float]:
    return {name: float(number) for name, number in value.items()}


@attrs.define(frozen=True, kw_only=True, eq=False)
class Mesh:
    """A triangle mesh with what belongs to it. Arrays, lists and torch tensors are taken.

    Attributes:
        vertices: (V, 3) float32 mm in the face model's frame (y up, z towards the viewer).
        triangles: (T, 3) int64, counter-clockwise when seen from outside.
        uv: place in the texture of each vertex (V, 2), or of each triangle corner (T, 3, 2) where the texture
            has seams; in [0, 1], (0, 0) the bottom left corner.
        texture: (H, W, 3) uint8 RGB, the top row first; floating point in [0, 1] is converted.
        normal_texture: (H, W, 3) uint8 tangent-space normal map, see `occface_core.geometry.detail_maps`; .glb
            alone can hold it.
        normals: (V, 3) unit normals; computed from the triangles when an export needs them if None.
        colours: (V, 3) RGB in [0, 1] for formats and meshes without texture.
        morph_targets: name to (V, 3) mm offsets of expressions; .glb alone can hold them.
        morph_weights: name to how far a target is on when the file is opened; 0 if left out.
    """

    vertices: npt.NDArray[np.float32] = attrs.field(converter=_floats)
    triangles: npt.NDArray[np.int64] = attrs.field(converter=_whole)
    uv: npt.NDArray[np.float32] | None = attrs.field(
        default=None, converter=attrs.converters.optional(_floats)
    )
    texture: npt.NDArray[np.uint8] | None = attrs.field(
        default=None, converter=attrs.converters.optional(_picture)
    )
    normal_texture: npt.NDArray[np.uint8] | None = attrs.field(
        default=None, converter=attrs.converters.optional(_picture)
    )
    normals: npt.NDArray[np.float32] | None = attrs.field(
        default=None, converter=attrs.converters.optional(_floats)
    )
    colours: npt.NDArray[np.float32] | None = attrs.field(
        default=None, converter=attrs.converters.optional(_floats)
    )
    morph_targets: Mapping[str, npt.NDArray[np.float32]] = attrs.field(factory=dict, converter=_named_floats)
    morph_weights: Mapping[str, float] = attrs.field(factory=dict, converter=_numbers)

    def __attrs_post_init__(self) -> None:
        count, triangles = len(self.vertices), len(self.triangles)
        _check("vertices", self.vertices, [(count, 3)], "(V, 3)")
        _check("triangles", self.triangles, [(triangles, 3)], "(T, 3)")
        _check("uv", self.uv, [(count, 2), (triangles, 3, 2)], "(V, 2) or (T, 3, 2)")
        for name in ("texture", "normal_texture"):
            picture = getattr(self, name)
            if picture is not None:
                _check(name, picture, [(*picture.shape[:2], 3)], "(H, W, 3)")
                if self.uv is None:
                    raise RecordError(f"Mesh.{name} needs Mesh.uv, which says where each vertex lies in it")
        _check("normals", self.normals, [(count, 3)], "(V, 3)")
        _check("colours", self.colours, [(count, 3)], "(V, 3)")
        for name, offsets in self.morph_targets.items():
            _check(f"morph_targets[{name!r}]", offsets, [(count, 3)], "(V, 3)")
        unknown = [name for name in self.morph_weights if name not in self.morph_targets]
        if unknown:
            raise RecordError(f"Mesh.morph_weights names {unknown[0]!r}, which is no morph target")
        if not np.isfinite(self.vertices).all():
            raise RecordError("Mesh.vertices must be finite")
        if triangles and not 0 <= self.triangles.min() <= self.triangles.max() < count:
            raise RecordError(
                f"Mesh.triangles must name vertices 0 to {count - 1}, "
                f"got {self.triangles.min()} to {self.triangles.max()}"
            )

    def __repr__(self) -> str:
        extras = [name for name in ("uv", "texture", "normals", "colours") if getattr(self, name) is not None]
        return f"Mesh({len(self.vertices)} vertices, {len(self.triangles)} triangles, {', '.join(extras)})"

    def export(self, path: str | Path) -> Path:
        """Write the mesh; the suffix says the format: .glb, .obj, .ply or .stl.

        .glb holds everything in one file; .obj comes with an .mtl and a .png of the same name; .ply has
        colours at the vertices; .stl has the shape alone. Lengths are mm in all of them.

        Args:
            path: the file to write; its folder is made if it is missing.

        Returns:
            The path.

        Raises:
            OutputError: an unknown suffix, or a file that cannot be written.
        """
        from occface_core.geometry.export import export_mesh

        return export_mesh(self, Path(path))


def _check(field: str, value: np.ndarray | None, shapes: list[tuple[int, ...]], want: str) -> None:
    if value is not None and tuple(value.shape) not in shapes:
        raise RecordError(f"Mesh.{field} must have shape {want}, got {tuple(value.shape)}")
