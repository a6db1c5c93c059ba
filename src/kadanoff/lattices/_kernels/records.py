"""What every chain of sweeps does alike: number its sweeps, and store every so many of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.random import Integer

_CHAIN = np.uint64(40)  # a step is a chain and a sweep: chain 2^40 + sweep


@njit(cache=True, nogil=True)
def step_of(chain: Integer, sweep: int) -> Any:
    """The step of a chain's sweep in the random numbers."""
    return (np.uint64(chain) << _CHAIN) + np.uint64(sweep)


@njit(cache=True, nogil=True)
def place_of(t: int, every: int, most: int) -> int:
    """Where record t = 0, 1, ... is stored if every ``every``-th is, ``most`` in all; -1 where it is not."""
    place = (t + 1) // every - 1
    return place if (t + 1) % every == 0 and place < most else -1


@njit(cache=True, nogil=True)
def store(state: NDArray[Any], t: int, every: int, stored: NDArray[Any]) -> None:
    """Write the state (n,) of record t into stored (m, n), if it is one of those that are kept."""
    place = place_of(t, every, len(stored))
    if place >= 0:
        stored[place] = state
