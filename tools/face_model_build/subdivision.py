"""One Catmull-Clark step as a sparse matrix, refined only where the surface needs it."""

from __future__ import annotations

import attrs
import numpy as np
from scipy.sparse import csr_matrix, vstack


@attrs.define(frozen=True, kw_only=True, eq=False)
class Refinement:
    """A refined mesh over one cage.

    Attributes:
        weights: (P, C) sparse rows that map cage positions to refined positions.
        triangles: (T, 3) int64 ids of refined positions.
        texture_triangles: (T, 3) int64 ids of refined UVs.
        texture_weights: (U, N) sparse rows that map cage UVs to refined UVs.
        quad: (T,) int64, the cage quad of every triangle.
    """

    weights: csr_matrix
    triangles: np.ndarray
    texture_triangles: np.ndarray
    texture_weights: csr_matrix
    quad: np.ndarray


def edge_table(quads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return unique undirected edges (E, 2) and the (Q, 4) edge id of every quad side."""
    starts, ends = quads, np.roll(quads, -1, axis=1)
    sides = np.sort(np.stack([starts, ends], axis=-1).reshape(-1, 2), axis=1)
    edges, inverse = np.unique(sides, axis=0, return_inverse=True)
    return edges, inverse.reshape(quads.shape)


def catmull_clark_weights(quads: np.ndarray, count: int) -> csr_matrix:
    """Return the (count + E + Q, count) Catmull-Clark matrix: vertex, then edge, then face points.

    Border edges take their midpoint and border vertices the cubic B-spline rule (1/8, 3/4, 1/8).
    Source: E. Catmull and J. Clark, 1978.
    """
    edges, side = edge_table(quads)
    edge_count, quad_count = len(edges), len(quads)
    face = csr_matrix(
        (np.full(4 * quad_count, 0.25), (np.repeat(np.arange(quad_count), 4), quads.ravel())),
        shape=(quad_count, count),
    )
    midpoint = csr_matrix(
        (np.full(2 * edge_count, 0.5), (np.repeat(np.arange(edge_count), 2), edges.ravel())),
        shape=(edge_count, count),
    )
    edge_face = csr_matrix(
        (np.ones(4 * quad_count), (side.ravel(), np.repeat(np.arange(quad_count), 4))),
        shape=(edge_count, quad_count),
    )
    sharing = np.asarray(edge_face.sum(axis=1)).ravel()
    border_edge = sharing != 2
    inner = (~border_edge).astype(float)
    edge_point = _scale_rows(midpoint, np.where(border_edge, 1.0, 0.5)) + _scale_rows(
        edge_face @ face, 0.25 * inner
    )

    vertex_face = csr_matrix(
        (np.ones(4 * quad_count), (quads.ravel(), np.repeat(np.arange(quad_count), 4))),
        shape=(count, quad_count),
    )
    vertex_edge = csr_matrix(
        (np.ones(2 * edge_count), (edges.ravel(), np.repeat(np.arange(edge_count), 2))),
        shape=(count, edge_count),
    )
    valence = np.maximum(np.asarray(vertex_edge.sum(axis=1)).ravel(), 1.0)
    faces_around = np.maximum(np.asarray(vertex_face.sum(axis=1)).ravel(), 1.0)
    border_count = vertex_edge @ border_edge.astype(float)
    border_vertex = border_count > 0
    identity = csr_matrix((np.ones(count), (np.arange(count), np.arange(count))), shape=(count, count))
    smooth = (~border_vertex).astype(float)
    vertex_point = (
        _scale_rows(vertex_face @ face, smooth / (valence * faces_around))
        + _scale_rows(vertex_edge @ midpoint, smooth * 2.0 / valence**2)
        + _scale_rows(identity, smooth * (valence - 3.0) / valence)
    )
    curve = vertex_edge @ _scale_rows(midpoint, border_edge.astype(float))
    spline = border_vertex & (border_count == 2)
    corner = border_vertex & (border_count != 2)
    vertex_point = (
        vertex_point + _scale_rows(curve, 0.25 * spline) + _scale_rows(identity, 0.5 * spline + 1.0 * corner)
    )
    weights = csr_matrix(vstack([vertex_point, edge_point, face]))
    weights.eliminate_zeros()
    return weights


def linear_weights(quads: np.ndarray, count: int) -> csr_matrix:
    """Return the (count + E + Q, count) matrix that keeps corners and takes edge and face midpoints."""
    edges, _ = edge_table(quads)
    identity = csr_matrix((np.ones(count), (np.arange(count), np.arange(count))), shape=(count, count))
    midpoint = csr_matrix(
        (np.full(2 * len(edges), 0.5), (np.repeat(np.arange(len(edges)), 2), edges.ravel())),
        shape=(len(edges), count),
    )
    face = csr_matrix(
        (np.full(4 * len(quads), 0.25), (np.repeat(np.arange(len(quads)), 4), quads.ravel())),
        shape=(len(quads), count),
    )
    return csr_matrix(vstack([identity, midpoint, face]))


def _scale_rows(matrix: csr_matrix, factors: np.ndarray) -> csr_matrix:
    diagonal = csr_matrix(
        (factors, (np.arange(len(factors)), np.arange(len(factors)))), shape=(len(factors),) * 2
    )
    return csr_matrix(diagonal @ matrix)


def refine(
    quads: np.ndarray,
    texture_quads: np.ndarray,
    count: int,
    texture_count: int,
    fine: np.ndarray,
) -> Refinement:
    """Refine a cage: fine quads become eight triangles, the others two, without cracks.

    A coarse quad keeps its four (smoothed) corners; where a neighbour is fine it also takes that
    side's edge point, so both share the same border.

    Args:
        quads: (Q, 4) cage positions.
        texture_quads: (Q, 4) cage UVs of the same quads.
        count: number of cage positions.
        texture_count: number of cage UVs.
        fine: (Q,) bool, which quads to split.

    Returns:
        The refinement; positions and UVs that no triangle uses stay in the matrices.
    """
    edges, side = edge_table(quads)
    texture_edges, texture_side = edge_table(texture_quads)
    edge_is_fine = np.zeros(len(edges), bool)
    edge_is_fine[side[fine].ravel()] = True

    corners, points, faces = [], [], []
    for index in range(len(quads)):
        position = [int(v) for v in quads[index]]
        texture = [int(v) for v in texture_quads[index]]
        edge = [count + int(e) for e in side[index]]
        texture_edge = [texture_count + int(e) for e in texture_side[index]]
        centre = count + len(edges) + index
        texture_centre = texture_count + len(texture_edges) + index
        if fine[index]:
            for k in range(4):
                quad = (position[k], edge[k], centre, edge[k - 1])
                uv = (texture[k], texture_edge[k], texture_centre, texture_edge[k - 1])
                corners += [(quad[0], quad[1], quad[2]), (quad[0], quad[2], quad[3])]
                points += [(uv[0], uv[1], uv[2]), (uv[0], uv[2], uv[3])]
                faces += [index, index]
            continue
        ring, uv_ring = [], []
        for k in range(4):
            ring.append(position[k])
            uv_ring.append(texture[k])
            if edge_is_fine[side[index, k]]:
                ring.append(edge[k])
                uv_ring.append(texture_edge[k])
        if len(ring) == 4:
            corners += [(ring[0], ring[1], ring[2]), (ring[0], ring[2], ring[3])]
            points += [(uv_ring[0], uv_ring[1], uv_ring[2]), (uv_ring[0], uv_ring[2], uv_ring[3])]
            faces += [index, index]
        else:
            for k in range(len(ring)):
                nxt = (k + 1) % len(ring)
                corners.append((ring[k], ring[nxt], centre))
                points.append((uv_ring[k], uv_ring[nxt], texture_centre))
                faces.append(index)
    return Refinement(
        weights=catmull_clark_weights(quads, count),
        triangles=np.array(corners),
        texture_triangles=np.array(points),
        texture_weights=linear_weights(texture_quads, texture_count),
        quad=np.array(faces),
    )
