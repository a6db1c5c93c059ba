"""Counts of what each spin sees of its neighbours: the sufficient statistic of the pseudo-likelihood."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["count_patterns"]


@njit(cache=True, nogil=True)
def count_patterns(
    spins: NDArray[np.int8],
    others: NDArray[np.int32],
    sizes: NDArray[np.int64],
    numbers: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """Count patterns (z_1, z_2, ...), z_a = s_i times the sum over the clusters of kind a that hold site i of the
    product of their other spins.

    Arguments:
        spins: (n, sites) of +-1.
        others: (sites, m) the other sites of the clusters: those of kind 0 one after another, then kind 1, ...
        sizes: (kinds,) other sites of one cluster; numbers: (kinds,) clusters of a site.
        counts: (product of numbers + 1,), added to: pattern p = sum over kinds, in C order, of (z_a + numbers_a) / 2.
    """
    for row in range(spins.shape[0]):
        s = spins[row]
        for i in range(spins.shape[1]):
            pattern = 0
            at = 0
            for a in range(len(sizes)):
                field = 0
                if sizes[a] == 1:
                    for k in range(numbers[a]):
                        field += s[others[i, at + k]]
                elif sizes[a] == 3:
                    for k in range(numbers[a]):
                        here = at + 3 * k
                        field += s[others[i, here]] * s[others[i, here + 1]] * s[others[i, here + 2]]
                else:
                    for k in range(numbers[a]):
                        product = 1
                        for j in range(sizes[a]):
                            product *= s[others[i, at + k * sizes[a] + j]]
                        field += product
                at += sizes[a] * numbers[a]
                pattern = pattern * (numbers[a] + 1) + (s[i] * field + numbers[a]) // 2
            counts[pattern] += 1
