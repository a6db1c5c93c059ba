"""Is a coordinate Markovian and its noise white and Gaussian at a lag? Chapman-Kolmogorov, residuals, slowest time.

Every figure has a jackknife error and a tolerance: it fails where it is beyond the tolerance by more than 2 errors, is
undecided where 2 errors are more than the tolerance, and else passes. Significance alone would fail every model of real
data, given enough of them, and pass every model of poor data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from kadanoff.dynamics._kernels.kramers_moyal import lagged_residuals, pair_counts
from kadanoff.dynamics.correlations import BLOCKS, checked_lags, jackknife_covariance, jackknife_error
from kadanoff.dynamics.langevin import LEAST, Moments, kramers_moyal, second_moments
from kadanoff.dynamics.trajectories import Trajectories, pieces
from kadanoff.estimates import Estimate

__all__ = ["ChapmanKolmogorov", "Check", "Residuals", "chapman_kolmogorov", "residuals", "slowest_time"]

Array = NDArray[np.float64]

_STATES = {1: 160, 2: 20, 3: 7}  # cells a coordinate at most, so that the matrices of all blocks stay small
_CELL = 0.35  # of sqrt(2 D t): cells this wide forget where in them one is, without harm to a per cent
_LUMPS = 4
_CERTAIN = 2.0


@dataclass(frozen=True)
class Check:
    """One figure that a Langevin model must have near ``target`` (within ``tolerance``)."""

    name: str
    figure: Estimate
    target: float
    tolerance: float

    @property
    def passed(self) -> bool | None:
        """False where it is beyond the tolerance for certain; None where the error bar cannot tell."""
        error = _CERTAIN * (self.figure.error or 0.0)
        if abs(self.figure.value - self.target) > self.tolerance + error:
            return False
        return True if error <= self.tolerance else None

    def __str__(self) -> str:
        word = {True: "holds", False: "FAILS", None: "undecided"}[self.passed]
        return f"{self.name} {self.figure} (should be {self.target:g} within {self.tolerance:g}): {word}"


@dataclass(frozen=True, eq=False)
class ChapmanKolmogorov:
    """P(stay in lump k over n lags): ``seen`` in the data and ``predicted`` by T^n, (multiples, lumps), errors of their
    difference, the p value of all differences together, and the largest as a `Check`."""

    lag: int
    multiples: tuple[int, ...]
    edges: Array
    seen: Array
    predicted: Array
    error: Array
    p_value: float
    check: Check


def chapman_kolmogorov(
    source: Trajectories,
    lag: int,
    *,
    multiples: tuple[int, ...] = (2, 4),
    tolerance: float = 0.05,
    blocks: int = BLOCKS,
) -> ChapmanKolmogorov:
    """Does the propagator over n lags equal the n-th power of that over one? (Chapman, 1928; Kolmogorov, 1931.)

    The propagator is counted on cells much finer than a step, since a coarse division of a Markov process is not
    Markovian; what is compared are the probabilities to stay in four equally full lumps of cells (by the first
    coordinate; by halves of the first two where there are more).

    Arguments:
        source: trajectories of up to three coordinates.
        lag: frames.
        multiples: n to be tested.
        tolerance: largest difference of a probability that does no harm.
        blocks: for errors; the p value is Hotelling's, for as many degrees of freedom.

    Raises:
        ValueError: for a lag beyond the data, or more than three coordinates.
    """
    steps = checked_lags(source, [lag * n for n in (1, *multiples)])
    cell, cells = _cells(source, int(steps[0]))
    lump, edges = _lumps(source, cell, cells)
    cut = pieces(source, blocks)
    tables = np.zeros((len(steps), blocks, cells, cells))
    for step, table in zip(steps, tables, strict=True):
        pair_counts(cell, *cut, int(step), table)
    member = np.zeros((cells, _LUMPS))
    member[np.arange(cells), lump] = 1.0
    totals = tables.sum(axis=1)
    seen, predicted = [], []
    for left in (None, *range(blocks)):
        now = totals if left is None else totals - tables[:, left]
        rows = now[0].sum(axis=1)
        transition = now[0] / np.where(rows > 0, rows, 1.0)[:, None]
        stay, guess = [], []
        for n, counts in zip(multiples, now[1:], strict=True):
            begin = counts.sum(axis=1)
            share = member.T @ begin
            stay.append(np.einsum("ik,ij,jk->k", member, counts, member, optimize=True) / share)
            reach = member
            for _ in range(n):
                reach = transition @ reach
            guess.append(np.einsum("ik,i,ik->k", member, begin, reach) / share)
        seen.append(stay)
        predicted.append(guess)
    found, power = np.array(seen), np.array(predicted)
    difference = (found - power).reshape(blocks + 1, -1)
    error = jackknife_error(difference[1:])
    worst = int(np.argmax(np.abs(difference[0])))
    figure = Estimate(float(difference[0, worst]), float(error[worst]), blocks, "", "jackknife")
    return ChapmanKolmogorov(
        int(lag), multiples, edges, found[0], power[0], error.reshape(found[0].shape),
        hotelling(difference[0], difference[1:]), Check("Chapman-Kolmogorov difference", figure, 0.0, tolerance),
    )  # fmt: skip


def slowest_time(source: Trajectories, lag: int, *, blocks: int = BLOCKS) -> Estimate | None:
    """The slowest relaxation time of the coordinate, -t / ln |lambda_2| of the counted propagator over a lag t.

    Cells wider than a displacement, as in two or three coordinates, make it shorter by some per cent.
    None where the second eigenvalue cannot be told from one: the data are too short to see the coordinate relax.
    """
    (step,) = checked_lags(source, [lag])
    values = second_eigenvalues(source, int(step), blocks)
    if not len(values):
        return None
    value, rows = float(values[0]), values[1:]
    error = float(jackknife_error(rows))
    if not 0 < value < 1 or 1 - value < 3 * error:
        return None
    time = -source.spacing * int(step) / np.log(value)
    return Estimate(time, time**2 / (source.spacing * int(step)) * error / value, blocks, source.time_unit, "jackknife")


def second_eigenvalues(source: Trajectories, step: int, blocks: int) -> Array:
    """|lambda_2| of the counted propagator over a lag, (1 + blocks,): of all blocks, then without each; or (0,)."""
    cell, cells = _cells(source, step)
    tables = np.zeros((blocks, cells, cells))
    pair_counts(cell, *pieces(source, blocks), step, tables)
    total = tables.sum(axis=0)
    # kept: cells that are entered and left whichever block is missing
    both = np.minimum((total - tables).sum(axis=2).min(axis=0), (total - tables).sum(axis=1).min(axis=0)) > 0
    total, tables = total[both][:, both], tables[:, both][:, :, both]
    if both.sum() < 2:
        return np.empty(0)

    def second(counts: Array) -> float:
        rows = counts.sum(axis=1, keepdims=True)
        values = np.sort(np.abs(np.linalg.eigvals(counts / np.where(rows > 0, rows, 1.0))))
        return float(values[-2])

    return np.array([second(total), *(second(total - table) for table in tables)])


@dataclass(frozen=True, eq=False)
class Residuals:
    """Standardised residuals r = W (d - <d>_x) at a lag, W^T W = cov(d)_x^-1, fitted on one half of the blocks and
    held against the other: ``correlation`` (m,) of r over 1 ... m lags with ``error``, the p value that all vanish, and
    checks on variance (1), first autocorrelation (0), skewness (0), and <r^4> / 3 <r^2>^2 (1), Pawula's ratio."""

    lag: int
    correlation: Array
    error: Array
    p_value: float
    checks: tuple[Check, ...]


