"""The decorated Ising lattice: a coarse model that is exact at every temperature, and wrong at all others.

A square lattice whose bonds carry one more spin each and nothing else, H = -J sum d (s + s') over its bonds. Summed
over the decorating spins it is a square lattice again (Syozi, 1951; Fisher, 1959):

    sum_d e^{K d (s + s')} = 2 sqrt(cosh 2K) e^{K' s s'},        K' = 1/2 ln cosh 2K,        K = J/kT

so that the effective coupling in units of J, J_eff(T) = T K'(J/T), depends on temperature: it is a free energy, a
potential of mean force. Its critical point is exact: cosh 2K_c = 1 + sqrt 2, T_c = 1.308412 J/k. Freeze J_eff at the
one temperature where it was fitted, and the model has its transition elsewhere, at T = 2 J_eff / ln(1 + sqrt 2).
Configurations of the decorated lattice itself, all spins of it: `sample(lieb(side), K, ...)`, sites first.

Temperatures are in J/k, energies in J.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from kadanoff.estimates import Estimate, mean
from kadanoff.lattices.kaufman import CRITICAL_COUPLING, torus_energy

__all__ = [
    "CRITICAL_TEMPERATURE",
    "coupling_by_energy",
    "coupling_by_pseudo_likelihood",
    "critical_temperature_of",
    "decorated_bond_entropy",
    "decorated_coupling",
    "effective_energy",
    "neighbour_counts",
]

Array = NDArray[np.float64]
CRITICAL_TEMPERATURE = 2 / math.acosh(1 + math.sqrt(2.0))
"""T_c of the decorated lattice, 1.308412 J/k."""
_FEWEST = 20  # spins against a neighbour: with fewer the coupling hangs on the luck of a handful of events


def decorated_coupling(coupling: ArrayLike) -> Array:
    """K' = 1/2 ln cosh 2K of the square lattice that is left when the decorating spins are summed over; (n,) or a
    number."""
    k = np.abs(np.asarray(coupling, dtype=np.float64))
    return np.asarray(k + 0.5 * np.log1p(np.expm1(-4 * k) / 2))


def effective_energy(temperature: ArrayLike) -> Array:
    """J_eff(T) = T K'(J/T) in units of J; J at T = 0, J^2 / T far above.

    Raises ValueError for temperatures that are not above 0.
    """
    t = _temperatures(temperature)
    return np.asarray(t * decorated_coupling(1 / t))


def critical_temperature_of(energy: float) -> float:
    """T_c = 2 J_eff / ln(1 + sqrt 2) of a square Ising lattice with a fixed coupling energy (Onsager, 1944)."""
    return energy / CRITICAL_COUPLING


def decorated_bond_entropy(coupling: float, neighbours: float) -> float:
    """H(d | s, s') in nats: what the sites leave open about the decorating spin of their bond.

    Arguments:
        coupling: K of the decorated lattice.
        neighbours: <s s'> of the sites of the bond, -1 to 1.

    Raises:
        ValueError: for a correlation outside [-1, 1].
    """
    if not -1 <= neighbours <= 1:
        raise ValueError(f"a correlation lies between -1 and 1, not {neighbours}")
    alike, k = (1 + neighbours) / 2, abs(coupling)
    minor = 1 / (1 + math.exp(4 * k))  # against two sites that agree
    certain = math.log1p(math.exp(-4 * k)) + 4 * k * minor
    return alike * certain + (1 - alike) * math.log(2)


def neighbour_counts(configurations: NDArray[np.int8]) -> NDArray[np.int64]:
    """How many sites of each sample have s_i sum_j s_j = -4, -2, 0, 2, 4, j the neighbours on the torus: (n, 5).

    All that a nearest-neighbour coupling can be fitted to, and small enough to keep for any number of samples.
    """
    spins = np.asarray(configurations)
    if spins.ndim != 3 or min(spins.shape[1:]) < 3 or not np.all(np.abs(spins) == 1):
        raise ValueError(
            f"configurations are an array (samples, rows, columns) of +-1, 3 x 3 sites or more (else neighbours count "
            f"twice), not of shape {spins.shape}"
        )
    spins = spins.astype(np.int8)
    around = sum(np.roll(spins, shift, axis) for axis in (1, 2) for shift in (-1, 1))
    product = (spins * around).reshape(len(spins), -1)
    return np.stack([(product == value).sum(axis=1) for value in (-4, -2, 0, 2, 4)], axis=1)


def coupling_by_pseudo_likelihood(counts: NDArray[np.int64]) -> Estimate:
    """K' of the nearest-neighbour square lattice under which each spin is likeliest given its neighbours.

    sum over samples and sites of 2 x / (1 + e^{2 K' x}) = 0,    x = s_i sum_j s_j

    which is convex, unbiased on any torus, and needs no partition function (Besag, 1975). The error is the sandwich
    std(score) / |slope|, with the autocorrelation of the samples' scores.

    Arguments:
        counts: (n, 5) from `neighbour_counts`, in time order, n >= 4.

    Raises:
        ValueError: where fewer than 20 spins in all stand against most of their neighbours, or with them: more samples
            are needed, and how many.
    """
    table, x = np.asarray(counts, dtype=np.float64), np.array([-4.0, -2.0, 0.0, 2.0, 4.0])
    if table.ndim != 2 or table.shape[1] != 5 or len(table) < 4:
        raise ValueError(f"counts are (samples, 5) of 4 samples or more, not {table.shape}")
    total = table.sum(axis=0)
    against, along = total[:2].sum(), total[3:].sum()
    if min(against, along) < _FEWEST:
        raise ValueError(
            f"{against:.0f} spins stand against most of their neighbours and {along:.0f} with them; {_FEWEST} of each "
            f"are needed: about {math.ceil(len(table) * _FEWEST / max(min(against, along), 1)):d} samples or more"
        )

    def score(k: float) -> Array:
        return np.asarray(2 * x / (1 + np.exp(2 * k * x)))

    best = float(brentq(lambda k: float(total @ score(k)), -10.0, 10.0, xtol=1e-14))
    slope = float(total @ (-(x**2) / np.cosh(best * x) ** 2)) / len(table)
    spread = mean(table @ score(best))
    return Estimate(
        best, (spread.error or 0.0) / abs(slope), spread.samples, "", "pseudo-likelihood, sandwich", spread.degrees
    )


def coupling_by_energy(counts: NDArray[np.int64], shape: tuple[int, int]) -> Estimate:
    """K' whose exact mean of s_i s_j on this torus is the measured one (Kaufman, 1949).

    Arguments:
        counts: (n, 5) from `neighbour_counts`, in time order, n >= 4.
        shape: rows and columns of the torus.

    Raises:
        ValueError: for a measured correlation that no K' between 0 and 3 has.
    """
    table, x = np.asarray(counts, dtype=np.float64), np.array([-4.0, -2.0, 0.0, 2.0, 4.0])
    if table.ndim != 2 or table.shape[1] != 5 or not np.all(table.sum(axis=1) == math.prod(shape)):
        raise ValueError(f"counts (samples, 5) of a torus of {shape} sum to {math.prod(shape)} sites each")
    measured = mean(table @ x / (4 * math.prod(shape)))

    def excess(k: float) -> float:
        return -torus_energy(k, shape) / 2 - measured.value

    low, high = 1e-2, 3.0
    if not excess(low) < 0 < excess(high):
        raise ValueError(f"no K' between {low} and {high} gives <s s'> = {measured} on this torus")
    best = float(brentq(excess, low, high, xtol=1e-13))
    h = 1e-3
    slope = (excess(best + h) - excess(best - h)) / (2 * h)
    return Estimate(
        best, (measured.error or 0.0) / slope, measured.samples, "", "exact energy inverted", measured.degrees
    )


def _temperatures(temperature: ArrayLike) -> Array:
    t = np.asarray(temperature, dtype=np.float64)
    if not np.all((t > 0) & np.isfinite(t)):
        raise ValueError(f"temperatures are above 0 and finite, not {t}")
    return t
