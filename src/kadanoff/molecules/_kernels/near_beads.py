"""The list of near beads that terms beyond pairs need: every neighbour of every bead, inside their short reach.

Blocks of sorted beads, fractions of the box and bounding boxes are those of `neighbours`; here each bead has both
sides of the ring of blocks, and single beads instead of blocks.
"""

# mypy: ignore-errors
# (lanes have no Python type)

from __future__ import annotations

import numpy as np
from numba import njit

from kadanoff.molecules._kernels.lanes import WIDTH, absolute, largest, least, less, load, spread, to_float
from kadanoff.molecules._kernels.neighbours import TURN


@njit(cache=True, nogil=True)
def list_near(first, last, u, n, pad, box, reach, middle, half, near, count):
    """Beads nearer than ``reach`` to each bead of the blocks first..last-1, itself left out; returns (fits, farthest
    block step back, ahead)."""
    blocks, room = pad // WIDTH, near.shape[1] - WIDTH
    long = 2 * blocks + WIDTH
    s0 = spread(np.float32((box[0] / TURN) ** 2))
    s1 = spread(np.float32((box[1] / TURN) ** 2))
    s2 = spread(np.float32((box[2] / TURN) ** 2))
    limit = spread(np.float32(reach * reach * 1.00001))
    b0, b1, b2 = spread(np.float32(box[0])), spread(np.float32(box[1])), spread(np.float32(box[2]))
    zero = spread(np.float32(0.0))
    fits, back, ahead = True, 0, 0
    for block in range(first, last):
        low, high = block * WIDTH, min(n, (block + 1) * WIDTH)
        for i in range(low, low + WIDTH):
            count[i] = 0
        m0, m1, m2 = spread(middle[block]), spread(middle[long + block]), spread(middle[2 * long + block])
        h0, h1, h2 = spread(half[block]), spread(half[long + block]), spread(half[2 * long + block])
        for far in range(0, blocks, WIDTH):
            k = block + far
            d0, d1, d2 = (
                absolute(load(middle, k) - m0),
                absolute(load(middle, long + k) - m1),
                absolute(load(middle, 2 * long + k) - m2),
            )
            d0 = largest(least(d0, b0 - d0) - (load(half, k) + h0), zero)
            d1 = largest(least(d1, b1 - d1) - (load(half, long + k) + h1), zero)
            d2 = largest(least(d2, b2 - d2) - (load(half, 2 * long + k) + h2), zero)
            mask = less(d0 * d0 + d1 * d1 + d2 * d2, limit)
            for lane in range(min(WIDTH, blocks - far)):
                if not (mask >> np.uint32(lane)) & np.uint32(1):
                    continue
                step = far + lane
                j = block + step
                j = (j - blocks if j >= blocks else j) * WIDTH
                xj, yj, zj = load(u, j), load(u, pad + j), load(u, 2 * pad + j)
                valid = np.uint32(255) if j + WIDTH <= n else np.uint32((1 << (n - j)) - 1)
                for i in range(low, high):
                    dx, dy, dz = (
                        to_float(xj - spread(u[i])),
                        to_float(yj - spread(u[pad + i])),
                        to_float(zj - spread(u[2 * pad + i])),
                    )
                    hits = less(dx * dx * s0 + dy * dy * s1 + dz * dz * s2, limit) & valid
                    if step == 0:
                        hits &= np.uint32(255 ^ (1 << (i - low)))
                    if hits:
                        at = np.int64(count[i])
                        if at > room:
                            fits = False
                            continue
                        for bit in range(WIDTH):  # written whether it hits or not: nothing to guess
                            near[i, at] = j + bit
                            at += np.int64((hits >> np.uint32(bit)) & np.uint32(1))
                        count[i] = at
                        if 2 * step <= blocks:
                            ahead = max(ahead, step)
                        else:
                            back = max(back, blocks - step)
    return fits, back, ahead


@njit(nogil=True)
def touched(chunk, chunks, blocks, back, ahead):
    """First block (on the ring) and number of blocks that a chunk writes to."""
    first, last = chunk * blocks // chunks, (chunk + 1) * blocks // chunks
    number = last - first + back + ahead
    if number >= blocks:
        return 0, blocks
    return (first - back) % blocks, number
