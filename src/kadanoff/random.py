"""Random numbers for kernels: a counter in, numbers out, so that no worker or restart changes a bit.

Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, 2011) turns (seed, stream, step, item) into four random words without
any state. The seed is the key (64 bits); the counter holds the item (32 bits: a bead, a site), the step (64 bits) and
the stream (32 bits: which of the uses of random numbers in a program). Every function is an `@njit` function, to be
called from other kernels, and gives the same bits wherever and in whatever order it is called. Whoever needs more
than one call for one item and step takes another stream.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["normal", "philox", "uniform"]

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)  # the golden ratio
_WEYL_1 = np.uint64(0xBB67AE85)  # sqrt(3) - 1
_TO_52_BITS = np.uint64(12)
_STEP_52 = 2.0**-52


@njit(cache=True, nogil=True)
def philox(c0: int, c1: int, c2: int, c3: int, k0: int, k1: int) -> tuple[int, int, int, int]:
    """Philox 4x32-10: four random words of 32 bits from a counter of four and a key of two.

    Ten rounds of (c0, c1, c2, c3) -> (hi(B c2) ^ c1 ^ k0, lo(B c2), hi(A c0) ^ c3 ^ k1, lo(A c0)), the key growing by
    a Weyl constant each round (Salmon et al., 2011, section 3.3).

    Arguments:
        c0, c1, c2, c3, k0, k1: integers; their lowest 32 bits are used.

    Returns:
        Four integers (uint64) below 2^32.
    """
    a, b, c, d = np.uint64(c0) & _LOW, np.uint64(c1) & _LOW, np.uint64(c2) & _LOW, np.uint64(c3) & _LOW
    k, m = np.uint64(k0) & _LOW, np.uint64(k1) & _LOW
    for _ in range(10):
        first, second = _MULTIPLIER_0 * a, _MULTIPLIER_1 * c
        a, b, c, d = (second >> _HALF) ^ b ^ k, second & _LOW, (first >> _HALF) ^ d ^ m, first & _LOW
        k, m = (k + _WEYL_0) & _LOW, (m + _WEYL_1) & _LOW
    return a, b, c, d


@njit(cache=True, nogil=True)
def _words(seed: int, stream: int, step: int, item: int) -> tuple[int, int, int, int]:
    key, late = np.uint64(seed), np.uint64(step)
    return philox(item, late, late >> _HALF, stream, key, key >> _HALF)


@njit(cache=True, nogil=True)
def uniform(seed: int, stream: int, step: int, item: int) -> tuple[float, float]:
    """Two independent uniform numbers in the open interval (0, 1), with 52 random bits each.

    Arguments:
        seed: any integer (64 bits are used).
        stream: 0 <= stream < 2^32, which use of random numbers this is.
        step: 64 bits.
        item: 0 <= item < 2^32, which bead, site or walker.

    Returns:
        Two float64, (k + 1/2) 2^-52.
    """
    a, b, c, d = _words(seed, stream, step, item)
    first, second = ((a << _HALF) | b) >> _TO_52_BITS, ((c << _HALF) | d) >> _TO_52_BITS
    return (np.float64(first) + 0.5) * _STEP_52, (np.float64(second) + 0.5) * _STEP_52


@njit(cache=True, nogil=True)
def normal(seed: int, stream: int, step: int, item: int) -> tuple[float, float]:
    """Two independent standard normal numbers (Box and Muller, 1958), float64; arguments as `uniform`."""
    first, second = uniform(seed, stream, step, item)
    radius, angle = math.sqrt(-2.0 * math.log(first)), 2.0 * math.pi * second
    return radius * math.cos(angle), radius * math.sin(angle)
