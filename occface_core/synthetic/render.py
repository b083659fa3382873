"""Draws one figure: posed mesh with hair and clothes, lit, before a background, with exact truth."""

# ruff: noqa: RUF005 (sums of vectors, not of lists)
from __future__ import annotations

from functools import lru_cache

import attrs
import cv2
import numpy as np
import torch

from occface_core.facemodel import FaceModel
from occface_core.geometry.align import crop_to_photo
from occface_core.geometry.camera import FOCAL_224, rotation_from_angles
from occface_core.geometry.rasterise import Fragments, rasterise
from occface_core.synthetic import shading
from occface_core.synthetic.backgrounds import background
from occface_core.synthetic.creases import closedness
from occface_core.synthetic.dress import Dress, dress, scalp_coordinates, smoothed
from occface_core.synthetic.labels import FACE_LABELS, LABELS
from occface_core.synthetic.noise import octaves
from occface_core.synthetic.options import SynthOptions
from occface_core.synthetic.sampler import FaceParameters, directed
from occface_core.synthetic.seeds import between, chance, sample_generator
from occface_core.synthetic.skins import colours_at, draw_skin, makehuman_coordinates, painted_vertices
from occface_core.synthetic.surface import combine, smooth_normals, spread_directions, turn, turned_away
from occface_core.synthetic.wrinkles import wrinkle_map

FINER = 2
"""The figure is drawn this many times as fine as the picture, which smooths its edges."""

DARKEST, BRIGHTEN = 0.2, 2.5
"""Mean brightness below which the exposure is raised, and by how much at most."""

TURN = np.diag([1.0, -1.0, -1.0])


@attrs.define(frozen=True, kw_only=True, eq=False)
class Figure:
    """A rendered figure and its truth; S is the picture's size.

    Attributes:
        image: (S, S, 3) float32 RGB in [0, 1].
        face: (S, S) float32 in [0, 1], share of each pixel that shows the face region.
        labels: (S, S) uint8.
        vertices: (V, 3) mm in the face's frame.
        rotation: (3, 3).
        translation: (3,) mm.
        intrinsics: (3, 3).
        landmarks: (68, 2) pixels of the model's landmark vertices.
        outline: (68, 2), the same with the jaw's points where the visible outline is.
        seen: (68,) bool, not hidden by the head or the hair.
        depth: (S, S) mm along z, nan where there is no surface of the model.
        normals: (S, S, 3) unit normals in viewer axes, 0 where there is no surface.
        bump: (S, S) mm along the line of sight.
        exposure: factor by which the whole picture was brightened, 1 or more, lest a face be lost in the dark.
    """

    image: np.ndarray
    face: np.ndarray
    labels: np.ndarray
    vertices: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    intrinsics: np.ndarray
    landmarks: np.ndarray
    outline: np.ndarray
    seen: np.ndarray
    depth: np.ndarray
    normals: np.ndarray
    bump: np.ndarray
    exposure: float


