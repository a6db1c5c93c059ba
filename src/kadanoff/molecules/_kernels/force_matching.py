"""Normal equations of pairwise force matching: pairs, splines and products in one pass, nothing large kept.

For each bead the three rows of its design (x, y, z against every spline) are built in a small local array and at once
multiplied into the Gram matrix, so that every pair is visited from both its beads but all memory in use stays in cache.
Beads are sorted into cells about half a cut-off wide; the surroundings of a cell, with the shifts of their periodic
images, are copied into one buffer that all beads of the cell search.

Letters: k splines, m = k - 3 intervals of width h from ``start`` to the cut-off; w0..w3 six times the four cubic B-splines
that are not zero in an interval. Unsigned indices spare numba's test for negative ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["accumulate"]

_ONE, _TWO, _THREE = np.uint64(1), np.uint64(2), np.uint64(3)
_TILE = 8  # columns of the Gram matrix at a time: one or two vector registers


@njit(cache=True, nogil=True, fastmath=True)
def _sort(
    positions: NDArray[Any], box: NDArray[Any], shape: NDArray[Any], xyz: NDArray[Any], order: NDArray[Any], first: NDArray[Any]
) -> None:
    """Beads by cell: ``xyz`` (3, n) wrapped and sorted, ``order`` (n,) where they came from, ``first`` (cells + 1,)."""
    n = len(positions)
    cell = np.empty(n, np.int64)
    wrapped = np.empty((3, n))
    for i in range(n):
        c = 0
        for d in range(3):
            s = positions[i, d] / box[d]
            s -= np.floor(s)
            wrapped[d, i] = s * box[d]
            c = c * shape[d] + min(int(s * shape[d]), shape[d] - 1)
        cell[i] = c
        first[c + 1] += 1
    for c in range(len(first) - 1):
        first[c + 1] += first[c]
    fill = first[:-1].copy()
    for i in range(n):
        at = fill[cell[i]]
        fill[cell[i]] += 1
        order[at] = i
        for d in range(3):
            xyz[d, at] = wrapped[d, i]


@njit(cache=True, nogil=True)
def _surroundings(
    cell: tuple[int, int, int], shape: NDArray[Any], reach: NDArray[Any], box: NDArray[Any], first: NDArray[Any],
    xyz: NDArray[Any], near: NDArray[Any],
) -> tuple[int, int]:  # fmt: skip
    """Copy all images in reach of a cell to ``near``; returns their number and where bead 0 would lie if all were here.

    Along z the cells are neighbours in memory and are copied in runs.
    """
    cx, cy, cz = cell
    number, own = 0, 0
    for ox in range(cx - reach[0], cx + reach[0] + 1):
        wx = ox // shape[0]
        for oy in range(cy - reach[1], cy + reach[1] + 1):
            wy = oy // shape[1]
            column = ((ox - wx * shape[0]) * shape[1] + oy - wy * shape[1]) * shape[2]
            oz, end = cz - reach[2], cz + reach[2]
            while oz <= end:
                wz = oz // shape[2]
                start = oz - wz * shape[2]
                stop = min(start + end - oz, shape[2] - 1)
                low, high = first[column + start], first[column + stop + 1]
                if ox == cx and oy == cy and wz == 0:
                    own = number - low
                for d, shift in ((0, wx * box[0]), (1, wy * box[1]), (2, wz * box[2])):
                    for j in range(high - low):
                        near[d, number + j] = xyz[d, low + j] + shift
                number += high - low
                oz += stop - start + 1
    return number, own


@njit(cache=True, nogil=True, fastmath=True)
def _distances(near: NDArray[Any], number: int, x: float, y: float, z: float, d2: NDArray[Any]) -> None:
    for j in range(number):
        dx, dy, dz = near[0, j] - x, near[1, j] - y, near[2, j] - z
        d2[j] = dx * dx + dy * dy + dz * dz


@njit(cache=True, nogil=True, fastmath=True)
def _select(d2: NDArray[Any], number: int, cut2: float, hits: NDArray[Any]) -> int:
    """Without a branch, because nothing predicts it."""
    found = np.uint64(0)
    for j in range(number):
        hits[found] = j
        found += np.uint64(d2[j] < cut2)
    return int(found)


@njit(cache=True, nogil=True, fastmath=True)
def _splines(
    hits: NDArray[Any], number: int, d2: NDArray[Any], near: NDArray[Any], x: float, y: float, z: float,
    start: float, inverse: float, m: int, interval: NDArray[Any], w: NDArray[Any], v: NDArray[Any],
) -> None:  # fmt: skip
    """For each pair its interval, w0..w3 and v = (r_i - r_j) / 6 r; a loop of its own, so that it becomes vectors."""
    top = float(m)
    for p in range(number):
        j = hits[p]
        r2 = d2[j]
        by_r = 1.0 / np.sqrt(max(r2, 1e-300))
        s = min(max((r2 * by_r - start) * inverse, 0.0), top)
        a = min(np.int32(s), np.int32(m - 1))
        t = s - a
        u = 1.0 - t
        by_r *= 1.0 / 6.0
        interval[p] = a
        w[0, p] = u * u * u
        w[1, p] = (3.0 * t - 6.0) * t * t + 4.0
        w[2, p] = (3.0 * u - 6.0) * u * u + 4.0
        w[3, p] = t * t * t
        v[0, p] = (x - near[0, j]) * by_r
        v[1, p] = (y - near[1, j]) * by_r
        v[2, p] = (z - near[2, j]) * by_r


@njit(cache=True, nogil=True, fastmath=True)
def _add(
    number: int, interval: NDArray[Any], w: NDArray[Any], v: NDArray[Any], rows: NDArray[Any], counts: NDArray[Any]
) -> None:
    """Add the pairs of one bead to its rows (k, 4): x, y, z and a filler that makes four equal operations."""
    for p in range(number):
        a = np.uint64(interval[p])
        counts[a] += 1
        x, y, z = v[0, p], v[1, p], v[2, p]
        w0, w1, w2, w3 = w[0, p], w[1, p], w[2, p], w[3, p]
        b, c, d = a + _ONE, a + _TWO, a + _THREE
        rows[a, 0] += w0 * x
        rows[a, 1] += w0 * y
        rows[a, 2] += w0 * z
        rows[a, 3] += w0
        rows[b, 0] += w1 * x
        rows[b, 1] += w1 * y
        rows[b, 2] += w1 * z
        rows[b, 3] += w1
        rows[c, 0] += w2 * x
        rows[c, 1] += w2 * y
        rows[c, 2] += w2 * z
        rows[c, 3] += w2
        rows[d, 0] += w3 * x
        rows[d, 1] += w3 * y
        rows[d, 2] += w3 * z
        rows[d, 3] += w3


@njit(cache=True, nogil=True, fastmath=True)
def _multiply(design: NDArray[Any], k: int, f: NDArray[Any], gram: NDArray[Any], moment: NDArray[Any]) -> None:
    """gram += design^T design (upper triangle, in tiles) and moment += design^T f, for the design (3, padded k) of a bead."""
    for a in range(k):
        moment[a] += design[0, a] * f[0] + design[1, a] * f[1] + design[2, a] * f[2]
    for tile in range(design.shape[1] // _TILE):
        left = np.uint64(_TILE * tile)
        for row in range(min(_TILE * tile + _TILE, k)):
            a = np.uint64(row)
            x, y, z = design[0, a], design[1, a], design[2, a]
            for s in range(_TILE):
                b = left + np.uint64(s)
                gram[a, b] += x * design[0, b] + y * design[1, b] + z * design[2, b]


@njit(cache=True, nogil=True, fastmath=True)
def _frame(
    positions: NDArray[Any], forces: NDArray[Any], box: NDArray[Any], start: float, spacing: float,
    gram: NDArray[Any], moment: NDArray[Any], counts: NDArray[Any],
) -> float:  # fmt: skip
    """One frame: adds to the zeroed ``gram``, ``moment`` and ``counts`` (each pair twice); returns the smallest distance."""
    n, k = len(positions), len(moment)
    m = k - 3
    cut = start + m * spacing
    cut2 = cut * cut
    shape, reach = np.empty(3, np.int64), np.empty(3, np.int64)
    for d in range(3):
        shape[d] = max(1, min(max(4, int(n ** (1.0 / 3.0))), int(2.0 * box[d] / cut * (1.0 - 1e-12))))
        reach[d] = int(np.ceil(cut * shape[d] / box[d]))
    xyz, order = np.empty((3, n)), np.empty(n, np.int64)
    first = np.zeros(shape[0] * shape[1] * shape[2] + 1, np.int64)
    _sort(positions, box, shape, xyz, order, first)
    most = 0
    for c in range(len(first) - 1):
        most = max(most, first[c + 1] - first[c])
    size = (2 * reach[0] + 1) * (2 * reach[1] + 1) * (2 * reach[2] + 1) * most
    near, d2 = np.empty((3, size)), np.empty(size)
    hits, interval = np.empty(size + 1, np.int32), np.empty(size, np.int32)
    w, v = np.empty((4, size)), np.empty((3, size))
    padded = (k + _TILE - 1) // _TILE * _TILE
    rows, design, upper = np.empty((k, 4)), np.zeros((3, padded)), np.zeros((k, padded))
    closest2 = cut2
    for cx in range(shape[0]):
        for cy in range(shape[1]):
            for cz in range(shape[2]):
                c = (cx * shape[1] + cy) * shape[2] + cz
                if first[c + 1] == first[c]:
                    continue
                around, own = _surroundings((cx, cy, cz), shape, reach, box, first, xyz, near)
                for i in range(first[c], first[c + 1]):
                    x, y, z = xyz[0, i], xyz[1, i], xyz[2, i]
                    _distances(near, around, x, y, z, d2)
                    d2[own + i] = 2.0 * cut2
                    number = _select(d2, around, cut2, hits)
                    for p in range(number):
                        closest2 = min(closest2, d2[hits[p]])
                    _splines(hits, number, d2, near, x, y, z, start, 1.0 / spacing, m, interval, w, v)
                    rows[:, :] = 0.0
                    _add(number, interval, w, v, rows, counts)
                    for a in range(k):
                        design[0, a], design[1, a], design[2, a] = rows[a, 0], rows[a, 1], rows[a, 2]
                    _multiply(design, k, forces[order[i]], upper, moment)
    for a in range(k):
        for b in range(a, k):
            gram[a, b] = upper[a, b]
            gram[b, a] = upper[a, b]
    return np.sqrt(closest2)


@njit(cache=True, nogil=True)
def accumulate(
    positions: NDArray[Any], forces: NDArray[Any], box: NDArray[Any], start: float, spacing: float,
    gram: NDArray[Any], moment: NDArray[Any], counts: NDArray[Any], closest: NDArray[Any],
) -> None:  # fmt: skip
    """Every frame of a chunk into its own slot.

    positions, forces (f, n, 3) and box (f, 3), all float64 and finite, box edges at least twice the cut-off; filled:
    gram (f, k, k), moment (f, k), counts (f, m) of pairs, closest (f,) smallest distance, at most the cut-off.
    """
    for frame in range(len(positions)):
        moment[frame] = 0.0
        counts[frame] = 0
        closest[frame] = _frame(
            positions[frame], forces[frame], box[frame], start, spacing, gram[frame], moment[frame], counts[frame]
        )
        for a in range(counts.shape[1]):
            counts[frame, a] //= 2
