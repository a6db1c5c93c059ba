"""Heat bath of the decorated square lattice: all decorating spins, then all sites, each given the others."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.random import uniform

__all__ = ["heat_bath"]

DECORATIONS, SITES = 0, 1  # streams of random numbers


@njit(cache=True, nogil=True)
def heat_bath(
    sites: NDArray[np.int8],
    coupling: float,
    seed: int,
    first: int,
    every: int,
    kept_sites: NDArray[np.int8],
    kept_decorations: NDArray[np.int8],
) -> None:
    """Sweep ``sites`` (rows, columns) in place; every ``every``-th sweep is written to kept_sites (n, rows, columns)
    and kept_decorations (n, 2, rows, columns) (bond to the right, bond down), both of one moment.

    Given the sites the decorating spins are independent, and the other way round: one sweep is two exact draws.
    ``first`` is the number of sweeps done before, so that pieces of a run are the whole run.
    """
    rows, columns = sites.shape
    right = np.empty((rows, columns), np.int8)
    down = np.empty((rows, columns), np.int8)
    of_two = np.empty(5)  # probability that a spin is up whose neighbours sum to -2, 0, 2 (of_two[sum + 2])
    of_four = np.empty(9)
    for total in range(-4, 5):
        chance = 1.0 / (1.0 + math.exp(-2.0 * coupling * total))
        of_four[total + 4] = chance
        if -2 <= total <= 2:
            of_two[total + 2] = chance
    for sample in range(kept_sites.shape[0]):
        for sweep in range(every):
            step = first + sample * every + sweep
            for i in range(rows):
                below = i + 1 if i + 1 < rows else 0
                for j in range(columns):
                    beside = j + 1 if j + 1 < columns else 0
                    a, b = uniform(seed, DECORATIONS, step, i * columns + j)
                    right[i, j] = 1 if a < of_two[sites[i, j] + sites[i, beside] + 2] else -1
                    down[i, j] = 1 if b < of_two[sites[i, j] + sites[below, j] + 2] else -1
            a = b = 0.0
            for i in range(rows):
                above = i - 1 if i > 0 else rows - 1
                for j in range(columns):
                    before = j - 1 if j > 0 else columns - 1
                    item = i * columns + j
                    if item % 2 == 0:
                        a, b = uniform(seed, SITES, step, item)
                    number = a if item % 2 == 0 else b
                    total = right[i, j] + right[i, before] + down[i, j] + down[above, j]
                    sites[i, j] = 1 if number < of_four[total + 4] else -1
        kept_sites[sample] = sites
        kept_decorations[sample, 0] = right
        kept_decorations[sample, 1] = down