def render(model: FaceModel, face: FaceParameters, rng: np.random.Generator, options: SynthOptions) -> Figure:
    """Draw a face.

    Args:
        model: face model.
        face: what to draw.
        rng: source of randomness for hair, clothes, background, wrinkles.
        options: size, folders, strength of wrinkles.
    """
    size = options.size
    vertices = combine(model.mean, model.identity, face.identity)
    vertices = combine(vertices, model.expression, face.expression)
    camera = _camera(model, vertices, face, size)
    wear = dress(model, vertices, rng)
    triangles, material, labels = _mesh(model, wear)
    normals = smooth_normals(vertices, model.triangles, model.weld)
    raised = vertices + normals * wear.lift[:, None]
    whole = np.concatenate((raised, wear.vertices)).astype(np.float32)
    all_normals = smooth_normals(
        whole, triangles, np.r_[model.weld, np.arange(len(wear.vertices)) + len(vertices)]
    )

    truth = _draw(vertices, camera, model.triangles, size)
    kept = _facing(whole, camera, triangles, outside_triangles(model))
    skins = int(np.searchsorted(kept, len(model.triangles)))
    fine = _draw(whole, camera, triangles[kept], size * FINER)
    viewer = turn(all_normals, TURN @ camera.rotation)
    attributes = _attributes(model, face, wear, rng, viewer, whole, triangles, camera)
    skin_texture, material = _skin_texture(model, rng, options, material, attributes)
    corners, material, labels = triangles[kept], material[kept], labels[kept]

    expression = dict(zip(model.expression_names, face.expression.tolist(), strict=True))
    heights = (options.wrinkles * wrinkle_map(model, rng, face.age, expression)).astype(np.float32)
    kept_out = closedness(torch.from_numpy(heights)[None])[0].numpy()
    bump = _on_skin(truth, model.triangles, len(model.triangles), attributes, heights)
    fine_bump, closed = (_on_skin(fine, corners, skins, attributes, values) for values in (heights, kept_out))

    layer = np.zeros((size * FINER, size * FINER, 4), np.float32)
    fine_labels = np.zeros((size * FINER, size * FINER), np.uint8)
    light = face.illumination.reshape(3, 9).astype(np.float64).copy()
    light[:, 0] += 0.8
    if face.hard:
        light -= directed(face.key, face.key_colour)
    shading.shade_figure(
        fine.triangle[0].numpy(), fine.barycentric[0].numpy(), corners, attributes, viewer.astype(np.float32), material,
        labels, LABELS["hair"], wear.strands, wear.cloth, skin_texture, _grain(rng), wear.beard_colour, fine_bump,
        closed, float(camera.translation[2] / camera.intrinsics[0, 0] / FINER), light, face.key.astype(np.float64),
        face.key_colour.astype(np.float64), face.hard, wear.hairline, layer, fine_labels,
    )  # fmt: skip
    image, region, small_labels = _reduce(
        layer, fine_labels, background(rng, size, options.backgrounds), size
    )
    exposure = _exposure(image, region)
    image = np.clip(image * np.float32(exposure), 0, 1)
    points = project(vertices[model.landmarks68], camera)
    seen_normals = np.zeros((size, size, 3), np.float32)
    turned = turn(normals, TURN @ camera.rotation).astype(np.float32)
    spread_directions(
        truth.triangle[0].numpy(), truth.barycentric[0].numpy(), model.triangles, turned, seen_normals
    )
    return Figure(
        image=image,
        face=region,
        labels=small_labels,
        vertices=vertices,
        rotation=camera.rotation.astype(np.float32),
        translation=camera.translation.astype(np.float32),
        intrinsics=camera.intrinsics.astype(np.float32),
        landmarks=points.astype(np.float32),
        outline=outline(model, vertices, camera, points).astype(np.float32),
        seen=_seen(vertices[model.landmarks68], camera, fine.depth[0].numpy(), size * FINER),
        depth=truth.depth[0].numpy(),
        normals=seen_normals,
        bump=bump,
        exposure=exposure,
    )


def _on_skin(
    fragments: Fragments, corners: np.ndarray, skins: int, attributes: np.ndarray, values: np.ndarray
) -> np.ndarray:
    """Return values (side, side) over the texture plane as a drawing shows them, (H, W); 0 beyond `skins` triangles."""
    triangle, weight = fragments.triangle[0].numpy(), fragments.barycentric[0].numpy()
    out = np.zeros(triangle.shape, np.float32)
    shading.sample_map(triangle, weight, corners, attributes, skins, values, out)
    return out


@attrs.define(frozen=True, kw_only=True, eq=False)
class Camera:
    """Pose and intrinsics: camera = vertices @ rotationᵀ + translation."""

    rotation: np.ndarray
    translation: np.ndarray
    intrinsics: np.ndarray


def project(points: np.ndarray, camera: Camera) -> np.ndarray:
    """Return (N, 2) pixels of points (N, 3) mm."""
    flat = turn(turn(points, camera.rotation) + camera.translation, camera.intrinsics)
    return np.asarray(flat[:, :2] / flat[:, 2:])


