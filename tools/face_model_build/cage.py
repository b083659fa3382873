"""Choose the part of the base mesh that becomes the model's cage, and lay out its UVs."""

from __future__ import annotations

import attrs
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from .makehuman import BaseMesh

PARTS = HEAD, NECK, SOCKET, CAVITY, TEETH, TONGUE, EYE = range(7)
SOCKET_RINGS = 4
NECK_RINGS = 6
STRIP = 0.12


@attrs.define(frozen=True, kw_only=True, eq=False)
class Cage:
    """The control mesh before refinement.

    Attributes:
        keep: (C,) base-mesh vertex ids, ascending.
        quads: (Q, 4) ids into ``keep``.
        texture_points: (N, 2) UVs in [0, 1], v up.
        texture_quads: (Q, 4) ids into ``texture_points``.
        part: (Q,) one of HEAD, NECK, SOCKET, CAVITY, TEETH, TONGUE.
        source_uv: (C, 2) a UV in the base mesh's own layout, to look masks up; NaN where none.
    """

    keep: np.ndarray
    quads: np.ndarray
    texture_points: np.ndarray
    texture_quads: np.ndarray
    part: np.ndarray
    source_uv: np.ndarray


def label_islands(mesh: BaseMesh, selected: np.ndarray) -> np.ndarray:
    """Return the (Q,) UV island of every selected quad, -1 elsewhere."""
    quads = mesh.texture_quads[selected]
    starts, ends = quads.ravel(), np.roll(quads, -1, axis=1).ravel()
    size = len(mesh.texture_points)
    graph = coo_matrix((np.ones(len(starts)), (starts, ends)), shape=(size, size))
    _, label = connected_components(graph, directed=False)
    islands = np.full(len(mesh.quads), -1)
    islands[selected] = label[quads[:, 0]]
    return islands


def grow(quads: np.ndarray, seed: np.ndarray, rings: int) -> np.ndarray:
    """Return (Q,) bool: quads within ``rings`` steps of the seed vertices (bool over vertices)."""
    reached = seed.copy()
    chosen = np.zeros(len(quads), bool)
    for _ in range(rings):
        chosen = reached[quads].any(axis=1)
        reached[quads[chosen].ravel()] = True
    return chosen


def select_parts(mesh: BaseMesh) -> np.ndarray:
    """Return the (Q,) part of every quad of the base mesh, -1 where it is dropped."""
    body = mesh.groups == "body"
    islands = label_islands(mesh, body)
    centre = mesh.vertices[mesh.quads].mean(axis=1)
    part = np.full(len(mesh.quads), -1)
    names, counts = np.unique(islands[body], return_counts=True)
    high = {name: centre[islands == name][:, 1].max() for name in names}
    head = max((name for name in names if high[name] > 8.0), key=lambda name: high[name])
    part[islands == head] = HEAD
    on_head = np.zeros(len(mesh.vertices), bool)
    on_head[mesh.quads[part == HEAD].ravel()] = True
    for name, count in zip(names, counts, strict=True):
        inside = islands == name
        if name == head or not on_head[mesh.quads[inside].ravel()].any():
            continue
        if count < 350:
            ids = np.flatnonzero(inside)
            part[ids[grow(mesh.quads[ids], on_head, SOCKET_RINGS)]] = SOCKET
        elif count < 1000:
            part[inside] = CAVITY
        else:
            ids = np.flatnonzero(inside)
            part[ids[grow(mesh.quads[ids], on_head, NECK_RINGS)]] = NECK
    part[np.isin(mesh.groups, ["helper-upper-teeth", "helper-lower-teeth"])] = TEETH
    part[mesh.groups == "helper-tongue"] = TONGUE
    return part


def _box(points: np.ndarray, left: float, bottom: float, size: float) -> np.ndarray:
    low, high = points.min(axis=0), points.max(axis=0)
    return (points - low) / (high - low).max() * size + [left, bottom]


def _neck_uv(mesh: BaseMesh, part: np.ndarray, texture_quads: np.ndarray, points: np.ndarray):
    """Give the neck UVs that continue the head island downwards, cut at the nape."""
    middle_z = 0.35
    head_vertices: dict[int, list[int]] = {}
    for vertex, uv in zip(mesh.quads[part == HEAD].ravel(), texture_quads[part == HEAD].ravel(), strict=True):
        head_vertices.setdefault(int(vertex), [])
        if int(uv) not in head_vertices[int(vertex)]:
            head_vertices[int(vertex)].append(int(uv))
    neck = np.flatnonzero(part == NECK)
    border = sorted(set(mesh.quads[neck].ravel().tolist()) & set(head_vertices))

    def angle(vertex: int, side: float) -> float:
        x, _, z = mesh.vertices[vertex]
        if abs(x) < 1e-4 and z < middle_z:
            return float(np.copysign(np.pi, side))
        return float(np.arctan2(x, z - middle_z))

    samples = []
    for vertex in border:
        for uv in head_vertices[vertex]:
            side = points[uv, 0] - points[[u for b in border for u in head_vertices[b]], 0].mean()
            samples.append((angle(vertex, side), *points[uv], mesh.vertices[vertex, 1]))
    table = np.array(sorted(samples))
    new_points = list(points)
    made: dict[tuple[int, bool], int] = {}
    result = texture_quads.copy()
    for quad in neck:
        side = float(np.sign(mesh.vertices[mesh.quads[quad], 0].mean()))
        for corner, vertex in enumerate(mesh.quads[quad].tolist()):
            if vertex in head_vertices:
                options = head_vertices[vertex]
                centre = table[:, 1].mean()
                result[quad, corner] = max(options, key=lambda uv: side * (points[uv, 0] - centre))
                continue
            seam = abs(mesh.vertices[vertex, 0]) < 1e-4 and mesh.vertices[vertex, 2] < middle_z
            key = (vertex, bool(seam and side > 0))
            if key not in made:
                theta = angle(vertex, side)
                u = np.interp(theta, table[:, 0], table[:, 1])
                v = np.interp(theta, table[:, 0], table[:, 2])
                y = np.interp(theta, table[:, 0], table[:, 3])
                made[key] = len(new_points)
                new_points.append(np.array([u, v - 0.11 * max(y - mesh.vertices[vertex, 1], 0.02)]))
            result[quad, corner] = made[key]
    return result, np.array(new_points)


