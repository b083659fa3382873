"""What every vertex of a result rests on: seen, completed, mirrored, or the face model alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from occface_core.types import PROVENANCE

if TYPE_CHECKING:
    from torch import Tensor

    from occface_core.types import FaceShape, Matte

SEEN, COMPLETED, MIRRORED, PRIOR = range(len(PROVENANCE))


def provenance(shape: FaceShape, matte: Matte) -> Tensor:
    """Return (B, V) uint8, index into `PROVENANCE`.

    Seen: the camera sees the vertex and no occluder is in front. Completed: an occluder is. Mirrored: the
    camera does not see it, but sees its mirror image uncovered. Prior: neither.

    Args:
        shape: where the faces are.
        matte: (B, 1, S, S), what is in front of them.
    """
    import torch

    from occface_core.geometry.resample import sample_pixels
    from occface_core.geometry.visibility import visible_vertices

    model, device = shape.model, shape.vertices.device
    camera = shape.camera_vertices()
    triangles, weld = model.tensor("triangles", device), model.tensor("weld", device)
    visible = visible_vertices(camera, triangles, shape.intrinsics, shape.size, shape.size, weld=weld)
    place = torch.nan_to_num(shape.project())
    scale = matte.alpha.shape[-1] / shape.size
    at = (place + 0.5) * scale - 0.5
    hidden = sample_pixels(matte.alpha.to(camera), at[:, :, None])[:, 0, :, 0] >= 0.5
    code = torch.full(visible.shape, PRIOR, dtype=torch.uint8, device=device)
    if model.mirror is not None:
        twin = model.tensor("mirror", device)
        code[(visible & ~hidden)[:, twin]] = MIRRORED
    code[visible & hidden] = COMPLETED
    code[visible & ~hidden] = SEEN
    return code
