"""Monte Carlo renormalization group: critical exponents from configurations, blocked again and again.

    T = A^-1 B      A_ab = <S'_a S'_b>c      B_ab = <S'_a S_b>c      y = ln lambda / ln b

with S the operators of one level and S' those of the next (Swendsen, Phys. Rev. Lett. 42, 859, 1979). T is the
linearised flow dK'/dK; its largest eigenvalue in the even sector gives y_t = 1 / nu, in the odd sector y_h. Odd means
vanish by symmetry and are not subtracted. Of Potts spins the odd sector is the magnetic one, with q - 1 components that
are summed over. Errors are a jackknife over bins of ten correlation times at least.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.estimates import Estimate, integrated_time
from kadanoff.lattices.blocked_operators import LevelSums, level_sums
from kadanoff.lattices.blocking import PackedSpins, SpinRule, Ties
from kadanoff.lattices.lattice import Lattice
from kadanoff.lattices.operators import Operator

__all__ = [
    "Fate",
    "MonteCarloRG",
    "Sector",
    "critical_exponents",
    "exponents",
    "sector_of",
]

Fate = Literal["critical", "disordered", "ordered", "independent"]

BIN = 10.0
"""Correlation times of a bin."""
_FEWEST, _MOST_BINS = 20, 64
_SIGMAS = 4.0
_OWN = 0.6  # share of samples that must differ
_DISORDERED, _ORDERED = 0.25, 0.95
_FALL = 0.05  # of the correlation with distance, within the reach of the operators; at criticality it is 0.2 and more


@dataclass(frozen=True, eq=False)
class Sector:
    """Exponents of one sector in Swendsen's layout: ``values`` (blockings, truncations), row k from level k to k + 1,
    column a with the first a + 1 operators; NaN where the leading eigenvalue is complex or not positive.

    ``replicates`` (bins, blockings, truncations) are the jackknife's; ``eigenvalues`` (blockings, operators) complex,
    of all operators, the largest modulus first; ``matrices`` (blockings, operators, operators).
    """

    operators: tuple[Operator, ...]
    values: NDArray[np.float64]
    replicates: NDArray[np.float64]
    eigenvalues: NDArray[np.complex128]
    matrices: NDArray[np.float64]

    @property
    def errors(self) -> NDArray[np.float64]:
        """Jackknife standard errors (blockings, truncations); NaN where a replicate has no real exponent."""
        return np.asarray(np.sqrt((len(self.replicates) - 1) * self.replicates.var(axis=0)))

    def estimate(self, blocking: int, operators: int | None = None) -> Estimate | None:
        """The exponent of one blocking (from 0) with the first ``operators`` (default all); None where it is not
        real."""
        column = self.values.shape[1] - 1 if operators is None else operators - 1
        value, error = self.values[blocking, column], self.errors[blocking, column]
        if not (math.isfinite(value) and math.isfinite(error)):
            return None
        return Estimate(float(value), float(error), len(self.replicates), "", "jackknife over bins")

    def difference(self, first: tuple[int, int], second: tuple[int, int]) -> Estimate | None:
        """The difference of two entries (blocking, column) with its jackknife error, which knows that they are
        correlated."""
        value = self.values[first] - self.values[second]
        moved = self.replicates[:, first[0], first[1]] - self.replicates[:, second[0], second[1]]
        error = math.sqrt((len(moved) - 1) * moved.var())
        if not (math.isfinite(value) and math.isfinite(error)):
            return None
        return Estimate(float(value), error, len(moved), "", "jackknife over bins")


@dataclass(frozen=True, eq=False)
class MonteCarloRG:
    """What the blockings say: the sectors ``even`` and ``odd``; the nearest-neighbour correlation of every level; bins,
    correlation time (in samples), and where the flow goes.

    ``order`` is 0 where the lattice is much larger than the correlation length of the disordered phase, 1 where it is
    ordered, and in between where it is neither. ``fate`` is "disordered" below 0.25 and "ordered" above 0.95: the flow
    runs to a trivial fixed point and there is no exponent to be had. "independent": neighbours are no more alike than
    independent spins, whichever way a field may turn them. "critical" says that the lattice is too small to tell the
    data from critical ones, no more; only then the sectors have rows.
    """

    even: Sector
    odd: Sector
    sums: list[LevelSums]
    correlations: tuple[Estimate, ...]
    correlation_time: float
    bins: int
    order: float
    fate: Fate

    @property
    def lengths(self) -> list[float]:
        """The linear size of every level."""
        return [level.lattice.length for level in self.sums]

    def table(self) -> str:
        """The exponents as text, levels down and number of operators across."""
        lines = []
        for name, sector in (("y_t", self.even), ("y_h", self.odd)):
            counts = range(1, sector.values.shape[1] + 1)
            lines.append(f"{name:<12}" + "".join(f"{n:>12}" for n in counts))
            for k in range(len(sector.values)):
                entries = [sector.estimate(k, n) for n in counts]
                lines.append(
                    f"{self.lengths[k]:>5.4g}->{self.lengths[k + 1]:<5.4g}"
                    + "".join(f"{'complex' if e is None else str(e):>12}" for e in entries)
                )
        return "\n".join(lines)

    def verdict(self) -> str:
        """In words: where the flow goes, whether more operators or another blocking would still change the
        exponents."""
        if self.fate != "critical":
            where = {
                "disordered": "the flow runs to the trivial fixed point of high temperature",
                "ordered": "the flow runs to the trivial fixed point of low temperature",
                "independent": "no fixed point: neighbours are no more alike than independent spins",
            }[self.fate]
            return f"{where[0].upper()}{where[1:]}: no critical exponent can be had from these configurations."
        parts = []
        for name, sector in (("y_t", self.even), ("y_h", self.odd)):
            last = sector.estimate(len(sector.values) - 1)
            if last is None:
                parts.append(f"The leading eigenvalue of {name} is not real and positive: more samples are needed.")
                continue
            k, n = sector.values.shape
            said = [f"{name} = {last} from the last blocking"]
            for what, other in (("operator", (k - 1, n - 2)), ("blocking", (k - 2, n - 1))):
                if min(other) < 0:
                    said.append(f"no second {what} to compare with")
                    continue
                moved = sector.difference((k - 1, n - 1), other)
                if moved is None:
                    said.append(f"without the last {what} it is not real")
                elif abs(moved.value) <= _SIGMAS / 2 * (moved.error or 0.0):
                    said.append(f"the last {what} changed it by {moved}, which is within its error")
                else:
                    said.append(f"the last {what} still changed it by {moved}: not converged in {what}s")
            parts.append("; ".join(said) + ".")
        return " ".join(parts)


def critical_exponents(
    configurations: ArrayLike | PackedSpins,
    lattice: Lattice,
    *,
    levels: int | None = None,
    q: int = 2,
    edge: int = 2,
    rule: SpinRule = "majority",
    ties: Ties = "coin",
    weight: float | None = None,
    seed: int = 0,
    bins: int | None = None,
) -> MonteCarloRG:
    """Critical exponents of configurations in time order: `level_sums`, then `exponents`; arguments as theirs.

    >>> from kadanoff.lattices.lattice import square
    >>> spins = np.where(np.random.default_rng(0).random((1000, 32, 32)) < 0.5, 1, -1)
    >>> critical_exponents(spins, square(32)).fate
    'independent'
    """
    return exponents(
        level_sums(
            configurations, lattice, levels=levels, q=q, edge=edge, rule=rule, ties=ties, weight=weight, seed=seed
        ),
        bins=bins,
    )


def exponents(sums: list[LevelSums], *, bins: int | None = None) -> MonteCarloRG:
    """Stability matrices and exponents of every blocking, with errors from bins of at least ten correlation times.

    Arguments:
        sums: of every level, samples in time order, equilibrated.
        bins: how many; by default as many as the correlation time allows, 64 at most.

    Raises:
        ValueError: for too few samples (with the number needed), for samples that still drift, for spins that never
            change, for a Potts state that never occurs, for samples that are copies of others, and for sites in
            another order than the lattice's: distant spins correlate as neighbours do.
    """
    _require_states(sums[0])
    tau = _slowest(sums)
    samples = len(sums[0].even)
    possible = int(samples / (BIN * tau))
    if possible < _FEWEST:
        raise ValueError(
            f"{samples} samples with a correlation time of {tau:.3g} samples make {possible} bins of {BIN:g} "
            f"correlation times; errors need {_FEWEST}: {math.ceil(_FEWEST * BIN * tau)} samples such as these"
        )
    number = min(possible, _MOST_BINS) if bins is None else bins
    if not 2 <= number <= possible:
        raise ValueError(f"bins: {number} asked for, and 2 to {possible} are longer than {BIN:g} correlation times")
    width = sums[0].even.shape[1]
    even_names, odd_names = sums[0].operators[:width], sums[0].operators[width:]
    order, correlations = _order(sums[0]), tuple(_correlation(level, number) for level in sums)
    fate = _fate(order, _excess(sums[0], number))
    if fate == "critical":
        _require_own(sums[0])
        _require_places(sums[0])
    pairs = list(itertools.pairwise(sums)) if fate == "critical" else []
    even = sector_of(even_names, [(a.even[:, :, None], b.even[:, :, None], b.ratio) for a, b in pairs], number, True)
    odd = sector_of(odd_names, [(a.odd, b.odd, b.ratio) for a, b in pairs], number, False)
    return MonteCarloRG(even, odd, sums, correlations, tau, number, order, fate)


def _binned(series: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """(bins, length, ...): the last samples, in bins of equal length."""
    length = len(series) // bins
    return series[len(series) - bins * length :].reshape(bins, length, *series.shape[1:])


def _without_each(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of all bins (first), and without each one: (1 + bins, ...)."""
    total = parts.sum(axis=0)
    return np.concatenate([(total / len(parts))[None], (total - parts) / (len(parts) - 1)])


