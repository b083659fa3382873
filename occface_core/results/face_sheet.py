"""What goes on the sheet of one face: steps of the paper in the first row, the 3D face in the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from occface_core.results.occlusion_picture import occlusion_picture
from occface_core.results.pictures import (
    bump_picture,
    normal_picture,
    overlay,
    photo_with_box,
    rgb,
)
from occface_core.results.rendering import SIDES, render, sample_texture
from occface_core.results.sheet import TILE, compose
from occface_core.results.writing import to_uint8

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occface_core.geometry.mesh import Mesh
    from occface_core.types import FaceBatch

    Picture = NDArray[np.uint8]
    Tiles = list[tuple[str, Picture | None]]


def face_sheet(
    face: FaceBatch,
    meshes: Mapping[str, Mesh],
    *,
    photo: Picture | None,
    reference: Picture | None,
    heading: str,
    warnings: Sequence[str],
) -> Picture:
    """Return sheet.png of one face.

    Args:
        face: a batch of one.
        meshes: "base", "mesh", "provenance", as far as they are known.
        photo: (H, W, 3) uint8 or None.
        reference: (H, W, 3) uint8 the photo without the occluder, or None.
        heading: one line at the top.
        warnings: shown at the bottom.
    """
    rows: list[Tiles] = [_steps(face, photo)]
    if meshes:
        rows.append(
            _sides(meshes.get("base"), "base shape", "clay") + _sides(meshes.get("mesh"), "detailed", "clay")
        )
        rows.append(_sides(meshes.get("mesh"), "textured", "texture") + _checks(face, meshes, reference))
    notes = [*(face.occlusion_report(0)["summary"] if face.matte is not None else ())]
    notes += [
        "Landmarks: green = seen, orange = unsure, red or with a white core = hidden, cross = not in the photo."
    ]
    if "provenance" in meshes:
        notes[-1] += " Mesh: green = seen, blue = completed, violet = mirrored, grey = prior."
    notes = [" ".join(notes), *(f"Note: {text}" for text in warnings)]
    return compose(rows, heading, notes)


def _steps(face: FaceBatch, photo: Picture | None) -> Tiles:
    tiles: Tiles = []
    if photo is not None:
        size = face.image.shape[-1] - 0.5
        corners = np.array([[-0.5, -0.5, 1], [size, -0.5, 1], [size, size, 1], [-0.5, size, 1]])
        placed = corners @ face.crop_to_photo[0].double().numpy().T
        tiles.append(("photo", photo_with_box(photo, placed[:, :2], TILE)))
    tiles.append(("1 landmarks", overlay(face)))
    if face.matte is not None:
        fraction = face.occlusion_report(0)["fraction"]
        share = "none of the face in the photo" if fraction is None else f"{fraction:.0%} hidden"
        tiles.append((f"2 matte: {share}", occlusion_picture(face, legend=False)))
        tiles.append(("2 hollowed", rgb(face.matte.hollow(face.image))))
    if face.clean is not None:
        tiles.append(("3 completed", rgb(face.clean)))
    if face.detail is not None:
        bump, reach = bump_picture(face)
        tiles.append((f"5 bump map, ±{reach:.2f} mm", bump))
        tiles.append(("5 normals", normal_picture(face)))
    return tiles


def _sides(mesh: Mesh | None, title: str, surface: str) -> Tiles:
    if mesh is None:
        return [("", None)] * len(SIDES)
    return [(f"{title}, {side}", render(mesh, yaw=yaw, surface=surface)) for side, yaw in SIDES.items()]  # type: ignore[arg-type]


def _checks(face: FaceBatch, meshes: Mapping[str, Mesh], reference: Picture | None) -> Tiles:
    """Return what shows whether the result is right: the mesh over the photo, provenance, the truth."""
    tiles: Tiles = []
    if "mesh" in meshes:
        tiles.append(("result in the photo", _over_crop(face, meshes["mesh"])))
    if "provenance" in meshes:
        tiles.append(("what each part rests on", render(meshes["provenance"], surface="colours")))
    if reference is not None:
        from occface_core.geometry.align import warp_crop
        from occface_core.photo import to_tensor

        truth = warp_crop(to_tensor(reference), face.crop_to_photo, int(face.image.shape[-1]))
        tiles.append(("truth: the original", rgb(truth)))
    return tiles


def _over_crop(face: FaceBatch, mesh: Mesh) -> Picture:
    """Draw the textured mesh at the estimated pose over the crop, twice the size, halved."""
    import torch

    from occface_core.geometry.camera import to_camera
    from occface_core.geometry.rasterise import rasterise

    if face.shape is None or mesh.texture is None:
        return rgb(face.image)
    size = int(face.image.shape[-1])
    camera = to_camera(torch.from_numpy(mesh.vertices)[None], face.shape.rotation, face.shape.translation)
    triangles = torch.from_numpy(mesh.triangles)
    fragments = rasterise(camera, face.shape.scaled_intrinsics(2 * size), triangles, 2 * size, 2 * size)
    drawn = sample_texture(mesh, fragments, triangles)
    ground = torch.nn.functional.interpolate(face.image, scale_factor=2, mode="bilinear", align_corners=False)
    mixed = torch.where((fragments.triangle >= 0)[:, None], drawn, 0.45 * ground + 0.5)
    picture = torch.nn.functional.avg_pool2d(mixed, 2)
    return to_uint8(picture[0].permute(1, 2, 0).numpy())
