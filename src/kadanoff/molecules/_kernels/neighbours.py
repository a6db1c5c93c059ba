"""Kernels that sort beads in space and list neighbours by blocks of eight.

Beads are sorted along columns of the box, turning at each end, so that eight beads in a row are a compact block.
Positions are kept as 32-bit fractions of the box: the difference of two, as a wrapping integer, is the nearest image
without any test. Each bead has a row of blocks, its own first, then those of the following half of the ring of blocks
that hold a bead within reach: every pair of different blocks is looked at from one side only.

Arrays over beads are padded to whole blocks and flat: x of all, y of all, z of all, ``pad`` apart.
"""

# mypy: ignore-errors
# (lanes have no Python type)

from __future__ import annotations

import numpy as np
from numba import njit

from kadanoff.molecules._kernels.lanes import WIDTH, absolute, largest, least, less, load, spread, store, to_float

TURN = 4294967296.0  # one box edge as an integer fraction


@njit(cache=True, nogil=True)
def order(x, n, pad, box, places):
    """Indices that sort the beads x (in [0, box)) into blocks: columns along z, rows of columns along y, both
    turning."""
    edge = (box[0] * box[1] * box[2] * WIDTH / n) ** (1.0 / 3.0)
    nx, ny = max(1, int(np.rint(box[0] / edge))), max(1, int(np.rint(box[1] / edge)))
    nz = max(1, (4 * n) // (nx * ny))
    counts = np.zeros(nx * ny * nz + 1, np.int64)
    keys = np.empty(n, np.int64)
    for i in range(n):
        a = min(nx - 1, int(x[i] / box[0] * nx))
        b = min(ny - 1, int(x[pad + i] / box[1] * ny))
        c = min(nz - 1, int(x[2 * pad + i] / box[2] * nz))
        b = ny - 1 - b if a & 1 else b
        column = a * ny + b
        key = column * nz + (nz - 1 - c if column & 1 else c)
        keys[i] = key
        counts[key + 1] += 1
    for k in range(nx * ny * nz):
        counts[k + 1] += counts[k]
    for i in range(n):
        places[counts[keys[i]]] = i
        counts[keys[i]] += 1


@njit(cache=True, nogil=True)
def bound(x, n, pad, box, middle, half):
    """Middle and half width of each block's bounding box, repeated around the ring with WIDTH more, ``middle`` 3 rows
    flat."""
    blocks = pad // WIDTH
    long = 2 * blocks + WIDTH
    for d in range(3):
        for b in range(blocks):
            low, high = x[d * pad + b * WIDTH], x[d * pad + b * WIDTH]
            for i in range(b * WIDTH + 1, min(n, (b + 1) * WIDTH)):
                low, high = min(low, x[d * pad + i]), max(high, x[d * pad + i])
            m, h = np.float32(0.5 * (low + high)), np.float32(0.5 * (high - low) * 1.00001 + 1e-5 * box[d])
            for k in range(b, long, blocks):
                middle[d * long + k] = m
                half[d * long + k] = h


@njit(cache=True, nogil=True)
def list_rows(first, last, u, n, pad, box, reach, middle, half, rows, filled):
    """Rows of the beads in blocks first..last-1; returns (fits, the farthest block step used).

    ``u`` 32-bit fractions; ``rows`` (pad, room) starts of blocks; ``filled`` (pad,) their number.
    """
    blocks, room = pad // WIDTH, rows.shape[1]
    long = 2 * blocks + WIDTH
    s0 = spread(np.float32((box[0] / TURN) ** 2))
    s1 = spread(np.float32((box[1] / TURN) ** 2))
    s2 = spread(np.float32((box[2] / TURN) ** 2))
    limit = np.float32(reach * reach * 1.00001)
    near = spread(limit)
    b0, b1, b2 = spread(np.float32(box[0])), spread(np.float32(box[1])), spread(np.float32(box[2]))
    zero = spread(np.float32(0.0))
    fits, farthest = True, 0
    for block in range(first, last):
        low, high = block * WIDTH, min(n, (block + 1) * WIDTH)
        for i in range(low, low + WIDTH):
            rows[i, 0] = low
            filled[i] = 1 if i < n else 0
        span = (blocks - 1) // 2 + (1 if blocks % 2 == 0 and block < blocks // 2 else 0)
        m0, m1, m2 = spread(middle[block]), spread(middle[long + block]), spread(middle[2 * long + block])
        h0, h1, h2 = spread(half[block]), spread(half[long + block]), spread(half[2 * long + block])
        for far in range(1, span + 1, WIDTH):
            k = block + far
            d0, d1, d2 = (
                absolute(load(middle, k) - m0),
                absolute(load(middle, long + k) - m1),
                absolute(load(middle, 2 * long + k) - m2),
            )
            d0 = largest(least(d0, b0 - d0) - (load(half, k) + h0), zero)
            d1 = largest(least(d1, b1 - d1) - (load(half, long + k) + h1), zero)
            d2 = largest(least(d2, b2 - d2) - (load(half, 2 * long + k) + h2), zero)
            mask = less(d0 * d0 + d1 * d1 + d2 * d2, near)
            for lane in range(min(WIDTH, span + 1 - far)):
                if not (mask >> np.uint32(lane)) & np.uint32(1):
                    continue
                j = k + lane
                j = (j - blocks if j >= blocks else j) * WIDTH
                xj, yj, zj = load(u, j), load(u, pad + j), load(u, 2 * pad + j)
                valid = np.uint32(255) if j + WIDTH <= n else np.uint32((1 << (n - j)) - 1)
                for i in range(low, high):
                    dx, dy, dz = (
                        to_float(xj - spread(u[i])),
                        to_float(yj - spread(u[pad + i])),
                        to_float(zj - spread(u[2 * pad + i])),
                    )
                    if less(dx * dx * s0 + dy * dy * s1 + dz * dz * s2, near) & valid:
                        if filled[i] < room:
                            rows[i, filled[i]] = j
                            filled[i] += 1
                            farthest = max(farthest, far + lane)
                        else:
                            fits = False
    return fits, farthest


@njit(cache=True, nogil=True)
def pairs(x, n, pad, box, cutoff, identity, rows, filled, first, second, squared, scratch):
    """Pairs within the cut-off, smaller index first, with their squared distance in float64; returns how many there
    are.

    Writes no more than fit into ``first`` with WIDTH to spare, but counts on. Lanes are written whether they hit or
    not, and only hits move on: nothing to guess for the processor."""
    count, room = 0, len(first) - WIDTH
    b0, b1, b2 = spread(box[0]), spread(box[1]), spread(box[2])
    limit = spread(cutoff * cutoff)
    for i in range(n):
        xi, yi, zi, own = spread(x[i]), spread(x[pad + i]), spread(x[2 * pad + i]), identity[i]
        for c in range(filled[i]):
            j = rows[i, c]
            dx, dy, dz = absolute(load(x, j) - xi), absolute(load(x, pad + j) - yi), absolute(load(x, 2 * pad + j) - zi)
            dx, dy, dz = least(dx, b0 - dx), least(dy, b1 - dy), least(dz, b2 - dz)
            s = dx * dx + dy * dy + dz * dz
            mask = less(s, limit)
            if c == 0:
                mask &= np.uint32(0xFFFFFFFE << (i - j))
            if j + WIDTH > n:
                mask &= np.uint32((1 << (n - j)) - 1)
            store(scratch, 0, s)
            at = min(count, room)
            for lane in range(WIDTH):
                other = identity[j + lane]
                first[at], second[at] = min(own, other), max(own, other)
                squared[at] = scratch[lane]
                at += (mask >> np.uint32(lane)) & np.uint32(1)
                count += (mask >> np.uint32(lane)) & np.uint32(1)
    return count
