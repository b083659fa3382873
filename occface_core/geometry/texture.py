"""Paint a face's texture: from the photo where it shows the skin, and without seams where it does not."""

from __future__ import annotations

import attrs
import torch
import torch.nn.functional as F
from torch import Tensor

from occface_core.geometry.camera import project
from occface_core.geometry.fragments import Fragments
from occface_core.geometry.kept import kept
from occface_core.geometry.neighbours import erode, extend, mesh_edges, smooth
from occface_core.geometry.rasterise import interpolate, rasterise
from occface_core.geometry.resample import sample_pixels
from occface_core.geometry.visibility import Sight, look

SEEN, COMPLETED, MIRRORED, PRIOR, NOTHING = 0, 1, 2, 3, 255
"""Codes of provenance, as in `occface_core.types.PROVENANCE`; `NOTHING` lies outside the texture's charts."""


TOLERATED_OFFSET = 0.2
"""Distance in RGB beyond which a colour where the surface seldom fits is taken for something else."""


@attrs.define(frozen=True, kw_only=True, eq=False)
class Texture:
    """A painted texture and where it comes from.

    Attributes:
        picture: (B, 3, N, N) RGB in [0, 1], the top row first.
        provenance: (B, N, N) uint8: seen, completed, mirrored, prior, or 255 outside the charts.
        vertex_provenance: (B, V) uint8, the same at the vertices.
    """

    picture: Tensor
    provenance: Tensor
    vertex_provenance: Tensor


def bake_texture(
    image: Tensor,
    vertices: Tensor,
    triangles: Tensor,
    intrinsics: Tensor,
    uv: Tensor,
    prior: Tensor,
    *,
    clean: Tensor | None = None,
    matte: Tensor | None = None,
    covered: Tensor | None = None,
    mirror: Tensor | None = None,
    weld: Tensor | None = None,
    trust: Tensor | None = None,
    inner: Tensor | None = None,
    sight: Sight | None = None,
    size: int = 512,
) -> Texture:
    """Paint the texture of each face.

    Seen texels take the photo's colour, or the completed face's where the matte hides the skin. Others take
    the colour of their mirror image if that is seen, relit by the model's shading, else the model's own.
    Both are shifted by a smooth field over the mesh that makes them meet the seen colours at the border.

    Args:
        image: (B, 3, H, W) photo or crop in [0, 1].
        vertices: (B, V, 3) mm in camera space.
        triangles: (T, 3) int64.
        intrinsics: camera matrix of `image`, (B, 3, 3) or (3, 3).
        uv: (V, 2) places in the texture, (0, 0) the bottom left corner.
        prior: (B, V, 3) the model's shaded colours in [0, 1].
        clean: (B, 3, H, W) completed face.
        matte: (B, 1, H, W) in [0, 1], 1 = occluder.
        covered: (B, 1, H, W) in [0, 1], 0 where `image` lies outside of the photo.
        mirror: (V,) int64 every vertex's mirror image.
        weld: (V,) int64 the first vertex at the same place.
        trust: (V,) in [0, 1], 0 where the surface seldom fits the photo (ears, neck): there the photo is taken
            only where its colour suits that of the trusted rest. Trusted everywhere if None.
        inner: (V,) bool the inside of the mouth: seen in narrow strips, of colours that say nothing about others.
        sight: which vertices `image` shows, where it is known already.
        size: height and width of the texture in pixels.
    """
    batch, _, height, width = image.shape
    hidden = torch.zeros_like(image[:, :1]) if matte is None else matte
    photo = image if clean is None else image * (1 - hidden) + clean * hidden
    unknown = hidden if clean is None else torch.zeros_like(hidden)
    if covered is not None:
        unknown = torch.maximum(unknown, 1 - covered)
    sources = torch.cat((photo, hidden, unknown), 1)
    edges = mesh_edges(triangles, weld)

    if sight is None:
        sight = look(vertices, triangles, intrinsics, height, width, weld=weld)
    seen = sight.weights
    colour = _look_up(sources, vertices, intrinsics)
    seen = seen * (1 - colour[..., 4])
    if trust is not None:
        seen = seen * _consistency(colour[..., :3] - prior, seen, trust.to(seen), edges, weld)
    outer = torch.ones_like(seen[0]) if inner is None else (~inner).to(seen)
    seen = seen * outer
    other = torch.arange(vertices.shape[1], device=vertices.device) if mirror is None else mirror
    mirrored = torch.zeros_like(seen) if mirror is None else seen[:, mirror]
    relight = prior - prior[:, other]
    both = seen * mirrored
    # how far off the model's colours are, and the mirrored ones, where both are known
    offsets = torch.cat((colour[..., :3] - prior, colour[..., :3] - colour[:, other, :3] - relight))
    spread = outer[:, None] * _spread(offsets, torch.cat((seen, both)), edges, weld)
    filled, shift = prior + spread[:batch], relight + spread[batch:]
    if inner is not None:
        seen = torch.where(inner & sight.visible, 1 - colour[..., 4], seen)

    texels = texel_fragments(uv, triangles, size)
    layers = torch.cat(
        (vertices, vertices[:, other], seen[..., None], mirrored[..., None], filled, shift), -1
    )
    every = interpolate(repeated(texels, batch), triangles, layers).flatten(2).transpose(1, 2)
    place, place_mirrored, seen_t, mirrored_t, filled_t, shift_t = torch.split(every, [3, 3, 1, 1, 3, 3], -1)
    found = _look_up(sources, place, intrinsics)
    seen_t = seen_t * (1 - found[..., 4:])
    reflected = _look_up(photo, place_mirrored, intrinsics) + shift_t
    unseen = mirrored_t * reflected + (1 - mirrored_t) * filled_t
    picture = seen_t * found[..., :3] + (1 - seen_t) * unseen
    inside = texels.mask
    painted = picture.transpose(1, 2).reshape(batch, 3, size, size).clamp(0, 1)
    origin = _provenance(seen_t[..., 0], found[..., 3], mirrored_t[..., 0]).reshape(batch, size, size)
    return Texture(
        picture=fill_outside(painted, inside[:, None]),
        provenance=torch.where(inside, origin, NOTHING).to(torch.uint8),
        vertex_provenance=_provenance(seen, colour[..., 3], mirrored),
    )


