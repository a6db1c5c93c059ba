"""Counts of a spin and its causal context: the sites above it and to its left, in reading order."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["count_contexts", "count_state_contexts"]


@njit(cache=True, nogil=True)
def count_contexts(spins: NDArray[np.int8], left: int, above: int, second: int, counts: NDArray[np.int64]) -> None:
    """Count words of a spin (lowest bit), ``left`` spins to its left, those of the row above from -above to +above and
    of the row above that from -second to +second (a negative reach: none).

    Arguments:
        spins: (n, rows, columns) of +-1, periodic.
        counts: (2^(1 + left + (2 above + 1) + (2 second + 1)),), added to.
    """
    n, rows, columns = spins.shape
    wide, high = 2 * above + 1 if above >= 0 else 0, 2 * second + 1 if second >= 0 else 0
    left_mask, above_mask, second_mask = (1 << left) - 1, (1 << wide) - 1, (1 << high) - 1
    for row in range(n):
        for y in range(rows):
            here, over, top = spins[row, y], spins[row, y - 1], spins[row, y - 2]
            a = b = c = np.int64(0)
            for x in range(-left, 0):
                a = (a << 1) | (here[x] > 0)
            for x in range(-above, above):
                b = (b << 1) | (over[x] > 0)
            for x in range(-second, second):
                c = (c << 1) | (top[x] > 0)
            for x in range(columns):
                if wide:
                    b = ((b << 1) | (over[(x + above) % columns] > 0)) & above_mask
                if high:
                    c = ((c << 1) | (top[(x + second) % columns] > 0)) & second_mask
                spin = np.int64(here[x] > 0)
                counts[(((a << wide | b) << high | c) << 1) | spin] += 1
                a = ((a << 1) | spin) & left_mask


@njit(cache=True, nogil=True)
def count_state_contexts(
    states: NDArray[np.int8], q: int, left: int, above: int, second: int, counts: NDArray[np.int64]
) -> None:
    """`count_contexts` of states 0 ... q - 1, words in base q with the spin as the lowest digit.

    Arguments:
        states: (n, rows, columns), periodic.
        counts: (q^(1 + left + (2 above + 1) + (2 second + 1)),), added to.
    """
    n, rows, columns = states.shape
    wide, high = 2 * above + 1 if above >= 0 else 0, 2 * second + 1 if second >= 0 else 0
    left_most, above_most, second_most = q**left, q**wide, q**high
    for row in range(n):
        for y in range(rows):
            here, over, top = states[row, y], states[row, y - 1], states[row, y - 2]
            a = b = c = np.int64(0)
            for x in range(-left, 0):
                a = a * q + here[x]
            for x in range(-above, above):
                b = b * q + over[x]
            for x in range(-second, second):
                c = c * q + top[x]
            for x in range(columns):
                if wide:
                    b = (b * q + over[(x + above) % columns]) % above_most
                if high:
                    c = (c * q + top[(x + second) % columns]) % second_most
                counts[((a * above_most + b) * second_most + c) * q + here[x]] += 1
                a = (a * q + here[x]) % left_most
