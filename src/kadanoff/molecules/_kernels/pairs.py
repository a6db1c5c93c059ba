"""Histograms of pair distances under the minimum image.

Beads are sorted into compact blocks of ``BLOCK``; for each block the beads that can be in reach are gathered once, in
every periodic image that matters, relative to the block's centre, and sorted into slabs of z, so that each bead of the
block visits only the slabs in its reach. The distance loop then needs no minimum image, runs over contiguous float32 of
magnitude ~ cut-off (whatever the size of the box), and the scatter into the histogram goes to ``LANES`` tables, since
two neighbouring increments of one counter would wait for each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["pair_counts"]

BLOCK = 32
LANES = 8
# Slices of a column per block height: how finely blocks are sorted along z.
SLICES = 4
# Width of a column over the edge of a cube that holds a block: less than 1, so that blocks are longer along z, where
# every bead has a range of its own.
SLIM = 0.7
# Slabs along z into which the beads near a block are sorted.
SLABS = 64
# Distances are worked out in whole steps of what the compiler makes of one turn of the loop; the rest would be scalar.
STEP = 32


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _sort(positions: NDArray[Any], box: NDArray[Any], into: NDArray[Any]) -> None:
    """Wrap the beads into the box and put them into ``into`` (3, n), along a snake of cells."""
    number = len(positions)
    side = (box[0] * box[1] * box[2] * BLOCK / number) ** (1.0 / 3.0)
    nx = min(max(1, int(np.ceil(box[0] / (side * SLIM)))), number)
    ny = min(max(1, int(np.ceil(box[1] / (side * SLIM)))), number)
    nz = min(max(1, int(box[2] / side * SLICES)), number)
    wrapped = np.empty((number, 3), np.float64)
    keys = np.empty(number, np.int64)
    count = np.zeros(nx * ny * nz + 1, np.int64)
    for i in range(number):
        for axis in range(3):
            x = positions[i, axis] / box[axis]
            wrapped[i, axis] = x - np.floor(x)
        cx = min(int(wrapped[i, 0] * nx), nx - 1)
        cy = min(int(wrapped[i, 1] * ny), ny - 1)
        cz = min(int(wrapped[i, 2] * nz), nz - 1)
        # Turn round at the end of each row and column, so that a block that spans two stays compact.
        if cx % 2 == 1:
            cy = ny - 1 - cy
        column = cx * ny + cy
        if column % 2 == 1:
            cz = nz - 1 - cz
        keys[i] = column * nz + cz
        count[keys[i] + 1] += 1
    for k in range(nx * ny * nz):
        count[k + 1] += count[k]
    for i in range(number):
        place = count[keys[i]]
        count[keys[i]] += 1
        for axis in range(3):
            into[axis, place] = wrapped[i, axis] * box[axis]


@njit(cache=True, nogil=True, fastmath=True)  # type: ignore[untyped-decorator]
def _bin_numbers(
    xs: NDArray[Any],
    ys: NDArray[Any],
    zs: NDArray[Any],
    x: Any,
    y: Any,
    z: Any,
    scale: Any,
    last: Any,
    found: NDArray[Any],
) -> None:
    for j in range(len(xs)):
        dx, dy, dz = xs[j] - x, ys[j] - y, zs[j] - z
        found[j] = np.uint32(min(np.int32(np.sqrt(dx * dx + dy * dy + dz * dz) * scale), last))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _scatter(found: NDArray[Any], length: int, table: NDArray[Any]) -> None:
    whole = length - length % 8
    for j in range(0, whole, 8):
        table[0, found[j]] += 1
        table[1, found[j + 1]] += 1
        table[2, found[j + 2]] += 1
        table[3, found[j + 3]] += 1
        table[4, found[j + 4]] += 1
        table[5, found[j + 5]] += 1
        table[6, found[j + 6]] += 1
        table[7, found[j + 7]] += 1
    for j in range(whole, length):
        table[0, found[j]] += 1


@njit(cache=True, nogil=True, fastmath=True)  # type: ignore[untyped-decorator]
def _own_bin_numbers(
    own: NDArray[Any], i: int, ex: Any, ey: Any, ez: Any, scale: Any, last: Any, found: NDArray[Any]
) -> None:
    """Bins of the distances from bead i of a block to all its BLOCK places, under the minimum image."""
    x, y, z = own[0, i], own[1, i], own[2, i]
    for j in range(BLOCK):
        dx, dy, dz = abs(own[0, j] - x), abs(own[1, j] - y), abs(own[2, j] - z)
        dx, dy, dz = min(dx, ex - dx), min(dy, ey - dy), min(dz, ez - dz)
        found[j] = np.uint32(min(np.int32(np.sqrt(dx * dx + dy * dy + dz * dz) * scale), last))


@njit(cache=True, nogil=True, fastmath=True)  # type: ignore[untyped-decorator]
def _gaps(relative: NDArray[Any], x: Any, y: Any, z: Any, hx: Any, hy: Any, hz: Any, squares: NDArray[Any]) -> None:
    """Squared distances of a block's beads, moved by (x, y, z), from the box of half edges (hx, hy, hz) about 0."""
    zero = np.float32(0.0)
    for j in range(BLOCK):
        gx = max(abs(relative[0, j] + x) - hx, zero)
        gy = max(abs(relative[1, j] + y) - hy, zero)
        gz = max(abs(relative[2, j] + z) - hz, zero)
        squares[j] = gx * gx + gy * gy + gz * gz


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _gather(
    relative: NDArray[Any],
    shift: NDArray[Any],
    half: NDArray[Any],
    reach: Any,
    near: NDArray[Any],
    kept: int,
    squares: NDArray[Any],
    chosen: NDArray[Any],
) -> int:
    """Append the beads of a block, shifted, to ``near`` from ``kept`` on where the other block's box is in reach."""
    x, y, z = np.float32(shift[0]), np.float32(shift[1]), np.float32(shift[2])
    _gaps(relative, x, y, z, np.float32(half[0]), np.float32(half[1]), np.float32(half[2]), squares)
    number = 0
    for j in range(BLOCK):
        # Write always, count if near: no branch to mispredict.
        chosen[number] = j
        number += int(squares[j] < reach)
    for k in range(number):
        j = chosen[k]
        near[0, kept + k] = relative[0, j] + x
        near[1, kept + k] = relative[1, j] + y
        near[2, kept + k] = relative[2, j] + z
    return kept + number


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _order(
    near: NDArray[Any], kept: int, low: Any, scale: Any, first: NDArray[Any], bucket: NDArray[Any], into: NDArray[Any]
) -> None:
    """Put the first ``kept`` beads of ``near`` into ``into`` by slabs of z; slab k starts at ``first[k]``."""
    first[:] = 0
    for j in range(kept):
        slab = min(max(np.int32((near[2, j] - low) * scale), np.int32(0)), np.int32(SLABS - 1))
        bucket[j] = slab
        first[slab + 2] += 1
    for k in range(SLABS):
        first[k + 2] += first[k + 1]
    for j in range(kept):
        to = first[bucket[j] + 1]
        first[bucket[j] + 1] = to + 1
        into[0, to], into[1, to], into[2, to] = near[0, j], near[1, j], near[2, j]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def pair_counts(
    positions: NDArray[Any], box: NDArray[Any], starts: NDArray[Any], width: float, bins: int
) -> NDArray[Any]:
    """Counts (t (t + 1) / 2, bins) of the pair distances of one frame, in bins of ``width`` nm from 0.

    positions (n, 3) float64, in any image, sorted by type: type k is ``positions[starts[k]:starts[k + 1]]``; box (3,).
    Type pairs come in the order (0, 0), (0, 1), ..., (1, 1), ... The cut-off, width * bins, must not exceed half the
    box. Distances are rounded in single precision: about 2e-7 of the cut-off (of the extent of a block of beads where
    that is longer), so a pair within that of a bin's edge may fall into the neighbouring bin.
    """
    number, kinds = len(positions), len(starts) - 1
    cutoff = width * bins
    place = np.empty((3, number), np.float64)
    squares, chosen = np.empty(BLOCK, np.float32), np.empty(BLOCK + 1, np.int32)
    first_block = np.zeros(kinds + 1, np.int64)
    for kind in range(kinds):
        size = starts[kind + 1] - starts[kind]
        if size > 0:
            _sort(positions[starts[kind] : starts[kind + 1]], box, place[:, starts[kind] : starts[kind + 1]])
        first_block[kind + 1] = first_block[kind] + (size + BLOCK - 1) // BLOCK
    blocks = first_block[kinds]
    begin, end = np.empty(blocks, np.int64), np.empty(blocks, np.int64)
    # Places without a bead lie out of everyone's reach.
    relative = np.full((blocks, 3, BLOCK), 1e18, np.float32)
    middle, half = np.empty((blocks, 3)), np.empty((blocks, 3))
    for kind in range(kinds):
        for block in range(first_block[kind], first_block[kind + 1]):
            begin[block] = starts[kind] + (block - first_block[kind]) * BLOCK
            end[block] = min(begin[block] + BLOCK, starts[kind + 1])
            for axis in range(3):
                low, high = place[axis, begin[block] : end[block]].min(), place[axis, begin[block] : end[block]].max()
                middle[block, axis], half[block, axis] = 0.5 * (low + high), 0.5 * (high - low)
                for i in range(begin[block], end[block]):
                    relative[block, axis, i - begin[block]] = np.float32(place[axis, i] - middle[block, axis])

    # A bead can be in reach of a block in more than one image along an axis (two; three by rounding) only in so short a
    # box.
    images = 1
    for axis in range(3):
        if blocks > 0 and box[axis] < 2.001 * (cutoff + half[:, axis].max()):
            images *= 3
    near = np.empty((3, images * number + 1), np.float32)
    ordered = np.zeros((3, images * number + STEP), np.float32)
    bucket = np.empty(images * number + 1, np.int32)
    first = np.zeros(SLABS + 2, np.int64)
    found = np.empty(images * number + max(BLOCK, STEP), np.uint32)
    reach_block, reach_bead = cutoff * cutoff, np.float32(cutoff * cutoff * (1.0 + 1e-5))
    edges, length = box.astype(np.float32), np.float32(cutoff * (1.0 + 1e-5))
    scale, last = np.float32(1.0 / width), np.int32(bins)
    shift, shifts, gaps = np.empty(3), np.empty((3, 3)), np.empty((3, 3))
    choices = np.empty(3, np.int64)
    counts = np.zeros((kinds * (kinds + 1) // 2, bins), np.int64)
    table = np.empty((LANES, bins + 1), np.int64)
    pair = 0
    for a in range(kinds):
        for b in range(a, kinds):
            table[:] = 0
            for one in range(first_block[a], first_block[a + 1]):
                if a == b:
                    p, q = begin[one], end[one]
                    for i in range(q - p - 1):
                        _own_bin_numbers(relative[one], i, edges[0], edges[1], edges[2], scale, last, found)
                        _scatter(found[i + 1 :], q - p - i - 1, table)
                kept = 0
                for other in range(one + 1 if a == b else first_block[b], first_block[b + 1]):
                    gap, several = 0.0, False
                    for axis in range(3):
                        d = middle[other, axis] - middle[one, axis]
                        image = -box[axis] if d > 0.5 * box[axis] else (box[axis] if d < -0.5 * box[axis] else 0.0)
                        d, h = abs(d + image), half[one, axis] + half[other, axis]
                        several |= box[axis] - d - h < cutoff
                        shift[axis] = image + middle[other, axis] - middle[one, axis]
                        gap += max(0.0, d - h) ** 2
                    if gap >= reach_block:
                        continue
                    if not several:
                        kept = _gather(relative[other], shift, half[one], reach_bead, near, kept, squares, chosen)
                        continue
                    for axis in range(3):
                        choices[axis] = 0
                        for image in range(-1, 2):
                            apart = middle[other, axis] - middle[one, axis] + image * box[axis]
                            d = max(0.0, abs(apart) - half[one, axis] - half[other, axis])
                            if d < cutoff:
                                shifts[axis, choices[axis]] = apart
                                gaps[axis, choices[axis]] = d * d
                                choices[axis] += 1
                    for p in range(choices[0]):
                        for q in range(choices[1]):
                            for s in range(choices[2]):
                                if gaps[0, p] + gaps[1, q] + gaps[2, s] < reach_block:
                                    shift[0], shift[1], shift[2] = shifts[0, p], shifts[1, q], shifts[2, s]
                                    kept = _gather(
                                        relative[other],
                                        shift,
                                        half[one],
                                        reach_bead,
                                        near,
                                        kept,
                                        squares,
                                        chosen,
                                    )
                low = -np.float32(half[one, 2]) - length
                slab = np.float32(SLABS / (2.0 * (half[one, 2] + cutoff)))
                _order(near, kept, low, slab, first, bucket, ordered)
                for i in range(begin[one], end[one]):
                    x = relative[one, 0, i - begin[one]]
                    y = relative[one, 1, i - begin[one]]
                    z = relative[one, 2, i - begin[one]]
                    from_slab = max(np.int32((z - length - low) * slab), np.int32(0))
                    to_slab = min(np.int32((z + length - low) * slab), np.int32(SLABS - 1))
                    p, q = first[from_slab], first[to_slab + 1]
                    # Up to STEP - 1 beads too many, which are not counted.
                    to = p + (q - p + STEP - 1) // STEP * STEP
                    _bin_numbers(ordered[0, p:to], ordered[1, p:to], ordered[2, p:to], x, y, z, scale, last, found)
                    _scatter(found, q - p, table)
            for lane in range(LANES):
                for k in range(bins):
                    counts[pair, k] += table[lane, k]
            pair += 1
    return counts
