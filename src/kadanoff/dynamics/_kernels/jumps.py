"""Jumps of a Markov process one after another: the direct method with alias tables.

Row i of the tables holds the targets of state i (positions offset[i] ... offset[i + 1] - 1 of the flat arrays): a
uniform number picks one of them with equal chance, and its decimals decide between it and its alias (Walker, 1977).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.random import uniform

__all__ = ["alias_tables", "step_walk", "walk"]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def alias_tables(
    offset: NDArray[np.int64], target: NDArray[np.int32], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Alias tables of every row: keep (m,) the chance to stay with one's own target, other (m,) the target else.

    offset (n + 1,), target (m,) and weight (m,), positive: the rates of each state, row by row (Vose, 1991).
    """
    keep, other = np.ones(len(target)), target.copy()
    scaled = np.empty(len(target))
    small, large = np.empty(len(target), np.int64), np.empty(len(target), np.int64)
    for row in range(len(offset) - 1):
        start, end = offset[row], offset[row + 1]
        total = 0.0
        for k in range(start, end):
            total += weight[k]
        few, many = 0, 0
        for k in range(start, end):
            scaled[k] = weight[k] / total * (end - start)
            if scaled[k] < 1.0:
                small[few] = k
                few += 1
            else:
                large[many] = k
                many += 1
        while few > 0 and many > 0:
            few -= 1
            low, high = small[few], large[many - 1]
            keep[low], other[low] = scaled[low], target[high]
            scaled[high] -= 1.0 - scaled[low]
            if scaled[high] < 1.0:
                many -= 1
                small[few] = high
                few += 1
    return keep, other


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def walk(
    offset: NDArray[np.int64],
    target: NDArray[np.int32],
    keep: NDArray[np.float64],
    other: NDArray[np.int32],
    leaving: NDArray[np.float64],
    state: int,
    seed: int,
    stream: int,
    first: int,
    states: NDArray[np.int32],
    dwells: NDArray[np.float64],
) -> int:
    """Fill states (m,) and dwells (m,) with visits ``first`` ... ``first`` + m - 1, and return the state that follows.

    Visit k draws its two uniform numbers by (seed, stream, k, 0): how long it stays, and where it goes. ``leaving``
    (n,) holds the mean dwell time of every state, 1 / its rate of leaving.
    """
    for k in range(len(states)):
        wait, choice = uniform(seed, stream, first + k, 0)
        states[k] = state
        dwells[k] = -math.log(wait) * leaving[state]
        start = offset[state]
        scaled = choice * (offset[state + 1] - start)
        place = int(scaled)
        state = target[start + place] if scaled - place < keep[start + place] else other[start + place]
    return state


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def step_walk(
    offset: NDArray[np.int64],
    target: NDArray[np.int32],
    keep: NDArray[np.float64],
    other: NDArray[np.int32],
    state: int,
    seed: int,
    stream: int,
    states: NDArray[np.int32],
) -> None:
    """Fill states (m,) with a chain in discrete time; step k draws its target by (seed, stream, k, 0)."""
    for k in range(len(states)):
        states[k] = state
        start = offset[state]
        scaled = uniform(seed, stream, k, 0)[0] * (offset[state + 1] - start)
        place = int(scaled)
        state = target[start + place] if scaled - place < keep[start + place] else other[start + place]
