"""Derivatives of the pseudo-likelihood of Potts states."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["state_scores"]


@njit(cache=True, nogil=True)
def state_scores(
    states: NDArray[np.int8],
    q: int,
    others: NDArray[np.int32],
    sizes: NDArray[np.int64],
    numbers: NDArray[np.int64],
    couplings: NDArray[np.float64],
    gradient: NDArray[np.float64],
    curvature: NDArray[np.float64],
) -> float:
    """The sum over sites of -ln P(s_i | others), P ~ exp(sum_a K_a n_a(s)), n_a(s) the clusters of kind a all of whose
    other spins are in state s.

    Arguments:
        states: (n, sites) of 0 ... q - 1.
        others, sizes, numbers: as `local_fields.count_patterns`.
        couplings: (kinds,) K.
        gradient: (kinds,) of ln P, added to; curvature: (kinds, kinds) minus its second derivatives, added to.
    """
    kinds = len(sizes)
    counts = np.empty((q, kinds), np.int64)
    weights = np.empty(q)
    mean = np.empty(kinds)
    cost = 0.0
    for row in range(states.shape[0]):
        s = states[row]
        for i in range(states.shape[1]):
            counts[:] = 0
            at = 0
            for a in range(kinds):
                for _ in range(numbers[a]):
                    first = s[others[i, at]]
                    alike = True
                    for j in range(1, sizes[a]):
                        alike = alike and s[others[i, at + j]] == first
                    counts[first, a] += alike
                    at += sizes[a]
            largest = -np.inf
            for state in range(q):
                weights[state] = 0.0
                for a in range(kinds):
                    weights[state] += couplings[a] * counts[state, a]
                largest = max(largest, weights[state])
            own, total = weights[s[i]], 0.0
            for state in range(q):
                weights[state] = math.exp(weights[state] - largest)
                total += weights[state]
            cost += math.log(total) + largest - own
            for a in range(kinds):
                mean[a] = 0.0
                for state in range(q):
                    mean[a] += weights[state] * counts[state, a]
                mean[a] /= total
                gradient[a] += counts[s[i], a] - mean[a]
            for state in range(q):
                share = weights[state] / total
                for a in range(kinds):
                    off = share * (counts[state, a] - mean[a])
                    for b in range(a + 1):
                        curvature[a, b] += off * counts[state, b]
    for a in range(kinds):
        for b in range(a):
            curvature[b, a] = curvature[a, b]
    return cost
