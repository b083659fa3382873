"""Compiled loops: grids of quads and smooth blobs into a depth buffer, and their shading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

FAST = {"contract", "arcp", "nsz", "reassoc"}
"""Freedoms that the compiler may take; not-a-number and infinity keep their meaning."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile without the interpreter's lock; keep the machine code on disk where that is possible."""
    quick: Any
    try:
        quick = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)(function)
    except RuntimeError:  # no writable place for the cache
        quick = numba.njit(nogil=True, error_model="numpy", fastmath=FAST)(function)
    return quick  # type: ignore[no-any-return]


@compiled
def draw_grid(
    points: np.ndarray,
    normals: np.ndarray,
    texture: np.ndarray,
    tiles: np.ndarray,
    gloss: float,
    opacity: float,
    behind: np.ndarray,
    depth: np.ndarray,
    albedo: np.ndarray,
    normal: np.ndarray,
    shine: np.ndarray,
    alpha: np.ndarray,
) -> None:
    """Draw a grid of points (N, M, 3) as quads into the buffers, nearest wins (larger z is nearer)."""
    height, width = depth.shape
    rows, columns = points.shape[0], points.shape[1]
    th, tw = texture.shape[0], texture.shape[1]
    ii = np.empty(3, np.int64)
    jj = np.empty(3, np.int64)
    for i in range(rows - 1):
        for j in range(columns - 1):
            for half in range(2):
                if half == 0:
                    ii[0], jj[0], ii[1], jj[1], ii[2], jj[2] = i, j, i, j + 1, i + 1, j
                else:
                    ii[0], jj[0], ii[1], jj[1], ii[2], jj[2] = i + 1, j + 1, i + 1, j, i, j + 1
                ax, ay, az = points[ii[0], jj[0]]
                bx, by, bz = points[ii[1], jj[1]]
                cx, cy, cz = points[ii[2], jj[2]]
                area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
                if abs(area) < 1e-9:
                    continue
                x0 = max(int(np.ceil(min(ax, bx, cx))), 0)
                x1 = min(int(np.floor(max(ax, bx, cx))), width - 1)
                y0 = max(int(np.ceil(min(ay, by, cy))), 0)
                y1 = min(int(np.floor(max(ay, by, cy))), height - 1)
                for y in range(y0, y1 + 1):
                    for x in range(x0, x1 + 1):
                        wb = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area
                        wc = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area
                        wa = 1.0 - wb - wc
                        if wa < -1e-6 or wb < -1e-6 or wc < -1e-6:
                            continue
                        z = wa * az + wb * bz + wc * cz
                        if z <= depth[y, x] or z < behind[y, x]:
                            continue
                        v = (wa * ii[0] + wb * ii[1] + wc * ii[2]) / (rows - 1) * tiles[0]
                        u = (wa * jj[0] + wb * jj[1] + wc * jj[2]) / (columns - 1) * tiles[1]
                        tv = int((v - np.floor(v)) * th) if tiles[0] != 1 else int(v * (th - 1) + 0.5)
                        tu = int((u - np.floor(u)) * tw) if tiles[1] != 1 else int(u * (tw - 1) + 0.5)
                        tv = min(max(tv, 0), th - 1)
                        tu = min(max(tu, 0), tw - 1)
                        cover = opacity
                        if texture.shape[2] == 4:
                            cover = opacity * texture[tv, tu, 3]
                            if cover < 0.02:
                                continue
                        depth[y, x] = z
                        nx = (
                            wa * normals[ii[0], jj[0], 0]
                            + wb * normals[ii[1], jj[1], 0]
                            + wc * normals[ii[2], jj[2], 0]
                        )
                        ny = (
                            wa * normals[ii[0], jj[0], 1]
                            + wb * normals[ii[1], jj[1], 1]
                            + wc * normals[ii[2], jj[2], 1]
                        )
                        nz = (
                            wa * normals[ii[0], jj[0], 2]
                            + wb * normals[ii[1], jj[1], 2]
                            + wc * normals[ii[2], jj[2], 2]
                        )
                        size = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
                        if nz < 0:
                            size = -size
                        normal[y, x, 0], normal[y, x, 1], normal[y, x, 2] = nx / size, ny / size, nz / size
                        albedo[y, x, 0] = texture[tv, tu, 0]
                        albedo[y, x, 1] = texture[tv, tu, 1]
                        albedo[y, x, 2] = texture[tv, tu, 2]
                        shine[y, x] = gloss
                        alpha[y, x] = cover


