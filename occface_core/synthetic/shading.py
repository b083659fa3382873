"""Compiled pixel loops of the renderer: bump lookup, and shading of the whole figure."""

from __future__ import annotations

import numpy as np

from occface_core.synthetic.occluders.raster import compiled

# Columns of the vertex attributes.
RED, GREEN, BLUE, U, V, HAIR, BEARD, GLOSS, AMBIENT, LIT, S, T, P, Q, BROW = range(15)
ATTRIBUTES = 15
"""U, V lie in the model's texture plane; S, T in that of hair and cloth,
P, Q in that of an outside skin texture, which BROW darkens."""

SKIN, HAIR_SHEET, CLOTH, PAINTED = range(4)
"""Materials of triangles: vertex colours, strands, cloth, skin with an outside texture."""


@compiled
def sample_map(
    triangle: np.ndarray,
    weight: np.ndarray,
    corners: np.ndarray,
    attributes: np.ndarray,
    skin_triangles: int,
    values: np.ndarray,
    out: np.ndarray,
) -> None:
    """Look up a map over the texture plane at every pixel of the face mesh, bilinearly; 0 elsewhere."""
    side = values.shape[0]
    for y in range(triangle.shape[0]):
        for x in range(triangle.shape[1]):
            t = triangle[y, x]
            if t < 0 or t >= skin_triangles:
                continue
            u, v = 0.0, 0.0
            for k in range(3):
                i = corners[t, k]
                u += weight[y, x, k] * attributes[i, U]
                v += weight[y, x, k] * attributes[i, V]
            fx = min(max(u, 0.0), 1.0) * (side - 1)
            fy = (1 - min(max(v, 0.0), 1.0)) * (side - 1)
            ix, iy = min(int(fx), side - 2), min(int(fy), side - 2)
            ax, ay = fx - ix, fy - iy
            out[y, x] = (
                values[iy, ix] * (1 - ax) * (1 - ay)
                + values[iy, ix + 1] * ax * (1 - ay)
                + values[iy + 1, ix] * (1 - ax) * ay
                + values[iy + 1, ix + 1] * ax * ay
            )


