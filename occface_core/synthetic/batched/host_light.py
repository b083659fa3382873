"""The light on a face as an occluder needs it, guessed from the face's parameters before it is drawn.

`occluders.light.estimate_light` looks at the drawn picture; the host has none yet. Here the same straight
line is fitted to the brightness of a few hundred vertices that face the camera, lit as the picture will be.
"""

from __future__ import annotations

from functools import lru_cache

import attrs
import numpy as np

from occface_core.facemodel import FaceModel
from occface_core.geometry.illumination import AMBIENT
from occface_core.synthetic.occluders.face_frame import FaceFrame
from occface_core.synthetic.occluders.light import Light, light_of
from occface_core.synthetic.render import BRIGHTEN, DARKEST, openness
from occface_core.synthetic.sampler import FaceParameters, directed, harmonics
from occface_core.synthetic.skins import colours_at, makehuman_coordinates, skin_picture
from occface_core.synthetic.surface import combine, smooth_normals

EVERY = 12
"""One vertex in so many is looked at."""

CROWN = np.array([0.0, 128.0, -45.0])
"""Where hair is looked for above the forehead, mm."""


def guess_light(
    model: FaceModel,
    face: FaceParameters,
    frame: FaceFrame,
    size: int,
    *,
    shade: float,
    hair: np.ndarray | None,
    skin: tuple[str, int, np.ndarray] | None,
) -> Light:
    """Return the light on a face that is not drawn yet.

    Args:
        model: face model.
        face: what will be drawn.
        frame: where it will be in the picture.
        size: side of the picture in pixels.
        shade: how much of the light folds lose, 0 to 1.
        hair: (3,) RGB, None on a bald head.
        skin: folder, number and factors of a skin texture, None without.
    """
    place, normals, colour, open_sky = _spots(model)
    mean, basis, uv = colour
    albedo = np.clip(combine(mean, basis, face.albedo), 0.015, 0.98)
    if skin is not None:
        folder, number, gain = skin
        albedo = np.clip(colours_at(skin_picture(folder, number), uv) * gain, 0, 1)
    turned = normals @ frame.rotation.T  # picture axes: x right, y down, z towards the viewer
    seen = turned[:, 2] > 0.15
    viewer = turned[seen] * [1.0, -1.0, 1.0]
    value = albedo[seen] * _reached(face, viewer) * (1 - shade * (1 - open_sky[seen]))[:, None]
    value = np.clip(value * min(max(DARKEST / max(float(value.mean()), 1e-3), 1.0), BRIGHTEN), 0, 1)
    low, high = frame.landmarks.min(0), frame.landmarks.max(0)
    box = float(max((high - low).max(), 2.0))
    u, v = ((frame.rigid(place[seen])[:, :2] - low) / box * 2 - 1).T
    lit = light_of(np.median(value, 0).astype(np.float32), value @ np.array([0.3, 0.59, 0.11]), u, v)
    x, y = frame.rigid(CROWN)[:2]
    if not (0 <= x < size and 0 <= y < size):
        return lit
    up = np.array([[0.0, 0.6, 0.8]])
    crown = (np.median(albedo, 0) if hair is None else hair) * _reached(face, up)[0]
    return attrs.evolve(lit, crown=np.clip(crown, 0, 1))


def _reached(face: FaceParameters, viewer: np.ndarray) -> np.ndarray:
    """Return the light (N, 3) on surfaces with normals (N, 3) in viewer axes."""
    light = face.illumination.reshape(3, 9).astype(np.float64).copy()
    light[:, 0] += AMBIENT
    if face.hard:
        light -= directed(face.key, face.key_colour)
    out = np.maximum(harmonics(viewer) @ light.T, 0.03)
    if face.hard:
        out = out + np.maximum(viewer @ face.key, 0)[:, None] * face.key_colour
    return np.asarray(out)


@lru_cache(maxsize=2)
def _spots(
    model: FaceModel,
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """Return places (N, 3) mm and normals (N, 3) of some skin, what colours it, and how much sky it sees."""
    part, none = model.regions, np.zeros(len(model.mean), bool)
    bare = (
        part["eyes"] | part["lips"] | part["brows"] | part.get("interior", none) | part.get("eyeballs", none)
    )
    rows = np.flatnonzero(part["face"] & ~bare)[::EVERY]
    normals = smooth_normals(model.mean, model.triangles, model.weld)[rows].astype(np.float64)
    basis = np.ascontiguousarray(model.albedo[:, rows])
    uv = makehuman_coordinates(model.uv[rows].astype(np.float64))
    return (
        model.mean[rows].astype(np.float64),
        normals,
        (model.albedo_mean[rows], basis, uv),
        openness(model)[rows],
    )