@kept
def texel_fragments(uv: Tensor, triangles: Tensor, size: int) -> Fragments:
    """Return which triangle each texel lies in: (1, size, size) fragments of the mesh laid out flat."""
    column, row = uv[:, 0] * size - 0.5, (1 - uv[:, 1]) * size - 0.5
    flat = torch.stack((column, row, torch.ones_like(row)), -1)
    return rasterise(flat[None], torch.eye(3).to(flat), triangles, size, size, near=0.5)


def fill_outside(picture: Tensor, inside: Tensor) -> Tensor:
    """Fill what lies outside a mask from its surroundings, averaged over ever larger blocks.

    Keeps the charts' borders from mixing with emptiness when the texture is drawn small.

    Args:
        picture: (B, C, N, N).
        inside: (B or 1, 1, N, N) bool.
    """
    weight = inside.expand(len(picture), -1, -1, -1).to(picture.dtype)
    levels = [(picture * weight, weight)]
    while levels[-1][0].shape[-1] > 1 and not bool((levels[-1][1] > 0).all()):
        colour, known = (_halved(each) for each in levels[-1])
        share = (known > 0).to(known.dtype)
        levels.append((colour / known.clamp_min(1e-9) * share, share))
    coarse = levels[-1][0]
    for colour, known in reversed(levels[:-1]):
        coarse = F.interpolate(coarse, colour.shape[-2:], mode="bilinear", align_corners=False)
        coarse = torch.where(known > 0, colour, coarse)
    return coarse


def _halved(picture: Tensor) -> Tensor:
    """Return the means of 2 x 2 pixels, of what there is of them at an odd border: `avg_pool2d`, but faster."""
    if picture.shape[-1] % 2 or picture.shape[-2] % 2:
        return F.avg_pool2d(picture, 2, ceil_mode=True)
    upper, lower = picture[..., ::2, :], picture[..., 1::2, :]
    return (upper[..., ::2] + upper[..., 1::2] + lower[..., ::2] + lower[..., 1::2]) / 4


def _look_up(pictures: Tensor, points: Tensor, intrinsics: Tensor) -> Tensor:
    """Return (B, N, C) what pictures (B, C, H, W) show at camera points (B, N, 3)."""
    place = torch.nan_to_num(project(points, intrinsics))
    return sample_pixels(pictures, place[:, :, None].to(pictures))[..., 0].transpose(1, 2)


def _consistency(offset: Tensor, seen: Tensor, trust: Tensor, edges: Tensor, weld: Tensor | None) -> Tensor:
    """Return (B, V) in [0, 1]: 1 where trusted, less where the offset (B, V, 3) is far from the usual one."""
    sure = (seen > 0.5) & (trust > 0.5)
    usual = torch.where(sure[..., None], offset, torch.nan).nanmedian(1, keepdim=True).values
    distance: Tensor = (offset - torch.nan_to_num(usual)).norm(dim=-1)
    # no trace may remain of what does not suit: where nothing else is known it would spread
    suits = (1.1 / (1 + (distance / TOLERATED_OFFSET) ** 2) ** 2 - 0.1).clamp_min(0)
    suits = smooth(erode(suits, edges, 2), edges, 1)
    suits = suits if weld is None else suits[:, weld]
    return trust + (1 - trust) * suits


def _spread(values: Tensor, weights: Tensor, edges: Tensor, weld: Tensor | None) -> Tensor:
    spread = extend(values, weights, edges)
    return spread if weld is None else spread[:, weld]


def repeated(fragments: Fragments, batch: int) -> Fragments:
    """Return fragments of one picture as those of a batch."""
    return Fragments(
        triangle=fragments.triangle.expand(batch, -1, -1),
        barycentric=fragments.barycentric.expand(batch, -1, -1, -1),
        depth=fragments.depth.expand(batch, -1, -1),
    )


def _provenance(seen: Tensor, hidden: Tensor, mirrored: Tensor) -> Tensor:
    """Return the code of what has the largest share."""
    code = torch.where(mirrored >= 0.5, MIRRORED, PRIOR)
    code = torch.where(seen >= 0.5, torch.where(hidden >= 0.5, COMPLETED, SEEN), code)
    return code.to(torch.uint8)
