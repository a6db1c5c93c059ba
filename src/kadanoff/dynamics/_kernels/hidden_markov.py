"""One expectation step of a hidden Markov model: scaled forward and backward recursions over one sequence."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["SPAN", "expectations", "log_likelihood"]

SPAN = 2048  # frames between saved forward vectors: what lies between is computed again, and stays in the cache


@numba.njit(cache=True, nogil=True)
def _forward(
    before: NDArray[np.float64], transition: NDArray[np.float64], seen: NDArray[np.float64], out: NDArray[np.float64]
) -> float:
    """out_j = (sum_i before_i A_ij) seen_j, scaled to sum one; returns the sum before scaling."""
    k = before.shape[0]
    total = 0.0
    for j in range(k):
        s = 0.0
        for i in range(k):
            s += before[i] * transition[i, j]
        out[j] = s * seen[j]
        total += out[j]
    if total > 0:
        for j in range(k):
            out[j] /= total
    return total


@numba.njit(cache=True, nogil=True)
def log_likelihood(
    symbols: NDArray[Any], initial: NDArray[np.float64], transition: NDArray[np.float64], emission: NDArray[np.float64]
) -> float:
    """ln P(symbols) of one sequence.

    symbols (n,) integers, -1 for a frame not seen; initial (k,); transition A (k, k); emission (m + 1, k), row s the
    probabilities of symbol s in each hidden state, the last row ones (not seen). -inf for an impossible sequence.
    """
    k = initial.shape[0]
    last = emission.shape[0] - 1
    alpha, ahead = np.empty(k), np.empty(k)
    row = last if symbols[0] < 0 else int(symbols[0])
    total = 0.0
    for j in range(k):
        alpha[j] = initial[j] * emission[row, j]
        total += alpha[j]
    if total <= 0:
        return -math.inf
    for j in range(k):
        alpha[j] /= total
    value = math.log(total)
    for t in range(1, symbols.shape[0]):
        row = last if symbols[t] < 0 else int(symbols[t])
        total = _forward(alpha, transition, emission[row], ahead)
        if total <= 0:
            return -math.inf
        value += math.log(total)
        alpha, ahead = ahead, alpha
    return float(value)


@numba.njit(cache=True, nogil=True)
def expectations(
    symbols: NDArray[Any],
    initial: NDArray[np.float64],
    transition: NDArray[np.float64],
    emission: NDArray[np.float64],
    first: NDArray[np.float64],
    jumps: NDArray[np.float64],
    shown: NDArray[np.float64],
) -> float:
    """Add the expected counts of one sequence, given the model, and return ln P (-inf: impossible, nothing added).

    Arguments as `log_likelihood`. first (k,): hidden state of the first frame; jumps (k, k): i -> j; shown (m + 1, k):
    symbol s from state j (last row: frames not seen).
    """
    n, k = symbols.shape[0], initial.shape[0]
    last = emission.shape[0] - 1
    saved = np.empty(((n + SPAN - 1) // SPAN, k))
    alpha, ahead = np.empty(k), np.empty(k)
    row = last if symbols[0] < 0 else int(symbols[0])
    total = 0.0
    for j in range(k):
        alpha[j] = initial[j] * emission[row, j]
        total += alpha[j]
    if total <= 0:
        return -math.inf
    for j in range(k):
        alpha[j] /= total
        saved[0, j] = alpha[j]
    value = math.log(total)
    for t in range(1, n):
        row = last if symbols[t] < 0 else int(symbols[t])
        total = _forward(alpha, transition, emission[row], ahead)
        if total <= 0:
            return -math.inf
        value += math.log(total)
        alpha, ahead = ahead, alpha
        if t % SPAN == 0:
            for j in range(k):  # the assignment of a slice would take two seconds to compile
                saved[t // SPAN, j] = alpha[j]

    span, scale = np.empty((SPAN, k)), np.empty(SPAN)
    beta, weight = np.ones(k), np.empty(k)  # sum_j alpha_j beta_j = 1 at every frame
    raw = np.zeros((k, k))
    for block in range(saved.shape[0] - 1, -1, -1):
        start = block * SPAN
        stop = min(start + SPAN, n)
        for j in range(k):
            span[0, j] = saved[block, j]
        scale[0] = 1.0
        for t in range(start + 1, stop):
            row = last if symbols[t] < 0 else int(symbols[t])
            scale[t - start] = _forward(span[t - 1 - start], transition, emission[row], span[t - start])
        for t in range(stop - 1, start - 1, -1):
            if t < stop - 1 or stop < n:  # bring beta from t + 1 to t
                row = last if symbols[t + 1] < 0 else int(symbols[t + 1])
                total = 0.0
                for j in range(k):
                    weight[j] = emission[row, j] * beta[j]
                if t < stop - 1:
                    total = scale[t + 1 - start]
                else:  # the scale of the next block's first frame
                    for j in range(k):
                        s = 0.0
                        for i in range(k):
                            s += span[t - start, i] * transition[i, j]
                        total += s * emission[row, j]
                for j in range(k):
                    weight[j] /= total
                for i in range(k):
                    s = 0.0
                    a = span[t - start, i]
                    for j in range(k):
                        raw[i, j] += a * weight[j]
                        s += transition[i, j] * weight[j]
                    beta[i] = s
            row = last if symbols[t] < 0 else int(symbols[t])
            for j in range(k):
                shown[row, j] += span[t - start, j] * beta[j]
    for i in range(k):
        first[i] += saved[0, i] * beta[i]
        for j in range(k):
            jumps[i, j] += raw[i, j] * transition[i, j]
    return float(value)
