"""Splitting the long edges of a mesh, compiled for the CPU: the same edges and pieces as `subdivision` finds."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from occface_core.geometry.compiled import compiled


@compiled
def _find(
    points: np.ndarray,
    triangles: np.ndarray,
    wanted: np.ndarray,
    square: float,
    middle: np.ndarray,
    edges: np.ndarray,
    sizes: np.ndarray,
) -> None:
    """Give each long side with a wanted end the vertex in its middle, and list the edges in order.

    Args:
        points: (V, 3).
        triangles: (T, 3).
        wanted: (V,) bool.
        square: of the length from which sides are long.
        middle: (T, 3), becomes the vertex in the middle of sides ab, bc, ca, -1 where they stay whole.
        edges: (3T, 2), the first rows become the edges.
        sizes: (5,), becomes the number of edges, and of triangles with none to three split sides.
    """
    count, most = len(points), 3 * len(triangles)
    head, after = np.full(count, -1), np.empty(most, np.int64)
    far, rank = np.empty(most, np.int64), np.empty(most, np.int64)
    number = 0
    for t in range(len(triangles)):
        for k in range(3):
            i, j = triangles[t, k], triangles[t, (k + 1) % 3]
            middle[t, k] = -1
            if not (wanted[i] or wanted[j]):
                continue
            dx, dy, dz = (
                points[i, 0] - points[j, 0],
                points[i, 1] - points[j, 1],
                points[i, 2] - points[j, 2],
            )
            if not dx * dx + dy * dy + dz * dz > square:
                continue
            low, high = min(i, j), max(i, j)
            e = head[low]
            while e >= 0 and far[e] != high:
                e = after[e]
            if e < 0:
                e = number
                far[e], after[e], head[low] = high, head[low], e
                number += 1
            middle[t, k] = e
    place = 0
    for low in range(count):
        first, e = place, head[low]
        while e >= 0:  # few edges begin at a vertex
            p = place
            while p > first and far[edges[p - 1, 1]] > far[e]:
                edges[p, 1] = edges[p - 1, 1]
                p -= 1
            edges[p, 1] = e
            place += 1
            e = after[e]
        for p in range(first, place):
            e = edges[p, 1]
            edges[p, 0], edges[p, 1], rank[e] = low, far[e], p
    sizes[0] = number
    for t in range(len(triangles)):
        split = 0
        for k in range(3):
            if middle[t, k] >= 0:
                middle[t, k] = rank[middle[t, k]] + count
                split += 1
        sizes[1 + split] += 1


@compiled
def _cut(
    triangles: np.ndarray, middle: np.ndarray, sizes: np.ndarray, whole: np.ndarray, pieces: np.ndarray
) -> None:
    """Write the triangles that stay whole, and the pieces of the others in the order of `subdivision._split`."""
    one, two, three = sizes[2], sizes[3], sizes[4]
    at_two, at_three = 2 * one, 2 * one + 3 * two
    found = np.zeros(4, np.int64)
    for t in range(len(triangles)):
        split, turn = 0, 0
        for k in range(3):
            split += middle[t, k] >= 0
        if split == 1:
            while middle[t, turn] < 0:
                turn += 1
        elif split == 2:
            while middle[t, (turn + 2) % 3] >= 0:
                turn += 1
        a, b, c = triangles[t, turn], triangles[t, (turn + 1) % 3], triangles[t, (turn + 2) % 3]
        ab, bc, ca = middle[t, turn], middle[t, (turn + 1) % 3], middle[t, (turn + 2) % 3]
        p = found[split]
        found[split] += 1
        if split == 0:
            whole[p] = a, b, c
        elif split == 1:
            pieces[p] = a, ab, c
            pieces[p + one] = ab, b, c
        elif split == 2:
            pieces[at_two + p] = a, ab, bc
            pieces[at_two + two + p] = ab, b, bc
            pieces[at_two + 2 * two + p] = a, bc, c
        else:
            pieces[at_three + p] = a, ab, ca
            pieces[at_three + three + p] = ab, b, bc
            pieces[at_three + 2 * three + p] = ca, bc, c
            pieces[at_three + 3 * three + p] = ab, bc, ca


def split_long(
    vertices: Tensor, triangles: Tensor, wanted: Tensor, longest: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what `subdivision._split_long` returns, for tensors on the CPU."""
    faces = triangles.contiguous().numpy()
    middle, edges = np.empty_like(faces), np.empty((3 * len(faces), 2), np.int64)
    sizes = np.zeros(5, np.int64)
    _find(
        vertices.contiguous().numpy(),
        faces,
        wanted.contiguous().numpy(),
        longest**2,
        middle,
        edges,
        sizes,
    )
    whole = np.empty((sizes[1], 3), np.int64)
    pieces = np.empty((2 * sizes[2] + 3 * sizes[3] + 4 * sizes[4], 3), np.int64)
    _cut(faces, middle, sizes, whole, pieces)
    found = edges[: sizes[0]].copy()
    return torch.from_numpy(found), torch.from_numpy(whole), torch.from_numpy(pieces)
