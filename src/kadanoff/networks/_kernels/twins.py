"""A made-up connectome, row by row: every row from the seed and its number alone."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.random import uniform

__all__ = ["fill_rows"]

_TARGETS, _COUNTS = 0x7431, 0x7432  # streams of random numbers


@njit(cache=True, nogil=True)
def _below(value: float, cumulative: NDArray[np.float64], first: int, last: int) -> int:
    """The first place from `first` on whose cumulative weight exceeds the value; `last` - 1 at most."""
    while first < last - 1:
        middle = (first + last - 1) // 2
        if cumulative[middle] > value:
            last = middle + 1
        else:
            first = middle + 1
    return first


@njit(cache=True, nogil=True)
def fill_rows(
    seed: int,
    first: int,
    last: int,
    starts: NDArray[np.int64],
    region: NDArray[np.int64],
    local: float,
    region_weight: NDArray[np.float64],
    member_starts: NDArray[np.int64],
    members: NDArray[np.int32],
    member_weight: NDArray[np.float64],
    tail: float,
    top: int,
    target: NDArray[np.int32],
    count: NDArray[np.uint16],
) -> None:
    """Draw the targets of the nodes first ... last - 1, all different in a row and sorted, and their counts.

    With probability `local` a target lies in the node's own region, else in a region by its weight; within it by the
    weight of the node. A target drawn twice is drawn again. Counts are floor(u^(-1 / tail)), at most `top`.

    Arguments:
        starts: (n + 1,) where the rows of all nodes begin in target and count.
        region_weight: (K,) cumulative, from 0 to 1; `member_weight` (n,) of `members`, cumulative within each region.
        member_starts: (K + 1,) where the members of a region begin in `members`.
        target, count: (m,) written to.
    """
    words = (region.size + 63) // 64
    seen = np.zeros(words, np.uint64)  # a bit for every node: a target drawn twice is known, and none need be sorted
    for i in range(first, last):
        begin, size = starts[i], starts[i + 1] - starts[i]
        have, item = 0, 0
        while have < size:
            u, v = uniform(seed, _TARGETS, i, item)
            item += 1
            r = region[i] if u < local else _below((u - local) / (1.0 - local), region_weight, 0, region_weight.size)
            t = members[_below(v, member_weight, member_starts[r], member_starts[r + 1])]
            bit = np.uint64(1) << np.uint64(t & 63)
            if seen[t >> 6] & bit == 0:
                seen[t >> 6] |= bit
                have += 1
        place = begin
        for w in range(words):
            word, t = seen[w], 64 * w
            while word:
                if word & np.uint64(1):
                    target[place] = t
                    place += 1
                word >>= np.uint64(1)
                t += 1
            seen[w] = 0
        for place in range(0, size, 2):
            u, v = uniform(seed, _COUNTS, i, place)
            count[begin + place] = np.uint16(min(u ** (-1.0 / tail), top))
            if place + 1 < size:
                count[begin + place + 1] = np.uint16(min(v ** (-1.0 / tail), top))
