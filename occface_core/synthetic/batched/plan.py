"""The host's part of a batch: everything random about each face, drawn as `generate` draws it.

A plan holds numbers, small grids and textures of one face; it comes from the same random streams as the face
that `generate` makes of the same seed and index, so that both paths draw the same face. What is large and
regular (meshes, pictures) is left to the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import attrs
import numpy as np
import torch

from occface_core.facemodel import FaceModel
from occface_core.geometry.illumination import AMBIENT
from occface_core.synthetic import wrinkles
from occface_core.synthetic.backgrounds import background
from occface_core.synthetic.batched.camera import cameras
from occface_core.synthetic.batched.constants import SHEETS
from occface_core.synthetic.batched.host_light import guess_light
from occface_core.synthetic.batched.occluder_plan import OccluderPlan, plan_occluders
from occface_core.synthetic.degrade import Changes, draw_changes
from occface_core.synthetic.dress import Dress, dress
from occface_core.synthetic.generation import frame_of
from occface_core.synthetic.noise import Grid, draw_octaves
from occface_core.synthetic.options import SynthOptions
from occface_core.synthetic.render import Camera, outline, project
from occface_core.synthetic.sampler import FaceParameters, directed, draw_parameters
from occface_core.synthetic.seeds import between, chance, sample_generator
from occface_core.synthetic.skins import pick_skin
from occface_core.synthetic.surface import combine

GRAIN = 256
"""Side of the pattern of specks on skin."""


@attrs.define(frozen=True, kw_only=True, eq=False)
class FacePlan:
    """All that is drawn about one figure.

    Attributes:
        index: number of the sample in its set.
        face: parameters of face, pose and light.
        rotation: (3, 3) float64.
        translation: (3,) float64 mm.
        intrinsics: (3, 3) float64.
        wear: hair and clothes.
        beard: density of the beard, 0 = none.
        sheets: (3,) bool, which of `SHEETS` are worn.
        sheet_vertices: (N - V, 3) float32 mm, 0 where none is worn.
        sheet_coordinates: (N - V, 2) float32.
        ambient: how much of what folds take of the light is taken, 0 to 1.
        skin: number of the skin texture, -1 for none.
        skin_gain: (3,) factor on the skin texture.
        wrinkles: (kinds,) mm.
        variants: (kinds,) int64.
        relief: random numbers of the relief, coarse to fine.
        relief_height: mm.
        specks: (GRAIN, GRAIN) float32 fine specks of the skin, relative brightness.
        blotches: random numbers of the coarse ones.
        blotchy: their strength.
        light: (3, 9) float64 harmonics, the even light included; without the main one if it casts shadows.
        behind: (S, S, 3) float32 background.
        occluders: what is in front of the face.
        changes: what the camera does to the picture; None leaves it.
    """

    index: int
    face: FaceParameters
    rotation: np.ndarray
    translation: np.ndarray
    intrinsics: np.ndarray
    wear: Dress
    beard: float
    sheets: np.ndarray
    sheet_vertices: np.ndarray
    sheet_coordinates: np.ndarray
    ambient: float
    skin: int
    skin_gain: np.ndarray
    wrinkles: np.ndarray
    variants: np.ndarray
    relief: list[Grid]
    relief_height: float
    specks: np.ndarray
    blotches: list[Grid]
    blotchy: float
    light: np.ndarray
    behind: np.ndarray
    occluders: list[OccluderPlan]
    changes: Changes | None


def draw_plans(seed: int, indices: Sequence[int], options: SynthOptions, model: FaceModel) -> list[FacePlan]:
    """Return the plans of some samples of a set.

    Args:
        seed: seed of the set, at least 0.
        indices: numbers of the samples.
        options: ranges and choices.
        model: face model to draw.
    """
    faces = [draw_parameters(model, sample_generator(seed, index, "face"), options) for index in indices]
    rows, part = _needed(model)
    shapes = [_some_vertices(model, face, rows, part) for face in faces]
    points = torch.as_tensor(np.stack([shape[model.landmarks68] for shape in shapes]), dtype=torch.float64)
    poses = cameras(
        points,
        torch.as_tensor(np.stack([face.angles for face in faces])),
        torch.tensor([face.distance for face in faces], dtype=torch.float64),
        torch.tensor([face.zoom for face in faces], dtype=torch.float64),
        torch.as_tensor(np.stack([face.shift for face in faces])),
        options.size,
    )
    rotation, translation, matrix = (part.numpy() for part in poses)
    return [
        _plan(seed, index, options, model, faces[k], shapes[k], rotation[k], translation[k], matrix[k])
        for k, index in enumerate(indices)
    ]


def _plan(
    seed: int,
    index: int,
    options: SynthOptions,
    model: FaceModel,
    face: FaceParameters,
    vertices: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    intrinsics: np.ndarray,
) -> FacePlan:
    """Draw one figure, in the order in which `render` does it."""
    rng = sample_generator(seed, index, "figure")
    wear = dress(model, vertices, rng)
    worn, sheet_vertices, coordinates = _sheets(wear)
    ambient = between(rng, 0.35, 0.75)
    skin, gain = -1, np.ones(3)
    if options.skins is not None and chance(rng, 0.5):
        skin, gain = pick_skin(rng, options.skins)
    expression = dict(zip(model.expression_names, face.expression.tolist(), strict=True))
    depths, variants = wrinkles.wrinkle_gains(rng, face.age, expression)
    relief = draw_octaves(rng, wrinkles.SIDE, wrinkles.SIDE, wrinkles.RELIEF, count=2)
    height = between(rng, 0, 0.7)
    specks = 0.02 * rng.standard_normal((GRAIN, GRAIN), dtype=np.float32)
    blotchy = between(rng, 0.0, 0.03)
    blotches = draw_octaves(rng, GRAIN, GRAIN, 24, count=3)
    light = face.illumination.reshape(3, 9).astype(np.float64).copy()
    light[:, 0] += AMBIENT
    if face.hard:
        light -= directed(face.key, face.key_colour)
    behind = background(rng, options.size, options.backgrounds)
    size = options.size
    camera = sample_generator(seed, index, "camera")
    occluders: list[OccluderPlan] = []
    if options.occluders and options.occluded:
        points = _outline(model, vertices, rotation, translation, intrinsics)
        frame = frame_of(rotation, translation, intrinsics, points)
        light_there = guess_light(
            model,
            face,
            frame,
            size,
            shade=ambient,
            hair=wear.strands[..., :3].mean((0, 1)) if wear.hairline <= 1 else None,
            skin=(options.skins, skin, gain) if options.skins is not None and skin >= 0 else None,
        )
        occluders = plan_occluders(frame, light_there, options, sample_generator(seed, index, "occluder"))
    return FacePlan(
        index=index,
        face=face,
        rotation=rotation,
        translation=translation,
        intrinsics=intrinsics,
        wear=wear,
        beard=float(wear.beard.max() / max(float(_fullest_beard(model)), 1e-9)),
        sheets=worn,
        sheet_vertices=sheet_vertices,
        sheet_coordinates=coordinates,
        ambient=ambient,
        skin=skin,
        skin_gain=gain,
        wrinkles=np.asarray(depths) * options.wrinkles,
        variants=np.asarray(variants),
        relief=relief,
        relief_height=height * options.wrinkles,
        specks=specks,
        blotches=blotches,
        blotchy=blotchy,
        light=light,
        behind=behind,
        occluders=occluders,
        changes=draw_changes(camera, (size, size), options.degrade) if options.degrade > 0 else None,
    )


def _outline(
    model: FaceModel,
    vertices: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    intrinsics: np.ndarray,
) -> np.ndarray:
    """Return the landmarks (68, 2) px, the jaw's where the outline is seen."""
    camera = Camera(
        rotation=rotation.astype(np.float32).astype(np.float64),
        translation=translation.astype(np.float32).astype(np.float64),
        intrinsics=intrinsics.astype(np.float32).astype(np.float64),
    )
    return outline(model, vertices, camera, project(vertices[model.landmarks68], camera))