@compiled
def _distance(
    px: float,
    py: float,
    pz: float,
    a: np.ndarray,
    axis: np.ndarray,
    shape: np.ndarray,
    group: np.ndarray,
    near: np.ndarray,
    count: int,
    soft: float,
) -> tuple[float, int, float]:
    """Signed distance to the blobs `near[:count]`, the nearest of them, and the place along its axis.

    shape (K, 3) holds 1 / length², first radius, growth of the radius.
    """
    palm, finger, best, which, place = 1e9, 1e9, 1e9, 0, 0.0
    for n in range(count):
        k = near[n]
        ex, ey, ez = px - a[k, 0], py - a[k, 1], pz - a[k, 2]
        dx, dy, dz = axis[k, 0], axis[k, 1], axis[k, 2]
        t = min(max((dx * ex + dy * ey + dz * ez) * shape[k, 0], 0.0), 1.0)
        ex, ey, ez = ex - t * dx, ey - t * dy, ez - t * dz
        d = np.sqrt(ex * ex + ey * ey + ez * ez) - (shape[k, 1] + t * shape[k, 2])
        if d < best:
            best, which, place = d, k, t
        if group[k] == 0:
            h = max(soft - abs(palm - d), 0.0) / soft
            palm = min(palm, d) - h * h * soft * 0.25
        else:
            finger = min(finger, d)
    h = max(soft - abs(palm - finger), 0.0) / soft
    return min(palm, finger) - h * h * soft * 0.25, which, place