def _camera(model: FaceModel, vertices: np.ndarray, face: FaceParameters, size: int) -> Camera:
    """Return the camera that sees the face as the pipeline's crop would, but for the jitter."""
    focal = FOCAL_224 * size / 224 * face.distance / 1000
    middle = (size - 1) / 2
    matrix = np.array([[focal, 0, middle], [0, focal, middle], [0, 0, 1.0]])
    angles = torch.tensor([face.angles[0], face.angles[1], 0.0], dtype=torch.float64)
    rotation = rotation_from_angles(angles).numpy()
    translation = np.array([0.0, 0.0, face.distance])
    landmarks = vertices[model.landmarks68].astype(np.float64)
    first = Camera(rotation=rotation, translation=translation, intrinsics=matrix)
    crop = crop_to_photo(torch.as_tensor(project(landmarks, first))[None], size)[0].numpy()
    scale = float(np.hypot(crop[0, 0], crop[1, 0]))
    turn = -np.arctan2(crop[1, 0], crop[0, 0]) + face.angles[2]
    # undo the crop's turn about the middle of the view, its scale by distance, its shift sideways
    c, s = np.cos(turn), np.sin(turn)
    spin = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    depth = face.distance * scale / face.zoom
    centre = np.array([middle, middle])
    away = centre - crop[:2, :2] @ centre - crop[:2, 2]
    place = face.zoom / scale * (spin[:2, :2] @ away) + face.shift * size
    translation = np.array([place[0] * depth / focal, place[1] * depth / focal, depth])
    return Camera(rotation=spin @ rotation, translation=translation, intrinsics=matrix)


def _mesh(model: FaceModel, wear: Dress) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return triangles, materials and labels of the model with what it wears."""
    first = len(model.mean)
    triangles = np.concatenate((model.triangles, wear.triangles + first))
    material = np.concatenate((np.full(len(model.triangles), shading.SKIN, np.uint8), wear.material))
    labels = np.concatenate((triangle_labels(model), wear.label))
    return triangles, material, labels


@lru_cache(maxsize=2)
def triangle_labels(model: FaceModel) -> np.ndarray:
    """Return (T,) uint8 parsing label of each of the model's triangles: what two of its corners say."""
    code = np.full(len(model.mean), LABELS["skin"], np.uint8)
    for region, label in (
        ("neck", "neck"), ("scalp", "skin"), ("ears", "ears"), ("nose", "nose"), ("brows", "brows"), ("lips", "lips"),
        ("eyeballs", "eyes"), ("interior", "mouth"), ("mouth_cavity", "mouth"), ("teeth", "mouth"), ("tongue", "mouth"),
    ):  # fmt: skip
        if region in model.regions:
            inside = model.regions[region]
            if region == "interior" and "eyeballs" in model.regions:  # eye sockets are interior too
                inside = inside & (model.mean[:, 1] < model.mean[model.landmarks68[33], 1])
            code[inside] = LABELS[label]
    a, b, c = code[model.triangles].T
    return np.asarray(np.where((a == b) | (a == c), a, np.where(b == c, b, a)))


def _facing(vertices: np.ndarray, camera: Camera, triangles: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Return the rows, in order, of the triangles worth drawing.

    `outside` (T,) bool are those of the model that hide their own back; of sheets both sides are seen.
    """
    eye = -camera.translation @ camera.rotation  # the camera's place in the face's frame
    away = turned_away(vertices, triangles[: len(outside)], eye) & outside
    return np.concatenate((np.nonzero(~away)[0], np.arange(len(outside), len(triangles))))


@lru_cache(maxsize=2)
def outside_triangles(model: FaceModel) -> np.ndarray:
    """Return (T,) bool: the model's triangles but for mouth, eyes and ears, whose backs may show in a gap."""
    inner = np.zeros(len(model.mean), bool)
    for region in (
        "interior",
        "mouth",
        "mouth_cavity",
        "teeth",
        "tongue",
        "lips",
        "eyes",
        "eyeballs",
        "ears",
        "neck",
    ):
        inner |= model.regions.get(region, False)
    return np.asarray(~inner[model.triangles].any(1))


def _draw(vertices: np.ndarray, camera: Camera, triangles: np.ndarray, size: int) -> Fragments:
    """Rasterise at any size; the camera's own size follows from its middle."""
    scale = size / (2 * camera.intrinsics[0, 2] + 1)
    matrix = (
        np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2], [0, 0, 1]]) @ camera.intrinsics
    )
    triangles = np.require(triangles, requirements="W")
    moved = (turn(vertices, camera.rotation) + camera.translation).astype(np.float32)
    return rasterise(
        torch.as_tensor(moved)[None],
        torch.as_tensor(matrix.astype(np.float32)),
        torch.as_tensor(triangles),
        size,
        size,
    )


