"""The face model under an occluder: landmarks in view shape it, the rest of it stays calm and symmetric."""

from __future__ import annotations

import torch
from torch import Tensor

from occface_classic.pixels import REFERENCE_SIZE
from occface_classic.shape.landmark_basis import LandmarkBasis
from occface_classic.shape.solver import solve_landmarks
from occface_core.facemodel import FaceModel
from occface_core.fitting.limits import coefficient_limits
from occface_core.geometry.camera import intrinsics
from occface_core.types import FaceShape

GUESS = 0.15
"""Trust in a landmark that an occluder hides: it places the face, but says nothing about expression."""

_POINTS = {
    "brow": ((17, 18, 19, 20, 21), (22, 23, 24, 25, 26)),
    "eye": ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47)),
    "mouth": ((48, 49, 50, 58, 59, 60, 61, 67), (52, 53, 54, 55, 56, 63, 64, 65)),
}
_PART_OF = {"brow": "brow", "eye": "eye", "cheekSquint": "eye"}
_GUESSED_MOUTH = 0.03  # less still: a guessed mouth must not reshape the lips
_AT_REST = {"eyeBlink": 0.06, "eyeSquint": 0.2}  # hidden eyes: lids as in daylight, not as in surprise
_UNSIDED = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")
_STEPS = 8


def fit_hidden(
    model: FaceModel, basis: LandmarkBasis, points: Tensor, trust: Tensor, size: int, noise: float
) -> FaceShape:
    """Fit pose, identity and expression of one face whose landmarks are partly guesses.

    Expressions of a part that is hidden on both sides are 0; of a part hidden on one side, those of the
    other side.

    Args:
        model: the face model.
        basis: its landmark vertices.
        points: (1, 68, 2) crop pixels.
        trust: (1, 68) in [0, 1], confidence times visibility.
        size: side S of the crop, pixels.
        noise: standard deviation of a trusted landmark, pixels at the reference size.

    Returns:
        `FaceShape` of one face; albedo and illumination are 0.
    """
    matrix = intrinsics(size)
    spread, lower, upper = coefficient_limits(model)
    count = len(model.identity)
    copies: list[tuple[int, int]] = []
    seen = {
        part: tuple(float(trust[0, list(side)].mean()) >= 0.5 for side in sides)
        for part, sides in _POINTS.items()
    }
    names = {name: count + i for i, name in enumerate(model.expression_names)}
    for name, row in names.items():
        part = next((_PART_OF[start] for start in _PART_OF if name.startswith(start)), "mouth")
        right, left = seen[part]
        if name in _UNSIDED:
            free = right and left
        elif name.endswith(("Left", "Right")):
            free, other = (left, right) if name.endswith("Left") else (right, left)
            twin = name[:-4] + "Right" if name.endswith("Left") else name[:-5] + "Left"
            if not free and other and twin in names:
                copies.append((row, names[twin]))
        else:
            free = right or left
        if not free and "jawOpen" in names:  # unnamed expressions cannot be told apart by part
            spread[row] = 0.0
    solution = solve_landmarks(
        basis,
        points.double(),
        trust.double().maximum(_least_trust()),
        matrix,
        noise=noise * size / REFERENCE_SIZE,
        spread=spread,
        lower=lower,
        upper=upper,
        steps=_STEPS,
    )
    found = solution.coefficients.float()
    for row, twin in copies:
        found[:, row] = found[:, twin]
    for name, row in names.items():
        rest = next((value for start, value in _AT_REST.items() if name.startswith(start)), None)
        if rest is not None and not any(seen["eye"]):
            found[:, row] = rest
    identity, expression = found[:, :count].contiguous(), found[:, count:].contiguous()
    return FaceShape(
        vertices=model.vertices(identity, expression),
        coefficients={
            "identity": identity,
            "expression": expression,
            "albedo": torch.zeros(1, len(model.albedo)),
            "illumination": torch.zeros(1, 27),
        },
        rotation=solution.rotation.float(),
        translation=solution.translation.float(),
        intrinsics=matrix.float().expand(1, -1, -1).clone(),
        model=model,
        size=size,
    )


def _least_trust() -> Tensor:
    """Return (68,) float64, what a hidden landmark still counts."""
    least = torch.full((68,), GUESS, dtype=torch.float64)
    least[48:] = _GUESSED_MOUTH
    return least
