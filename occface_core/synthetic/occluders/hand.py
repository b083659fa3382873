"""An articulated hand: palm, fingers and forearm as blended capsules with skin, nails and knuckles."""

# ruff: noqa: RUF005 (sums of vectors, not of lists)
from __future__ import annotations

import attrs
import numpy as np

from occface_core.synthetic.noise import octaves, random_colour
from occface_core.synthetic.occluders.canvas import Canvas
from occface_core.synthetic.occluders.shapes import turn_x, turn_y, turn_z
from occface_core.synthetic.seeds import between, chance, pick

# Right hand seen from its back: x right, y towards the fingertips, z towards the viewer; mm.
KNUCKLES = np.array([[-25.0, 86.0, 0.0], [-7.0, 91.0, 2.5], [11.0, 86.0, 1.5], [27.0, 76.0, -2.0]])
PHALANGES = np.array([[44.0, 26.0, 20.0], [48.0, 30.0, 21.0], [44.0, 28.0, 21.0], [35.0, 20.0, 18.0]])
GIRTH = np.array([[10.2, 9.0, 8.2, 6.9], [10.2, 9.2, 8.3, 7.0], [9.8, 8.6, 7.8, 6.6], [8.8, 7.5, 6.9, 5.8]])

SKIN_TONES = np.array(
    [[0.93, 0.75, 0.66], [0.88, 0.68, 0.56], [0.79, 0.58, 0.45], [0.66, 0.46, 0.34], [0.5, 0.33, 0.24],
     [0.35, 0.22, 0.16]], np.float32)  # fmt: skip

FOREARM, SLEEVE = -2, -3


@attrs.define(kw_only=True, eq=False)
class _Bones:
    """Capsules of a hand, collected one by one."""

    a: list[np.ndarray] = attrs.field(factory=list)
    b: list[np.ndarray] = attrs.field(factory=list)
    radius: list[tuple[float, float]] = attrs.field(factory=list)
    group: list[int] = attrs.field(factory=list)
    joint: list[int] = attrs.field(factory=list)  # 0, 1, 2 = phalanx; -1 palm; FOREARM; SLEEVE
    back: list[np.ndarray] = attrs.field(factory=list)

    def add(
        self,
        a: np.ndarray,
        b: np.ndarray,
        radius: tuple[float, float],
        group: int,
        joint: int,
        back: np.ndarray,
    ) -> None:
        """Append a capsule; `back` is the direction of the back of the hand there."""
        self.a.append(np.asarray(a, float))
        self.b.append(np.asarray(b, float))
        self.radius.append(radius)
        self.group.append(group)
        self.joint.append(joint)
        self.back.append(back)


