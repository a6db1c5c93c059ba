"""Every state of a small lattice, counted by its sums."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def count_states(
    neighbours: NDArray[np.int32], shell: NDArray[np.int64], bonds: NDArray[np.int64], states: int
) -> NDArray[np.int64]:
    """(like bonds of the first shell, of the second, sites in the last state, largest number in one state): how many of
    the q^n states have these, as an array (m_1 + 1, m_2 + 1, n + 1, n + 1).

    The states are gone through like the numbers of an odometer; a digit that turns changes its own bonds only.

    Arguments:
        neighbours: (n, z; -1: none), of both shells.
        shell: (z,) 0 or 1.
        bonds: (2,) number of bonds of each shell.
        states: q.
    """
    n, z = neighbours.shape
    found = np.zeros((bonds[0] + 1, bonds[1] + 1, n + 1, n + 1), np.int64)
    spins, counts, like = np.zeros(n, np.int64), np.zeros(states, np.int64), bonds.copy()
    counts[0] = n
    while True:
        found[like[0], like[1], counts[states - 1], counts.max()] += 1
        site = 0
        while site < n:
            old = spins[site]
            new = old + 1 if old + 1 < states else 0
            for k in range(z):
                j = neighbours[site, k]
                if j >= 0:
                    like[shell[k]] += np.int64(spins[j] == new) - np.int64(spins[j] == old)
            spins[site] = new
            counts[old] -= 1
            counts[new] += 1
            if new:
                break
            site += 1
        if site == n:
            return found