def _attributes(
    model: FaceModel,
    face: FaceParameters,
    wear: Dress,
    rng: np.random.Generator,
    viewer_normals: np.ndarray,
    whole: np.ndarray,
    triangles: np.ndarray,
    camera: Camera,
) -> np.ndarray:
    """Return (N, ATTRIBUTES) float32 of all vertices, the model's first."""
    count, bare = len(whole), len(model.mean)
    table = np.zeros((count, shading.ATTRIBUTES), np.float32)
    colour = combine(model.albedo_mean, model.albedo, face.albedo)
    table[:bare, :3] = np.clip(colour, 0.015, 0.98)
    table[:bare, [shading.U, shading.V]] = model.uv
    table[:bare, [shading.S, shading.T]] = scalp_map(model)
    table[bare:, [shading.S, shading.T]] = wear.coordinates
    table[:bare, shading.HAIR] = wear.hair if wear.hairline <= 1 else 0
    table[bare:, shading.HAIR] = 1
    table[:bare, shading.BEARD] = wear.beard
    # the model's own colours paint a scalp of hair: skin goes there, and our own hair over it
    skin = np.median(colour[model.regions["forehead"]], 0) if "forehead" in model.regions else colour.mean(0)
    share = np.maximum(np.clip(wear.hair * 6, 0, 1), painted_hair(model))[:, None]
    table[:bare, :3] = table[:bare, :3] * (1 - share) + share * np.clip(skin, 0.015, 0.98)
    gloss = np.full(bare, face.gloss, np.float32)
    for region, factor in (("nose", 1.6), ("forehead", 1.4), ("neck", 0.5)):
        if region in model.regions:
            gloss[model.regions[region]] *= factor
    gloss[model.regions["lips"]] = face.gloss * 1.2 + 0.05
    if "eyeballs" in model.regions:
        gloss[model.regions["eyeballs"]] = 0.85
    if "mouth_cavity" in model.regions:
        gloss[model.regions["mouth_cavity"]] = 0.0
    table[:bare, shading.GLOSS] = gloss
    table[bare:, shading.GLOSS] = 0.02
    ambient = openness(model)
    table[:bare, shading.AMBIENT] = 1 - between(rng, 0.35, 0.75) * (1 - ambient)
    table[bare:, shading.AMBIENT] = 0.95
    table[:, shading.LIT] = 1
    if face.hard:
        table[:, shading.LIT] = _cast_shadow(whole, triangles, camera, face.key)
        if "mouth_cavity" in model.regions:
            table[:bare][model.regions["mouth_cavity"], shading.LIT] = 0
    else:
        table[:bare, shading.LIT] = np.clip(ambient * 1.2, 0, 1)
    return table


@lru_cache(maxsize=2)
def painted_hair(model: FaceModel) -> np.ndarray:
    """Return (V,) float32, 1 where the model's mean colours paint hair at the temples and the nape."""
    none = np.zeros(len(model.mean), bool)
    own = none.copy()
    for region in (
        "brows",
        "eyes",
        "lips",
        "nose",
        "mouth",
        "interior",
        "eyeballs",
        "ears",
        "teeth",
        "tongue",
    ):
        own |= model.regions.get(region, none)
    bright = model.albedo_mean.mean(1)
    dark = (bright < 0.86 * np.median(bright[model.regions["face"]])) & ~own & (model.mean[:, 2] < -20)
    return np.asarray(np.clip(smoothed(model, dark.astype(np.float32), 2) * 5, 0, 1) * ~own, np.float32)


@lru_cache(maxsize=2)
def scalp_map(model: FaceModel) -> np.ndarray:
    """Return (V, 2) texture coordinates of strands on the model's scalp."""
    return scalp_coordinates(model.mean)


