"""Detail recoverers where the truth is known, where something hid the face, and on real photos.

    python benchmarks/detail.py --data DIR [--faces 100] [--out benchmarks/results/detail.csv]

Synthetic faces are drawn anew from a seed that no training uses; their base shape is the exact one, or (``fitted
base``) that of ``landmark_fit`` (option ``--shape``) on the true points. ``none`` is the flat bump map, the null
method: its normal error is the base surface's.

- normal error: mean angle between the detailed surface's normals and the true ones on bare skin, also in per cent of
  the base surface's (target: at most 70).
- fine correlation: of the bump map with the true one, both less their mean nearby (6 px; target: at least 0.6).
- |bump| p99.9, and the p99.9 of the angle between neighbouring normals beyond the base surface's: spikes.
- energy: mean square of the fine relief in the hidden part by that at its mirror image, which is seen (0.5 to 1.5).
- leak: correlation of the bump map's slope with the edge of the matte, over skin. The photo is completed by
  ``landmark_gan`` with the exact matte; ``clean`` is the face that was never hidden, at the same edge; ``no matting``
  takes the photo as it is, which should fail.
- luminance explained: share of the variance of the skin's luminance in clean validation photos of ``DIR/faces68`` that
  nine harmonics over the detailed normals explain, by the share that the base normals explain (target: 125 %). The
  base shape is ``--shape``'s. On drawn faces ``exact relief`` says what the true normals would explain: no method can
  honestly explain more.

Times are CPU time of one process.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import attrs
import cv2
import numpy as np
import torch
import typer
from classic import HAIR, OBJECTS, OUTSIDE, load
from table import about, with_others, write
from torch import Tensor

from occface_core.geometry.bump import detailed_depth
from occface_core.geometry.illumination import basis
from occface_core.geometry.mirror import mirror_places
from occface_core.geometry.normals import depth_normals
from occface_core.geometry.resample import sample_pixels
from occface_core.registry import Registry
from occface_core.synthetic import LABELS, SyntheticFace, SynthOptions, generate
from occface_core.types import FaceShape, Landmarks, Matte
from occface_paper.detail.base import draw_base
from occface_paper.detail.evaluate import fine_correlation, fine_relief, normal_errors

METHODS = ("none", "shape_from_shading", "soft_symmetry", "bump_unet")
CEILING = "exact relief"
SEED = 77001
SKIN = (LABELS["skin"], LABELS["nose"])
FACING = 0.3
"""Cosine to the line of sight under which skin is not judged."""

Figure = tuple[str, str, float, int]


@attrs.define(frozen=True, kw_only=True, eq=False)
class Scene:
    """A synthetic face as tensors, B = 1: pictures, exact base, true bump, and the skin that is judged."""

    photo: Tensor
    clean: Tensor
    matte: Matte
    landmarks: Landmarks
    shape: FaceShape
    depth: Tensor
    bump: Tensor
    skin: Tensor


def scene(face: SyntheticFace) -> Scene:
    """Tensors of a face; skin is what its clean picture shows as skin or nose, not too steep."""

    def tensor(array: np.ndarray) -> Tensor:
        return torch.as_tensor(array)[None].float()

    skin = np.isin(face.clean_labels, SKIN) & (face.normals[2] > FACING) & np.isfinite(face.depth)
    inner = cv2.erode(skin.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return Scene(
        photo=tensor(face.photo),
        clean=tensor(face.clean),
        matte=face.as_matte(),
        landmarks=face.as_landmarks(),
        shape=face.as_shape(),
        depth=tensor(face.depth[None]),
        bump=tensor(face.bump[None]),
        skin=torch.as_tensor(inner)[None, None],
    )


def stage(interface: str, name: str) -> Any:
    """A plugin, set up."""
    plugin = Registry().get(interface, name)()
    plugin.setup("cpu")
    return plugin


def empty(face: Scene) -> Matte:
    """A matte that hides nothing."""
    return Matte(alpha=torch.zeros_like(face.matte.alpha), face=face.matte.face)


def normal_jumps(bump: Tensor, depth: Tensor, intrinsics: Tensor, mask: Tensor) -> Tensor:
    """Angles in degrees between neighbouring normals beyond those of the base surface: (N,)."""
    jumps = []
    for each in (bump, torch.zeros_like(bump)):
        normals = depth_normals(detailed_depth(depth, each, intrinsics), intrinsics)
        cosine = (normals[..., 1:] * normals[..., :-1]).sum(1, keepdim=True).clamp(-1, 1)
        jumps.append(torch.rad2deg(torch.acos(cosine)))
    both = mask[..., 1:] & mask[..., :-1]
    return (jumps[0] - jumps[1])[both]


def on_clean(plugin: Any, faces: list[Scene], fit: Any) -> Iterator[Figure]:
    """Figures on clean pictures over the exact base and over a fitted one."""
    errors, flat, fine, heights, jumps, fitted, fitted_flat = [], [], [], [], [], [], []
    seconds = 0.0
    for face in faces:
        begin = time.process_time()
        bump = plugin.run(face.clean, face.shape, empty(face)).bump
        seconds += time.process_time() - begin
        there = (face.bump, face.depth, face.shape.intrinsics, face.skin)
        errors.append(float(normal_errors(bump, *there)))
        flat.append(float(normal_errors(torch.zeros_like(bump), *there)))
        fine.append(float(fine_correlation(bump, face.bump, face.skin)))
        heights.append(bump[face.skin].abs())
        jumps.append(normal_jumps(bump, face.depth, face.shape.intrinsics, face.skin))
        # the fitted base differs from the true surface everywhere: only its own normals' error can be compared
        base = fit.run(face.clean, face.landmarks)
        found = plugin.run(face.clean, base, empty(face)).bump
        true = depth_normals(
            detailed_depth(face.depth, face.bump, face.shape.intrinsics), face.shape.intrinsics
        )
        depth = base.depth(256)
        mask = face.skin & torch.isfinite(depth)
        for each, into in ((found, fitted), (torch.zeros_like(found), fitted_flat)):
            normals = depth_normals(detailed_depth(depth, each, base.intrinsics), base.intrinsics)
            angle = torch.rad2deg(torch.acos((normals * true).sum(1, keepdim=True).clamp(-1, 1)))
            into.append(float(angle[mask].mean()))
    count = len(faces)
    yield "exact base", "normal error degrees", float(np.mean(errors)), count
    yield (
        "exact base",
        "normal error percent of the base's",
        100 * float(np.sum(errors) / np.sum(flat)),
        count,
    )
    yield "exact base", "fine correlation", float(np.mean(fine)), count
    yield "exact base", "bump p99.9 mm", _quantile(heights), count
    yield "exact base", "normal jump p99.9 degrees", _quantile(jumps), count
    yield "fitted base", "normal error degrees", float(np.mean(fitted)), count
    share = 100 * float(np.sum(fitted) / np.sum(fitted_flat))
    yield "fitted base", "normal error percent of the base's", share, count
    yield "time", "CPU ms a face", 1000 * seconds / count, count


def ceiling(faces: list[Scene], fit: Any) -> Iterator[Figure]:
    """What the true relief explains of the luminance of drawn skin, by what an exact and a fitted base explain."""
    shares = []
    for face in faces:
        luminance, skin = face.clean.mean(1)[0], face.skin[0, 0]
        depth, matrix = face.depth, face.shape.intrinsics
        base = fit.run(face.clean, face.landmarks)
        fitted = base.depth(256)
        both = skin & torch.isfinite(fitted[0, 0])
        normals = [
            depth_normals(detailed_depth(depth, face.bump, matrix), matrix),
            depth_normals(depth, matrix),
            depth_normals(fitted, base.intrinsics),
        ]
        shares.append([explained(each, luminance[both], both) for each in normals])
    truth, exact, found = np.mean(shares, axis=0)
    for condition, share in (("exact base", exact), ("fitted base", found)):
        yield condition, "luminance explained percent of the base's", 100 * float(truth / share), len(faces)


def on_hidden(plugin: Any, faces: list[Scene], completed: list[Tensor]) -> Iterator[Figure]:
    """Figures in the hidden part, and the occluder's shape in the bump map."""
    fine, energy, mirrored = [], np.zeros(2), 0
    leaks: dict[str, list[float]] = {"completed": [], "clean": [], "no matting": []}
    for face, done in zip(faces, completed, strict=True):
        hidden = face.matte.alpha > 0.5
        inputs = {
            "completed": (done, face.matte),
            "clean": (face.clean, empty(face)),
            "no matting": (face.photo, empty(face)),
        }
        bumps = {name: plugin.run(picture, face.shape, m).bump for name, (picture, m) in inputs.items()}
        for name, bump in bumps.items():
            leaks[name].append(leak(bump, face.matte.alpha, face.skin))
        inside = hidden & face.skin
        if int(inside.sum()) < 200:
            continue
        bump = bumps["completed"]
        fine.append(float(fine_correlation(bump, face.bump, inside)))
        relief = fine_relief(bump, face.skin)
        there, sight = mirror_places(face.shape, 256)
        usable = sample_pixels((face.skin & ~hidden).float(), there) * sight > 0.9
        pairs = inside & usable
        if int(pairs.sum()) >= 100:
            mirrored += 1
            energy += (
                float(relief[pairs].square().sum()),
                float(sample_pixels(relief, there)[pairs].square().sum()),
            )
    yield "hidden part", "fine correlation", float(np.mean(fine)), len(fine)
    if energy[1] > 1e-6:
        yield "hidden part", "energy by the mirror image's", float(energy[0] / energy[1]), mirrored
    for name, values in leaks.items():
        yield (
            f"leak, {name}",
            "correlation of slope with the matte's edge",
            float(np.mean(values)),
            len(faces),
        )


