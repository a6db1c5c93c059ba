"""Normal equations of pairwise force matching: pairs, splines and products in one pass, nothing large kept.

For each bead the three rows of its design (x, y, z against every spline) are built in a small local array and at once
multiplied into the Gram matrix. Letters: k splines, m = k - 3 intervals of width h from ``start`` to the cut-off,
w0..w3 the four cubic B-splines that are not zero in an interval.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["accumulate"]


@njit(cache=True, nogil=True, fastmath=True)
def _frame(
    positions: NDArray[Any], forces: NDArray[Any], box: NDArray[Any], start: float, spacing: float,
    gram: NDArray[Any], moment: NDArray[Any], counts: NDArray[Any],
) -> float:  # fmt: skip
    """One frame: adds to ``gram``, ``moment`` and ``counts`` (each pair twice); returns the smallest distance seen."""
    n = len(positions)
    k = len(moment)
    m = k - 3
    cut = start + m * spacing
    cut2 = cut * cut
    lx, ly, lz = box[0], box[1], box[2]
    x, y, z = np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        x[i] = positions[i, 0] - lx * np.floor(positions[i, 0] / lx)
        y[i] = positions[i, 1] - ly * np.floor(positions[i, 1] / ly)
        z[i] = positions[i, 2] - lz * np.floor(positions[i, 2] / lz)
    d2 = np.empty(n)
    hits = np.empty(n + 1, np.int64)
    rows = np.empty((3, k))
    closest2 = cut2
    for i in range(n):
        xi, yi, zi = x[i], y[i], z[i]
        for j in range(n):
            dx, dy, dz = abs(x[j] - xi), abs(y[j] - yi), abs(z[j] - zi)
            dx, dy, dz = min(dx, lx - dx), min(dy, ly - dy), min(dz, lz - dz)
            d2[j] = dx * dx + dy * dy + dz * dz
        d2[i] = 2.0 * cut2
        number = 0
        for j in range(n):
            hits[number] = j
            number += d2[j] < cut2
        rows[:, :] = 0.0
        for hit in range(number):
            j = hits[hit]
            closest2 = min(closest2, d2[j])
            dx, dy, dz = xi - x[j], yi - y[j], zi - z[j]
            dx -= lx * np.rint(dx / lx)
            dy -= ly * np.rint(dy / ly)
            dz -= lz * np.rint(dz / lz)
            r = np.sqrt(d2[j])
            s = (r - start) / spacing
            a = min(max(int(s), 0), m - 1)
            t = s - a
            u = 1.0 - t
            inverse = 1.0 / (6.0 * r) if r > 0.0 else 0.0
            w0 = u * u * u * inverse
            w1 = ((3.0 * t - 6.0) * t * t + 4.0) * inverse
            w2 = ((3.0 * u - 6.0) * u * u + 4.0) * inverse
            w3 = t * t * t * inverse
            counts[a] += 1
            rows[0, a] += w0 * dx
            rows[0, a + 1] += w1 * dx
            rows[0, a + 2] += w2 * dx
            rows[0, a + 3] += w3 * dx
            rows[1, a] += w0 * dy
            rows[1, a + 1] += w1 * dy
            rows[1, a + 2] += w2 * dy
            rows[1, a + 3] += w3 * dy
            rows[2, a] += w0 * dz
            rows[2, a + 1] += w1 * dz
            rows[2, a + 2] += w2 * dz
            rows[2, a + 3] += w3 * dz
        fx, fy, fz = forces[i, 0], forces[i, 1], forces[i, 2]
        for a in range(k):
            gx, gy, gz = rows[0, a], rows[1, a], rows[2, a]
            moment[a] += gx * fx + gy * fy + gz * fz
            for b in range(k):
                gram[a, b] += gx * rows[0, b] + gy * rows[1, b] + gz * rows[2, b]
    return np.sqrt(closest2)


@njit(cache=True, nogil=True)
def accumulate(
    positions: NDArray[Any], forces: NDArray[Any], box: NDArray[Any], start: float, spacing: float,
    gram: NDArray[Any], moment: NDArray[Any], counts: NDArray[Any], closest: NDArray[Any],
) -> None:  # fmt: skip
    """Every frame of a chunk into its own slot.

    positions, forces (f, n, 3) and box (f, 3), all float64; filled: gram (f, k, k), moment (f, k), counts (f, m) of
    pairs, closest (f,) distance of any two beads within the cut-off.
    """
    for frame in range(len(positions)):
        gram[frame] = 0.0
        moment[frame] = 0.0
        counts[frame] = 0
        closest[frame] = _frame(
            positions[frame], forces[frame], box[frame], start, spacing, gram[frame], moment[frame], counts[frame]
        )
        for a in range(counts.shape[1]):
            counts[frame, a] //= 2