@lru_cache(maxsize=2)
def _fullest_beard(model: FaceModel) -> float:
    from occface_core.synthetic.dress import areas

    return float(areas(model)[1].max())


@lru_cache(maxsize=2)
def _needed(model: FaceModel) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return the rows of vertices that a plan depends on, and the model cut down to them."""
    wanted = np.zeros(len(model.mean), bool)
    wanted[model.landmarks68] = True
    wanted |= model.regions.get("neck", ~wanted)
    if model.contour is not None:
        wanted[model.contour.ravel()] = True
    rows = np.flatnonzero(wanted)
    identity, expression = (
        np.ascontiguousarray(basis[:, rows]) for basis in (model.identity, model.expression)
    )
    return rows, (model.mean[rows], identity, expression)


def _some_vertices(
    model: FaceModel, face: FaceParameters, rows: np.ndarray, part: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> np.ndarray:
    """Return (V, 3) float32 mm, right at `rows` and the mean's elsewhere."""
    mean, identity, expression = part
    vertices = model.mean.astype(np.float32, copy=True)
    vertices[rows] = combine(combine(mean, identity, face.identity), expression, face.expression)
    return vertices


def _sheets(wear: Dress) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which of `SHEETS` are worn, and vertices and coordinates with room for all of them."""
    sizes = [rows * columns for rows, columns in SHEETS]
    worn, at = np.zeros(len(SHEETS), bool), 0
    vertices, coordinates = np.zeros((sum(sizes), 3), np.float32), np.zeros((sum(sizes), 2), np.float32)
    for number, size in enumerate(sizes):
        rest = len(wear.vertices) - at
        here = slice(sum(sizes[:number]), sum(sizes[: number + 1]))
        if rest and (number == 0 or rest == size):
            worn[number] = True
            vertices[here] = wear.vertices[at : at + size]
            coordinates[here] = wear.coordinates[at : at + size]
            at += size
    return worn, vertices, coordinates
