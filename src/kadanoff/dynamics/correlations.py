"""Correlation functions, mean square displacements and passage times of trajectories, with jackknife errors.

Sums over pairs of frames are taken directly, lag by lag: nothing is wrapped round or padded, trajectories of any
lengths enter with as many pairs as they have, and any lags can be asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import trapezoid

from kadanoff.dynamics._kernels.correlations import lagged_products, lagged_squares
from kadanoff.dynamics.trajectories import Trajectories, pieces
from kadanoff.estimates import Estimate

__all__ = ["Correlation", "autocorrelation", "correlation", "mean_square_displacement", "passage_time"]

Array = NDArray[np.float64]
BLOCKS = 32


@dataclass(frozen=True, eq=False)
class Correlation:
    """A function of the lag: ``time`` (m,), ``value`` (m,), its jackknife ``error`` (m,).

    ``left_out`` (b, m) is the function without each block in turn: whatever is computed from the curve, compute it from
    these too and give the results to `derived`. ``pairs`` (m,) counts pairs of frames.
    """

    time: Array
    value: Array
    error: Array
    left_out: Array
    pairs: Array
    unit: str = ""

    @property
    def covariance(self) -> Array:
        """(m, m): that of the values, from the jackknife."""
        return jackknife_covariance(self.left_out)

    def derived(self, function: Callable[[Array], float], unit: str = "") -> Estimate:
        """An `Estimate` of a function of the curve (m,), with its jackknife error."""
        values = np.array([function(row) for row in self.left_out])
        return Estimate(function(self.value), float(jackknife_error(values)), len(values), unit, "jackknife")

    def integral(self, upper: float | None = None, unit: str = "") -> Estimate:
        """The trapezoidal integral from the first time to `upper` (default: the last)."""
        keep = self.time <= (self.time[-1] if upper is None else upper * (1 + 1e-12))
        return self.derived(lambda row: float(trapezoid(row[keep], self.time[keep])), unit)


def jackknife_error(left_out: ArrayLike) -> Array:
    """sqrt((b - 1) / b sum_i (f_i - mean f)^2) over the first axis (Efron, 1982)."""
    values = np.asarray(left_out, dtype=np.float64)
    return np.asarray(np.sqrt((len(values) - 1) * values.var(axis=0)))


def jackknife_covariance(left_out: ArrayLike) -> Array:
    """(m, m) of (b, m): (b - 1) / b sum_i (f_i - mean f)(f_i - mean f)^T."""
    values = np.asarray(left_out, dtype=np.float64)
    apart = values - values.mean(axis=0)
    return np.asarray((len(values) - 1) / len(values) * apart.T @ apart)


def autocorrelation(
    source: Trajectories,
    series: ArrayLike,
    lags: ArrayLike,
    *,
    centred: bool = False,
    blocks: int = BLOCKS,
    unit: str = "",
) -> Correlation:
    """C(t) = <a(0) . a(t)>, summed over the components of a.

    Arguments:
        source: the trajectories the series belongs to (their ends, their spacing).
        series: (n,) or (n, d), one row a frame of `source`: its velocities, forces, positions or a function of them.
        lags: (m,) whole frames, 0 <= lag.
        centred: take off the mean over all frames first.
        blocks: of frames, for the error bars.
        unit: of C.

    Raises:
        ValueError: for a lag beyond the data, a series of another length, numbers that are not finite.
    """
    return correlation(source, series, series, lags, centred=centred, blocks=blocks, unit=unit)


def correlation(
    source: Trajectories,
    first: ArrayLike,
    second: ArrayLike,
    lags: ArrayLike,
    *,
    centred: bool = False,
    blocks: int = BLOCKS,
    unit: str = "",
) -> Correlation:
    """C(t) = <a(0) . b(t)> of two series on the same frames; the rest as `autocorrelation`."""
    early, late = _columns(source, first, centred), _columns(source, second, centred)
    if early.shape != late.shape:
        raise ValueError(f"the two series have {len(early)} and {len(late)} components")
    steps = checked_lags(source, lags)
    cut = pieces(source, blocks)
    sums, counts = np.zeros((blocks, len(steps))), np.zeros((blocks, len(steps)))
    for a, b in zip(early, late, strict=True):
        counts[:] = 0.0
        lagged_products(a, b, *cut, steps, sums, counts)
    return _curve(source, steps, sums, counts, unit)


def mean_square_displacement(source: Trajectories, lags: ArrayLike, *, blocks: int = BLOCKS) -> Correlation:
    """MSD(t) = <|x(t) - x(0)|^2> over all starting frames, in the squared unit of the positions.

    Arguments and errors as `autocorrelation`.
    """
    steps = checked_lags(source, lags)
    cut = pieces(source, blocks)
    sums, counts = np.zeros((blocks, len(steps))), np.zeros((blocks, len(steps)))
    for column in _columns(source, source.positions, False):
        counts[:] = 0.0
        lagged_squares(column, *cut, steps, sums, counts)
    return _curve(source, steps, sums, counts, f"{source.unit}^2" if source.unit else "")


def passage_time(
    source: Trajectories, start: float, target: float, *, coordinate: int = 0, blocks: int = BLOCKS
) -> Estimate:
    """Mean first-passage time of a coordinate from the level `start` to the level `target`, from recorded frames.

    The clock starts with the first frame at or beyond `start` (seen from `target`) after the last visit to `target`,
    and stops with the first frame at or beyond `target`. T = (time on the clock) / (passages), so that a passage cut
    off by the end of the data counts with its time: exact for passages whose times are exponential at the end.

    Raises:
        ValueError: where fewer than 8 passages were seen, or start and target are equal.
    """
    if start == target:
        raise ValueError("a passage needs two different levels")
    x = source.positions[:, coordinate]
    sign = 1.0 if target > start else -1.0
    at_start, at_target = sign * (x - start) <= 0, sign * (x - target) >= 0
    # the level last visited: 1 start, 2 target, 0 neither yet
    event = np.where(at_target, 2, np.where(at_start, 1, 0))
    fresh = np.zeros(len(x), dtype=bool)
    fresh[source.offsets[:-1]] = True
    index = np.where((event > 0) | fresh, np.arange(len(x)), 0)
    state = event[np.maximum.accumulate(index)]
    running = (state[:-1] == 1) & ~fresh[1:]  # the step from this frame to the next is on the clock
    done = running & (state[1:] == 2)
    cuts = np.linspace(0, len(x) - 1, blocks + 1).round().astype(int)
    time = np.add.reduceat(running, cuts[:-1]).astype(float)
    passages = np.add.reduceat(done, cuts[:-1]).astype(float)
    if passages.sum() < 8:
        raise ValueError(
            f"{passages.sum():.0f} passages from {start:g} to {target:g} were seen; 8 are needed for a mean"
        )
    left = np.maximum(passages.sum() - passages, 1.0)
    values = source.spacing * (time.sum() - time) / left
    return Estimate(
        float(source.spacing * time.sum() / passages.sum()),
        float(jackknife_error(values)),
        float(passages.sum()),
        source.time_unit,
        "passages",
    )


def checked_lags(source: Trajectories, lags: ArrayLike) -> NDArray[np.int64]:
    """Lags as integers (m,). Raises ValueError for one that is negative, fractional or beyond the data."""
    given = np.atleast_1d(np.asarray(lags))
    steps = np.round(given).astype(np.int64)
    if given.ndim != 1 or not len(given) or np.any(steps != given) or steps.min() < 0:
        raise ValueError(f"lags are whole numbers of frames, not negative; got {given}")
    if steps.max() > source.longest_lag:
        time = f"{steps.max() * source.spacing:g} {source.time_unit}".rstrip()
        raise ValueError(
            f"lag {steps.max()} ({time}) is beyond the data: the longest trajectory has {source.longest_lag + 1} frames"
        )
    return steps


def _columns(source: Trajectories, series: ArrayLike, centred: bool) -> Array:
    """The series as (components, n), contiguous."""
    data = np.asarray(series, dtype=np.float64)
    if data.ndim not in (1, 2) or len(data) != source.frames:
        raise ValueError(f"a series of shape {data.shape} does not belong to trajectories of {source.frames} frames")
    if not np.all(np.isfinite(data)):
        raise ValueError(f"the series is not finite at row {int(np.argwhere(~np.isfinite(data))[0][0])}")
    columns = np.ascontiguousarray(data.reshape(len(data), -1).T)
    return columns - columns.mean(axis=1, keepdims=True) if centred else columns


def _curve(source: Trajectories, steps: NDArray[np.int64], sums: Array, counts: Array, unit: str) -> Correlation:
    total, pairs = sums.sum(axis=0), counts.sum(axis=0)
    rest = pairs - counts
    if np.any(rest <= 0):
        lag = steps[int(np.argwhere(rest <= 0)[0][1])]
        raise ValueError(
            f"at lag {lag} ({lag * source.spacing:g} {source.time_unit}) one block holds all pairs of frames: no error "
            "bar can be had there; ask for shorter lags"
        )
    left_out = (total - sums) / rest
    return Correlation(
        np.asarray(source.spacing * steps), total / pairs, jackknife_error(left_out), left_out, pairs, unit
    )
