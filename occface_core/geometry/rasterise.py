"""Which triangle each pixel sees: a z-buffer over batches of meshes, the same on every device.

Corners are rounded to 1/4096 pixel and all inside tests are made in whole numbers, so that two triangles that
share an edge leave no crack and cover no pixel twice (top-left rule). On the CPU the drawing is compiled
by numba; elsewhere, and wherever numba is missing, torch operations do the same arithmetic.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Protocol

import torch
from torch import Tensor

from occface_core.errors import RecordError
from occface_core.geometry.clipping import clip_triangles
from occface_core.geometry.fragments import Fragments
from occface_core.geometry.precision import working_dtype

__all__ = ["Fragments", "interpolate", "rasterise"]

NEAR = 1.0
"""Surface nearer to the camera than this, in mm, is cut off."""

GUARD = 2.0**16
"""Triangles are cut where they lie further than this many pixels from the picture's corner: with sub-pixels
of 2^-12, products of coordinates then fit 64 bits."""


class Engine(Protocol):
    """Two functions that do the work on one kind of device."""

    def draw(
        self,
        vertices: Tensor,
        matrix: Tensor,
        triangles: Tensor,
        height: int,
        width: int,
        near: float,
        guard: float,
    ) -> tuple[Fragments, Tensor]:
        """Draw what needs no clipping; also return which vertices (B, V) can be drawn."""

    def interpolate(self, fragments: Fragments, triangles: Tensor, attributes: Tensor) -> Tensor:
        """Spread attributes (B, V, C) over the pixels."""


def rasterise(
    vertices: Tensor,
    intrinsics: Tensor,
    triangles: Tensor,
    height: int,
    width: int,
    *,
    near: float = NEAR,
    engine: str | None = None,
) -> Fragments:
    """Find the nearest triangle at every pixel centre. Both sides of a triangle are seen.

    Args:
        vertices: (B, V, 3) mm in camera space. Triangles with a corner that is not finite are left out.
        intrinsics: camera matrix, (B, 3, 3) or (3, 3).
        triangles: (T, 3) int64 rows of `vertices`.
        height: height of the picture in pixels.
        width: width of the picture in pixels.
        near: triangles are cut where they come nearer to the camera than this, mm.
        engine: "numba" or "torch"; None takes numba on the CPU and torch elsewhere. Both answer alike.

    Returns:
        Fragments with the dtype and device of `vertices`, float32 for half precision, which cannot hold depths.
        Of surfaces at the same depth the lower row of `triangles` is seen. Not differentiable; `interpolate` is,
        in its attributes.

    Raises:
        RecordError: wrong shapes, or triangles that name vertices that are not there.
    """
    _check_mesh(vertices, triangles)
    points = vertices.detach().to(_at_least_single(vertices))
    matrix = intrinsics.detach().to(points).expand(len(points), 3, 3)
    chosen = _engine(engine, vertices.device)
    fragments, drawable = chosen.draw(points, matrix, triangles, height, width, near, GUARD)
    if not bool(drawable.all()):
        fragments = _add_clipped(fragments, drawable, points, matrix, triangles, near, chosen)
    return fragments


def interpolate(fragments: Fragments, triangles: Tensor, attributes: Tensor) -> Tensor:
    """Spread values given at vertices over the pixels that see them.

    Args:
        fragments: what each pixel sees.
        triangles: (T, 3) int64.
        attributes: (B, V, C) values at the vertices; (V, C) serves all items.

    Returns:
        (B, C, H, W), 0 where there is no surface. Differentiable in `attributes`.
    """
    batch = len(fragments.triangle)
    if attributes.ndim not in (2, 3) or (attributes.ndim == 3 and len(attributes) not in (1, batch)):
        raise RecordError(
            f"interpolate: attributes must have shape ({batch}, V, C) or (V, C), "
            f"got {tuple(attributes.shape)}"
        )
    values = attributes.expand(batch, *attributes.shape[-2:])
    wants_gradient = torch.is_grad_enabled() and attributes.requires_grad
    engine = _engine("torch" if wants_gradient else None, attributes.device)
    spread = engine.interpolate(fragments, triangles, values.to(_at_least_single(values)))
    return spread.to(attributes.dtype)


def _at_least_single(values: Tensor) -> torch.dtype:
    """Return the dtype to compute in: half precision is too coarse, and the compiled rasteriser lacks it."""
    return torch.promote_types(values.dtype, torch.float32) if values.is_floating_point() else values.dtype


def _check_mesh(vertices: Tensor, triangles: Tensor) -> None:
    if vertices.ndim != 3 or vertices.shape[-1] != 3:
        raise RecordError(f"rasterise: vertices must have shape (B, V, 3), got {tuple(vertices.shape)}")
    if triangles.ndim != 2 or triangles.shape[-1] != 3 or triangles.dtype != torch.int64:
        raise RecordError(
            f"rasterise: triangles must be int64 of shape (T, 3), "
            f"got {triangles.dtype} {tuple(triangles.shape)}"
        )
    if triangles.numel() and not 0 <= int(triangles.min()) <= int(triangles.max()) < vertices.shape[1]:
        raise RecordError(
            f"rasterise: triangles must name vertices 0 to {vertices.shape[1] - 1}, "
            f"got {int(triangles.min())} to {int(triangles.max())}"
        )


def _engine(name: str | None, device: torch.device) -> Engine:
    if name is None:
        name = "numba" if device.type == "cpu" and find_spec("numba") else "torch"
    if name == "torch":
        from occface_core.geometry import rasterise_torch

        return rasterise_torch
    if name == "numba":
        if device.type != "cpu":
            raise RecordError(f"rasterise: engine 'numba' draws on the CPU only, vertices are on {device}")
        from occface_core.geometry import rasterise_numba

        return rasterise_numba
    raise RecordError(f"rasterise: engine must be 'numba', 'torch' or None, got {name!r}")


def _add_clipped(
    fragments: Fragments,
    drawable: Tensor,
    points: Tensor,
    matrix: Tensor,
    triangles: Tensor,
    near: float,
    engine: Engine,
) -> Fragments:
    """Draw what is left of the triangles that reach behind the near plane or far off the picture."""
    triangle, barycentric = fragments.triangle.clone(), fragments.barycentric.clone()
    depth = fragments.depth.clone()
    height, width = triangle.shape[1:]
    faces = triangles.cpu()
    for i in range(len(points)):
        homogeneous = points[i].cpu().double() @ matrix[i].cpu().double().T
        pieces = clip_triangles(homogeneous, faces, drawable[i].cpu(), near, GUARD)
        if not len(pieces.parent):
            continue
        rows = torch.arange(3 * len(pieces.parent), device=points.device).reshape(-1, 3)
        over, _ = engine.draw(
            pieces.corners.reshape(1, -1, 3).to(points.device, working_dtype(points)),
            torch.eye(3).to(points)[None],
            rows,
            height,
            width,
            near / 2,
            2 * GUARD,
        )
        wins = over.mask[0] & ~(depth[i] <= over.depth[0])
        piece = over.triangle[0][wins]
        weight = over.barycentric[0][wins][:, None] @ pieces.blend.to(over.barycentric)[piece]
        triangle[i][wins] = pieces.parent.to(triangle.device)[piece]
        barycentric[i][wins] = weight[:, 0].to(barycentric.dtype)
        depth[i][wins] = over.depth[0][wins].to(depth.dtype)
    return Fragments(triangle=triangle, barycentric=barycentric, depth=depth)
