"""Local moves of nodes between regions: each move changes a few sums, from which the objective is had again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["following_objective", "move_to_follow", "move_to_inform"]

_ORDER = 10  # of the Taylor series of the region model over a step
_STEP = 1.0  # longest step: the error of the series is below 2^11 / 11! = 5e-5 of the activity, enough to compare by


@njit(cache=True, nogil=True)
def following_objective(
    sums: NDArray[np.float64],
    size: NDArray[np.int64],
    states: NDArray[np.float64],
    times: NDArray[np.float64],
    gain: float,
) -> float:
    """Squared relative error of the region model, pooled over stimuli, its mean over the times but the first.

    sums (K, K): of B over members of both regions; size (K,); states (T, K, S): sums of activity over members at times
    (T,), the first the start.
    """
    times_, k, stimuli = states.shape
    model = np.empty((k, stimuli))
    for i in range(k):
        for s in range(stimuli):
            model[i, s] = states[0, i, s] / size[i] if size[i] > 0 else 0.0
    term, following = np.empty((k, stimuli)), np.empty((k, stimuli))
    total = 0.0
    for t in range(1, times_):
        span = times[t] - times[t - 1]
        steps = math.ceil(span / _STEP - 1e-9)
        step = span / steps
        for _ in range(steps):
            for i in range(k):
                for s in range(stimuli):
                    term[i, s] = model[i, s]
            for order in range(1, _ORDER + 1):
                factor = step / order
                for i in range(k):
                    for s in range(stimuli):
                        following[i, s] = -factor * term[i, s]
                    if size[i] > 0:
                        for j in range(k):
                            weight = factor * gain * sums[i, j] / size[i]
                            if weight != 0.0:
                                for s in range(stimuli):
                                    following[i, s] += weight * term[j, s]
                for i in range(k):
                    for s in range(stimuli):
                        term[i, s] = following[i, s]
                        model[i, s] += following[i, s]
        missed, there = 0.0, 0.0
        for i in range(k):
            if size[i] > 0:
                for s in range(stimuli):
                    true = states[t, i, s] / size[i]
                    missed += size[i] * (model[i, s] - true) ** 2
                    there += size[i] * true**2
        total += missed / there if there > 0 else 0.0
    return float(total / (times_ - 1))


@njit(cache=True, nogil=True)
def _shift(
    sums: NDArray[np.float64], a: int, b: int, row: NDArray[np.float64], column: NDArray[np.float64], own: float
) -> None:
    """Take one node out of region a into b: row (K,), column (K,) are its sums without itself, own its diagonal."""
    for j in range(row.size):
        sums[a, j] -= row[j]
        sums[b, j] += row[j]
    for i in range(row.size):
        sums[i, a] -= column[i]
        sums[i, b] += column[i]
    sums[a, a] -= own
    sums[b, b] += own


@njit(cache=True, nogil=True)
def _carry(states: NDArray[np.float64], activity: NDArray[np.float64], i: int, a: int, b: int) -> None:
    for t in range(states.shape[0]):
        for s in range(states.shape[2]):
            states[t, a, s] -= activity[t, i, s]
            states[t, b, s] += activity[t, i, s]


@njit(cache=True, nogil=True)
def _by_region(
    i: int,
    row_starts: NDArray[Any],
    row_nodes: NDArray[Any],
    row_values: NDArray[np.float64],
    column_starts: NDArray[Any],
    column_nodes: NDArray[Any],
    column_values: NDArray[np.float64],
    label: NDArray[np.int64],
    row: NDArray[np.float64],
    column: NDArray[np.float64],
) -> float:
    """What node i gives to (row, (K,)) and takes from (column, (K,)) the other nodes of each region; returns what it
    gives to itself."""
    own = 0.0
    for j in range(row.size):
        row[j], column[j] = 0.0, 0.0
    for e in range(row_starts[i], row_starts[i + 1]):
        if row_nodes[e] == i:
            own += row_values[e]
        else:
            row[label[row_nodes[e]]] += row_values[e]
    for e in range(column_starts[i], column_starts[i + 1]):
        if column_nodes[e] != i:
            column[label[column_nodes[e]]] += column_values[e]
    return own


@njit(cache=True, nogil=True)
def move_to_follow(
    row_starts: NDArray[Any],
    row_nodes: NDArray[Any],
    row_values: NDArray[np.float64],
    column_starts: NDArray[Any],
    column_nodes: NDArray[Any],
    column_values: NDArray[np.float64],
    label: NDArray[np.int64],
    sums: NDArray[np.float64],
    size: NDArray[np.int64],
    states: NDArray[np.float64],
    activity: NDArray[np.float64],
    times: NDArray[np.float64],
    gain: float,
    order: NDArray[np.int64],
    candidates: NDArray[np.int64],
    best: float,
) -> tuple[float, int]:
    """One sweep: each node goes to the candidate region where the objective is least, if that is less than it is.

    label, sums, size and states change in place. activity (T, n, S); candidates (n, C), -1 for none. No region is
    emptied. Returns the objective and the number of moves.
    """
    k, moves = size.size, 0
    row, column = np.empty(k), np.empty(k)
    for i in order:
        a = label[i]
        if size[a] < 2:
            continue
        own = _by_region(
            i, row_starts, row_nodes, row_values, column_starts, column_nodes, column_values, label, row, column
        )
        here = a
        for c in range(candidates.shape[1]):
            b = candidates[i, c]
            if b < 0 or b == here:
                continue
            _shift(sums, here, b, row, column, own)
            size[here] -= 1
            size[b] += 1
            _carry(states, activity, i, here, b)
            found = following_objective(sums, size, states, times, gain)
            if found < best * (1 - 1e-9):
                best, here = found, b
            else:
                _shift(sums, b, here, row, column, own)
                size[here] += 1
                size[b] -= 1
                _carry(states, activity, i, b, here)
        if here != a:
            label[i] = here
            moves += 1
    return best, moves


@njit(cache=True, nogil=True)
def _grown(x: float, by: float) -> float:
    """By how much x ln x grows when x does; counts are whole or weights, and 0 ln 0 = 0."""
    if by == 0.0:
        return 0.0
    y = x + by
    return (y * math.log(y) if y > 0.0 else 0.0) - (x * math.log(x) if x > 0.0 else 0.0)


@njit(cache=True, nogil=True)
def move_to_inform(
    row_starts: NDArray[Any],
    row_nodes: NDArray[Any],
    row_values: NDArray[np.float64],
    column_starts: NDArray[Any],
    column_nodes: NDArray[Any],
    column_values: NDArray[np.float64],
    label: NDArray[np.int64],
    counts: NDArray[np.float64],
    sent: NDArray[np.float64],
    got: NDArray[np.float64],
    size: NDArray[np.int64],
    order: NDArray[np.int64],
) -> tuple[float, int]:
    """One sweep: each node goes to the region where sum W ln W - sum out ln out - sum in ln in is largest.

    label, counts (K, K), sent, got and size (K,) change in place; the last region (the unassigned) is left alone and no
    region is emptied. Returns by how much the sum has grown, and the number of moves.
    """
    k, moves, gained = size.size, 0, 0.0
    out, into = np.empty(k), np.empty(k)
    for i in order:
        a = label[i]
        if size[a] < 2 or a == k - 1:
            continue
        own = _by_region(
            i, row_starts, row_nodes, row_values, column_starts, column_nodes, column_values, label, out, into
        )
        all_out, all_in = own, own
        for j in range(k):
            all_out += out[j]
            all_in += into[j]
        best, there = 1e-9, a
        for b in range(k - 1):
            if b == a:
                continue
            change = 0.0
            for j in range(k):
                if j in (a, b):
                    continue
                change += _grown(counts[a, j], -out[j]) + _grown(counts[b, j], out[j])
                change += _grown(counts[j, a], -into[j]) + _grown(counts[j, b], into[j])
            change += _grown(counts[a, a], -out[a] - into[a] - own) + _grown(counts[a, b], into[a] - out[b])
            change += _grown(counts[b, a], out[a] - into[b]) + _grown(counts[b, b], out[b] + into[b] + own)
            change -= _grown(sent[a], -all_out) + _grown(sent[b], all_out)
            change -= _grown(got[a], -all_in) + _grown(got[b], all_in)
            if change > best:
                best, there = change, b
        if there != a:
            b = there
            _shift(counts, a, b, out, into, own)
            sent[a] -= all_out
            sent[b] += all_out
            got[a] -= all_in
            got[b] += all_in
            size[a] -= 1
            size[b] += 1
            label[i] = b
            gained += best
            moves += 1
    return gained, moves
