"""One pass over the frames of a discrete trajectory: which state follows which, a lag later."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["LANES", "count_pairs"]

LANES = 8  # tables filled in turn: the same cell hit twice in a row would wait for its own store


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
) -> tuple[int, int]:
    """Add the pairs (frames[t], frames[t + lag]), t = first, first + stride, ... < stop, to table.

    table (lanes * states^2,): ``lanes`` (1 or LANES) tables one behind another, to be added up; the caller takes care
    that stop - 1 + lag is a frame. A pair with a frame -1 (no state) is skipped. Returns the number of skipped pairs
    and the first t of a pair with a frame below -1 or from ``states`` on, or -1.
    """
    n = np.uint64(states)
    size = n * n
    mask = np.uint64(lanes - 1)
    skipped = 0
    count = (stop - first + stride - 1) // stride if stop > first else 0
    whole = count // LANES * LANES
    t = first
    for _ in range(0, whole, LANES):
        for k in range(LANES):  # a fixed number: unrolled
            a, b = np.uint64(frames[t]), np.uint64(frames[t + lag])  # -1 becomes the largest number of all
            if a < n and b < n:
                table[(np.uint64(k) & mask) * size + a * n + b] += 1
            else:
                skipped += 1
                for s in (frames[t], frames[t + lag]):
                    if s < -1 or s >= states:
                        return skipped, t
            t += stride
    for _ in range(whole, count):
        a, b = np.uint64(frames[t]), np.uint64(frames[t + lag])
        if a < n and b < n:
            table[a * n + b] += 1
        else:
            skipped += 1
            for s in (frames[t], frames[t + lag]):
                if s < -1 or s >= states:
                    return skipped, t
        t += stride
    return skipped, -1
