"""Sums of powers of displacements in the cells of a grid, for any set of lags in one pass over the frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["displacement_moments", "displacement_moments_1d", "lagged_residuals", "pair_counts", "velocity_moments"]

_CHUNK = 2048  # frames: they and their cells stay in the first cache for all lags


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def displacement_moments_1d(
    x: NDArray[Any],
    start: NDArray[Any],
    stop: NDArray[Any],
    last: NDArray[Any],
    block: NDArray[Any],
    lags: NDArray[Any],
    low: float,
    width: float,
    sums: NDArray[Any],
) -> None:
    """Add 1, d, d^2, d^3, d^4 of d = x[t + lag] - x[t] to sums (blocks, lags, cells, 5), in the cell of x[t].

    x (n,) float64; start, stop, last, block: `trajectories.Pieces`; cell c is low + c width ... low + (c + 1) width,
    the last one closed above; frames elsewhere are left out.
    """
    cells = sums.shape[2]
    cell = np.empty(_CHUNK, np.int32)
    scale, high = 1.0 / width, low + cells * width
    for p in range(len(start)):
        for begin in range(start[p], stop[p], _CHUNK):
            end = min(begin + _CHUNK, stop[p])
            for t in range(begin, end):
                inside = low <= x[t] <= high
                cell[t - begin] = min(int((x[t] - low) * scale), cells - 1) if inside else -1
            for k in range(len(lags)):
                table = sums[block[p], k]
                lag = lags[k]
                for t in range(begin, min(end, last[p] - lag)):
                    c = cell[t - begin]
                    if c >= 0:
                        d = x[t + lag] - x[t]
                        square = d * d
                        table[c, 0] += 1.0
                        table[c, 1] += d
                        table[c, 2] += square
                        table[c, 3] += square * d
                        table[c, 4] += square * square


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def displacement_moments(
    x: NDArray[Any],
    start: NDArray[Any],
    stop: NDArray[Any],
    last: NDArray[Any],
    block: NDArray[Any],
    lags: NDArray[Any],
    low: NDArray[Any],
    width: NDArray[Any],
    shape: NDArray[Any],
    sums: NDArray[Any],
) -> None:
    """The same for x (n, d): sums (blocks, lags, cells, 1 + d + d (d + 1) / 2 + 2 d).

    In order: 1; d_i; d_i d_j for i <= j; d_i^3; d_i^4. Cells are counted with the last coordinate fastest.
    """
    dimensions = x.shape[1]
    cell = np.empty(_CHUNK, np.int32)
    d = np.empty(dimensions)
    for p in range(len(start)):
        for begin in range(start[p], stop[p], _CHUNK):
            end = min(begin + _CHUNK, stop[p])
            for t in range(begin, end):
                c = 0
                for i in range(dimensions):
                    scaled = (x[t, i] - low[i]) / width[i]
                    if 0.0 <= scaled <= shape[i]:
                        c = c * shape[i] + min(int(scaled), shape[i] - 1)
                    else:
                        c = -1
                        break
                cell[t - begin] = c
            for k in range(len(lags)):
                table = sums[block[p], k]
                lag = lags[k]
                for t in range(begin, min(end, last[p] - lag)):
                    c = cell[t - begin]
                    if c < 0:
                        continue
                    for i in range(dimensions):
                        d[i] = x[t + lag, i] - x[t, i]
                    table[c, 0] += 1.0
                    place = 1 + dimensions
                    for i in range(dimensions):
                        table[c, 1 + i] += d[i]
                        for j in range(i, dimensions):
                            table[c, place] += d[i] * d[j]
                            place += 1
                    for i in range(dimensions):
                        table[c, place + i] += d[i] * d[i] * d[i]
                        table[c, place + dimensions + i] += d[i] * d[i] * d[i] * d[i]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def velocity_moments(
    x: NDArray[Any],
    v: NDArray[Any],
    start: NDArray[Any],
    stop: NDArray[Any],
    first: NDArray[Any],
    last: NDArray[Any],
    block: NDArray[Any],
    lag: int,
    low: float,
    width: float,
    sums: NDArray[Any],
) -> None:
    """Sums (blocks, cells, 9) of 1, z, a, b, z a, z b, a^2, a b, b^2 in the cell of x[t].

    With velocities v (n,): a = v[t], b = v[t + lag], z = a. Without (v empty): a, b the mean velocities, times the lag
    (differences of x) over the two lags from t on, z that over the lag before t: no noise of a or b is in z.
    ``first``, ``last``: of the trajectory of each piece.
    """
    cells = sums.shape[1]
    high = low + cells * width
    for p in range(len(start)):
        if len(v) > 0:
            begin, end = start[p], min(stop[p], last[p] - lag)
        else:
            begin, end = max(start[p], first[p] + lag), min(stop[p], last[p] - 2 * lag)
        for t in range(begin, end):
            if not low <= x[t] <= high:
                continue
            row = sums[block[p], min(int((x[t] - low) / width), cells - 1)]
            if len(v) > 0:
                a, b = v[t], v[t + lag]
                z = a
            else:
                z, a, b = x[t] - x[t - lag], x[t + lag] - x[t], x[t + 2 * lag] - x[t + lag]
            row[0] += 1.0
            row[1] += z
            row[2] += a
            row[3] += b
            row[4] += z * a
            row[5] += z * b
            row[6] += a * a
            row[7] += a * b
            row[8] += b * b


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def lagged_residuals(
    x: NDArray[Any],
    start: NDArray[Any],
    stop: NDArray[Any],
    last: NDArray[Any],
    block: NDArray[Any],
    lag: int,
    low: NDArray[Any],
    width: NDArray[Any],
    shape: NDArray[Any],
    half: NDArray[Any],
    shift: NDArray[Any],
    whiten: NDArray[Any],
    sums: NDArray[Any],
) -> None:
    """Powers and lagged products of residuals r = W (x[t + lag] - x[t] - m), m and W those of the cell of x[t].

    half (blocks,): which of the two fits (0 or 1) a block is held against; shift (2, cells, d), NaN in cells without a
    fit; whiten (2, cells, d, d). sums (blocks, 5 + 2 (m + 1)): number, r, r^2, r^3, r^4, summed over components; then
    for k = 0 ... m the number and the sum of r_t r_{t + k lag}, among pairs whose residuals both exist.
    """
    dimensions, most = x.shape[1], (sums.shape[1] - 5) // 2
    longest = 0
    for p in range(len(start)):
        longest = max(longest, stop[p] - start[p])
    residual = np.empty((longest, dimensions))
    d = np.empty(dimensions)
    for p in range(len(start)):
        row, fit = sums[block[p]], half[block[p]]
        n = min(stop[p], last[p] - lag) - start[p]
        for s in range(n):
            t = start[p] + s
            c = 0
            for i in range(dimensions):
                scaled = (x[t, i] - low[i]) / width[i]
                if 0.0 <= scaled <= shape[i]:
                    c = c * shape[i] + min(int(scaled), shape[i] - 1)
                else:
                    c = -1
                    break
            if c < 0 or np.isnan(shift[fit, c, 0]):
                residual[s, 0] = np.nan
                continue
            for i in range(dimensions):
                d[i] = x[t + lag, i] - x[t, i] - shift[fit, c, i]
            for i in range(dimensions):
                r = 0.0
                for j in range(i + 1):
                    r += whiten[fit, c, i, j] * d[j]
                residual[s, i] = r
                row[0] += 1.0
                row[1] += r
                row[2] += r * r
                row[3] += r * r * r
                row[4] += r * r * r * r
        for k in range(most):
            for s in range(n - k * lag):
                late = s + k * lag
                if np.isnan(residual[s, 0]) or np.isnan(residual[late, 0]):
                    continue
                for i in range(dimensions):
                    row[5 + 2 * k] += 1.0
                    row[6 + 2 * k] += residual[s, i] * residual[late, i]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def pair_counts(
    cell: NDArray[Any],
    start: NDArray[Any],
    stop: NDArray[Any],
    last: NDArray[Any],
    block: NDArray[Any],
    lag: int,
    counts: NDArray[Any],
) -> None:
    """Add the pairs (cell[t], cell[t + lag]) to counts (blocks, cells, cells); a cell of -1 is nowhere."""
    for p in range(len(start)):
        table = counts[block[p]]
        for t in range(start[p], min(stop[p], last[p] - lag)):
            if cell[t] >= 0 and cell[t + lag] >= 0:
                table[cell[t], cell[t + lag]] += 1.0
