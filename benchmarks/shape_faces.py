"""Drawn faces for `shape.py`, as far as the shape stage: what it is given, and the truth."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import torch
from other_face import one_person, truth_model
from torch import Tensor

from occface_core import Pipeline
from occface_core.ablation.sample import Surface
from occface_core.ablation.suites.synthetic import true_surface
from occface_core.facemodel import FaceModel
from occface_core.geometry.align import crop_to_photo, inverse, transform_points, warp_crop
from occface_core.synthetic import SyntheticFace, SynthOptions, generate
from occface_core.types import FaceBatch, Landmarks

FIRST_STAGES = {
    "landmark_detector": "mobilenet_v3",
    "occlusion_matting": "landmark_parsing",
    "face_inpainter": "landmark_gan",
    "shape_regressor": "none",
    "detail_recoverer": "none",
}
BARE = {**FIRST_STAGES, "occlusion_matting": "none", "face_inpainter": "none"}
LOST = 40.0
"""Pixels: points farther off in the mean are not this face's."""


@attrs.define(frozen=True, kw_only=True, eq=False)
class Case:
    """One face in one condition.

    Attributes:
        clean: (1, 3, 256, 256) crop that the shape stage is given.
        landmarks: its points, crop px.
        rotation: (3, 3) true rotation in the crop.
        truth: true surface, with what is hidden.
        vertices: (V, 3) mm of the true face.
        person: number of the person.
        condition: "true points", "bare", "occluded", "first photo" or "second photo".
    """

    clean: Tensor
    landmarks: Landmarks
    rotation: np.ndarray
    truth: Surface
    vertices: np.ndarray
    person: int
    condition: str

    @property
    def yaw(self) -> float:
        """Degrees that the face is turned to either side."""
        forward = self.rotation[:, 2]
        return float(np.degrees(np.arcsin(np.clip(abs(forward[0]), 0, 1))))


def turned(rotation: np.ndarray, matrix: Tensor) -> np.ndarray:
    """Return the rotation (3, 3) of a face as its crop sees it; (1, 3, 3) crop → photo."""
    angle = np.arctan2(float(matrix[0, 1, 0]), float(matrix[0, 0, 0]))
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) @ rotation


def with_true_points(face: SyntheticFace, model: FaceModel, person: int) -> Case:
    """Return a bare face with the points that a person would mark."""
    points = torch.from_numpy(face.outline)[None].float()
    matrix = crop_to_photo(points)
    return Case(
        clean=warp_crop(torch.from_numpy(face.clean)[None], matrix),
        landmarks=Landmarks(points=transform_points(inverse(matrix), points)),
        rotation=turned(face.rotation, matrix),
        truth=_bare(face, model),
        vertices=face.vertices,
        person=person,
        condition="true points",
    )


def found(
    face: SyntheticFace, model: FaceModel, pipeline: Pipeline, person: int, condition: str
) -> Case | None:
    """Return a face as the stages before the shape hand it on; None if it was not found.

    Args:
        face: drawn face; its occluded photo is taken in the condition "occluded", else the bare one.
        model: face model that it was drawn from.
        pipeline: with the stages before the shape.
        person: number of the person.
        condition: written into the case.
    """
    occluded = condition == "occluded"
    picture = face.photo if occluded else face.clean
    batch = pipeline(np.ascontiguousarray((picture.transpose(1, 2, 0) * 255).round().astype(np.uint8)))
    one = _nearest(batch, face.outline)
    if one is None or one.clean is None:
        return None
    return Case(
        clean=one.clean.clone(),
        landmarks=one.landmarks,
        rotation=turned(face.rotation, one.crop_to_photo),
        truth=true_surface(face, model) if occluded else _bare(face, model),
        vertices=face.vertices,
        person=person,
        condition=condition,
    )


def _bare(face: SyntheticFace, model: FaceModel) -> Surface:
    return true_surface(attrs.evolve(face, occluder=np.zeros_like(face.occluder)), model)


def _nearest(batch: FaceBatch, points: np.ndarray) -> FaceBatch | None:
    if not len(batch):
        return None
    away = (batch.photo_landmarks() - torch.from_numpy(points)).norm(dim=-1).mean(1)
    return batch[int(away.argmin())] if float(away.min()) < LOST else None


def draw(choice: str, faces: int, persons: int, seed: int) -> list[Case]:
    """Return the cases of one truth.

    Args:
        choice: see `truth_model`.
        faces: identities, each bare with true points, bare, and occluded.
        persons: persons with two photos each.
        seed: of all draws.
    """
    model = truth_model(choice)
    whole, bare = Pipeline.from_config(FIRST_STAGES), Pipeline.from_config(BARE)
    options = SynthOptions(occluded=1.0, yaw=1.0)
    cases: list[Case | None] = []
    for number in range(faces):
        face = generate(seed, number, options, model=model)
        cases.append(with_true_points(face, model, number))
        cases += [found(face, model, whole, number, condition) for condition in ("bare", "occluded")]
        print(f"{choice}: {number + 1} of {faces}", end="\r", flush=True)
    for number in range(persons):
        someone = one_person(model, np.random.default_rng((seed, number)))
        photos = SynthOptions(occluded=0.0, yaw=0.7)
        for which, condition in enumerate(("first photo", "second photo")):
            face = generate(seed + 1, 2 * number + which, photos, model=someone)
            cases.append(found(face, someone, bare, number, condition))
    return [case for case in cases if case is not None]


def drawn(choice: str, faces: int, persons: int, seed: int, kept: Path | None) -> list[Case]:
    """Return `draw`'s cases, from a file of an earlier run with the same numbers if there is one.

    Args:
        choice: see `truth_model`.
        faces: identities.
        persons: persons with two photos.
        seed: of all draws.
        kept: folder of such files; None keeps nothing.
    """
    if kept is None:
        return draw(choice, faces, persons, seed)
    name = "".join(each if each.isalnum() else "_" for each in choice)
    path = kept / f"shape_{name}_{faces}_{persons}_{seed}.pt"
    if not path.is_file():
        kept.mkdir(parents=True, exist_ok=True)
        torch.save([_flat(case) for case in draw(choice, faces, persons, seed)], path)
    return [_case(each) for each in torch.load(path, weights_only=False)]


def _flat(case: Case) -> dict:
    out = attrs.asdict(case, recurse=False)
    out["landmarks"] = attrs.asdict(case.landmarks, recurse=False)
    out["truth"] = attrs.asdict(case.truth, recurse=False)
    return out


def _case(flat: dict) -> Case:
    return Case(**{**flat, "landmarks": Landmarks(**flat["landmarks"]), "truth": Surface(**flat["truth"])})
