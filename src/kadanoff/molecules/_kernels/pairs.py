"""Histograms of pair distances under the minimum image.

Beads are sorted into compact blocks of ``BLOCK``; for each block the beads that can be in reach are gathered once, in
every periodic image that matters, relative to the block's centre. The distance loop then needs no minimum image, runs
over contiguous float32 of magnitude ~ cut-off (whatever the size of the box), and the scatter into the histogram goes
to ``LANES`` tables, since two neighbouring increments of one counter would wait for each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["pair_counts"]

BLOCK = 24
LANES = 8
# Slices of a column per block height: how finely blocks are sorted along z.
SLICES = 4


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _sort(positions: NDArray[Any], box: NDArray[Any], into: NDArray[Any]) -> None:
    """Wrap the beads into the box and put them into ``into`` (3, n), along a snake of cells."""
    number = len(positions)
    side = (box[0] * box[1] * box[2] * BLOCK / number) ** (1.0 / 3.0)
    nx = min(max(1, int(box[0] / side)), number)
    ny = min(max(1, int(box[1] / side)), number)
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


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _gather(
    place: NDArray[Any],
    first: int,
    stop: int,
    shift: NDArray[Any],
    half: NDArray[Any],
    reach: Any,
    near: NDArray[Any],
    kept: int,
) -> int:
    """Append the beads first..stop, shifted, to ``near`` from ``kept`` on where the block's box is in reach."""
    hx, hy, hz = np.float32(half[0]), np.float32(half[1]), np.float32(half[2])
    zero = np.float32(0.0)
    for j in range(first, stop):
        x = np.float32(place[0, j] + shift[0])
        y = np.float32(place[1, j] + shift[1])
        z = np.float32(place[2, j] + shift[2])
        gx, gy, gz = max(abs(x) - hx, zero), max(abs(y) - hy, zero), max(abs(z) - hz, zero)
        # Write always, count if near: no branch to mispredict.
        near[0, kept] = x
        near[1, kept] = y
        near[2, kept] = z
        kept += int(gx * gx + gy * gy + gz * gz < reach)
    return kept


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def pair_counts(
    positions: NDArray[Any], box: NDArray[Any], starts: NDArray[Any], width: float, bins: int
) -> NDArray[Any]:
    """Counts (t (t + 1) / 2, bins) of the pair distances of one frame, in bins of ``width`` nm from 0.

    positions (n, 3) float64, in any image, sorted by type: type k is ``positions[starts[k]:starts[k + 1]]``; box (3,).
    Type pairs come in the order (0, 0), (0, 1), ..., (1, 1), ... The cut-off, width * bins, must not exceed half the
    box. Distances are rounded in single precision: about 2e-7 of the cut-off, so a pair within that of a bin's edge may
    fall into the neighbouring bin.
    """
    number, kinds = len(positions), len(starts) - 1
    cutoff = width * bins
    place = np.empty((3, number), np.float64)
    first_block = np.zeros(kinds + 1, np.int64)
    for kind in range(kinds):
        size = starts[kind + 1] - starts[kind]
        if size > 0:
            _sort(positions[starts[kind] : starts[kind + 1]], box, place[:, starts[kind] : starts[kind + 1]])
        first_block[kind + 1] = first_block[kind] + (size + BLOCK - 1) // BLOCK
    blocks = first_block[kinds]
    begin, end = np.empty(blocks, np.int64), np.empty(blocks, np.int64)
    middle, half = np.empty((blocks, 3)), np.empty((blocks, 3))
    for kind in range(kinds):
        for block in range(first_block[kind], first_block[kind + 1]):
            begin[block] = starts[kind] + (block - first_block[kind]) * BLOCK
            end[block] = min(begin[block] + BLOCK, starts[kind + 1])
            for axis in range(3):
                low, high = place[axis, begin[block] : end[block]].min(), place[axis, begin[block] : end[block]].max()
                middle[block, axis], half[block, axis] = 0.5 * (low + high), 0.5 * (high - low)

    # A bead can be in reach of a block in more than one image along an axis (two; three by rounding) only in so short a
    # box.
    images = 1
    for axis in range(3):
        if blocks > 0 and box[axis] < 2.001 * (cutoff + half[:, axis].max()):
            images *= 3
    near = np.empty((3, images * number + 1), np.float32)
    found = np.empty(images * number, np.uint32)
    reach_block, reach_bead = cutoff * cutoff, np.float32(cutoff * cutoff * (1.0 + 1e-5))
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
                    for i in range(begin[one], end[one]):
                        for j in range(i + 1, end[one]):
                            square = 0.0
                            for axis in range(3):
                                d = abs(place[axis, i] - place[axis, j])
                                d = min(d, box[axis] - d)
                                square += d * d
                            table[0, min(int(np.sqrt(square) / width), bins)] += 1
                kept = 0
                for other in range(one + 1 if a == b else first_block[b], first_block[b + 1]):
                    gap, several = 0.0, False
                    for axis in range(3):
                        d = middle[other, axis] - middle[one, axis]
                        image = -box[axis] if d > 0.5 * box[axis] else (box[axis] if d < -0.5 * box[axis] else 0.0)
                        d, h = abs(d + image), half[one, axis] + half[other, axis]
                        several |= box[axis] - d - h < cutoff
                        shift[axis] = image - middle[one, axis]
                        gap += max(0.0, d - h) ** 2
                    if gap >= reach_block:
                        continue
                    if not several:
                        kept = _gather(place, begin[other], end[other], shift, half[one], reach_bead, near, kept)
                        continue
                    for axis in range(3):
                        choices[axis] = 0
                        for image in range(-1, 2):
                            d = abs(middle[other, axis] - middle[one, axis] + image * box[axis])
                            d = max(0.0, d - half[one, axis] - half[other, axis])
                            if d < cutoff:
                                shifts[axis, choices[axis]] = image * box[axis] - middle[one, axis]
                                gaps[axis, choices[axis]] = d * d
                                choices[axis] += 1
                    for p in range(choices[0]):
                        for q in range(choices[1]):
                            for s in range(choices[2]):
                                if gaps[0, p] + gaps[1, q] + gaps[2, s] < reach_block:
                                    shift[0], shift[1], shift[2] = shifts[0, p], shifts[1, q], shifts[2, s]
                                    kept = _gather(
                                        place, begin[other], end[other], shift, half[one], reach_bead, near, kept
                                    )
                for i in range(begin[one], end[one]):
                    x = np.float32(place[0, i] - middle[one, 0])
                    y = np.float32(place[1, i] - middle[one, 1])
                    z = np.float32(place[2, i] - middle[one, 2])
                    _bin_numbers(near[0, :kept], near[1, :kept], near[2, :kept], x, y, z, scale, last, found)
                    _scatter(found, kept, table)
            for lane in range(LANES):
                for k in range(bins):
                    counts[pair, k] += table[lane, k]
            pair += 1
    return counts
