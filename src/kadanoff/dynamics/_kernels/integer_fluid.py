"""A Lennard-Jones fluid in integers: the periodic box is 2^32 points along each axis, positions are int32.

Differences of int32 wrap, which is the minimum image for nothing. Each pair's force times h^2 / m is worked out in
float64 from the exact difference, without fused or reordered operations, and rounded to an integer (half to even, the
same for both partners up to sign) before it is added: sums of integers do not depend on their order, so no list, no
cell and no vector length can change a bit.

    legend  d: last step, x(n) - x(n - 1);  scale: sigma a point;  force: h^2 / (m sigma^2) times epsilon
            q = sigma^2 / r^2;  bend: the constant that takes the force to zero at the cut-off
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["LARGEST", "advance", "cell_order", "neighbours", "pair_increments", "potential_energy", "pushes"]

ROUND = 1.5 * 2.0**52  # x + ROUND - ROUND: x rounded to an integer, half to even
LARGEST = 1 << 29  # points, an eighth of the box: a longer step and the run has failed
AROUND = np.array([(turn // 9 - 1, turn // 3 % 3 - 1, turn % 3 - 1) for turn in range(13, 27)])
"""The cell itself, and the half of the 26 around it that comes after."""
NEAREST = 1e-6  # r^2 / sigma^2, below which a pair has failed anyway


@njit(cache=True, nogil=True)
def _cell(coordinate: Any, cells: int) -> Any:
    return np.int64((np.uint64(np.uint32(coordinate)) * np.uint64(cells)) >> np.uint64(32))


@njit(cache=True, nogil=True)
def cell_order(x: NDArray[Any], cells: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """(order, head): particles sorted by cell of a grid cells^3, and where in the order each cell begins."""
    n = x.shape[1]
    head = np.zeros(cells * cells * cells + 1, np.int64)
    at = np.empty(n, np.int64)
    for i in range(n):
        at[i] = (_cell(x[0, i], cells) * cells + _cell(x[1, i], cells)) * cells + _cell(x[2, i], cells)
        head[at[i] + 1] += 1
    for c in range(cells * cells * cells):
        head[c + 1] += head[c]
    place = head[:-1].copy()
    order = np.empty(n, np.int64)
    for i in range(n):
        order[place[at[i]]] = i
        place[at[i]] += 1
    return order, head


@njit(cache=True, nogil=True)
def neighbours(
    x: NDArray[Any], head: NDArray[Any], cells: int, scale: float, reach: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Each pair within ``reach`` once: (start, found), the partners of i are found[start[i] : start[i + 1]].

    ``x`` is in the order of its cells, none smaller than ``reach``; there is one cell, or three along an edge at least.
    """
    n = x.shape[1]
    start = np.empty(n + 1, np.int64)
    found = np.empty(16 * n, np.uint32)
    near = np.empty(n, np.uint8)
    most = (reach / scale) ** 2
    filled: Any = np.int64(0)  # a literal 0 would compile `_with_room` a second time
    for c in range(cells * cells * cells):
        cx, cy, cz = c // (cells * cells), c // cells % cells, c % cells
        for i in range(head[c], head[c + 1]):
            start[i] = filled
            x0, x1, x2 = x[0, i], x[1, i], x[2, i]
            for turn in range(14 if cells > 1 else 1):
                ax, ay, az = AROUND[turn, 0], AROUND[turn, 1], AROUND[turn, 2]
                other = ((cx + ax) % cells * cells + (cy + ay) % cells) * cells + (cz + az) % cells
                first, end = head[other], head[other + 1]
                if turn == 0:
                    first = i + 1
                for j in range(first, end):
                    u = np.float64(np.int32(x[0, j] - x0))
                    v = np.float64(np.int32(x[1, j] - x1))
                    w = np.float64(np.int32(x[2, j] - x2))
                    near[j - first] = u * u + v * v + w * w < most
                found = _with_room(found, filled, end - first)
                for j in range(first, end):
                    found[filled] = j
                    filled += near[j - first]
    start[n] = filled
    return start, found


@njit(cache=True, nogil=True)
def _with_room(found: NDArray[Any], filled: int, more: int) -> NDArray[Any]:
    if filled + more <= len(found):
        return found
    larger = np.empty(2 * len(found) + more, np.uint32)
    for m in range(filled):  # a slice would take three seconds to compile
        larger[m] = found[m]
    return larger