def sector_of(
    operators: tuple[Operator, ...],
    pairs: list[tuple[NDArray[np.float64], NDArray[np.float64], float]],
    bins: int,
    connected: bool,
) -> Sector:
    """Exponents of one sector from operators of fine and blocked samples, with every number of operators.

    Arguments:
        operators: the sector's.
        pairs: for each blocking S and S' (samples, operators, components), and the length ratio b.
        bins: of samples, for the jackknife.
        connected: whether means are subtracted (not of odd operators, whose means vanish).
    """
    width = len(operators)
    values = np.empty((bins + 1, len(pairs), width))
    eigenvalues, matrices = [], []
    for k, (fine, coarse, ratio) in enumerate(pairs):
        s, t = _binned(fine, bins), _binned(coarse, bins)
        length = s.shape[1]
        a = _without_each(np.einsum("bnic,bnjc->bij", t, t, optimize=True) / length)
        b = _without_each(np.einsum("bnic,bnjc->bij", t, s, optimize=True) / length)
        if connected:
            fine_mean, coarse_mean = _without_each(s.mean(axis=1))[..., 0], _without_each(t.mean(axis=1))[..., 0]
            a = a - coarse_mean[:, :, None] * coarse_mean[:, None, :]
            b = b - coarse_mean[:, :, None] * fine_mean[:, None, :]
        found, matrix = np.empty((bins + 1, 0), dtype=np.complex128), np.empty((bins + 1, 0, 0))
        for n in range(1, width + 1):
            matrix = _solved(a[:, :n, :n], b[:, :n, :n])
            found = np.asarray(np.linalg.eigvals(matrix), dtype=np.complex128)
            found = np.take_along_axis(found, np.argsort(-np.abs(found), axis=1, kind="stable"), axis=1)
            leading = found[:, 0]
            real = (np.abs(leading.imag) <= 1e-12 * np.abs(leading)) & (leading.real > 0)
            values[:, k, n - 1] = np.where(real, np.log(np.where(real, leading.real, 1.0)) / math.log(ratio), np.nan)
        eigenvalues.append(found[0])
        matrices.append(matrix[0])
    shape = (len(pairs), width)
    return Sector(
        operators, values[0], values[1:], np.reshape(eigenvalues, shape), np.reshape(matrices, (*shape, width))
    )