def leak(bump: Tensor, alpha: Tensor, skin: Tensor) -> float:
    """Correlation over skin of the bump's slope with a band two pixels wide along the matte's edge."""
    height, mask = bump[0, 0].numpy(), skin[0, 0].numpy()
    slope = np.hypot(*np.gradient(height))
    solid = (alpha[0, 0].numpy() > 0.5).astype(np.uint8)
    band = cv2.GaussianBlur(
        cv2.morphologyEx(solid, cv2.MORPH_GRADIENT, np.ones((3, 3))).astype(float), (0, 0), 1
    )
    if mask.sum() < 100 or slope[mask].std() < 1e-6 or band[mask].std() < 1e-6:
        return 0.0
    return float(np.corrcoef(slope[mask], band[mask])[0, 1])


def on_photos(plugin: Any, data: Path, photos: int, fit: Any) -> Iterator[Figure]:
    """How much more of the luminance of real skin the detailed normals explain than the base's."""
    crops = load(data, "faces68", photos)
    base_share, share, heights = [], [], []
    for row in range(len(crops.image)):
        image, points = crops.image[row : row + 1], Landmarks(points=crops.points[row : row + 1])
        shape = fit.run(image, points)
        nothing = Matte(alpha=torch.zeros(1, 1, 256, 256), face=torch.ones(1, 1, 256, 256))
        bump = plugin.run(image, shape, nothing).bump
        skin = photo_skin(shape, crops.classes[row])
        if int(skin.sum()) < 2000:
            continue
        luminance = image.mean(1)[0][skin]
        shares = [
            explained(
                depth_normals(detailed_depth(shape.depth(256), each, shape.intrinsics), shape.intrinsics),
                luminance,
                skin,
            )
            for each in (torch.zeros_like(bump), bump)
        ]
        base_share.append(shares[0])
        share.append(shares[1])
        heights.append(bump[0, 0][skin].abs())
    yield "photos", "luminance explained percent", 100 * float(np.mean(share)), len(share)
    gain = 100 * float(np.mean(share) / np.mean(base_share))
    yield "photos", "luminance explained percent of the base's", gain, len(share)
    yield "photos", "bump p99.9 mm", _quantile(heights), len(share)