def fish_eye(points: np.ndarray, centre: np.ndarray, power: float) -> np.ndarray:
    """Enlarge the neighbourhood of ``centre``: radius r (of the farthest point's R) becomes R·(r/R)^power."""
    offset = points - centre
    radius = np.linalg.norm(offset, axis=1, keepdims=True)
    largest = radius.max()
    return centre + offset * np.where(radius > 0, (np.maximum(radius, 1e-9) / largest) ** (power - 1.0), 1.0)


def settle_mouth(mesh: BaseMesh) -> BaseMesh:
    """Settle teeth and tongue: closed lips hide them, a smile shows the upper teeth."""
    vertices = mesh.vertices.copy()
    teeth = np.unique(mesh.quads[np.isin(mesh.groups, ["helper-upper-teeth", "helper-lower-teeth"])])
    vertices[teeth] += [0.0, 0.0, -0.055]
    vertices[teeth, 0] *= 0.9
    upper = np.unique(mesh.quads[mesh.groups == "helper-upper-teeth"])
    vertices[upper, 1] -= 0.03
    tongue = np.unique(mesh.quads[mesh.groups == "helper-tongue"])
    low = vertices[tongue].min(axis=0)
    vertices[tongue, 1] = low[1] + 0.68 * (vertices[tongue, 1] - low[1])
    vertices[tongue, 2] = low[2] + 0.86 * (vertices[tongue, 2] - low[2])
    return attrs.evolve(mesh, vertices=vertices)


def build_cage(mesh: BaseMesh) -> Cage:
    """Select, lay out and renumber the cage."""
    part = select_parts(mesh)
    points = mesh.texture_points.copy()
    turned = np.stack([points[:, 1], -points[:, 0]], axis=1)
    head_uv = np.unique(mesh.texture_quads[part == HEAD])
    left = turned[mesh.texture_quads[part == HEAD][mesh.vertices[mesh.quads[part == HEAD]][..., 0] > 0.3], 0]
    if left.mean() < turned[head_uv, 0].mean():
        turned[:, 0] *= -1.0
    source_point = np.full(len(mesh.vertices), -1)
    source_point[mesh.quads[part >= 0][::-1].ravel()] = mesh.texture_quads[part >= 0][::-1].ravel()
    source_point[mesh.quads[part == HEAD].ravel()] = mesh.texture_quads[part == HEAD].ravel()

    texture_quads, layout = _neck_uv(mesh, part, mesh.texture_quads, turned)
    main = np.unique(texture_quads[(part == HEAD) | (part == NECK)])
    nose = np.flatnonzero(
        (np.abs(mesh.vertices[:, 0]) < 1e-4) & (mesh.vertices[:, 2] > 1.6) & (mesh.vertices[:, 1] > 6.8)
    )
    nose_uv = layout[source_point[nose[source_point[nose] >= 0]]].mean(axis=0)
    layout[main] = fish_eye(layout[main], nose_uv, 0.7)
    low, high = layout[main].min(axis=0), layout[main].max(axis=0)
    layout[main] = (layout[main] - low) / (high - low) * [1.0, 1.0 - STRIP] + [0.0, STRIP]

    slot = 0
    for code in (SOCKET, CAVITY, TEETH, TONGUE):
        ids = np.flatnonzero(part == code)
        sides = (
            [
                ids[mesh.vertices[mesh.quads[ids], 0].mean(axis=1) < 0],
                ids[mesh.vertices[mesh.quads[ids], 0].mean(axis=1) >= 0],
            ]
            if code == SOCKET
            else [ids]
        )
        for chosen in sides:
            uv = np.unique(texture_quads[chosen])
            layout[uv] = _box(turned[uv], 0.005 + 0.12 * slot, 0.005, STRIP - 0.015)
            slot += 1

    kept = part >= 0
    keep, quads = np.unique(mesh.quads[kept], return_inverse=True)
    uv_ids, uv_quads = np.unique(texture_quads[kept], return_inverse=True)
    source = np.full((len(keep), 2), np.nan)
    known = source_point[keep] >= 0
    source[known] = points[source_point[keep][known]]
    return Cage(
        keep=keep,
        quads=quads.reshape(-1, 4),
        texture_points=np.clip(layout[uv_ids], 0.0, 1.0),
        texture_quads=uv_quads.reshape(-1, 4),
        part=part[kept],
        source_uv=source,
    )