def _solved(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    try:
        return np.asarray(np.linalg.solve(a, b))
    except np.linalg.LinAlgError as error:
        raise ValueError(
            "the blocked operators do not fluctuate independently: too few samples, or spins that are all alike"
        ) from error


def _slowest(sums: list[LevelSums]) -> float:
    """The longest correlation time, in samples, of energy and squared magnetization at the first and last level."""
    tau = 1.0
    for level in (sums[0], sums[-1]):
        for what, series in (("energy", level.even[:, 0]), ("magnetization", (level.odd[:, 0] ** 2).sum(axis=1))):
            if np.ptp(series) == 0 and level is sums[0]:
                raise ValueError(
                    f"the {what} is the same in all {len(series)} samples: nothing fluctuates, and no "
                    "exponent can be had"
                )
            if np.ptp(series) > 0:
                tau = max(tau, integrated_time(series).value)
                _require_rest(what, series)
    return tau


def _require_states(level: LevelSums) -> None:
    """Refuse Potts spins said to have more states than are seen: an empty state takes part in the magnetic sector."""
    q = level.odd.shape[2]
    most = level.odd[:, 0].max(axis=0) + level.lattice.sites / q  # spins in each state
    if q > 1 and (missing := np.flatnonzero(most < 0.5)).size:
        raise ValueError(
            f"state {missing[0]} of {q} never occurs in {len(level.odd)} samples: give the number of states that the "
            "spins have, or samples that leave one phase"
        )


def _require_own(level: LevelSums) -> None:
    """Refuse critical samples of which many come back later: copies look like independent samples."""
    rows = np.hstack([level.even, level.odd.reshape(len(level.odd), -1)])
    stays = int((rows[1:] == rows[:-1]).all(axis=1).sum())  # moves refused: the correlation time knows of them
    different = len(np.unique(rows, axis=0))
    if different < _OWN * (len(rows) - stays):
        raise ValueError(
            f"only {different} of {len(rows)} samples differ, and the others are no neighbours in time: copies make "
            "errors too small; give each sample once"
        )


def _require_rest(what: str, series: NDArray[np.float64]) -> None:
    """Refuse samples whose first tenth or half is not like the rest, and say how many to leave out."""

    def drifts(start: int, cut: float) -> bool:
        rest = series[start:]
        middle = start + int(cut * len(rest))
        one, two = series[start:middle], series[middle:]
        if min(len(one), len(two)) < 8 or np.ptp(one) == 0 or np.ptp(two) == 0:
            return False
        spread = float(rest[len(rest) // 2 :].var())  # of the second half: an early drift does not hide itself
        tau = max(integrated_time(rest[len(rest) // 2 :]).value, 1.0)
        return bool(abs(one.mean() - two.mean()) > 5.0 * math.sqrt(spread * tau * (1 / len(one) + 1 / len(two))))

    for start in range(0, len(series), max(1, len(series) // 20)):
        if len(series) - start < 40:
            break
        if not (drifts(start, 0.1) or drifts(start, 0.5)):
            if start == 0:
                return
            raise ValueError(
                f"the samples are not in equilibrium: the {what} still drifts; leave out the first {start} of "
                f"{len(series)} and add as many"
            )
    raise ValueError(
        f"the samples are not in equilibrium: the {what} drifts through all {len(series)} of them; run "
        "several times longer"
    )


def _correlation(level: LevelSums, bins: int) -> Estimate:
    """Of nearest neighbours: <s s'>, or of Potts spins (q P(alike) - 1) / (q - 1)."""
    parts = _binned(level.even[:, 0], bins).mean(axis=1) / level.even_clusters[0]
    if (q := level.odd.shape[2]) > 1:
        parts = (q * parts - 1) / (q - 1)
    return Estimate(float(parts.mean()), float(parts.std(ddof=1) / math.sqrt(bins)), bins, "", "bins")


def _require_places(level: LevelSums) -> None:
    """Refuse critical spins whose correlations do not fall with distance."""
    pairs = [a for a in range(level.even.shape[1]) if len(level.operators[a].places) == 2]
    values = level.even[:, pairs].mean(axis=0) / level.even_clusters[pairs]
    if (q := level.odd.shape[2]) > 1:
        values = (q * values - 1) / (q - 1)
    if len(pairs) > 1 and np.ptp(values) < _FALL * np.abs(values).max():
        raise ValueError(
            f"neighbours correlate by {values[0]:.3g} and more distant pairs by {values[1:].min():.3g} to "
            f"{values[1:].max():.3g}: correlations do not fall with distance, so that the sites are not in the order "
            f"of a {level.lattice.name} lattice; give configurations (samples, "
            f"{', '.join(map(str, level.lattice.shape))}) with neighbouring sites side by side"
        )


def _order(level: LevelSums) -> float:
    """0 for a magnetization with Gaussian components (no order), 1 for one of fixed length (full order).

    (Q - Q0) / (1 - Q0), Q = <M^2>^2 / <M^4>, Q0 = c / (c + 2) with c components. Every blocking leaves it nearly as it
    is, and at a critical point it lies between: 0.78 for Ising spins on a square torus, 0.43 on a cubic one.
    """
    squared = (level.odd[:, 0] ** 2).sum(axis=1)
    components = level.odd.shape[2] - (level.odd.shape[2] > 1)  # those of Potts spins sum to zero
    gaussian = components / (components + 2)
    return float((squared.mean() ** 2 / (squared**2).mean() - gaussian) / (1 - gaussian))


def _excess(level: LevelSums, bins: int) -> Estimate:
    """By how much the correlation of nearest neighbours exceeds the square of the mean spin: 0 for independent spins,
    also in a field. Spins in another order than the lattice's have it too, who share their fluctuations."""
    near, mean = level.even[:, 0] / level.even_clusters[0], level.odd[:, 0] / level.lattice.sites
    if (q := level.odd.shape[2]) > 1:  # mean is of the shares of the states, less 1 / q
        near, mean = (q * near - 1) / (q - 1), mean * math.sqrt(q / (q - 1))
    parts, means = _binned(near, bins).mean(axis=1), _binned(mean, bins).mean(axis=1)
    common = means.mean(axis=0)
    parts = parts - (2 * means - common) @ common  # to first order: the mean's own error is in the bins
    return Estimate(float(parts.mean()), float(parts.std(ddof=1) / math.sqrt(bins)), bins, "", "bins")


def _fate(order: float, excess: Estimate) -> Fate:
    if abs(excess.value) <= _SIGMAS * (excess.error or 0.0) and order <= _ORDERED:
        return "independent"
    return "disordered" if order < _DISORDERED else "ordered" if order > _ORDERED else "critical"