@lru_cache(maxsize=2)
def openness(model: FaceModel) -> np.ndarray:
    """Return (V,) in [0, 1]: how much of the sky each vertex of the mean face sees."""
    normals = smooth_normals(model.mean, model.triangles, model.weld)
    rng = sample_generator(3, 0, "sky")
    total, seen = np.zeros(len(normals)), np.zeros(len(normals))
    for _ in range(40):
        way = rng.standard_normal(3)
        way /= np.linalg.norm(way)
        cos = np.clip(turn(normals, way[None])[:, 0], 0, None)
        total += cos
        seen += cos * _sees(model.mean, model.triangles, way)
    # folds are never wholly dark: light bounces between skin and skin
    return np.clip(seen / np.maximum(total, 1e-6), 0.12, 1).astype(np.float32)


def _sees(vertices: np.ndarray, triangles: np.ndarray, way: np.ndarray, size: int = 192) -> np.ndarray:
    """Return (V,) float32 in [0, 1]: whether nothing stands between vertices and a light far away.

    Args:
        vertices: (V, 3) mm.
        triangles: (T, 3).
        way: (3,) unit direction to the light, in the vertices' axes.
        size: resolution of the shadow map.
    """
    helper = np.array([0.0, 1.0, 0.0]) if abs(way[1]) < 0.9 else np.array([1.0, 0.0, 0.0])
    across = np.cross(helper, way)
    across /= np.linalg.norm(across)
    axes = np.stack((across, np.cross(way, across), -way))
    turned = turn(vertices - vertices.mean(0), axes)
    reach = float(np.abs(turned[:, :2]).max()) + 2
    flat = np.empty_like(turned, np.float32)
    # far = 1e5 mm makes the rays parallel enough
    far = 1e5
    flat[:] = turned + [0, 0, far]
    focal = far * (size / 2 - 2) / reach
    matrix = torch.tensor([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]], dtype=torch.float32)
    nearest = (
        rasterise(
            torch.as_tensor(flat)[None],
            matrix,
            torch.as_tensor(np.require(triangles, requirements="W")),
            size,
            size,
        )
        .depth[0]
        .numpy()
    )
    nearest = np.where(np.isnan(nearest), np.float32(2 * far), nearest)
    x, y = (flat[:, :2] / flat[:, 2:] * focal + size / 2).T
    lit = np.zeros(len(vertices), np.float32)
    margin = 2.0 * reach / size + 3.5
    for dx, dy in ((-0.7, 0.3), (0.7, -0.3), (0.3, 0.7), (-0.3, -0.7)):
        column = np.clip(np.round(x + dx), 0, size - 1).astype(int)
        row = np.clip(np.round(y + dy), 0, size - 1).astype(int)
        lit += 0.25 * (flat[:, 2] < nearest[row, column] + margin)
    return lit


def _cast_shadow(whole: np.ndarray, triangles: np.ndarray, camera: Camera, key: np.ndarray) -> np.ndarray:
    """Return (N,) how much of the main light reaches each vertex."""
    way = (TURN @ key) @ camera.rotation  # viewer axes -> camera axes -> the face's frame
    return _sees(whole, triangles, way)


