"""sfc64 (Doty-Humphrey, PractRand), seeded by Philox: for loops that Philox itself would slow down several times.

Small fast chaotic generator of 64 bits with a counter: a period of at least 2^64, no linear structure that bit-wise
Monte Carlo could resonate with, and about ten operations a word.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from kadanoff.random import philox

_ONE, _HALF = np.uint64(1), np.uint64(32)
_R, _S, _LEFT, _RIGHT = np.uint64(11), np.uint64(3), np.uint64(24), np.uint64(40)


@njit(cache=True, nogil=True, inline="always")
def next_sfc64(a: np.uint64, b: np.uint64, c: np.uint64, w: np.uint64) -> Any:
    """One word of 64 random bits, and the next state (a, b, c, counter)."""
    r = a + b + w
    return r, b ^ (b >> _R), c + (c << _S), ((c << _LEFT) | (c >> _RIGHT)) + r, w + _ONE


@njit(cache=True, nogil=True)
def seed_sfc64(seed: np.uint64, stream: np.uint64, step: np.uint64, item: np.uint64) -> Any:
    """A state (a, b, c, counter) for (seed, stream, step, item): three words of Philox, then twelve thrown away."""
    late, key = step >> _HALF, seed >> _HALF
    a, b, c, d = philox(item << _ONE, step, late, stream, seed, key)
    e, f, _, _ = philox((item << _ONE) | _ONE, step, late, stream, seed, key)
    x, y, z, w = (a << _HALF) | b, (c << _HALF) | d, (e << _HALF) | f, _ONE
    for _ in range(12):
        _, x, y, z, w = next_sfc64(x, y, z, w)
    return x, y, z, w
