"""What a bare head wears: hair on the scalp, long hair, a bun, a beard, and clothes on the shoulders."""

from __future__ import annotations

from functools import lru_cache

import attrs
import numpy as np

from occface_core.facemodel import FaceModel
from occface_core.synthetic.labels import LABELS
from occface_core.synthetic.noise import octaves, random_colour, smooth_field
from occface_core.synthetic.occluders.hair import hair_tone
from occface_core.synthetic.occluders.shapes import ball
from occface_core.synthetic.occluders.textures import SIDE, cloth, plain
from occface_core.synthetic.sampler import hair_style
from occface_core.synthetic.seeds import between, chance
from occface_core.synthetic.shading import CLOTH, HAIR_SHEET

CROWN = np.array([0.0, 0.86, -0.51])
CENTRE = np.array([0.0, 45.0, -92.0])


@attrs.define(frozen=True, kw_only=True, eq=False)
class Dress:
    """Hair and clothes of one figure.

    Attributes:
        lift: (V,) mm by which hair raises the model's vertices along their normals.
        hair: (V,) 0 to 1, how much a vertex belongs to the scalp.
        hairline: value of `hair` above which hair grows; above 1 = bald.
        beard: (V,) 0 to 1.
        beard_colour: (3,) RGB.
        vertices: (N, 3) mm of the added sheets, in the face's frame.
        triangles: (M, 3) rows of `vertices`.
        coordinates: (N, 2) texture coordinates.
        material: (M,) uint8.
        label: (M,) uint8.
        strands: (SIDE, SIDE, 4) RGB and brightness of hair.
        cloth: (SIDE, SIDE, 3) RGB.
    """

    lift: np.ndarray
    hair: np.ndarray
    hairline: float
    beard: np.ndarray
    beard_colour: np.ndarray
    vertices: np.ndarray
    triangles: np.ndarray
    coordinates: np.ndarray
    material: np.ndarray
    label: np.ndarray
    strands: np.ndarray
    cloth: np.ndarray


def grid_triangles(rows: int, columns: int) -> np.ndarray:
    """Return (M, 3) the triangles of a grid of points, whose rows of points follow each other."""
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    return np.concatenate(
        (np.stack((first, first + columns, first + 1), 1),
         np.stack((first + 1, first + columns, first + columns + 1), 1))
    )  # fmt: skip


class _Sheets:
    """Collects grids of points as one mesh."""

    def __init__(self) -> None:
        self.vertices: list[np.ndarray] = []
        self.coordinates: list[np.ndarray] = []
        self.triangles: list[np.ndarray] = []
        self.material: list[np.ndarray] = []
        self.label: list[np.ndarray] = []
        self.count = 0

    def add(self, points: np.ndarray, coordinates: np.ndarray, material: int, label: str) -> None:
        """Append a grid (N, M, 3) with coordinates (N, M, 2)."""
        rows, columns = points.shape[:2]
        triangles = grid_triangles(rows, columns) + self.count
        self.vertices.append(points.reshape(-1, 3))
        self.coordinates.append(coordinates.reshape(-1, 2))
        self.triangles.append(triangles)
        self.material.append(np.full(len(triangles), material, np.uint8))
        self.label.append(np.full(len(triangles), LABELS[label], np.uint8))
        self.count += rows * columns


def dress(model: FaceModel, vertices: np.ndarray, rng: np.random.Generator) -> Dress:
    """Return the hair and clothes of one figure.

    Args:
        model: face model.
        vertices: (V, 3) mm, the figure's shape.
        rng: source of randomness.
    """
    style = hair_style(rng)
    tone = hair_tone(rng)
    scalp, beard_area = areas(model)
    sheets = _Sheets()
    _clothes(sheets, rng, vertices, model)
    lift, hairline = _scalp(rng, style, model, scalp)
    if style == "long":
        _long_hair(sheets, rng, float(lift.max()))
    if style == "bun":
        radius = between(rng, 26, 42)
        shape = ball(radius * rng.uniform(0.8, 1.1, 3), rows=14, columns=22)
        at = np.array([0, between(rng, 110, 165), between(rng, -150, -80)])
        shape = shape * (1 + 0.05 * smooth_field(rng, 14, 22, 4)[..., None]) + at
        v, u = np.meshgrid(np.linspace(0, 0.6, 14), np.linspace(0, 1.6, 22), indexing="ij")
        sheets.add(shape, np.stack((u, v), -1), HAIR_SHEET, "hair")
    beard = beard_area * (between(rng, 0.25, 1.0) if chance(rng, 0.14) else 0.0)
    beard_tone = tone * between(rng, 0.7, 1.2)
    return Dress(
        lift=lift.astype(np.float32),
        hair=scalp,
        hairline=hairline,
        beard=beard.astype(np.float32),
        beard_colour=np.clip(beard_tone, 0.02, 0.9).astype(np.float64),
        vertices=np.concatenate(sheets.vertices),
        triangles=np.concatenate(sheets.triangles),
        coordinates=np.concatenate(sheets.coordinates),
        material=np.concatenate(sheets.material),
        label=np.concatenate(sheets.label),
        strands=_strands(rng, tone, curly=style == "curly"),
        cloth=(cloth(rng) if chance(rng, 0.6) else plain(rng, random_colour(rng, value=(0.02, 0.97)))).astype(
            np.float32
        ),
    )


