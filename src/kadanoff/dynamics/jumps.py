"""Markov jump processes: rates checked, their stationary state and flows, and trajectories of jumps.

rates[i, j] is the rate of jumps i -> j (the diagonal is ignored); flows f_ij = p_i k_ij. Where several reservoirs drive
the same pair of states, rates (r, n, n) hold one matrix for each, because each is an edge of its own: the entropy
production of the sum is too small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components

from kadanoff.information import stationary_distribution
from kadanoff.random import uniform

__all__ = ["Jumps", "check_rates", "edge_flows", "ring", "simulate_chain", "simulate_jumps", "stationary"]

Array = NDArray[np.float64]

_STREAM = 0x4A554D50  # which use of random numbers this is: jumps
_CHUNK = 1 << 20  # visits made at once where the time is given


@dataclass(frozen=True, eq=False)
class Jumps:
    """A trajectory of jumps: ``states`` (n,) int32 as visited, and ``dwells`` (n,), how long each visit lasted.

    Two visits in a row are to different states. The first visit begins at time 0.
    """

    states: NDArray[np.int32]
    dwells: Array

    def __len__(self) -> int:
        return len(self.states)

    @property
    def time(self) -> float:
        """The length of the trajectory, the sum of its dwell times."""
        return float(self.dwells.sum())


def check_rates(rates: ArrayLike, *, least: int = 2, diagonal: bool = False) -> Array:
    """A float64 copy of a matrix of rates (n, n), or (r, n, n) for r reservoirs, with a diagonal of zeros.

    Arguments:
        rates: rates[i, j] of i -> j, 1 / time; the diagonal is zero, or that of a generator, -sum_j rates[i, j].
        least: the fewest states that make sense.
        diagonal: whether anything may stand there and is ignored, as for flows.

    Raises:
        ValueError: for another shape, for a rate that is negative or not finite (the jump is named), for a diagonal
            that is no generator's (the row is named).
    """
    matrix = np.array(rates, dtype=np.float64)
    if matrix.ndim not in (2, 3) or matrix.shape[-1] != matrix.shape[-2] or matrix.shape[-1] < least:
        raise ValueError(f"rates and flows are square matrices of at least {least} states, not {matrix.shape}")
    every = np.arange(matrix.shape[-1])
    stood = matrix[..., every, every]
    matrix[..., every, every] = 0.0
    if (bad := np.argwhere(~(np.isfinite(matrix) & (matrix >= 0)))).size:
        i, j = bad[0][-2:]
        raise ValueError(
            f"rates must be finite and not negative: {matrix[tuple(bad[0])]:g} for the jump {i} -> {j}; rows are 'from'"
        )
    leaving = matrix.sum(axis=-1)
    if not diagonal and (bad := np.argwhere((stood != 0.0) & ~(np.abs(stood + leaving) <= 1e-9 * leaving))).size:
        here = tuple(bad[0])
        raise ValueError(
            f"row {here[-1]} is no row of a generator: its diagonal is {stood[here]:g}, its rates add up to "
            f"{leaving[here]:g}; put 0 or minus that sum there (a transition matrix, with rows that sum to one, is for "
            "the functions of chains in discrete time)"
        )
    return matrix


def stationary(rates: ArrayLike) -> Array:
    """The stationary distribution p (n,): sum_i p_i k_ij = p_j sum_i k_ji, sum p = 1.

    Arguments:
        rates: (n, n), or (r, n, n) for several reservoirs, whose rates add up.

    Raises:
        ValueError: where it is not unique, that is, where the states fall into parts that cannot all reach each
            other; an absorbing state, and one that is never entered, are named.
    """
    matrix = check_rates(rates)
    matrix = matrix.sum(axis=0) if matrix.ndim == 3 else matrix
    parts, _ = connected_components(matrix > 0, directed=True, connection="strong")
    if parts > 1:
        stuck, fresh = np.flatnonzero(matrix.sum(axis=1) == 0), np.flatnonzero(matrix.sum(axis=0) == 0)
        why = f"; state {stuck[0]} has no way out" if stuck.size else ""
        why += f"; state {fresh[0]} is never entered" if fresh.size else ""
        raise ValueError(
            f"the states fall into {parts} parts that cannot all reach each other: no unique stationary state{why}"
        )
    leaving = matrix.sum(axis=1)
    fastest = 2.0 * leaving.max(initial=0.5)  # I + K / fastest is stochastic and has the same stationary state
    return stationary_distribution(matrix / fastest + np.diag(1.0 - leaving / fastest))


def edge_flows(rates: ArrayLike, probability: ArrayLike | None = None) -> Array:
    """Flows f_ij = p_i k_ij, of the shape of ``rates``, by default in the stationary state."""
    matrix = check_rates(rates)
    p = stationary(matrix) if probability is None else np.asarray(probability, dtype=np.float64)
    if p.shape != (matrix.shape[-1],):
        raise ValueError(f"probability: expected ({matrix.shape[-1]},), one number for every state, got {p.shape}")
    return p[:, None] * matrix


def ring(states: int, forward: float, backward: float) -> Array:
    """Rates of a driven ring 0 -> 1 -> ... -> 0: ``forward`` along it, ``backward`` against it.

    Its stationary state is uniform and sigma = (k+ - k-) ln(k+/k-): each of the n edges gives 1/n of it.
    """
    if states < 3 or forward <= 0 or backward <= 0:
        raise ValueError("a driven ring has three or more states and positive rates both ways")
    matrix, here = np.zeros((states, states)), np.arange(states)
    matrix[here, (here + 1) % states] = forward
    matrix[(here + 1) % states, here] = backward
    return matrix


def simulate_jumps(
    rates: Any, *, jumps: int | None = None, time: float | None = None, seed: int, start: int | None = None
) -> Jumps:
    """A trajectory of the jump process, exact in law (the direct method of Gillespie, 1976, with alias tables).

    A visit to state i lasts -ln(u) / sum_j k_ij, and goes on to j with probability k_ij / sum_j k_ij. Visit k draws its
    numbers by (seed, k), so that a longer trajectory begins with the shorter one.

    Arguments:
        rates: (n, n) of i -> j, dense or scipy.sparse, 1 / time; the diagonal is ignored.
        jumps: how many visits, or
        time: how long; the last visit is cut off there.
        seed: of the random numbers.
        start: the first state; by default drawn from the stationary state (dense rates only).

    Raises:
        ValueError: unless one of ``jumps`` and ``time`` is given and positive; for rates that are negative or not
            finite; for a state without a way out; for a start that is no state.
    """
    from kadanoff.dynamics._kernels.jumps import alias_tables, walk

    if (jumps is None) == (time is None):
        raise ValueError("simulate_jumps: give either the number of jumps or the time")
    if (jumps is not None and jumps < 1) or (time is not None and not 0 < time < np.inf):
        raise ValueError(f"simulate_jumps: the length must be positive, not {jumps if time is None else time}")
    table = _sparse_rates(rates)
    n = table.shape[0]
    leaving = np.asarray(table.sum(axis=1)).ravel()
    if (stuck := np.flatnonzero(leaving == 0)).size:
        raise ValueError(f"state {stuck[0]} has no way out: a trajectory would end there")
    if start is None:
        p = stationary(table.toarray())
        start = int(min(np.searchsorted(np.cumsum(p), uniform(seed, _STREAM, 0, 1)[0]), n - 1))
    if not 0 <= start < n:
        raise ValueError(f"start: there is no state {start} among {n}")
    offset, target = table.indptr.astype(np.int64), table.indices.astype(np.int32)
    keep, other = alias_tables(offset, target, table.data)
    parts: list[Jumps] = []
    done, state, elapsed = 0, start, 0.0
    while True:
        size = _CHUNK if jumps is None else jumps
        part = Jumps(np.empty(size, np.int32), np.empty(size))
        state = walk(offset, target, keep, other, 1.0 / leaving, state, seed, _STREAM, done, part.states, part.dwells)
        if time is None:
            return part
        ends = elapsed + np.cumsum(part.dwells)
        if ends[-1] >= time:
            last = int(np.searchsorted(ends, time))
            dwells = part.dwells[: last + 1].copy()
            dwells[-1] -= ends[last] - time
            parts.append(Jumps(part.states[: last + 1], dwells))
            break
        parts.append(part)
        done, elapsed = done + size, float(ends[-1])
    return Jumps(np.concatenate([part.states for part in parts]), np.concatenate([part.dwells for part in parts]))


def simulate_chain(transition: ArrayLike, steps: int, *, seed: int, start: int | None = None) -> NDArray[np.int32]:
    """The states (steps,) int32 of a Markov chain in discrete time, with alias tables; step k draws by (seed, k).

    Arguments:
        transition: (n, n), T_ij the probability of i -> j, rows sum to one.
        start: the first state; by default drawn from the stationary state.

    Raises:
        ValueError: for a matrix that is not stochastic, a start that is no state, fewer than one step.
    """
    from kadanoff.dynamics._kernels.jumps import alias_tables, step_walk

    p = stationary_distribution(transition)
    if steps < 1 or not (start is None or 0 <= start < len(p)):
        raise ValueError(f"a chain of {len(p)} states cannot run {steps} steps from state {start}")
    table = scipy.sparse.csr_array(np.asarray(transition, dtype=np.float64))
    if start is None:
        start = min(int(np.searchsorted(np.cumsum(p), uniform(seed, _STREAM, 0, 1)[0])), len(p) - 1)
    offset, target = table.indptr.astype(np.int64), table.indices.astype(np.int32)
    keep, other = alias_tables(offset, target, table.data)
    states = np.empty(steps, np.int32)
    step_walk(offset, target, keep, other, start, seed, _STREAM, states)
    return states


def _sparse_rates(rates: Any) -> scipy.sparse.csr_array:
    """Rates as a checked csr_array without a diagonal or stored zeros."""
    if not scipy.sparse.issparse(rates):
        matrix = check_rates(rates)
        if matrix.ndim == 3:
            matrix = matrix.sum(axis=0)
        return scipy.sparse.csr_array(matrix)
    table = scipy.sparse.coo_array(rates, dtype=np.float64)
    if table.shape[0] != table.shape[1]:
        raise ValueError(f"rates are square matrices, not {table.shape}")
    off = table.row != table.col
    if (bad := np.flatnonzero(off & ~(np.isfinite(table.data) & (table.data >= 0)))).size:
        k = bad[0]
        raise ValueError(
            f"rates must be finite and not negative: {table.data[k]:g} for the jump {table.row[k]} -> {table.col[k]}"
        )
    cleaned = scipy.sparse.csr_array((table.data[off], (table.row[off], table.col[off])), shape=table.shape)
    cleaned.sum_duplicates()
    cleaned.eliminate_zeros()
    return cleaned