@njit(cache=True, nogil=True)
def pair_increments(
    a: NDArray[Any], b: NDArray[Any], c: NDArray[Any], count: int, scale: float, cutoff: float, force: float
) -> int:
    """Replace the first ``count`` differences r_j - r_i by the integer pushes on j; return how many are too large.

    push = h^2 / m (24 (2 q^7 - q^4) - 8 A / r_c^2) (r_j - r_i),  A = 6 / r_c^12 - 3 / r_c^6  (Stoddard and Ford, 1973)

    Too large is a push in one step that is no shorter than the distance of the two, partners in one place among them.
    """
    most = cutoff * cutoff
    bend = 8.0 * (6.0 / most**6 - 3.0 / most**3) / most
    square = scale * scale
    failed = 0
    for k in range(count):
        u, v, w = np.float64(a[k]), np.float64(b[k]), np.float64(c[k])
        r2 = (u * u + v * v + w * w) * square
        q = 1.0 / (r2 if r2 > NEAREST else NEAREST)
        q3 = q * q * q
        strength = force * (24.0 * (2.0 * q3 * q3 * q - q3 * q) - bend)
        strength = strength if r2 < most else 0.0
        failed += 1 if strength >= 1.0 else 0
        strength = strength if strength < 1.0 else 1.0
        a[k] = np.int32(u * strength + ROUND - ROUND)
        b[k] = np.int32(v * strength + ROUND - ROUND)
        c[k] = np.int32(w * strength + ROUND - ROUND)
    return failed


@njit(cache=True, nogil=True)
def pushes(
    x: NDArray[Any],
    start: NDArray[Any],
    found: NDArray[Any],
    scale: float,
    cutoff: float,
    force: float,
    out: NDArray[Any],
) -> int:
    """h^2 F / m on every particle, (3, n) int64; returns the number of pairs whose push is too large."""
    n = x.shape[1]
    longest = 1
    for k in range(n):
        longest = max(longest, start[k + 1] - start[k])
    a, b, c = np.empty(longest, np.int32), np.empty(longest, np.int32), np.empty(longest, np.int32)
    out[:] = 0
    failed = 0
    for i in range(n):
        first, count = start[i], start[i + 1] - start[i]
        x0, x1, x2 = x[0, i], x[1, i], x[2, i]
        for m in range(count):
            j = found[first + m]
            a[m], b[m], c[m] = np.int32(x[0, j] - x0), np.int32(x[1, j] - x1), np.int32(x[2, j] - x2)
        failed += pair_increments(a, b, c, count, scale, cutoff, force)
        s0, s1, s2 = np.int64(0), np.int64(0), np.int64(0)
        for m in range(count):
            s0 += a[m]
            s1 += b[m]
            s2 += c[m]
        for m in range(count):
            j = found[first + m]
            out[0, j] += a[m]
            out[1, j] += b[m]
            out[2, j] += c[m]
        out[0, i] -= s0
        out[1, i] -= s1
        out[2, i] -= s2
    return failed


@njit(cache=True, nogil=True)
def advance(
    x: NDArray[Any],
    d: NDArray[Any],
    travelled: NDArray[Any],
    steps: int,
    start: NDArray[Any],
    found: NDArray[Any],
    scale: float,
    cutoff: float,
    force: float,
    skin: float,
) -> tuple[int, bool]:
    """Steps d += pushes(x), x += d in place, arrays (3, n), until ``steps`` are done or the list is stale.

    Returns the steps done, and whether the next one failed.
    """
    n = x.shape[1]
    built = x.copy()
    out = np.empty((3, n), np.int64)
    allowed = (0.4999 * skin / scale) ** 2
    for step in range(steps):
        moved = 0.0
        for i in range(n):
            u = np.float64(np.int32(x[0, i] - built[0, i]))
            v = np.float64(np.int32(x[1, i] - built[1, i]))
            w = np.float64(np.int32(x[2, i] - built[2, i]))
            moved = max(moved, u * u + v * v + w * w)
        if moved > allowed:
            return step, False
        if pushes(x, start, found, scale, cutoff, force, out) > 0:
            return step, True
        fastest = np.int64(0)
        for axis in range(3):
            for i in range(n):
                s = d[axis, i] + out[axis, i]
                fastest = max(fastest, abs(s))
                d[axis, i] = np.int32(s)
                x[axis, i] = np.int32(x[axis, i] + s)
                travelled[axis, i] += s
        if fastest > LARGEST:
            return step, True
    return steps, False


@njit(cache=True, nogil=True)
def potential_energy(x: NDArray[Any], start: NDArray[Any], found: NDArray[Any], scale: float, cutoff: float) -> float:
    """The sum over pairs of 4 (q^6 - q^3 + A r^2 / r_c^2 - 7 / r_c^12 + 4 / r_c^6)."""
    most = cutoff * cutoff
    bend, level = 6.0 / most**6 - 3.0 / most**3, -7.0 / most**6 + 4.0 / most**3
    potential = 0.0
    for i in range(x.shape[1]):
        for m in range(start[i], start[i + 1]):
            j = found[m]
            u = np.float64(np.int32(x[0, j] - x[0, i]))
            v = np.float64(np.int32(x[1, j] - x[1, i]))
            w = np.float64(np.int32(x[2, j] - x[2, i]))
            r2 = (u * u + v * v + w * w) * scale * scale
            q3 = 1.0 / (r2 * r2 * r2)
            potential += 4.0 * (q3 * q3 - q3 + bend * r2 / most + level) if r2 < most else 0.0
    return potential
