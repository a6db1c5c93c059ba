"""Markov models from discrete trajectories: transition counts in one pass, estimates that do not force reversibility.

C_ij is the number of pairs (i at t, j at t + lag); T_ij = C_ij / sum_k C_ik. Time is cut into blocks whose counts are
kept apart: their scatter gives every error bar, so that neither overlapping pairs nor a memory beyond the lag makes it
too small (as long as a block is long against both). Prinz et al., J. Chem. Phys. 134, 174105 (2011).
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

from kadanoff.dynamics._kernels.counts import LANES, count_pairs
from kadanoff.dynamics.markov import closed_classes, stationary_state
from kadanoff.parallel import map_ordered

__all__ = [
    "Counts",
    "MarkovModel",
    "MarkovWarning",
    "checked_trajectories",
    "count_transitions",
    "jackknife_counts",
    "markov_model",
    "reversible_estimate",
]

Array = NDArray[np.float64]
_DENSE = 1024  # states up to which counts are a dense table
_IN_CACHE = 1 << 14  # cells up to which several tables are filled in turn
_CHUNK = 1 << 22  # pairs turned into a sparse table at once
_BLOCKS = 32


class MarkovWarning(UserWarning):
    """Something in the data that a reader of the model must know; it is also in the result."""


@dataclass(frozen=True, eq=False)
class Counts:
    """Transition counts at one lag.

    Arguments:
        matrix: (n, n) integers, dense up to 1,024 states, else a csr_array; C_ij pairs from i to j.
        blocks: the same for every block of time, in order; they add up to the matrix.
        lag: frames from the first to the second of a pair.
        sliding: whether pairs start at every frame (and overlap), or at every lag-th only.
        pairs: how many pairs there are, those of ``skipped`` included.
        skipped: pairs with a frame without state (-1).
    """

    matrix: Any
    blocks: tuple[Any, ...]
    lag: int
    sliding: bool
    pairs: int
    skipped: int

    @property
    def states(self) -> int:
        """How many states there are, seen or not."""
        return int(self.matrix.shape[0])


@dataclass(frozen=True, eq=False)
class MarkovModel:
    """A transition matrix from counts, on the largest strongly connected set of states.

    Arguments:
        transition: (m, m), rows sum to one; dense or csr_array as the counts.
        states: (m,) which states of the counts these are.
        excluded: (k,) states with counts that are not among them, and ``excluded_share``, the share of the counts that
            is lost with them.
        reversible: whether detailed balance was forced.
        counts: where it comes from.
    """

    transition: Any
    states: NDArray[np.int64]
    excluded: NDArray[np.int64]
    excluded_share: float
    reversible: bool
    counts: Counts

    @property
    def lag(self) -> int:
        """Frames of a step."""
        return self.counts.lag

    @property
    def stationary(self) -> Array:
        """The stationary distribution (m,)."""
        return stationary_state(self.transition)

    def errors(self, method: str = "blocks") -> Array:
        """Standard errors (m, m) of the transition probabilities of a dense model.

        "blocks": the jackknife over blocks of time; right also for overlapping pairs and for data without the
        Markov property. "multinomial": sqrt(T (1 - T) / C_i), right for Markovian data and pairs that do not overlap.

        Raises:
            ValueError: for "multinomial" of overlapping counts; as `jackknife_counts`.
        """
        if method == "multinomial":
            if self.counts.sliding and self.lag > 1:
                raise ValueError(
                    f"errors: at lag {self.lag} the sliding pairs overlap, and the multinomial error would be too "
                    "small "
                    'by up to the root of the lag; take "blocks", or count with sliding=False'
                )
            leaving = _dense(self.counts.matrix)[np.ix_(self.states, self.states)].sum(axis=1)
            return np.asarray(np.sqrt(self.transition * (1 - self.transition) / leaving[:, None]))
        if method != "blocks":
            raise ValueError(f'errors: expected "blocks" or "multinomial", got {method!r}')
        return jackknife_counts(self.counts, partial(_rows, states=self.states, reversible=self.reversible))[1]


def checked_trajectories(trajectories: Any) -> list[NDArray[Any]]:
    """One array (frames,) of integers, or a sequence of them, as a list of contiguous arrays; nothing is copied.

    Raises:
        ValueError: for an empty list, an empty trajectory, or numbers that are not integers; the trajectory is named.
    """
    one = isinstance(trajectories, np.ndarray) and trajectories.ndim == 1
    if not one and isinstance(trajectories, Sequence) and trajectories and np.ndim(trajectories[0]) == 0:
        one = True
    given = [trajectories] if one else list(trajectories)
    if not given:
        raise ValueError("trajectories: none given")
    checked = []
    for number, each in enumerate(given):
        frames = np.asarray(each)
        if frames.ndim != 1 or frames.size == 0:
            raise ValueError(f"trajectory {number}: expected (frames,) states, got an array of shape {frames.shape}")
        if not np.issubdtype(frames.dtype, np.integer):
            raise ValueError(
                f"trajectory {number}: states are integers from 0 (-1: none), got {frames.dtype}; number the states "
                "first"
            )
        checked.append(np.ascontiguousarray(frames))
    return checked


def count_transitions(
    trajectories: Any,
    lag: int = 1,
    *,
    states: int | None = None,
    sliding: bool = True,
    blocks: int = _BLOCKS,
    executor: Executor | None = None,
) -> Counts:
    """Count the pairs (state at t, state at t + lag) of discrete trajectories, in one pass.

    Pairs never reach from one trajectory into the next, nor over a frame -1 (no state), which is counted as skipped.

    Arguments:
        trajectories: (frames,) integers, or several of them, of any integer type (int8 and int16 read the fastest).
        lag: frames, at least 1.
        states: how many there are; default the largest seen plus one, which costs a second pass.
        sliding: pairs start at every frame, or (False) at every lag-th, so that they do not overlap.
        blocks: of time, of equal numbers of pairs; fewer where there are not as many pairs.
        executor: of `kadanoff.parallel`; the counts do not depend on it.

    Raises:
        ValueError: for a lag no trajectory reaches, a state below -1 or from ``states`` on (trajectory and frame
            named).
    """
    data = checked_trajectories(trajectories)
    if lag < 1:
        raise ValueError(f"lag: expected at least 1 frame, got {lag}")
    longest = max(len(frames) for frames in data)
    if longest <= lag:
        raise ValueError(f"lag: {lag} frames are beyond the data, the longest trajectory has {longest} frames")
    if states is None:
        states = 1 + max(int(frames.max()) for frames in data)
    if states < 1:
        raise ValueError("trajectories: every frame is -1, so there is no state")
    stride = 1 if sliding else lag
    starts = [max(0, -(-(len(frames) - lag) // stride)) for frames in data]
    total = sum(starts)
    count = partial(_count_block, data=data, lag=lag, stride=stride, states=states)
    parts = list(map_ordered(count, _block_pieces(starts, max(1, min(blocks, total))), executor))
    tables = tuple(table for table, _ in parts)
    matrix = tables[0].copy()
    for table in tables[1:]:
        matrix = matrix + table
    skipped = sum(skipped for _, skipped in parts)
    if skipped == total:
        raise ValueError(f"lag {lag}: no pair of frames with a state at both ends")
    return Counts(matrix, tables, lag, sliding, total, skipped)


def jackknife_counts(counts: Counts, function: Callable[[Any], Any]) -> tuple[Array, Array]:
    """A function of the counts and its error: the jackknife over blocks of time (Efron, 1982).

    Arguments:
        counts: with at least 4 blocks.
        function: takes an (n, n) matrix of counts, returns a number or an array of fixed shape.

    Returns:
        Value of all counts, and standard errors of the same shape, with blocks - 1 degrees of freedom.

    Raises:
        ValueError: for fewer than 4 blocks, or a result that is not finite without one of them (the block is named).
    """
    number = len(counts.blocks)
    if number < 4:
        raise ValueError(f"error bars need at least 4 blocks of time, got {number}; count with more blocks")
    value = np.asarray(function(counts.matrix), dtype=np.float64)
    without = []
    for i, block in enumerate(counts.blocks):
        found = np.asarray(function(counts.matrix - block), dtype=np.float64)
        if found.shape != value.shape or not np.all(np.isfinite(found)):
            raise ValueError(
                f"without block {i} of {number} the quantity does not exist: what it rests on happened in that block "
                "only; longer data are needed, or fewer states"
            )
        without.append(found)
    return value, np.sqrt((number - 1) * np.var(np.array(without), axis=0))


def markov_model(counts: Counts, *, reversible: bool = False, quiet: bool = False) -> MarkovModel:
    """The maximum-likelihood transition matrix on the largest strongly connected set of states.

    T_ij = C_ij / sum_k C_ik over that set. Detailed balance is not assumed; ``reversible=True`` forces it
    (`reversible_estimate`) and warns where the data speak against it (`reversibility_test`, p below 0.01).

    Arguments:
        counts: of `count_transitions`.
        reversible: force pi_i T_ij = pi_j T_ji. A driven system then looks as if it did not dissipate.
        quiet: no warning of excluded states; they are in the result all the same.

    Returns:
        The model. Of several strongly connected sets it takes the one with most counts, and warns of the others.

    Raises:
        ValueError: where no state is ever returned to.
    """
    states, seen = _connected(counts.matrix)
    excluded = np.setdiff1d(seen, states)
    total = float(counts.matrix.sum())
    kept = _part(counts.matrix, states)
    lost = 1.0 - float(kept.sum()) / total
    if len(excluded) and not quiet:
        named = ", ".join(str(s) for s in excluded[:8]) + (" ..." if len(excluded) > 8 else "")
        warnings.warn(
            f"{len(excluded)} of {len(seen)} states seen cannot be reached and left again ({named}): the model holds "
            f"the other {len(states)}, and {lost:.3g} of the counts are lost",
            MarkovWarning,
            stacklevel=2,
        )
    if reversible:
        from kadanoff.dynamics.time_reversal import reversibility_test

        if len(counts.blocks) >= 4:
            test = reversibility_test(counts)
            if test.p_value < 0.01:
                warnings.warn(
                    f"a reversible chain was asked for, but the data are not reversible (p = {test.p_value:.2g}): its "
                    "currents and its entropy production are zero by construction",
                    MarkovWarning,
                    stacklevel=2,
                )
        transition = reversible_estimate(kept)[0]
    else:
        transition = _normalised(kept)
    return MarkovModel(transition, states, excluded, lost, reversible, counts)


def reversible_estimate(counts: Any, *, tolerance: float = 1e-12) -> tuple[Any, Array]:
    """The maximum-likelihood transition matrix with detailed balance, and its stationary distribution.

    x_ij = (C_ij + C_ji) / (w_i + w_j), sum_j x_ij = C_i / w_i, T_ij = x_ij / sum_k x_ik: with v = ln w the gradient of
    the convex 1/2 sum_ij (C_ij + C_ji) ln(e^v_i + e^v_j) - sum_i C_i v_i vanishes, found by Newton's method; the
    Hessian is a graph Laplacian (the Bradley-Terry likelihood; Hunter, 2004). The estimator is that of Bowman et al.,
    J. Chem. Phys. 131, 124101 (2009).

    Arguments:
        counts: (m, m), dense or sparse, strongly connected.
        tolerance: largest |gradient| in counts, over the counts leaving that state.

    Returns:
        T (m, m), dense or csr_array as the counts, and pi (m,).

    Raises:
        ValueError: for counts that are not strongly connected, or no convergence.
    """
    sparse = scipy.sparse.issparse(counts)
    table = scipy.sparse.csr_array(counts, dtype=np.float64)
    if closed_classes(table)[0].max() > 0:
        raise ValueError(
            "reversible estimate: the counts are not strongly connected; take one set (`markov_model` does)"
        )
    leaving = np.asarray(table.sum(axis=1)).ravel()
    both = scipy.sparse.coo_array(table + table.T)
    i, j, s = both.row, both.col, both.data
    n = len(leaving)
    v = np.zeros(n)
    value = _likelihood(v, i, j, s, leaving)
    for _ in range(200):
        share = 1.0 / (1.0 + np.exp(v[j] - v[i]))  # w_i / (w_i + w_j)
        gradient = np.bincount(i, s * share, n) - leaving
        if np.abs(gradient / leaving).max() <= tolerance or n == 1:
            break
        bend = np.where(i == j, 0.0, s * share * (1 - share))
        step = -_solve_laplacian(i, j, bend, n, gradient)
        size = 1.0
        while (tried := _likelihood(v + size * step, i, j, s, leaving)) > value and size > 1e-9:
            size /= 2
        if size <= 1e-9:
            if np.abs(gradient / leaving).max() <= 1e-8:  # the value no longer tells apart what rounding does
                break
            raise ValueError(
                f"reversible estimate: Newton's method stops at a gradient of {np.abs(gradient).max():.2g}"
            )
        v, value = v + size * step, tried
        v -= v.mean()
    else:
        raise ValueError(f"reversible estimate: not converged, gradient {np.abs(gradient).max():.2g} counts")
    flow = scipy.sparse.csr_array((s / (np.exp(v[i]) + np.exp(v[j])), (i, j)), shape=(n, n))
    weight = np.asarray(flow.sum(axis=1)).ravel()
    transition = scipy.sparse.csr_array(scipy.sparse.diags_array(1.0 / weight) @ flow)
    return transition if sparse else transition.toarray(), weight / weight.sum()


def _likelihood(v: Array, i: Any, j: Any, s: Array, leaving: Array) -> float:
    return float(0.5 * np.sum(s * np.logaddexp(v[i], v[j])) - leaving @ v)


def _solve_laplacian(i: Any, j: Any, weight: Array, n: int, right: Array) -> Array:
    """L x = right (n,) or (n, k), sum right = 0, of the connected graph with ``weight`` on the edges; x_0 = 0."""
    laplacian = scipy.sparse.csc_array((-weight, (i, j)), shape=(n, n))
    laplacian.setdiag(0.0)
    laplacian = scipy.sparse.csc_array(scipy.sparse.diags_array(-np.asarray(laplacian.sum(axis=1)).ravel()) + laplacian)
    x = np.zeros_like(right)
    if n > 1:
        inner = laplacian[1:, 1:]
        if n <= _DENSE:
            x[1:] = scipy.linalg.solve(inner.toarray(), right[1:], assume_a="pos")
        else:
            x[1:] = scipy.sparse.linalg.splu(scipy.sparse.csc_array(inner), permc_spec="MMD_AT_PLUS_A").solve(right[1:])
    return x


def _block_pieces(starts: list[int], blocks: int) -> Iterator[list[tuple[int, int, int]]]:
    """Blocks of equal numbers of pairs, each a list of (trajectory, first pair, end of pairs)."""
    ends = np.cumsum(starts)
    edges = [int(ends[-1]) * b // blocks for b in range(blocks + 1)]
    for low, high in itertools.pairwise(edges):
        pieces = []
        for number, (end, count) in enumerate(zip(ends, starts, strict=True)):
            begin = int(end) - count
            first, last = max(low, begin), min(high, int(end))
            if first < last:
                pieces.append((number, first - begin, last - begin))
        yield pieces


def _count_block(
    pieces: list[tuple[int, int, int]], *, data: list[NDArray[Any]], lag: int, stride: int, states: int
) -> tuple[Any, int]:
    skipped = 0
    if states <= _DENSE:
        lanes = LANES if states * states <= _IN_CACHE else 1
        table = np.zeros(lanes * states * states, dtype=np.int64)
        pairs = sum(last - first for _, first, last in pieces)
        room = LANES * states**3  # tables of three frames in a row, worth it where they are filled densely
        by_twos = lag == 1 and room <= _IN_CACHE and room <= pairs < 1 << 32
        words = np.zeros(room if by_twos else 0, dtype=np.uint32)
        for number, first, last in pieces:
            for start, end, frames in _narrow(data[number], first, last, lag, stride):
                shift = start * stride if frames is not data[number] else 0
                begin, stop = start * stride - shift, (end - 1) * stride + 1 - shift
                read = frames.view()
                read.flags.writeable = False
                missed, wrong = count_pairs(read, lag, begin, stop, stride, states, lanes, table, words)
                if wrong >= 0:
                    _refuse(number, data[number], wrong + shift, lag, states)
                skipped += missed
        counts = table.reshape(lanes, states, states).sum(axis=0)
        if by_twos:
            three = words.reshape(LANES, states, states, states).sum(axis=0, dtype=np.int64)
            counts += three.sum(axis=2) + three.sum(axis=0)
        return counts, skipped
    total = scipy.sparse.csr_array((states, states), dtype=np.int64)
    for number, first, last in pieces:
        for start in range(first, last, _CHUNK):
            here = slice(start * stride, (min(start + _CHUNK, last) - 1) * stride + 1, stride)
            source = data[number][here]
            target = data[number][here.start + lag : here.stop + lag : stride]
            for frames in (source, target):
                if frames.max() >= states or frames.min() < -1:
                    bad = int(np.argmax((frames >= states) | (frames < -1)))
                    _refuse(number, data[number], here.start + bad * stride, lag, states)
            good = (source >= 0) & (target >= 0)
            skipped += int(np.count_nonzero(~good))
            ones = np.ones(int(np.count_nonzero(good)), dtype=np.int64)
            total = total + scipy.sparse.csr_array((ones, (source[good], target[good])), shape=(states, states))
    return total, skipped


def _narrow(
    frames: NDArray[Any], first: int, last: int, lag: int, stride: int
) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """The pairs first ... last - 1 as (first, last, frames) with frames of at most 32 bits: wide ones are copied in
    pieces, numbers beyond 32 bits cut to the largest, which no count takes."""
    if frames.dtype.itemsize <= 4:
        yield first, last, frames
        return
    bound = np.iinfo(np.int32)
    step = max(1, _CHUNK // stride)
    for start in range(first, last, step):
        end = min(start + step, last)
        piece = frames[start * stride : (end - 1) * stride + lag + 1]
        yield start, end, np.clip(piece, bound.min, bound.max).astype(np.int32)


def _refuse(number: int, frames: NDArray[Any], at: int, lag: int, states: int) -> None:
    at = at if not -1 <= int(frames[at]) < states else at + lag
    raise ValueError(
        f"trajectory {number}, frame {at}: state {int(frames[at])} is none of the {states} states 0 ... {states - 1} "
        "(-1: no state)"
    )


def _connected(counts: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The strongly connected set with most counts inside, and all states that were seen."""
    labels, _ = closed_classes(counts)
    pairs = scipy.sparse.coo_array(counts)
    inside = labels[pairs.row] == labels[pairs.col]
    weight = np.bincount(labels[pairs.row[inside]], pairs.data[inside], labels.max() + 1)
    seen = np.unique(np.concatenate([pairs.row[pairs.data > 0], pairs.col[pairs.data > 0]])).astype(np.int64)
    if weight.max() == 0:
        raise ValueError("counts: no state is ever returned to; the data are too short for these states")
    return np.flatnonzero(labels == int(weight.argmax())), seen


def _part(counts: Any, states: NDArray[np.int64]) -> Any:
    return counts[states][:, states]


def _dense(matrix: Any) -> NDArray[Any]:
    return np.asarray(matrix.toarray() if scipy.sparse.issparse(matrix) else matrix)


def _normalised(counts: Any) -> Any:
    if scipy.sparse.issparse(counts):
        leaving = np.asarray(counts.sum(axis=1)).ravel()
        return scipy.sparse.csr_array(scipy.sparse.diags_array(1.0 / leaving) @ counts)
    return counts / counts.sum(axis=1, keepdims=True)


def _rows(counts: Any, *, states: NDArray[np.int64], reversible: bool) -> Array:
    """Transition probabilities of the given states; not a number where a state has no counts left."""
    kept = _dense(_part(counts, states)).astype(np.float64)
    if reversible:
        return np.asarray(reversible_estimate(kept)[0])
    with np.errstate(invalid="ignore"):
        return np.asarray(kept / kept.sum(axis=1, keepdims=True))