@compiled
def draw_blobs(
    a: np.ndarray,
    b: np.ndarray,
    radius: np.ndarray,
    group: np.ndarray,
    soft: float,
    depth: np.ndarray,
    normal: np.ndarray,
    owner: np.ndarray,
    place: np.ndarray,
    crevice: np.ndarray,
    offset: np.ndarray,
) -> None:
    """Trace tapered capsules a-b (K, 3), blended within `soft` pixels, into a window of the canvas.

    Group 0 melts together and into the others; other groups only touch each other.
    """
    height, width = depth.shape
    blobs = a.shape[0]
    axis = b - a
    shape = np.empty((blobs, 3))
    flat = np.empty(blobs)
    reach = np.empty(blobs)
    for k in range(blobs):
        planar = axis[k, 0] ** 2 + axis[k, 1] ** 2
        shape[k, 0] = 1 / max(planar + axis[k, 2] ** 2, 1e-9)
        shape[k, 1] = radius[k, 0]
        shape[k, 2] = radius[k, 1] - radius[k, 0]
        flat[k] = 1 / max(planar, 1e-9)
        reach[k] = max(radius[k, 0], radius[k, 1]) + 0.3 * soft
    near = np.empty(blobs, np.int64)
    tile = np.empty(blobs, np.int64)
    block = 12
    for ty in range(0, height, block):
        for tx in range(0, width, block):
            in_tile = 0
            mx, my = tx + 0.5 * block + offset[0], ty + 0.5 * block + offset[1]
            for k in range(blobs):
                ex, ey = mx - a[k, 0], my - a[k, 1]
                t = min(max((ex * axis[k, 0] + ey * axis[k, 1]) * flat[k], 0.0), 1.0)
                ex, ey = ex - t * axis[k, 0], ey - t * axis[k, 1]
                far = reach[k] + 0.75 * block
                if ex * ex + ey * ey < far * far:
                    tile[in_tile] = k
                    in_tile += 1
            if in_tile == 0:
                continue
            for y in range(ty, min(ty + block, height)):
                py = y + offset[1]
                for x in range(tx, min(tx + block, width)):
                    px = x + offset[0]
                    count, top, bottom = 0, -1e9, 1e9
                    for n in range(in_tile):
                        k = tile[n]
                        ex, ey = px - a[k, 0], py - a[k, 1]
                        t = min(max((ex * axis[k, 0] + ey * axis[k, 1]) * flat[k], 0.0), 1.0)
                        ex, ey = ex - t * axis[k, 0], ey - t * axis[k, 1]
                        if ex * ex + ey * ey < reach[k] * reach[k]:
                            near[count] = k
                            count += 1
                            top = max(top, max(a[k, 2], b[k, 2]) + reach[k])
                            bottom = min(bottom, min(a[k, 2], b[k, 2]) - reach[k])
                    if count == 0:
                        continue
                    z, hit, which, t = top, False, 0, 0.0
                    for _ in range(32):
                        d, which, t = _distance(px, py, z, a, axis, shape, group, near, count, soft)
                        if d < 0.2:
                            hit = True
                            break
                        z -= d
                        if z < bottom:
                            break
                    if not hit:
                        continue
                    owner[y, x] = which
                    place[y, x] = t
                    e = 0.5
                    d = _distance(px, py, z, a, axis, shape, group, near, count, soft)[0]
                    nx = _distance(px + e, py, z, a, axis, shape, group, near, count, soft)[0] - d
                    ny = _distance(px, py + e, z, a, axis, shape, group, near, count, soft)[0] - d
                    nz = _distance(px, py, z + e, a, axis, shape, group, near, count, soft)[0] - d
                    size = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
                    nx, ny, nz = nx / size, ny / size, max(nz / size, 0.0)
                    depth[y, x] = z
                    normal[y, x, 0], normal[y, x, 1], normal[y, x, 2] = nx, ny, nz
                    far = soft * 0.6
                    d = _distance(
                        px + far * nx, py + far * ny, z + far * nz, a, axis, shape, group, near, count, soft
                    )[0]
                    crevice[y, x] = max(1.0 - max(far - d, 0.0) / far, 0.0)


@compiled
def shade_buffers(
    albedo: np.ndarray,
    normal: np.ndarray,
    shine: np.ndarray,
    alpha: np.ndarray,
    direction: np.ndarray,
    diffuse: np.ndarray,
    ambient: np.ndarray,
    wrap: float,
    out: np.ndarray,
) -> None:
    """Write premultiplied RGBA (H, W, 4): wrapped Lambert, a soft sky term and a Blinn highlight."""
    hx, hy, hz = direction[0], direction[1], direction[2] + 1.0
    size = np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9
    hx, hy, hz = hx / size, hy / size, hz / size
    for y in range(albedo.shape[0]):
        for x in range(albedo.shape[1]):
            cover = alpha[y, x]
            if cover <= 0:
                continue
            nx, ny, nz = normal[y, x, 0], normal[y, x, 1], normal[y, x, 2]
            lit = (nx * direction[0] + ny * direction[1] + nz * direction[2] + wrap) / (1 + wrap)
            lit = max(lit, 0.0)
            sky = 0.8 - 0.2 * ny
            g = shine[y, x]
            high = 0.0
            if g > 0:
                cos = max(nx * hx + ny * hy + nz * hz, 0.0)
                high = g * cos ** (12 + 60 * g)
            for c in range(3):
                value = albedo[y, x, c] * (ambient[c] * sky + diffuse[c] * lit) + high * diffuse[c]
                out[y, x, c] = min(max(value, 0.0), 1.0) * cover
            out[y, x, 3] = cover
