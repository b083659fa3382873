"""Face models that the library's own never saw, as truth for benchmarks: one made in code, and the user's files.

`deformed_face` is no scan and no person: it is the embedded model's mesh with other proportions (a smooth warp that
is not linear in place) and with random smooth modes in place of its components. What it shows is whether a
method depends on the components that it was built with; how far it lies from them is measured (`best_fit`).
"""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np

from occface_core.facemodel import FaceModel

MODES, SPREAD = 45, 3.2
"""Random modes, and how far the face's vertices lie from the mean, mm (root mean square)."""

LENGTHS = (28.0, 50.0, 85.0)
"""Scales, mm, over which the modes vary."""


def truth_model(choice: str) -> FaceModel:
    """Return "embedded", "deformed", "bfm2009:DIR", "ict:DIR", "flame:FILE" or the path of a saved model."""
    if choice == "embedded":
        return FaceModel.embedded()
    if choice == "deformed":
        return deformed_face()
    kind, _, place = choice.partition(":")
    readers = {"bfm2009": FaceModel.from_bfm2009, "ict": FaceModel.from_ict, "flame": FaceModel.from_flame}
    return readers[kind](place) if kind in readers and place else FaceModel.load(Path(choice))


def deformed_face(seed: int = 7) -> FaceModel:
    """Return a face model of other proportions whose identities are random smooth deformations.

    Random modes are drawn as Lüthi et al. (2018) build face models without examples, here by random Fourier
    features; they are symmetric but for a tenth.
    """
    base, rng = FaceModel.embedded(), np.random.default_rng(seed)
    mean = _warped(base.mean.astype(np.float64))
    mirrored = mean * [-1, 1, 1]
    face = base.region("face")
    modes = []
    for number in range(MODES):
        waves = rng.standard_normal((24, 3)) / LENGTHS[number % len(LENGTHS)]
        phase = rng.uniform(0, 2 * np.pi, 24)
        way = rng.standard_normal((24, 3))

        def field(points: np.ndarray, w: np.ndarray = waves, p: np.ndarray = phase, d: np.ndarray = way):
            return np.cos(points @ w.T + p) @ d

        mode = 0.9 * (field(mean) + field(mirrored) * [-1, 1, 1]) + 0.1 * field(mean)
        mode -= mode[face].mean(0)
        modes.append(mode)
    basis = np.stack(modes)
    basis *= SPREAD / np.sqrt((basis[:, face] ** 2).sum((0, 2)).mean())
    return attrs.evolve(
        base,
        name="deformed (made in code)",
        mean=mean.astype(np.float32),
        identity=basis.astype(np.float32),
    )


def _warped(points: np.ndarray) -> np.ndarray:
    """Return points (V, 3) mm of a face with a longer, wider jaw, a narrower brow and a flatter, shorter nose."""
    x, y, z = points.T.copy()
    low = 1 / (1 + np.exp((y + 35) / 12))  # 1 at the chin, 0 from the nose up
    high = 1 / (1 + np.exp((45 - y) / 10))  # 1 on the forehead
    wide = x * (1 + 0.07 * low - 0.05 * high)
    tall = y * 1.03 - 6 * low + 1.5 * np.sin(y / 22)
    nose = np.exp(-((x / 16) ** 2) - ((y - 2) / 22) ** 2)
    deep = z - 3.5 * nose + 3 * np.sin(y / 35) - 2.5 * (np.abs(x) / 60) ** 1.5 * (1 - high)
    return np.stack([wide, tall, deep], 1)


def one_person(model: FaceModel, rng: np.random.Generator) -> FaceModel:
    """Return a model of one person of a model: fixed identity and colour, free expression.

    Drawing from it gives photos of that person only.
    """
    identity = np.clip(rng.standard_normal(len(model.identity)), -2.5, 2.5).astype(np.float32)
    albedo = np.clip(rng.standard_normal(len(model.albedo)), -2, 2).astype(np.float32)
    return attrs.evolve(
        model,
        mean=model.mean + np.einsum("k,kvc->vc", identity, model.identity),
        identity=model.identity[:0],
        albedo_mean=np.clip(model.albedo_mean + np.einsum("k,kvc->vc", albedo, model.albedo), 0.02, 0.98),
        albedo=model.albedo[:0],
    )


def best_fit(truth: np.ndarray, rows: int = 3) -> np.ndarray:
    """Return (B,) mm: what is left of shapes (B, V, 3) of the embedded mesh when its components fit them best.

    Least squares of all identity and expression components, unbounded, with rotation, shift and scale, over the
    face; a floor that no method built on the embedded components can get under.

    Args:
        truth: (B, V, 3) mm, vertices of the embedded mesh.
        rows: every which vertex takes part.
    """
    model = FaceModel.embedded()
    ids = np.flatnonzero(model.region("face"))[::rows]
    mean = model.mean[ids].astype(np.float64)
    x, y, z = mean.T
    none = np.zeros_like(x)
    turns = [np.stack(each, 1) for each in ((none, -z, y), (z, none, -x), (-y, x, none))]
    shifts = [np.tile(axis, (len(ids), 1)) for axis in np.eye(3)]
    parts = [*model.identity[:, ids], *model.expression[:, ids], *turns, *shifts, mean]
    design = np.stack([np.asarray(part, np.float64).ravel() for part in parts], 1)
    goal = (truth[:, ids] - mean).reshape(len(truth), -1).T
    left = goal - design @ np.linalg.lstsq(design, goal, rcond=1e-4)[0]
    return np.linalg.norm(left.T.reshape(len(truth), -1, 3), axis=2).mean(1)
