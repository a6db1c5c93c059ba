"""Spins of 64 configurations a word: bit r of words[g, i] belongs to site i of configuration 64 g + r.

One layout for every lattice: neighbours are other words, given by tables of sites, and one logical operation works on
64 configurations. The bits beyond the last configuration are zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["all_set_counts", "odd_counts", "pack", "unpack"]

_PLANES = 40
_1 = np.uint64(1)


@njit(cache=True, nogil=True)
def pack(configurations: NDArray[np.int8], state: int, words: NDArray[np.uint64]) -> None:
    """Set the bits where configurations (n, sites) are equal to ``state``; words (ceil(n / 64), sites) are zero."""
    n, sites = configurations.shape
    for row in range(n):
        group, bit = row // 64, np.uint64(row % 64)
        for i in range(sites):
            words[group, i] |= np.uint64(configurations[row, i] == state) << bit


@njit(cache=True, nogil=True)
def unpack(words: NDArray[np.uint64], configurations: NDArray[np.int8]) -> None:
    """Spins +-1 (n, sites) from bits: +1 where the bit is set."""
    n, sites = configurations.shape
    for row in range(n):
        group, bit = row // 64, np.uint64(row % 64)
        for i in range(sites):
            configurations[row, i] = np.int8(2 * np.int64((words[group, i] >> bit) & _1) - 1)


@njit(cache=True, nogil=True)
def odd_counts(words: NDArray[np.uint64], clusters: NDArray[np.int32], found: NDArray[np.int64]) -> None:
    """How many clusters have an odd number of set bits: found (groups * 64) for clusters (m, k) of sites."""
    _count(words, clusters, True, found)


@njit(cache=True, nogil=True)
def all_set_counts(words: NDArray[np.uint64], clusters: NDArray[np.int32], found: NDArray[np.int64]) -> None:
    """How many clusters have all their bits set; arguments as `odd_counts`."""
    _count(words, clusters, False, found)


@njit(cache=True, nogil=True, inline="always")
def _adder(a: Any, b: Any, c: Any) -> Any:
    """Three bits to a sum and a carry."""
    u = a ^ b
    return u ^ c, (a & b) | (u & c)


@njit(cache=True, nogil=True)
def _cluster(row: NDArray[np.uint64], clusters: NDArray[np.int32], m: int, odd: bool) -> Any:
    word = row[clusters[m, 0]]
    if odd:
        for k in range(1, clusters.shape[1]):
            word ^= row[clusters[m, k]]
    else:
        for k in range(1, clusters.shape[1]):
            word &= row[clusters[m, k]]
    return word


@njit(cache=True, nogil=True)
def _count(words: NDArray[np.uint64], clusters: NDArray[np.int32], odd: bool, found: NDArray[np.int64]) -> None:
    # 64 counters at once, kept as bit planes: eight words go through a tree of adders before a carry ripples on
    number = clusters.shape[0]
    planes = np.empty(_PLANES, np.uint64)
    for group in range(words.shape[0]):
        row = words[group]
        planes[:] = 0
        ones = twos = fours = np.uint64(0)
        full = number - number % 8
        for m in range(0, full, 8):
            ones, a = _adder(ones, _cluster(row, clusters, m, odd), _cluster(row, clusters, m + 1, odd))
            ones, b = _adder(ones, _cluster(row, clusters, m + 2, odd), _cluster(row, clusters, m + 3, odd))
            twos, c = _adder(twos, a, b)
            ones, a = _adder(ones, _cluster(row, clusters, m + 4, odd), _cluster(row, clusters, m + 5, odd))
            ones, b = _adder(ones, _cluster(row, clusters, m + 6, odd), _cluster(row, clusters, m + 7, odd))
            twos, d = _adder(twos, a, b)
            fours, carry = _adder(fours, c, d)
            p = 3
            while carry != 0:
                planes[p], carry = planes[p] ^ carry, planes[p] & carry
                p += 1
        planes[0], planes[1], planes[2] = ones, twos, fours
        for m in range(full, number):
            carry = _cluster(row, clusters, m, odd)
            p = 0
            while carry != 0:
                planes[p], carry = planes[p] ^ carry, planes[p] & carry
                p += 1
        for r in range(64):
            total = np.int64(0)
            for p in range(_PLANES):
                total += np.int64((planes[p] >> np.uint64(r)) & _1) << p
            found[64 * group + r] = total
