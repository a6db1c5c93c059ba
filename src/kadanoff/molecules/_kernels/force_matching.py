"""Normal equations of pairwise force matching: pairs, splines and products in one pass, nothing large kept.

For each bead the three rows of its design (x, y, z against every spline) are built in a small local array and at once
multiplied into the Gram matrix, so that every pair is visited from both its beads but all memory in use stays in cache.
Beads are sorted into cells about half a cut-off wide; the surroundings of a cell, with the shifts of their periodic
images, are copied into one buffer that all beads of the cell search.

Letters: k splines, m = k - 3 intervals from ``start`` to the cut-off; w0..w3 six times the four cubic B-splines
that are not zero in an interval. Unsigned indices spare numba's test for negative ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["accumulate"]

_ONE, _TWO, _THREE = np.uint64(1), np.uint64(2), np.uint64(3)
_REGISTER = 8  # lines of the Gram matrix are padded to whole vector registers


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _sort(
    positions: NDArray[Any], box: NDArray[Any], shape: NDArray[Any], xyz: NDArray[Any], order: NDArray[Any],
    first: NDArray[Any],
) -> None:  # fmt: skip
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


@njit(cache=True, nogil=True, error_model="numpy")
def _period(o: int, cells: int) -> int:
    """o // cells, without the division where it is zero."""
    return 0 if 0 <= o < cells else o // cells


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _surroundings(
    cell: tuple[int, int, int], shape: NDArray[Any], reach: NDArray[Any], box: NDArray[Any], first: NDArray[Any],
    xyz: NDArray[Any], nx: NDArray[Any], ny: NDArray[Any], nz: NDArray[Any],
) -> tuple[int, int]:  # fmt: skip
    """Copy all images in reach of a cell to ``nx, ny, nz``; returns their number and the place of bead 0.

    (Where bead 0 would lie if all were here.) Along z the cells are neighbours in memory and are copied in runs.
    """
    cx, cy, cz = cell
    number, own = 0, 0
    for ox in range(cx - reach[0], cx + reach[0] + 1):
        wx = _period(ox, shape[0])
        for oy in range(cy - reach[1], cy + reach[1] + 1):
            wy = _period(oy, shape[1])
            column = ((ox - wx * shape[0]) * shape[1] + oy - wy * shape[1]) * shape[2]
            oz, end = cz - reach[2], cz + reach[2]
            while oz <= end:
                wz = _period(oz, shape[2])
                start = oz - wz * shape[2]
                stop = min(start + end - oz, shape[2] - 1)
                low, high = first[column + start], first[column + stop + 1]
                if ox == cx and oy == cy and wz == 0:
                    own = number - low
                for j in range(high - low):
                    nx[number + j] = xyz[0, low + j] + wx * box[0]
                    ny[number + j] = xyz[1, low + j] + wy * box[1]
                    nz[number + j] = xyz[2, low + j] + wz * box[2]
                number += high - low
                oz += stop - start + 1
    return number, own


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _select(
    nx: NDArray[Any], ny: NDArray[Any], nz: NDArray[Any], number: int, x: float, y: float, z: float, itself: int,
    cut2: float, d2: NDArray[Any], hits: NDArray[Any],
) -> int:  # fmt: skip
    """Squared distances of a bead to its surroundings, and who is within the cut-off; returns how many."""
    for j in range(number):
        dx, dy, dz = nx[j] - x, ny[j] - y, nz[j] - z
        d2[j] = dx * dx + dy * dy + dz * dz
    d2[itself] = 2.0 * cut2
    found = np.uint64(0)
    for j in range(number):  # without a branch, because nothing predicts it
        hits[found] = j
        found = np.uint64(found + np.uint64(d2[j] < cut2))
    return int(found)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _locate(
    hits: NDArray[Any], number: int, d2: NDArray[Any], start: float, inverse: float, m: int,
    by_r: NDArray[Any], t: NDArray[Any], interval: NDArray[Any], closest2: float,
) -> float:  # fmt: skip
    """For each pair 1 / 6 r, its interval and place 0 <= t <= 1 there; returns the smallest squared distance so far.

    Three short loops over few arrays, because the compiler makes vector instructions of those only.
    """
    top, last, sixth = float(m), np.int32(m - 1), 1.0 / 6.0
    for p in range(number):
        r2 = d2[hits[p]]
        closest2 = min(closest2, r2)
        t[p] = r2
    for p in range(number):
        r2 = t[p] + 1e-300
        one = 1.0 / np.sqrt(r2)
        by_r[p] = sixth * one
        t[p] = min(max((r2 * one - start) * inverse, 0.0), top)
    for p in range(number):
        a = min(np.int32(t[p]), last)
        interval[p] = a
        t[p] -= a
    return closest2


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _add(
    hits: NDArray[Any], number: int, nx: NDArray[Any], ny: NDArray[Any], nz: NDArray[Any], x: float, y: float, z: float,
    by_r: NDArray[Any], place: NDArray[Any], interval: NDArray[Any],
    gx: NDArray[Any], gy: NDArray[Any], gz: NDArray[Any], counts: NDArray[Any],
) -> None:  # fmt: skip
    """Add the pairs of one bead to its three rows of the design."""
    for p in range(number):
        j = np.uint64(hits[p])
        a = np.uint64(interval[p])
        b, c, d = a + _ONE, a + _TWO, a + _THREE
        counts[a] += 1
        t, scale = place[p], by_r[p]
        u = 1.0 - t
        w0, w1 = u * u * u, (3.0 * t - 6.0) * (t * t) + 4.0
        w2, w3 = (3.0 * u - 6.0) * (u * u) + 4.0, t * t * t
        vx, vy, vz = (x - nx[j]) * scale, (y - ny[j]) * scale, (z - nz[j]) * scale
        gx[a] += w0 * vx
        gx[b] += w1 * vx
        gx[c] += w2 * vx
        gx[d] += w3 * vx
        gy[a] += w0 * vy
        gy[b] += w1 * vy
        gy[c] += w2 * vy
        gy[d] += w3 * vy
        gz[a] += w0 * vz
        gz[b] += w1 * vz
        gz[c] += w2 * vz
        gz[d] += w3 * vz


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _multiply(
    gx: NDArray[Any], gy: NDArray[Any], gz: NDArray[Any], low: int, k: int, fx: float, fy: float, fz: float,
    gram: NDArray[Any], moment: NDArray[Any],
) -> None:  # fmt: skip
    """gram += g^T g, two lines at a time, and moment += g^T f for the rows g of a bead, zero below ``low``."""
    for a in range(low, k):
        moment[a] += gx[a] * fx + gy[a] * fy + gz[a] * fz
    for half in range(low // 2, (k + 1) // 2):
        a = 2 * half
        x, y, z = gx[a], gy[a], gz[a]
        xx, yy, zz = gx[a + 1], gy[a + 1], gz[a + 1]
        one, two = gram[a], gram[a + 1]
        for b in range(len(gx)):
            p, q, r = gx[b], gy[b], gz[b]
            one[b] += x * p + y * q + z * r
            two[b] += xx * p + yy * q + zz * r


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _frame(
    positions: NDArray[Any], forces: NDArray[Any], box: NDArray[Any], start: float, spacing: float,
    gram: NDArray[Any], moment: NDArray[Any], counts: NDArray[Any],
) -> float:  # fmt: skip
    """One frame: fills ``gram``, adds to ``moment`` and ``counts`` (each pair twice); returns the smallest distance."""
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
    nx, ny, nz, d2 = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    hits, interval = np.empty(size + 1, np.int32), np.empty(size, np.int32)
    by_r, t = np.empty(size), np.empty(size)
    padded = (k + _REGISTER - 1) // _REGISTER * _REGISTER
    square = np.zeros((padded, padded))
    gx, gy, gz = np.zeros(padded), np.zeros(padded), np.zeros(padded)
    closest2 = cut2
    for cx in range(shape[0]):
        for cy in range(shape[1]):
            for cz in range(shape[2]):
                c = (cx * shape[1] + cy) * shape[2] + cz
                if first[c + 1] == first[c]:
                    continue
                around, own = _surroundings((cx, cy, cz), shape, reach, box, first, xyz, nx, ny, nz)
                for i in range(first[c], first[c + 1]):
                    x, y, z = xyz[0, i], xyz[1, i], xyz[2, i]
                    number = _select(nx, ny, nz, around, x, y, z, own + i, cut2, d2, hits)
                    closest2 = _locate(hits, number, d2, start, 1.0 / spacing, m, by_r, t, interval, closest2)
                    gx[:], gy[:], gz[:] = 0.0, 0.0, 0.0
                    _add(hits, number, nx, ny, nz, x, y, z, by_r, t, interval, gx, gy, gz, counts)
                    low = 0
                    while low < k and gx[low] == 0.0 and gy[low] == 0.0 and gz[low] == 0.0:
                        low += 1
                    f = forces[order[i]]
                    _multiply(gx, gy, gz, low, k, f[0], f[1], f[2], square, moment)
    for a in range(k):
        for b in range(k):
            gram[a, b] = square[max(a, b), min(a, b)]  # exactly symmetric
    return float(np.sqrt(closest2))


@njit(cache=True, nogil=True, error_model="numpy")
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