def photo_skin(shape: FaceShape, classes: np.ndarray) -> Tensor:
    """(256, 256) bool: the model's face without eyes, brows, lips, where the teacher sees no hair and no object."""
    model = shape.model
    bare = model.region("face").copy()
    for name in ("eyes", "eyeballs", "brows", "lips", "mouth"):
        bare &= ~model.regions.get(name, np.zeros_like(bare))
    masked = attrs.evolve(model, regions={**model.regions, "face": bare})
    surface = draw_base(masked, shape.vertices, shape.rotation, shape.translation, shape.intrinsics, 256)
    inside = (surface.face[0, 0] > 0.5) & (surface.normals[0, 2] > FACING)
    kept = inside.numpy() & ~np.isin(classes, (0, HAIR, OBJECTS, OUTSIDE))
    return torch.from_numpy(cv2.erode(kept.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)


def explained(normals: Tensor, luminance: Tensor, skin: Tensor) -> float:
    """Share of the variance of luminance (N,) that nine harmonics of the normals (1, 3, 256, 256) explain."""
    terms = basis(normals[0].permute(1, 2, 0)[skin]).double()
    target = luminance.double()
    solution = torch.linalg.lstsq(terms, target[:, None]).solution
    left = target - (terms @ solution)[:, 0]
    return float(1 - left.var() / target.var())


def _quantile(parts: list[Tensor]) -> float:
    return float(np.quantile(torch.cat(parts).numpy(), 0.999))


def main(
    data: Annotated[Path, typer.Option(envvar="OCCFACE_DATA", help="Folder of the data pack.")],
    out: Path = Path(__file__).parent / "results" / "detail.csv",
    faces: int = 100,
    photos: int = 70,
    seed: int = SEED,
    threads: int = 1,
    shape: Annotated[str, typer.Option(help="Shape regressor of the fitted base.")] = "landmark_fit",
    methods: Annotated[str, typer.Option(help="Names, separated by commas.")] = ",".join(METHODS),
) -> None:
    """Measure and write one row a figure; rows of other methods in the file stay."""
    torch.set_num_threads(threads)
    head = about(seed)
    skins = data / "skins"
    options = SynthOptions(
        skins=str(skins) if skins.is_dir() else None, yaw=0.8, distance=(1000, 1000), occluded=1.0
    )
    drawn = [scene(generate(seed, index, options)) for index in range(faces)]
    fit, inpainter = stage("shape_regressor", shape), stage("face_inpainter", "landmark_gan")
    with torch.inference_mode():
        completed = [inpainter.run(face.photo, face.matte, face.landmarks) for face in drawn]
    rows: list[dict[str, Any]] = []

    def note(method: str, weights: str, figures: Iterator[Figure]) -> None:
        for condition, figure, value, count in figures:
            row = {"method": method, "weights_sha256": weights, "condition": condition, "figure": figure}
            rows.append(head | row | {"value": round(value, 4), "faces": count})
            print(f"{method:20s} {condition:18s} {figure:44s} {value:9.3f}  ({count})", flush=True)

    with torch.inference_mode():
        note(CEILING, "", ceiling(drawn, fit))
        for name in filter(None, methods.split(",")):
            plugin = stage("detail_recoverer", name)
            weights = (plugin.weights_sha256() or "")[:12]
            note(name, weights, on_clean(plugin, drawn, fit))
            note(name, weights, on_hidden(plugin, drawn, completed))
            note(name, weights, on_photos(plugin, data, photos, fit))
    write(out, with_others(out, rows))


if __name__ == "__main__":
    typer.run(main)