def _skin_texture(
    model: FaceModel, rng: np.random.Generator, options: SynthOptions, material: np.ndarray, table: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return a texture for the skin and the materials that use it, in half of the cases if a folder is given.

    Writes texture coordinates, and colours that match the texture where it does not reach, into `table`.
    """
    if options.skins is None or not chance(rng, 0.5):
        return np.zeros((1, 1, 3), np.float32), material
    texture = draw_skin(rng, options.skins)
    painted, count = _painted(model), len(model.mean)
    table[:count, [shading.P, shading.Q]] = makehuman_coordinates(model.uv.astype(np.float64))
    table[:, shading.BROW] = 1
    brows = model.regions["brows"]
    skin = table[:count][model.regions["nose"], :3].mean()
    table[:count][brows, shading.BROW] = np.clip(1.25 * table[:count][brows, :3].mean(1) / skin, 0.25, 1)
    cheek = model.regions["jaw"] & painted
    change = colours_at(texture, table[:count][cheek][:, [shading.P, shading.Q]]).mean(0) / table[:count][
        cheek, :3
    ].mean(0)
    matched = painted | model.regions.get("neck", np.zeros(count, bool))
    table[:count][matched, :3] = np.clip(table[:count][matched, :3] * change, 0.015, 0.98)
    material = material.copy()
    material[: len(model.triangles)][painted[model.triangles].all(1)] = shading.PAINTED
    return texture, material


@lru_cache(maxsize=2)
def _painted(model: FaceModel) -> np.ndarray:
    return painted_vertices(model)


def _grain(rng: np.random.Generator) -> np.ndarray:
    """Return (256, 256) relative brightness of fine and coarse specks of skin."""
    fine = 0.02 * rng.standard_normal((256, 256), dtype=np.float32)
    return np.asarray(fine + between(rng, 0.0, 0.03) * octaves(rng, 256, 256, 24, count=3), np.float32)


def _reduce(
    layer: np.ndarray, fine_labels: np.ndarray, behind: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return picture, face region and labels at the picture's size."""
    small = cv2.resize(layer, (size, size), interpolation=cv2.INTER_AREA)
    image = small[..., :3] + (1 - small[..., 3:]) * behind
    table = np.zeros(256, np.float32)
    table[list(FACE_LABELS)] = 1
    region = cv2.resize(table[fine_labels], (size, size), interpolation=cv2.INTER_AREA)
    quads = fine_labels.reshape(size, FINER, size, FINER).transpose(0, 2, 1, 3).reshape(size, size, -1)
    a, b, c, d = (quads[..., k] for k in range(4))
    labels = np.where(
        (a == b) | (a == c) | (a == d), a, np.where((b == c) | (b == d), b, np.where(c == d, c, a))
    )
    return np.clip(image, 0, 1).astype(np.float32), np.asarray(region, np.float32), labels.astype(np.uint8)


def _exposure(image: np.ndarray, region: np.ndarray) -> float:
    """Return the factor that lifts a very dark face's mean brightness towards `DARKEST`."""
    mean = float((image.mean(-1) * region).sum() / max(float(region.sum()), 1e-6))
    return min(max(DARKEST / max(mean, 1e-3), 1.0), BRIGHTEN)


def _seen(
    points: np.ndarray, camera: Camera, depth: np.ndarray, size: int, tolerance: float = 4.0
) -> np.ndarray:
    """Return (68,) bool: no other surface lies more than `tolerance` mm before the point."""
    moved = turn(points, camera.rotation) + camera.translation
    scale = size / (2 * camera.intrinsics[0, 2] + 1)
    pixels = (project(points, camera) + 0.5) * scale - 0.5
    column, row = np.round(pixels).astype(int).T
    farthest = np.zeros(len(points))
    reach = max(round(scale), 1)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            x, y = column + dx, row + dy
            inside = (x >= 0) & (y >= 0) & (x < size) & (y < size)
            here = np.where(inside, depth[np.clip(y, 0, size - 1), np.clip(x, 0, size - 1)], np.inf)
            farthest = np.maximum(farthest, np.where(np.isnan(here), np.inf, here))
    return np.asarray(moved[:, 2] <= farthest + tolerance)


def outline(model: FaceModel, vertices: np.ndarray, camera: Camera, points: np.ndarray) -> np.ndarray:
    """Return (68, 2) pixels: each jaw point moved to the outermost of its candidates, as a person marks it."""
    out = points.copy()
    if model.contour is None:
        return out
    places = project(vertices[model.contour.ravel()].astype(np.float64), camera).reshape(17, -1, 2)
    middle = points[27:36].mean(0)
    for k in range(17):
        way = points[k] - middle
        chin = points[8] - points[27]
        across = way - chin * (way @ chin) / (chin @ chin)
        side = across / (np.linalg.norm(across) + 1e-9)
        if 6 <= k <= 10:
            side = chin / (np.linalg.norm(chin) + 1e-9)
        else:  # which side of the face the point is on does not change with the turn
            right = camera.rotation[:2, 0] * (1 if k > 8 else -1)
            normal = np.array([-chin[1], chin[0]]) / (np.linalg.norm(chin) + 1e-9)
            side = normal * (1 if normal @ right >= 0 else -1)
        out[k] = places[k][np.argmax(places[k] @ side)]
    return out
