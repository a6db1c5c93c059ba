"""One pass over the frames of a discrete trajectory: which state follows which, a lag later."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["LANES", "count_pairs"]

LANES = 8  # tables filled in turn: the same cell hit twice in a row would wait for its own store
SPAN = 2048  # pairs whose cells are computed together (eight at once), then counted, within the first cache


@numba.njit(cache=True, nogil=True)
def _threes(row: NDArray[Any], n: np.uint32, cell: NDArray[np.uint32]) -> np.uint32:
    """cell_k of the frames 2 k, 2 k + 1, 2 k + 2 of a row of 2 SPAN + 1; returns the largest frame (-1: the largest of
    all). Alone and of a fixed length, it is made of vectors."""
    worst = np.uint32(row[np.uint64(2 * SPAN)])
    for k in range(SPAN):
        two = np.uint64(2) * np.uint64(k)
        a, b, c = np.uint32(row[two]), np.uint32(row[two + np.uint64(1)]), np.uint32(row[two + np.uint64(2)])
        cell[k] = (a * n + b) * n + c
        worst = max(worst, a, b)
    return worst


@numba.njit(cache=True, nogil=True)
def count_pairs(
    frames: NDArray[Any],
    lag: int,
    first: int,
    stop: int,
    stride: int,
    states: int,
    lanes: int,
    table: NDArray[np.int64],
    words: NDArray[np.uint32],
) -> tuple[int, int]:
    """Add the pairs (frames[t], frames[t + lag]), t = first, first + stride, ... < stop, to table.

    frames (n,) integers of at most 32 bits, read-only, so that one signature serves all; table (lanes * states^2,):
    ``lanes`` (1 or LANES) tables one behind another, to be added up. words (LANES * states^3,) or empty: where pairs at
    lag 1 may go by twos, as three frames in a row, which halves the increments. The caller takes care that
    stop - 1 + lag is a frame. A pair with a frame -1 (no state) is skipped. Returns the number of skipped pairs and the
    first t of a pair with a frame below -1 or from ``states`` on, or -1.
    """
    cell = np.empty(SPAN, np.uint32)
    n = np.uint32(states)
    cells = np.uint64(states) * np.uint64(states)
    cubes = cells * np.uint64(states)
    skipped = 0
    t = first
    while t < stop:
        if words.shape[0] > 0 and t + 2 * SPAN <= stop and _threes(frames[t : t + 2 * SPAN + 1], n, cell) < n:
            for k in range(0, SPAN, LANES):
                for lane in range(LANES):
                    words[np.uint64(lane) * cubes + np.uint64(cell[k + lane])] += np.uint32(1)
            t += 2 * SPAN
            continue
        size = min(SPAN, (stop - t + stride - 1) // stride)
        worst = np.uint32(0)
        if stride == 1:
            start, end = frames[t : t + size], frames[t + lag : t + lag + size]
            for k in range(size):
                a, b = np.uint32(start[k]), np.uint32(end[k])  # -1 becomes the largest number of all
                cell[k] = a * n + b
                worst = max(worst, a, b)
        else:
            for k in range(size):
                a, b = np.uint32(frames[t + k * stride]), np.uint32(frames[t + k * stride + lag])
                cell[k] = a * n + b
                worst = max(worst, a, b)
        if worst < n:
            whole = size // LANES * LANES if lanes == LANES else 0
            for k in range(0, whole, LANES):
                for lane in range(LANES):  # a fixed number: unrolled
                    table[np.uint64(lane) * cells + np.uint64(cell[k + lane])] += 1
            for k in range(whole, size):
                table[np.uint64(cell[k])] += 1
        else:
            for k in range(size):
                here = t + k * stride
                a, b = np.uint32(frames[here]), np.uint32(frames[here + lag])
                if a < n and b < n:
                    table[np.uint64(cell[k])] += 1
                else:
                    skipped += 1
                    for s in (frames[here], frames[here + lag]):
                        if s < -1 or s >= states:
                            return skipped, here
        t += size * stride
    return skipped, -1
