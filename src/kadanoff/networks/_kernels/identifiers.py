"""Ids of nodes to positions: a table of open addresses, for 64-bit ids that no array could be indexed by."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["fill_table", "find", "place_of"]

_MIX = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio: neighbouring ids lie far apart
_1 = np.uint64(1)


@njit(cache=True, nogil=True, inline="always")
def place_of(key: np.int64, shift: np.uint64) -> np.uint64:
    """Where an id is looked for first: the highest bits of id times a constant."""
    return (np.uint64(key) * _MIX) >> shift


@njit(cache=True, nogil=True)
def fill_table(ids: NDArray[np.int64], keys: NDArray[np.int64], values: NDArray[np.int32]) -> int:
    """Put ids into keys (2^b,) with their positions in values (-1: empty); the position of an id that stands twice,
    or -1."""
    mask = np.uint64(keys.size - 1)
    shift = np.uint64(64)
    size = keys.size
    while size > 1:
        size >>= 1
        shift -= _1
    for i in range(ids.size):
        place = place_of(ids[i], shift)
        while values[place] >= 0:
            if keys[place] == ids[i]:
                return i
            place = (place + _1) & mask
        keys[place] = ids[i]
        values[place] = i
    return -1


@njit(cache=True, nogil=True)
def find(wanted: NDArray[np.int64], keys: NDArray[np.int64], values: NDArray[np.int32], out: NDArray[np.int32]) -> int:
    """Position of every wanted id in out, -1 where there is none; how many there are not. An id that stands many times
    in a row is looked up once."""
    mask = np.uint64(keys.size - 1)
    shift = np.uint64(64)
    size = keys.size
    while size > 1:
        size >>= 1
        shift -= _1
    missing = 0
    last, held = np.int64(0), np.int32(-2)
    for e in range(wanted.size):
        key = wanted[e]
        if key != last or held == -2:
            place = place_of(key, shift)
            while values[place] >= 0 and keys[place] != key:
                place = (place + _1) & mask
            held = values[place]
            last = key
        out[e] = held
        if held < 0:
            missing += 1
    return missing