@compiled
def shade_figure(
    triangle: np.ndarray,
    weight: np.ndarray,
    corners: np.ndarray,
    attributes: np.ndarray,
    normals: np.ndarray,
    material: np.ndarray,
    labels: np.ndarray,
    hair_label: int,
    hair_texture: np.ndarray,
    cloth_texture: np.ndarray,
    skin_texture: np.ndarray,
    grain: np.ndarray,
    beard_colour: np.ndarray,
    bump: np.ndarray,
    closed: np.ndarray,
    pixel_mm: float,
    harmonics: np.ndarray,
    key: np.ndarray,
    key_colour: np.ndarray,
    hard: bool,
    hairline: float,
    out: np.ndarray,
    out_label: np.ndarray,
) -> None:
    """Write premultiplied RGBA (H, W, 4) and labels (H, W).

    closed (H, W) is the share of even light that creases keep out.
    harmonics (3, 9) already hold the even light; with `hard` they hold all light but the main one.
    """
    height, width = triangle.shape
    first = 2 * np.pi / np.sqrt(3) * np.sqrt(3 / (4 * np.pi))
    second = 2 * np.pi / np.sqrt(8) * 3 * np.sqrt(5 / (12 * np.pi))
    zero = np.pi / np.sqrt(4 * np.pi)
    hx, hy, hz = key[0], key[1], key[2] + 1.0
    size = np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-6
    hx, hy, hz = hx / size, hy / size, hz / size
    a = np.empty(ATTRIBUTES)
    colour = np.empty(3)
    for y in range(height):
        for x in range(width):
            t = triangle[y, x]
            if t < 0:
                continue
            i, j, k = corners[t, 0], corners[t, 1], corners[t, 2]
            wi, wj, wk = weight[y, x, 0], weight[y, x, 1], weight[y, x, 2]
            for c in range(ATTRIBUTES):
                a[c] = wi * attributes[i, c] + wj * attributes[j, c] + wk * attributes[k, c]
            nx = wi * normals[i, 0] + wj * normals[j, 0] + wk * normals[k, 0]
            ny = wi * normals[i, 1] + wj * normals[j, 1] + wk * normals[k, 1]
            nz = wi * normals[i, 2] + wj * normals[j, 2] + wk * normals[k, 2]
            size = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
            nx, ny, nz = nx / size, ny / size, nz / size
            if nz < 0:
                nx, ny, nz = -nx, -ny, -nz
            what = material[t]
            label = labels[t]
            gloss = a[GLOSS]
            strand = 1.0
            if what in (SKIN, PAINTED):
                g = grain[int(a[V] * 1531) % grain.shape[0], int(a[U] * 1531) % grain.shape[1]]
                for c in range(3):
                    colour[c] = a[c] * (1 + g)
                if what == PAINTED:
                    side = skin_texture.shape[0]
                    tx = min(max(int(a[P] * side), 0), side - 1)
                    ty = min(max(int((1 - a[Q]) * side), 0), side - 1)
                    for c in range(3):
                        colour[c] = skin_texture[ty, tx, c] * a[BROW] * (1 + 0.5 * g)
                if a[BEARD] > 0.02:
                    mix = min(max(a[BEARD] * (0.8 + 6 * g), 0.0), 0.9)
                    for c in range(3):
                        colour[c] = colour[c] * (1 - mix) + mix * beard_colour[c] * (1 + 3 * g)
                    gloss *= 1 - mix
            if a[HAIR] > 0 and what != CLOTH:
                sx = int(abs(a[S]) * 512) % hair_texture.shape[1]
                sy = int(abs(a[T]) * 512) % hair_texture.shape[0]
                strand = hair_texture[sy, sx, 3]
                mix = 1.0
                if what != HAIR_SHEET:
                    mix = min(max((a[HAIR] - hairline + 0.12 * (strand - 1)) / 0.07 + 0.5, 0.0), 1.0)
                for c in range(3):
                    colour[c] = (
                        colour[c] * (1 - mix) + mix * hair_texture[sy, sx, c]
                        if what != HAIR_SHEET
                        else (hair_texture[sy, sx, c])
                    )
                gloss = gloss * (1 - mix) + mix * 0.22 * strand
                if mix > 0.5:
                    label = hair_label
            if what == CLOTH:
                ty = int(abs(a[T]) * cloth_texture.shape[0]) % cloth_texture.shape[0]
                tx = int(abs(a[S]) * cloth_texture.shape[1]) % cloth_texture.shape[1]
                for c in range(3):
                    colour[c] = cloth_texture[ty, tx, c]
            # bend the normal by the slope of the bump map
            if 0 < x < width - 1 and 0 < y < height - 1 and bump[y, x] != 0 and nz > 0.2:
                right = (bump[y, x + 1] - bump[y, x - 1]) / (2 * pixel_mm)
                down = (bump[y + 1, x] - bump[y - 1, x]) / (2 * pixel_mm)
                nx, ny = nx - nz * right, ny + nz * down
                size = np.sqrt(nx * nx + ny * ny + nz * nz)
                nx, ny, nz = nx / size, ny / size, nz / size
            facing = max(nx * key[0] + ny * key[1] + nz * key[2], 0.0)
            cos = max(nx * hx + ny * hy + nz * hz, 0.0)
            high = 0.0
            if gloss > 0.005 and cos > 0.3:  # a rational stand-in for the power of a Blinn highlight
                sharp = 10 + 90 * min(gloss, 1.0)
                high = gloss * cos / (sharp - sharp * cos + cos) * a[LIT]
                high *= cos
            rim = 0.25 * gloss * ((1 - nz) * (1 - nz)) ** 2
            for c in range(3):
                h = harmonics[c]
                light = (
                    zero * h[0]
                    - first * ny * h[1]
                    + first * nz * h[2]
                    - first * nx * h[3]
                    + second
                    * (nx * ny * h[4] - ny * nz * h[5] - nx * nz * h[7] + 0.5 * (nx * nx - ny * ny) * h[8])
                    + second / (2 * np.sqrt(3)) * (3 * nz * nz - 1) * h[6]
                )
                share = closed[y, x]  # creases keep light out, as `creases.shaded` says
                light = (
                    max(light, 0.03) * a[AMBIENT] * (1 - share) / (1 - share * min(max(colour[c], 0.0), 1.0))
                )
                if hard:
                    light += key_colour[c] * facing * a[LIT]
                value = colour[c] * light + (high + rim) * key_colour[c]
                out[y, x, c] = min(max(value, 0.0), 1.0)
            out[y, x, 3] = 1.0
            out_label[y, x] = label