def residuals(
    source: Trajectories,
    lag: int,
    *,
    moments: Moments | None = None,
    bins: int = 50,
    autocorrelation: float = 0.1,
    variance: float = 0.1,
    gaussianity: float = 0.15,
    most: int = 5,
    blocks: int = BLOCKS,
) -> Residuals:
    """Whiteness and Gaussianity of what drift and diffusion leave over, at one lag.

    <r^4> / 3 <r^2>^2 is D4 / (D2)^2 of Pawula's theorem but for factors: 1 for a diffusion, above it for jumps (Risken,
    The Fokker-Planck equation, section 4.6). Autocorrelations are tested together (as Ljung and Box, 1978, but with the
    covariance from blocks, so that no independence is taken for granted).

    Arguments:
        source, lag: as `chapman_kolmogorov`.
        moments: of this source with this lag among them, where they are known already, with even many blocks.
        bins: of the grid otherwise.
        autocorrelation, variance, gaussianity: tolerances.
        most: lags of the autocorrelation.

    Raises:
        ValueError: where no cell has enough displacements in both halves, or blocks are shorter than `most` + 1 lags.
    """
    (step,) = checked_lags(source, [lag])
    known = kramers_moyal(source, [step], bins=bins, blocks=blocks) if moments is None else moments
    at = int(np.flatnonzero(known.lags == step)[0])
    blocks, d = len(known.sums), known.dimensions
    cut = pieces(source, blocks)
    if (cut.stop - cut.start).max() < (most + 1) * step:
        raise ValueError(
            f"blocks of {(cut.stop - cut.start).max()} frames hold no {most + 1} lags of {step}: fewer blocks, or a "
            "shorter lag"
        )
    half = np.arange(blocks) % 2
    fits = [known.sums[half != h, at].sum(axis=0) for h in (0, 1)]
    shift, whiten = zip(*(_whitening(sums, d) for sums in fits), strict=True)
    if any(np.isnan(one).all() for one in shift):
        raise ValueError(f"lag {step}: no cell has {LEAST} displacements in both halves of the data; take wider cells")
    low, width = np.array([c[0] for c in known.edges]), known._widths()
    sums = np.zeros((blocks, 5 + 2 * (most + 1)))
    lagged_residuals(
        source.positions,
        *cut,
        int(step),
        low,
        width,
        np.array(known.shape),
        half,
        np.stack(shift),
        np.stack(whiten),
        sums,
    )
    total = sums.sum(axis=0)
    rows = np.concatenate([total[None], total - sums])
    mean, second, third, fourth = (rows[:, i] / rows[:, 0] for i in (1, 2, 3, 4))
    spread = second - mean**2
    skew = (third - 3 * mean * second + 2 * mean**3) / spread**1.5
    pawula = (fourth - 4 * mean * third + 6 * mean**2 * second - 3 * mean**4) / (3 * spread**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        products = rows[:, 6::2] / rows[:, 5::2] - mean[:, None] ** 2
    rho = products[:, 1:] / products[:, :1]
    error = jackknife_error(rho[1:])

    def check(name: str, values: Array, target: float, tolerance: float) -> Check:
        figure = Estimate(float(values[0]), float(jackknife_error(values[1:])), blocks, "", "jackknife, cross-fitted")
        return Check(name, figure, target, tolerance)

    checks = (
        check("residual variance", spread, 1.0, variance),
        check("residual autocorrelation", rho[:, 0], 0.0, autocorrelation),
        check("residual skewness", skew, 0.0, 2 * gaussianity),
        check("Pawula ratio", pawula, 1.0, gaussianity),
    )
    return Residuals(int(step), rho[0], error, hotelling(rho[0], rho[1:]), checks)


def hotelling(value: Array, left_out: Array) -> float:
    """p value that a vector (k,) with jackknife values (b, k) is zero: F = (b - k) / k / (b - 1) v^T C^-1 v."""
    b, k = left_out.shape
    if b <= k + 1 or not np.all(np.isfinite(left_out)):
        return float("nan")
    square = float(value @ np.linalg.pinv(jackknife_covariance(left_out), hermitian=True) @ value)
    return float(fdtrc(k, b - k, square * (b - k) / (k * (b - 1))))


def _whitening(sums: Array, d: int) -> tuple[Array, Array]:
    """<d> (cells, d) and the inverse Cholesky factor of cov(d) (cells, d, d); NaN in thin cells."""
    count = sums[:, 0]
    good = count >= LEAST
    safe = np.where(good, count, 1.0)
    mean = sums[:, 1 : 1 + d] / safe[:, None]
    covariance = second_moments(sums, d) / safe[:, None, None] - mean[:, :, None] * mean[:, None, :]
    covariance *= (safe / np.maximum(safe - 1, 1))[:, None, None]
    good &= np.linalg.eigvalsh(np.where(good[:, None, None], covariance, np.eye(d))).min(axis=1) > 0
    factor = np.linalg.cholesky(np.where(good[:, None, None], covariance, np.eye(d)))
    return np.where(good[:, None], mean, np.nan), np.asarray(np.linalg.inv(factor))


def _cells(source: Trajectories, step: int) -> tuple[NDArray[np.int32], int]:
    """The cell of every frame (n,) and their number: narrower than a displacement over the lag."""
    d = source.dimensions
    if d not in _STATES:
        raise ValueError(f"propagators are counted for up to 3 coordinates, not {d}; test each on its own")
    cell = np.zeros(source.frames, np.int32)
    total = 1
    for i in range(d):
        x = source.positions[:, i]
        jump = np.concatenate([one[step:, i] - one[:-step, i] for one in _each(source) if len(one) > step])
        # a few far points must not take all the cells: they are counted with the last
        low, high = (float(q) for q in np.quantile(x, [0.0005, 0.9995]))
        if not high > low:
            raise ValueError(f"coordinate {i} does not move: it is {low:g} all along")
        number = int(np.clip(np.ceil((high - low) / (_CELL * max(jump.std(), 1e-300))), 8, _STATES[d]))
        index = np.clip((x - low) * (number / (high - low)), 0, number - 1).astype(np.int32)
        cell = cell * number + index
        total *= number
    return cell, total


def _each(source: Trajectories) -> list[Array]:
    return [source.trajectory(i) for i in range(len(source))]


def _lumps(source: Trajectories, cell: NDArray[np.int32], cells: int) -> tuple[NDArray[np.int64], Array]:
    """The lump of every cell and the levels that part them: equally full, whole cells."""
    d = source.dimensions
    centre = np.zeros((cells, d))
    count = np.bincount(cell, minlength=cells)
    for i in range(d):
        centre[:, i] = np.bincount(cell, weights=source.positions[:, i], minlength=cells) / np.maximum(count, 1)
    if d == 1:
        levels = np.quantile(source.positions[:, 0], [0.25, 0.5, 0.75])
        return np.searchsorted(levels, centre[:, 0]), np.asarray(levels)
    levels = np.median(source.positions[:, :2], axis=0)
    return 2 * (centre[:, 0] > levels[0]).astype(np.int64) + (centre[:, 1] > levels[1]), np.asarray(levels)
