"""Triads of directed graphs, counted in one pass over the connected pairs (Batagelj and Mrvar, 2001)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.random import Integer

__all__ = ["triad_codes"]


@njit(cache=True, nogil=True)
def triad_codes(starts: NDArray[np.int64], other: NDArray[np.int32], way: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(64,) triads v, u, w by code of their three pairs, those with one connected pair left at a representative code.

    starts (n + 1,), other (p,), way (p,): the neighbours of every node, sorted, each with 1 (there), 2 (back) or 3.
    Code of v, u, w: way(v, u) + 4 way(v, w) + 16 way(u, w).
    """
    n = len(starts) - 1
    found = np.zeros(64, np.int64)
    for v in range(n):
        for p in range(starts[v], starts[v + 1]):
            u = np.int64(other[p])
            if u <= v:
                continue
            x, y = starts[v], starts[u]
            joined = np.int64(0)  # nodes beside v and u that one of them knows
            while x < starts[v + 1] or y < starts[u + 1]:
                a = np.int64(other[x]) if x < starts[v + 1] else n
                b = np.int64(other[y]) if y < starts[u + 1] else n
                w = min(a, b)
                from_v: Integer = 0
                from_u: Integer = 0
                if a == w:
                    from_v = np.int64(way[x])
                    x += 1
                if b == w:
                    from_u = np.int64(way[y])
                    y += 1
                if w in (u, v):
                    continue
                joined += 1
                # a triad is counted at the first of its connected pairs (v, u), v < u
                if u < w or (v < w and w < u and from_v == 0):
                    found[np.int64(way[p]) + 4 * from_v + 16 * from_u] += 1
            found[np.int64(way[p])] += n - 2 - joined
    return found