@lru_cache(maxsize=2)
def areas(model: FaceModel) -> tuple[np.ndarray, np.ndarray]:
    """Return (V,) how much each vertex belongs to the scalp, and to where a beard grows, smoothed."""
    none = np.zeros(len(model.mean), bool)
    scalp = model.regions.get("scalp", none).astype(np.float32)
    points = model.mean[model.landmarks68]
    x, y, z = model.mean.T
    chin = model.regions["jaw"] & ~model.regions["lips"]
    lip = (np.abs(x) < 30) & (y < points[33, 1] - 3) & (y > points[51, 1]) & (z > -20)
    side = (np.abs(x) > 48) & (y < points[30, 1] + 10) & (y > points[8, 1] - 8) & (z > -72)
    bare = model.regions["lips"] | model.regions.get("interior", none) | model.regions.get("ears", none)
    beard = ((chin | lip | side) & model.regions["face"] & ~bare).astype(np.float32)
    scalp, beard = smoothed(model, scalp, 10), smoothed(model, beard, 4)
    beard[bare] = 0
    return scalp, beard


def smoothed(model: FaceModel, values: np.ndarray, rounds: int) -> np.ndarray:
    """Return values (V,) averaged over neighbours `rounds` times, across texture seams."""
    from scipy.sparse import coo_matrix

    triangles = model.weld[model.triangles]
    a, b = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).T
    count = len(model.mean)
    near = coo_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(count, count)).tocsr()
    near.data[:] = 1
    degree = np.maximum(np.asarray(near.sum(1)).ravel(), 1)
    smooth = values.astype(np.float64)
    for _ in range(rounds):
        smooth = 0.4 * smooth + 0.6 * (near @ smooth) / degree
    return np.asarray(smooth[model.weld], np.float32)


