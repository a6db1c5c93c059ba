"""Is a Markov model of these states at this lag right? Implied time scales against the lag, and Chapman-Kolmogorov."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from kadanoff.dynamics.lumping import lump_labels
from kadanoff.dynamics.markov import implied_times, spectrum, stationary_state
from kadanoff.dynamics.transition_counts import (
    Counts,
    MarkovWarning,
    _connected,
    _dense,
    _part,
    _rows,
    checked_trajectories,
    count_transitions,
    jackknife_counts,
    reversible_estimate,
)
from kadanoff.maps import Map

__all__ = ["ChapmanKolmogorov", "TimeScales", "chapman_kolmogorov", "implied_time_scales"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TimeScales:
    """Relaxation times of Markov models at several lags, in frames.

    Arguments:
        lags: (l,).
        times, errors: (l, k) t = -lag / ln|lambda|, slowest first; 0 where the eigenvalue vanishes.
        periods: (l, k) of rotation 2 pi lag / |arg lambda|, infinite for real positive eigenvalues. A pair of complex
            eigenvalues is listed twice.
        resolved: (l, k) whether |lambda| is more than three of its errors above zero. Where it is not, the process has
            decayed within the lag, and the time, made of noise, is too large.
    """

    lags: NDArray[np.int64]
    times: Array
    errors: Array
    periods: Array
    resolved: NDArray[np.bool_]


def implied_time_scales(
    trajectories: Any,
    lags: Sequence[int],
    number: int | None = None,
    *,
    states: int | None = None,
    reversible: bool = False,
    blocks: int = 16,
) -> TimeScales:
    """Implied time scales against the lag, with jackknife errors over blocks of time.

    Where they level off, a Markov model of these states is right from that lag on (Swope, Pitera and Suits, 2004).
    Warns
    where a block of time is shorter than three times the slowest one: errors and times are then too small.

    Arguments:
        trajectories, states, blocks: as `count_transitions` (sliding pairs).
        lags: frames.
        number: of time scales; by default 3, fewer for fewer states.
        reversible: force detailed balance.

    Raises:
        ValueError: as `count_transitions`; for more time scales than connected states allow (lag named).
    """
    data = checked_trajectories(trajectories)
    m = 1 + max(int(frames.max()) for frames in data) if states is None else states
    number = max(1, min(3, m - 1)) if number is None else number
    times, errors, periods, resolved = (np.empty((len(lags), number)) for _ in range(4))
    for row, lag in enumerate(lags):
        counts = count_transitions(data, lag, states=m, blocks=blocks)
        try:
            both, error_of_both = jackknife_counts(
                counts, partial(_sizes_and_times, lag=lag, number=number, reversible=reversible)
            )
        except ValueError as error:
            alone = (
                " without one of the blocks of time: a state was visited in that block alone. Ask for fewer time "
                "scales, or lump that state, or leave it out (-1)"
                if "time scales asked" in str(error) and len(_connected(counts.matrix)[0]) > number
                else ""
            )
            raise ValueError(f"lag {lag}: {error}{alone}") from error
        times[row], errors[row] = both[1], error_of_both[1]
        resolved[row] = both[0] > 3 * error_of_both[0]
        periods[row] = implied_times(_eigenvalues(counts.matrix, number, reversible), lag)[1]
    longest, block = (
        float(np.max(times[:, 0], where=resolved[:, 0] > 0, initial=0.0)),
        sum(len(frames) for frames in data) / blocks,
    )
    if 3 * longest > block:
        warnings.warn(
            f"the slowest time scale, {longest:.3g} frames, is not small against a block of time of {block:.3g} "
            "frames: the data are too short for it, and its error is too small; more data, or fewer blocks",
            MarkovWarning,
            stacklevel=2,
        )
    return TimeScales(np.asarray(lags, dtype=np.int64), times, errors, periods, resolved > 0)


@dataclass(frozen=True, eq=False)
class ChapmanKolmogorov:
    """T(lag)^k against T(k lag) between sets of states.

    Arguments:
        lags: (k,) k lag.
        predicted, found: (k, s, s) P(set J after k lag | set I).
        difference_error: (k, s, s) standard error of found - predicted (both from the same data).
        p_value: probability of differences in the s probabilities to stay as large as these, were the data Markovian at
            this lag: Hotelling's test at the lag where they stand out most, times the number of lags (Bonferroni).
    """

    lags: NDArray[np.int64]
    predicted: Array
    found: Array
    difference_error: Array
    p_value: float


def chapman_kolmogorov(
    trajectories: Any,
    lag: int,
    steps: Sequence[int] = (2, 3, 5, 8),
    *,
    lumps: Map | None = None,
    states: int | None = None,
    blocks: int = 32,
) -> ChapmanKolmogorov:
    """The test of Chapman and Kolmogorov: do powers of the model at ``lag`` predict the data at longer lags?

    Probabilities are those between sets of states, P_IJ(k) = sum_{i in I, j in J} p_i T^k_ij / p_I with the stationary
    weights of the model, and from the counts at k lag. Arguments as `count_transitions`; ``lumps`` a hard `Map` of the
    states to sets (default each state by itself, at most 8).

    Raises:
        ValueError: as `count_transitions`; for too many sets, or states that are not all connected.
    """
    data = checked_trajectories(trajectories)
    m = 1 + max(int(frames.max()) for frames in data) if states is None else states
    sets = Map.groups(np.arange(m)) if lumps is None else lumps
    lump_labels(sets, m)
    if sets.n_coarse > 8 or sets.n_coarse >= blocks - 2:
        raise ValueError(
            f"{sets.n_coarse} sets are too many for this test; give `lumps`, a map of the states to at most 8"
        )
    longest = max(len(frames) for frames in data)
    if longest <= lag * max(steps):
        raise ValueError(
            f"Chapman-Kolmogorov: {max(steps)} steps of lag {lag} are beyond the data, the longest trajectory has "
            f"{longest} frames; take a shorter lag, or fewer steps"
        )
    base = count_transitions(data, lag, states=m, blocks=blocks)
    if len(_connected(base.matrix)[0]) < m:
        raise ValueError("Chapman-Kolmogorov: not all states are connected; number the connected ones anew")
    predicted, found, errors, smallest = [], [], [], 1.0
    for k in steps:
        longer = count_transitions(data, k * lag, states=m, blocks=blocks)
        values = np.array([_both(base, longer, sets, k, left) for left in (None, *range(blocks))])
        predicted.append(values[0, 0])
        found.append(values[0, 1])
        difference = values[:, 1] - values[:, 0]
        errors.append(np.sqrt((blocks - 1) * difference[1:].var(axis=0)))
        smallest = min(smallest, _hotelling(np.diagonal(difference, axis1=1, axis2=2), blocks))
    return ChapmanKolmogorov(
        lag * np.asarray(steps, dtype=np.int64), np.array(predicted), np.array(found), np.array(errors),
        min(1.0, smallest * len(steps)),
    )  # fmt: skip


def _hotelling(values: Array, blocks: int) -> float:
    """p of all-data differences values[0] (s,) being zero, their covariance from the jackknife values[1:]."""
    s = values.shape[1]
    left_out = values[1:] - values[1:].mean(axis=0)
    covariance = (blocks - 1) / blocks * left_out.T @ left_out
    spread = np.sqrt(np.diag(covariance))
    if np.all(spread < 1e-14):
        return 1.0
    # in units of the spread; directions without any scatter tell nothing
    scaled = covariance / np.outer(np.maximum(spread, 1e-300), np.maximum(spread, 1e-300))
    t2 = float(
        values[0]
        / np.maximum(spread, 1e-300)
        @ np.linalg.pinv(scaled, rcond=1e-8)
        @ (values[0] / np.maximum(spread, 1e-300))
    )
    return float(fdtrc(s, blocks - s, t2 * (blocks - s) / (s * (blocks - 1))))


def _both(base: Counts, longer: Counts, sets: Map, k: int, left: int | None) -> Array:
    tables = [_dense(c.matrix if left is None else c.matrix - c.blocks[left]) for c in (base, longer)]
    for counts, table in zip((base, longer), tables, strict=True):
        leaving = table.sum(axis=1)
        if leaving.min() <= 0:
            raise ValueError(
                f"lag {counts.lag}: no pair starts in state {int(leaving.argmin())}"
                + ("" if left is None else f" without block {left}")
                + "; shorter lags, fewer states or longer data are needed"
            )
    transition = tables[0] / tables[0].sum(axis=1, keepdims=True)
    p = stationary_state(transition)
    weight = sets.membership.toarray() * p
    ahead = weight @ np.linalg.matrix_power(transition, k) @ sets.membership.toarray().T
    rows = tables[1] / leaving[:, None]
    both = np.array([ahead, weight @ rows @ sets.membership.toarray().T])
    return np.asarray(both / weight.sum(axis=1)[:, None])


def _eigenvalues(counts: Any, number: int, reversible: bool) -> NDArray[np.complex128]:
    states, _ = _connected(counts)
    if len(states) <= number:
        raise ValueError(f"{number} time scales asked, but only {len(states)} states are connected")
    kept = _dense(_part(counts, states))
    transition = reversible_estimate(kept)[0] if reversible else _rows(counts, states=states, reversible=False)
    return spectrum(transition, number + 1).eigenvalues[1:]


def _sizes_and_times(counts: Any, *, lag: int, number: int, reversible: bool) -> Array:
    values = _eigenvalues(counts, number, reversible)
    return np.array([np.abs(values), implied_times(values, lag)[0]])
