"""Random numbers for kernels: a counter in, numbers out, so that no worker or restart changes a bit.

Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, 2011) turns (seed, stream, step, item) into four random words without
any state. The seed is the key (64 bits); the counter holds the item (32 bits: a bead, a site), the step (64 bits) and
the stream (32 bits: which of the uses of random numbers in a program). Every function is an `@njit` function, to be
called from other kernels, and gives the same bits wherever and in whatever order it is called. Whoever needs more
than one call for one item and step takes another stream.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["fill_normals", "normal", "normal3", "philox", "uniform"]

Integer: TypeAlias = int | np.integer[Any]
Words: TypeAlias = tuple[np.uint64, np.uint64, np.uint64, np.uint64]

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)  # the golden ratio
_WEYL_1 = np.uint64(0xBB67AE85)  # sqrt(3) - 1
_TO_52_BITS = np.uint64(12)
_STEP_52 = 2.0**-52

# single precision (Cephes): logarithm, sine and cosine on their reduced ranges
_HALF_32, _ONE_32, _MINUS_TWO = np.float32(0.5), np.float32(1), np.float32(-2)
_ROOT_HALF = np.int32(0x3F3504F3)  # the bits of sqrt(1/2)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_L0, _L1, _L2 = np.float32(7.0376836292e-2), np.float32(-1.1514610310e-1), np.float32(1.1676998740e-1)
_L3, _L4, _L5 = np.float32(-1.2420140846e-1), np.float32(1.4249322787e-1), np.float32(-1.6668057665e-1)
_L6, _L7, _L8 = np.float32(2.0000714765e-1), np.float32(-2.4999993993e-1), np.float32(3.3333331174e-1)
_S0, _S1, _S2 = np.float32(-1.9515295891e-4), np.float32(8.3321608736e-3), np.float32(-1.6666654611e-1)
_C0, _C1, _C2 = np.float32(2.443315711809948e-5), np.float32(-1.388731625493765e-3), np.float32(4.166664568298827e-2)
_BLOCK = 256
_EIGHTH, _QUARTER_BITS = np.uint64(1 << 29), np.uint64(30)
_RADIANS = np.float32(2 * math.pi / 2**32)
# what is compiled of the float64 functions: without it each literal among a kernel's arguments would compile once more
_KEYS = [f"UniTuple(float64, 2)({seed}, int64, int64, int64)" for seed in ("int64", "uint64")]


@njit(cache=True, nogil=True)
def philox(c0: Integer, c1: Integer, c2: Integer, c3: Integer, k0: Integer, k1: Integer) -> Words:
    """Philox 4x32-10: four random words of 32 bits from a counter of four and a key of two.

    Ten rounds of (c0, c1, c2, c3) -> (hi(B c2) ^ c1 ^ k0, lo(B c2), hi(A c0) ^ c3 ^ k1, lo(A c0)), the key growing by
    a Weyl constant each round (Salmon et al., 2011, section 3.3).

    Arguments:
        c0, c1, c2, c3, k0, k1: integers; their lowest 32 bits are used.

    Returns:
        Four integers (uint64) below 2^32.
    """
    return _philox(c0, c1, c2, c3, k0, k1)


@njit(cache=True, nogil=True)
def normal3(
    seed: Integer, stream: Integer, step: Integer, item: Integer
) -> tuple[np.float32, np.float32, np.float32]:
    """Three independent standard normal numbers in float32, for a random force: one call a bead a step.

    Box and Muller (1958) on 32 bits each, with the polynomials of the Cephes library (Moshier, 1992) for logarithm,
    sine and cosine instead of calls: no mathematical library can change a bit, and `fill_normals` vectorises.
    The largest value is 6.8. Arguments as `uniform`.
    """
    return _normal3(seed, stream, step, item)


@njit(cache=True, nogil=True)
def fill_normals(seed: Integer, stream: Integer, step: Integer, out: NDArray[np.float32]) -> None:
    """Fill out (n, 3) float32 with `normal3` of the items 0 ... n - 1, several times faster than calling it.

    Arguments:
        seed, stream, step: as `uniform`.
        out: (n, 3) float32, overwritten.
    """
    block = np.empty((3, _BLOCK), np.float32)  # stores one after another vectorise, stores three apart do not
    for start in range(0, out.shape[0], _BLOCK):
        count = min(_BLOCK, out.shape[0] - start)
        for i in range(count):
            block[0, i], block[1, i], block[2, i] = _normal3(seed, stream, step, start + i)
        for i in range(count):
            out[start + i, 0], out[start + i, 1], out[start + i, 2] = block[0, i], block[1, i], block[2, i]


# Inlined before compilation, so that the loops above vectorise. The public functions wrap them: their bits then do
# not depend on the fastmath flags of the kernel that calls.


@njit(cache=True, nogil=True, inline="always")
def _philox(c0: Integer, c1: Integer, c2: Integer, c3: Integer, k0: Integer, k1: Integer) -> Words:
    a, b, c, d = np.uint64(c0) & _LOW, np.uint64(c1) & _LOW, np.uint64(c2) & _LOW, np.uint64(c3) & _LOW
    k, m = np.uint64(k0) & _LOW, np.uint64(k1) & _LOW
    for _ in range(10):
        first, second = _MULTIPLIER_0 * a, _MULTIPLIER_1 * c
        a, b, c, d = (second >> _HALF) ^ b ^ k, second & _LOW, (first >> _HALF) ^ d ^ m, first & _LOW
        k, m = (k + _WEYL_0) & _LOW, (m + _WEYL_1) & _LOW
    return a, b, c, d


@njit(cache=True, nogil=True, inline="always")
def _words(seed: Integer, stream: Integer, step: Integer, item: Integer) -> Words:
    key, late = np.uint64(seed), np.uint64(step)
    return _philox(item, late, late >> _HALF, stream, key, key >> _HALF)


@njit(cache=True, nogil=True, inline="always")
def _normal3(
    seed: Integer, stream: Integer, step: Integer, item: Integer
) -> tuple[np.float32, np.float32, np.float32]:
    a, b, c, d = _words(seed, stream, step, item)
    radius, other = _radius(a), _radius(c)
    cosine, sine = _turn(b)
    third, _ = _turn(d)
    return radius * cosine, radius * sine, other * third


@njit(cache=True, nogil=True, inline="always")
def _radius(word: Integer) -> np.float32:
    """sqrt(-2 ln u) of u = (word + 1/2) 2^-32, in float32; the logarithm is good to 2 units of the last place."""
    x = np.float32(word) + _HALF_32
    bits = np.float32(x).view(np.int32)
    exponent = np.int32((bits - _ROOT_HALF) >> 23)
    f = np.int32(bits - (exponent << 23)).view(np.float32) - _ONE_32
    z = f * f
    y = f * z * _logarithm_tail(f)
    e = np.float32(exponent - 32)
    logarithm = f + (y + e * _LN2_LOW - _HALF_32 * z) + e * _LN2_HIGH
    return np.float32(math.sqrt(abs(_MINUS_TWO * logarithm)))


@njit(cache=True, nogil=True, inline="always")
def _logarithm_tail(f: np.float32) -> np.float32:
    y = _L0 * f + _L1
    y = y * f + _L2
    y = y * f + _L3
    y = y * f + _L4
    y = y * f + _L5
    y = y * f + _L6
    y = y * f + _L7
    return y * f + _L8


@njit(cache=True, nogil=True, inline="always")
def _turn(word: Integer) -> tuple[np.float32, np.float32]:
    """Cosine and sine of 2 pi word 2^-32 in float32, from the nearest quarter turn."""
    quarter = np.int32((np.uint64(word) + _EIGHTH) >> _QUARTER_BITS)
    rest = np.int32(np.int64(word) - (np.int64(quarter) << 30))
    t = np.float32(rest) * _RADIANS
    z = t * t
    sine = ((_S0 * z + _S1) * z + _S2) * z * t + t
    cosine = ((_C0 * z + _C1) * z + _C2) * z * z - _HALF_32 * z + _ONE_32
    odd = (quarter & 1) != 0
    x = sine if odd else cosine
    y = cosine if odd else sine
    return -x if ((quarter + 1) & 2) != 0 else x, -y if (quarter & 2) != 0 else y


# Compiled where they are defined, hence below what they call.


@njit(_KEYS, cache=True, nogil=True)
def uniform(seed: Integer, stream: Integer, step: Integer, item: Integer) -> tuple[float, float]:
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


@njit(_KEYS, cache=True, nogil=True)
def normal(seed: Integer, stream: Integer, step: Integer, item: Integer) -> tuple[float, float]:
    """Two independent standard normal numbers (Box and Muller, 1958), float64; arguments as `uniform`."""
    first, second = uniform(seed, stream, step, item)
    radius, angle = math.sqrt(-2.0 * math.log(first)), 2.0 * math.pi * second
    return radius * math.cos(angle), radius * math.sin(angle)