def _scalp(
    rng: np.random.Generator, style: str, model: FaceModel, scalp: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return how far hair stands off (V,) mm, and where the hairline is."""
    if style == "bald":
        return np.zeros(len(scalp)), 9.0
    hairline = between(rng, 0.3, 0.62)
    thick = {"cropped": between(rng, 1, 4), "short": between(rng, 6, 20), "long": between(rng, 8, 18),
             "bun": between(rng, 3, 9), "curly": between(rng, 16, 42)}[style]  # fmt: skip
    x, y, z = model.mean.T
    grown = np.clip((scalp - hairline) / 0.3, 0, 1)
    above = np.clip((y - 20) / 90, 0, 1) if style != "curly" else np.clip((y + 30) / 60, 0.2, 1)
    uneven = smooth_field(rng, 64, 64, 9 if style != "curly" else 5)
    part = uneven[
        np.clip((y / 5 + 20).astype(int), 0, 63), np.clip((np.arctan2(x, z + 92) * 9 + 30).astype(int), 0, 63)
    ]
    return thick * grown * (0.3 + 0.7 * above) * np.clip(1 + 0.16 * part, 0.4, 1.7), hairline


def _long_hair(sheets: _Sheets, rng: np.random.Generator, thick: float) -> None:
    """Hang hair over the back and the sides of the head."""
    rows, columns = 26, 46
    front = between(rng, 0.42, 0.56) * np.pi
    end = between(rng, -230, -75)
    t = np.linspace(0, 1, rows)[:, None]
    angle = np.linspace(front, 2 * np.pi - front, columns)[None]
    y = 105 + (end - 105) * t**0.95
    side = np.interp(y.ravel(), [-240, -120, -60, 0, 50, 105], [118, 108, 99, 93, 88, 62]).reshape(y.shape)
    back = np.interp(y.ravel(), [-240, -120, -60, 0, 50, 105], [100, 92, 95, 104, 104, 82]).reshape(y.shape)
    body = between(rng, 0, 10) * np.clip(1.2 * t, 0, 1) + 0.7 * thick
    wave = between(rng, 0, 7) * np.sin(t * between(rng, 4, 16) + 4 * smooth_field(rng, rows, columns, 14))
    rough = 3.0 * smooth_field(rng, rows, columns, 3) * t + wave * t
    x = (side + body + rough) * np.sin(angle)
    z = -86 + (back + body + rough) * np.cos(angle)
    ragged = 1 + 0.05 * rng.standard_normal(columns)[None] * t
    sway = between(rng, -12, 12) * t**2
    u, v = np.meshgrid(np.linspace(0, 2.6, columns), np.linspace(0, 0.55, rows))
    points = np.stack((x + sway, 105 + (y - 105) * ragged, z), -1)
    sheets.add(points, np.stack((u, v), -1), HAIR_SHEET, "hair")


def _clothes(sheets: _Sheets, rng: np.random.Generator, vertices: np.ndarray, model: FaceModel) -> None:
    """Put a garment round the neck's lower end and over the shoulders."""
    neck = vertices[model.regions["neck"]] if "neck" in model.regions else vertices
    low = neck[neck[:, 1] < np.quantile(neck[:, 1], 0.35)]
    middle = np.array([0.0, 0.0, float(np.median(low[:, 2]))])
    base = float(low[:, 1].max())
    high = base + between(rng, -22, 14)
    rows, columns = 22, 48
    t = np.linspace(0, 1, rows)[:, None]
    angle = np.linspace(-np.pi, np.pi, columns)[None]
    wide = np.interp(t.ravel(), [0, 0.08, 0.2, 0.4, 0.6, 1], [72, 88, 128, 185, 212, 222])[:, None]
    deep = np.interp(t.ravel(), [0, 0.08, 0.2, 0.4, 0.6, 1], [66, 72, 84, 98, 106, 112])[:, None]
    drop = np.interp(t.ravel(), [0, 0.08, 0.2, 0.4, 0.6, 1], [0, 6, 22, 50, 90, 240])[:, None]
    opening = (
        between(rng, 0, 34) * np.exp(-((angle / between(rng, 0.3, 0.8)) ** 2)) * np.exp(-((t / 0.22) ** 2))
    )
    if chance(rng, 0.25):  # a collar that stands up
        drop = drop - between(rng, 10, 40) * np.clip(1 - t / 0.1, 0, 1)
    folds = 3.0 * smooth_field(rng, rows, columns, 5)
    x = (wide + folds) * np.sin(angle)
    z = middle[2] + (deep + folds) * np.cos(angle)
    y = high - drop - opening + 0 * angle
    u, v = np.meshgrid(
        np.linspace(0, between(rng, 2, 5), columns), np.linspace(0, between(rng, 1, 2.5), rows)
    )
    sheets.add(np.stack((x, y, z), -1), np.stack((u, v), -1), CLOTH, "cloth")


def _strands(rng: np.random.Generator, tone: np.ndarray, *, curly: bool) -> np.ndarray:
    """Return (SIDE, SIDE, 4): hair colour, and brightness about 1, along rows' direction."""
    if curly:
        bright = 1 + 0.28 * octaves(rng, SIDE, SIDE, 7, count=3)
    else:
        fine = smooth_field(rng, 8, SIDE, 2.2)
        coarse = smooth_field(rng, 8, SIDE, 9.0)
        rows = np.linspace(0, 7, SIDE)
        low = rows.astype(int).clip(0, 6)
        share = (rows - low)[:, None]
        bent = np.clip(np.arange(SIDE)[None] + 3 * smooth_field(rng, SIDE, SIDE, 60), 0, SIDE - 1).astype(int)

        def stretch(field: np.ndarray) -> np.ndarray:
            both = field[low] * (1 - share) + field[low + 1] * share
            return np.take_along_axis(both, bent, 1)

        bright = 1 + 0.11 * stretch(fine) + 0.15 * stretch(coarse)
    bright = np.clip(bright, 0.25, 1.9)
    out = np.empty((SIDE, SIDE, 4), np.float32)
    out[..., :3] = np.clip(tone * bright[..., None], 0.01, 1)
    out[..., 3] = bright
    return out


def scalp_coordinates(positions: np.ndarray) -> np.ndarray:
    """Return (V, 2) texture coordinates of strands on the scalp: angle about the crown, and away from it."""
    way = positions - CENTRE
    way = way / (np.linalg.norm(way, axis=1, keepdims=True) + 1e-9)
    side = np.array([1.0, 0.0, 0.0])
    front = np.cross(side, CROWN)
    u = (np.arctan2(way @ side, way @ front) + np.pi) * 0.55
    v = np.arccos(np.clip(way @ CROWN, -1, 1)) * 0.35
    return np.stack((u, v), 1)