def hand(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw a hand before the face: flat, relaxed, curled, pointing, or with two fingers up."""
    draw_hand(canvas, rng, at=_target(canvas, rng))
    if chance(rng, 0.12):
        draw_hand(canvas, rng, at=_target(canvas, rng))


def _target(canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Return (3,) canvas coordinates of a part of the face that hands like to cover."""
    place = pick(rng, "mouth", "mouth", "cheek", "cheek", "chin", "eye", "nose", "forehead")
    face = canvas.frame.reference
    side = 1.0 if chance(rng, 0.5) else -1.0
    spot = {
        "mouth": face[62],
        "cheek": np.array([side * 42, -22.0, -8.0]),
        "chin": face[8] + [side * 10, 4, 0],
        "eye": np.array([side * 32, face[40, 1], -2.0]),
        "nose": face[30],
        "forehead": np.array([side * 15, 62.0, 0.0]),
    }[place]
    return canvas.frame.place(spot + rng.normal(0, 7, 3) * [1, 1, 0])


def draw_hand(
    canvas: Canvas,
    rng: np.random.Generator,
    *,
    at: np.ndarray,
    pose: str | None = None,
    spin: float | None = None,
    depth: float = 12.0,
) -> None:
    """Draw one hand.

    Args:
        canvas: where to draw.
        rng: source of randomness.
        at: (3,) canvas coordinates that the middle of the palm or of the fingers covers.
        pose: "flat", "relaxed", "curled", "pointing" or "two"; any if None.
        spin: angle of the fingers from upright, radians; any with the arm from below or the side if None.
        depth: mm from the face to the middle of the hand.
    """
    frame = canvas.frame
    palm_out = chance(rng, 0.2)
    bones = _pose(rng, pose or pick(rng, "flat", "flat", "relaxed", "relaxed", "curled", "pointing", "two"))
    mirror = np.diag([-1.0 if chance(rng, 0.5) else 1.0, 1.0, -1.0 if palm_out else 1.0])
    if spin is None:
        spin = float(rng.normal(0, 0.75))
    turn = turn_z(spin) @ turn_x(between(rng, -0.45, 0.3)) @ turn_y(between(rng, -0.4, 0.4)) @ mirror
    size = between(rng, 0.86, 1.04)
    anchor = np.array([0.0, between(rng, 60, 130), 0.0])
    flip = frame.scale * size * np.array([1.0, -1.0, 1.0])
    lift = at + np.array([0, 0, depth * frame.scale])

    def view(points: list[np.ndarray]) -> np.ndarray:
        return np.asarray(((np.array(points) - anchor) @ turn.T) * flip + lift)

    a, b = view(bones.a), view(bones.b)
    radius = np.array(bones.radius) * frame.scale * size
    back = (np.array(bones.back) @ turn.T) * np.array([1.0, -1.0, 1.0])
    joint, group = np.array(bones.joint), np.array(bones.group)
    rows, columns, seen = canvas.blobs(a, b, radius, group, 9.0 * frame.scale * size)
    if seen["depth"].size == 0:
        return
    albedo, shine = _skin(canvas, rng, rows, columns, seen, a, b, radius, joint, back)
    canvas.stamp(rows, columns, seen["depth"], seen["normal"], albedo, shine)


def _pose(rng: np.random.Generator, pose: str) -> _Bones:
    """Return the capsules of a posed right hand seen from its back."""
    bones = _Bones()
    up = np.array([0.0, 0.0, 1.0])
    for k, knuckle in enumerate(KNUCKLES):
        start = np.array([(-14, -5, 5, 14)[k], 4.0, 0.0])
        bones.add(start, knuckle, (13.5, 11.0 - 0.8 * (k == 3)), 0, -1, up)
    bones.add(KNUCKLES[0], KNUCKLES[2], (9.5, 9.5), 0, -1, up)
    bones.add(KNUCKLES[2], KNUCKLES[3], (9.5, 8.5), 0, -1, up)
    spread = {"flat": between(rng, 0.1, 1.3), "relaxed": between(rng, 0.3, 1.0), "two": 1.5}.get(pose, 0.4)
    for k in range(4):
        curl = _curl(rng, pose, k)
        lean = spread * np.array([0.16, 0.03, -0.1, -0.26])[k] + rng.normal(0, 0.02)
        at, angle = KNUCKLES[k].copy(), 0.0
        for n in range(3):
            angle += curl[n]
            direction = turn_z(lean) @ np.array([0.0, np.cos(angle), -np.sin(angle)])
            back = turn_z(lean) @ np.array([0.0, np.sin(angle), np.cos(angle)])
            end = at + PHALANGES[k, n] * direction
            bones.add(at, end, (GIRTH[k, n], GIRTH[k, n + 1]), k + 1, n, back)
            at = end
    out = {"flat": between(rng, 0.3, 1.0), "relaxed": between(rng, 0.1, 0.7), "curled": -0.25}.get(pose, 0.0)
    root, base = np.array([-18.0, 14.0, -4.0]), np.array([-36.0 - 6 * out, 46.0, -9.0])
    bones.add(root, base, (14.0, 12.0), 0, -1, up)
    thumb = turn_z(out * 0.7 + 0.15) @ turn_y(0.25) @ np.array([0.0, 1.0, -0.25])
    thumb /= np.linalg.norm(thumb)
    bent = turn_z(-between(rng, 0.0, 0.5)) @ thumb
    middle = base + 33 * thumb
    nail = np.array([-0.55, 0.0, 0.83])
    bones.add(base, middle, (11.2, 9.2), 5, 1, nail)
    bones.add(middle, middle + 25 * bent, (9.4, 7.6), 5, 2, nail)
    elbow = np.array([between(rng, -50, 50), -190.0, between(rng, -30, 20)])
    for side in (-9.0, 9.0):
        wrist = np.array([side, 6.0, 0.0])
        bones.add(wrist, elbow + [side * 1.8, 0, 0], (15.5, 25.0), 0, FOREARM, up)
    if chance(rng, 0.55):
        cuff = between(rng, 0.12, 0.5)
        start = np.array([0.0, 6.0, 0.0]) * (1 - cuff) + elbow * cuff
        loose = between(rng, 2, 9)
        for side in (-11.0, 11.0):
            bones.add(
                start + [side, 0, 0],
                elbow * 1.3 + [side * 1.6, 0, 0],
                (17 + 8 * cuff + loose, 30 + loose),
                6,
                SLEEVE,
                up,
            )
    return bones


def _curl(rng: np.random.Generator, pose: str, finger: int) -> np.ndarray:
    """Return (3,) radians by which each phalanx bends against the one before."""
    if pose == "flat":
        curl = np.array([between(rng, -0.1, 0.1), between(rng, 0, 0.2), 0.06])
    elif pose == "relaxed":
        curl = np.array([between(rng, 0.1, 0.4), between(rng, 0.3, 0.7), 0.3]) * (1 + 0.12 * finger)
    elif pose == "curled" or (pose == "pointing" and finger > 0) or (pose == "two" and finger > 1):
        curl = np.array([between(rng, 1.0, 1.35), between(rng, 1.4, 1.7), 0.8])
    else:
        curl = np.array([between(rng, 0, 0.2), between(rng, 0.02, 0.25), 0.1])
    return curl


def _skin(
    canvas: Canvas,
    rng: np.random.Generator,
    rows: slice,
    columns: slice,
    seen: dict[str, np.ndarray],
    a: np.ndarray,
    b: np.ndarray,
    radius: np.ndarray,
    joint: np.ndarray,
    back: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return albedo (h, w, 3) and gloss (h, w) of a traced hand."""
    light, scale = canvas.light, canvas.frame.scale
    if chance(rng, 0.7):  # the same person's hand
        tone = light.skin / np.clip(0.8 * light.ambient + 0.72 * light.diffuse, 0.15, None)
        tone = np.clip(tone * between(rng, 0.92, 1.12), 0.06, 0.97)
    else:
        k = between(rng, 0, len(SKIN_TONES) - 1.001)
        tone = SKIN_TONES[int(k)] * (1 - k % 1) + SKIN_TONES[int(k) + 1] * (k % 1)
    tone = tone.astype(np.float32)
    shape = seen["owner"].shape
    hit = np.nonzero(seen["owner"].reshape(-1) >= 0)[0]
    owner = seen["owner"].reshape(-1)[hit]
    normal = seen["normal"].reshape(-1, 3)[hit]
    crevice, place = seen["crevice"].reshape(-1)[hit], seen["place"].reshape(-1)[hit]
    kind = joint[owner]

    def field(cell: float, count: int) -> np.ndarray:
        return octaves(rng, shape[0], shape[1], cell * scale, count=count).reshape(-1)[hit]

    axis = b - a
    length = np.linalg.norm(axis, axis=1) + 1e-9
    axis = axis / length[:, None]
    side = np.cross(axis, back) / (radius.max(-1, keepdims=True) + 1e-9)
    axis, side, back = (v.astype(np.float32) for v in (axis, side, back))
    point = np.empty((len(hit), 3), np.float32)
    point[:, 0] = hit % shape[1] + columns.start
    point[:, 1] = hit // shape[1] + rows.start
    point[:, 2] = seen["depth"].reshape(-1)[hit]
    offset = point - a.astype(np.float32)[owner]
    along = np.einsum("nk,nk->n", offset, axis[owner])
    facing = np.einsum("nk,nk->n", normal, back[owner])
    sideways = np.einsum("nk,nk->n", offset, side[owner])
    far_end = length.astype(np.float32)[owner] - along
    along_mm, far_mm = along / np.float32(scale), far_end / np.float32(scale)

    finger = kind >= 0
    tip = (kind == 2) * place
    knuckle = finger * np.exp(-((along_mm / 5) ** 2)) * np.clip(facing, 0, 1)
    red = 0.55 * tip + 0.6 * knuckle + 0.12 * field(22, 2)
    shade = 1 + 0.02 * field(9, 2) + 0.012 * field(1.5, 1)
    shade = shade * (0.5 + 0.5 * crevice)
    # creases: three fine lines over the back of a joint, one deep line inside it
    dorsal = facing > 0.15
    bent = along_mm + 0.6 * np.cos(4 * sideways)
    crease = np.exp(-((bent / 0.75) ** 2)) * np.where(dorsal, 0.55, 1.0)
    crease += 0.55 * dorsal * (np.exp(-(((bent - 2.6) / 0.75) ** 2)) + np.exp(-(((bent + 2.6) / 0.75) ** 2)))
    crease = crease * ((kind == 1) + 0.7 * (kind == 2))
    crease += 0.5 * ((kind == 0) | (kind == 1)) * dorsal * np.exp(-(((far_mm - 2.4) / 0.8) ** 2))
    shade = shade * (1 - 0.22 * np.clip(crease, 0, 1) * (np.abs(sideways) < 0.85))
    colour = tone * np.stack((shade, shade * (1 - 0.13 * red), shade * (1 - 0.15 * red)), -1)
    shine = 0.1 + 0.04 * field(9, 1)

    distal = np.nonzero((kind == 2) & (facing > 0.05))[0]
    if len(distal):
        polish, gleam = np.clip(tone * np.array([1.1, 0.98, 0.98]) + 0.05, 0, 1), 0.35
        white = 0.35
        if chance(rng, 0.25):
            polish, gleam, white = random_colour(rng, saturation=(0.3, 1.0), value=(0.2, 0.95)), 0.6, 0.0
        part = along[distal] / length[owner[distal]]
        spread = ((part - 0.74) / 0.4) ** 2 + (sideways[distal] / 0.74) ** 2
        edge = np.clip((1 - spread) * 6, 0, 1) * np.clip((facing[distal] - 0.1) * 6, 0, 1)
        rim = np.exp(-(((spread - 1) / 0.16) ** 2)) * (facing[distal] > 0.2)
        pale = white * np.clip((part - 1.0) * 12, 0, 1)[:, None]
        nail = (polish * (1 - pale) + pale * np.array([0.95, 0.92, 0.88])) * shade[distal, None]
        base = colour[distal] * (1 - 0.16 * rim[:, None])
        colour[distal] = base * (1 - edge[:, None]) + nail * edge[:, None]
        shine[distal] += gleam * edge

    sleeve = kind == SLEEVE
    if sleeve.any():
        dye: np.ndarray = random_colour(rng, value=(0.05, 0.9))
        if chance(rng, 0.25):
            band = ((along_mm[sleeve] / between(rng, 6, 16)) % 1 < 0.5)[:, None]
            dye = np.where(band, dye, random_colour(rng))
        fold = 1 + 0.1 * field(14, 3)[sleeve] + 0.03 * field(2, 1)[sleeve]
        hem = 1 - 0.25 * np.exp(-(((along_mm[sleeve] - 1.5) / 2.0) ** 2))
        colour[sleeve] = dye * (fold * hem * (0.55 + 0.45 * crevice[sleeve]))[:, None]
        shine[sleeve] = 0.02
    albedo = np.zeros((shape[0] * shape[1], 3), np.float32)
    albedo[hit] = np.clip(colour, 0.01, 1)
    gloss = np.zeros(shape[0] * shape[1], np.float32)
    gloss[hit] = np.clip(shine, 0.02, 1)
    return albedo.reshape(*shape, 3), gloss.reshape(shape)
