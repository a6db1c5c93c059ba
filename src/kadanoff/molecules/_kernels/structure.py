"""Angles within the first shell and tetrahedral order of one frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["shell_structure"]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _difference(positions: NDArray[Any], box: NDArray[Any], i: int, j: int, into: NDArray[Any]) -> float:
    """Minimum-image vector from i to j (wrapped positions); its square."""
    square = 0.0
    for axis in range(3):
        d = positions[j, axis] - positions[i, axis]
        if d > 0.5 * box[axis]:
            d -= box[axis]
        elif d < -0.5 * box[axis]:
            d += box[axis]
        into[axis] = d
        square += d * d
    return square


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def shell_structure(
    positions: NDArray[Any], box: NDArray[Any], cutoff: float, reach: float, angle_bins: int
) -> tuple[NDArray[Any], int, NDArray[Any]]:
    """Histogram (angle_bins,) of cos(theta) in [-1, 1] of all j-i-k with j and k within ``cutoff`` of i; neighbours
    within ``cutoff``, summed over beads; q (n,), the tetrahedral order of each bead with its four nearest.

    positions (n, 3) float64, n >= 5. ``reach`` >= cutoff, at most half the box: neighbours are sought within it first,
    and among all beads where fewer than four are found.
    """
    n = len(positions)
    wrapped = np.empty((n, 3))
    cells = np.empty(3, np.int64)
    for axis in range(3):
        cells[axis] = max(1, min(int(box[axis] / reach), 64))
        if cells[axis] < 3:
            cells[axis] = 1
    total = cells[0] * cells[1] * cells[2]
    cell = np.empty((n, 3), np.int64)
    count = np.zeros(total + 1, np.int64)
    for i in range(n):
        for axis in range(3):
            x = positions[i, axis] / box[axis]
            x -= np.floor(x)
            wrapped[i, axis] = x * box[axis]
            cell[i, axis] = min(int(x * cells[axis]), cells[axis] - 1)
        count[(cell[i, 0] * cells[1] + cell[i, 1]) * cells[2] + cell[i, 2] + 1] += 1
    for k in range(total):
        count[k + 1] += count[k]
    place, order = count[:-1].copy(), np.empty(n, np.int64)
    for i in range(n):
        k = (cell[i, 0] * cells[1] + cell[i, 1]) * cells[2] + cell[i, 2]
        order[place[k]] = i
        place[k] += 1

    angles = np.zeros(angle_bins, np.int64)
    order_parameter = np.empty(n)
    neighbours = 0
    unit, square = np.empty((n, 3)), np.empty(n)
    d = np.empty(3)
    nearest = np.empty(4, np.int64)
    side = (cells > 1).astype(np.int64)
    for i in range(n):
        found, inside = 0, 0
        for ox in range(-side[0], side[0] + 1):
            cx = (cell[i, 0] + ox) % cells[0]
            for oy in range(-side[1], side[1] + 1):
                cy = (cell[i, 1] + oy) % cells[1]
                for oz in range(-side[2], side[2] + 1):
                    k = (cx * cells[1] + cy) * cells[2] + (cell[i, 2] + oz) % cells[2]
                    for at in range(count[k], count[k + 1]):
                        j = order[at]
                        if j == i:
                            continue
                        r2 = _difference(wrapped, box, i, j, d)
                        if r2 >= reach * reach:
                            continue
                        # those within the cut-off first
                        spot = found
                        if r2 < cutoff * cutoff:
                            for axis in range(3):  # the assignment of a slice would take seconds to compile
                                unit[found, axis] = unit[inside, axis]
                            square[found] = square[inside]
                            spot = inside
                            inside += 1
                        found += 1
                        square[spot] = r2
                        for axis in range(3):
                            unit[spot, axis] = d[axis] / np.sqrt(r2)
        neighbours += inside
        for j in range(inside):
            for k in range(j):
                cosine = unit[j, 0] * unit[k, 0] + unit[j, 1] * unit[k, 1] + unit[j, 2] * unit[k, 2]
                angles[max(0, min(int((cosine + 1.0) * 0.5 * angle_bins), angle_bins - 1))] += 1
        if found < 4:
            found = 0
            for j in range(n):
                if j != i:
                    square[found] = _difference(wrapped, box, i, j, d)
                    for axis in range(3):
                        unit[found, axis] = d[axis] / np.sqrt(square[found])
                    found += 1
        for rank in range(4):
            best = -1
            for j in range(found):
                taken = False
                for earlier in range(rank):
                    taken |= nearest[earlier] == j
                if not taken and (best < 0 or square[j] < square[best]):
                    best = j
            nearest[rank] = best
        deviation = 0.0
        for a in range(4):
            for b in range(a):
                j, k = nearest[a], nearest[b]
                cosine = unit[j, 0] * unit[k, 0] + unit[j, 1] * unit[k, 1] + unit[j, 2] * unit[k, 2]
                deviation += (cosine + 1.0 / 3.0) ** 2
        order_parameter[i] = 1.0 - 0.375 * deviation
    return angles, neighbours, order_parameter
