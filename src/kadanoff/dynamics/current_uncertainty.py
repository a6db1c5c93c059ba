"""The thermodynamic uncertainty relation: currents that hardly fluctuate cost entropy.

    sigma >= 2 J^T C^-1 J,    J the mean currents, C their covariance, each per unit time

for Markov processes in continuous time (and overdamped diffusion), not for chains of steps nor underdamped motion.
Barato and Seifert, Physical Review Letters 114, 158101 (2015); Gingrich, Horowitz, Perunov and England, 116, 120601
(2016); at finite times Horowitz and Gingrich, Physical Review E 96, 020103 (2017); several currents Dechant, Journal of
Physics A 52, 035001 (2019).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["current_statistics", "independent", "occupation_bound", "uncertainty_bound"]

Array = NDArray[np.float64]


def current_statistics(flows: Array, rates: Array, weights: Array) -> tuple[Array, Array]:
    """Mean (c,) and covariance (c, c) per unit time of time-integrated currents, exactly, at long times.

    Arguments:
        flows, rates: (n, n) of the stationary process.
        weights: (c, n, n), antisymmetric: what a jump i -> j adds to each current.
    """
    p = flows.sum(axis=1) / rates.sum(axis=1)
    mean = np.einsum("ij,cij->c", flows, weights)
    arriving = np.einsum("ij,cij->cj", flows, weights)
    coming = np.einsum("ij,cij->ci", rates, weights)
    generator = rates - np.diag(rates.sum(axis=1))
    one = np.ones(len(p))
    deviation = np.linalg.inv(np.outer(one, p) - generator) - np.outer(one, p)  # integral of e^{Wt} - 1 p
    cross = arriving @ deviation @ coming.T
    return mean, np.einsum("ij,cij,dij->cd", flows, weights, weights) + cross + cross.T


def uncertainty_bound(mean: Array, covariance: Array) -> float:
    """2 J^T C^-1 J, in nats per unit time; zero without a current. Combinations of currents that do not fluctuate in
    the long run, because they are bounded, are left out: they are no currents."""
    kept = independent(covariance, 1e-9)
    if kept.shape[1] == 0:
        return 0.0
    current, spread = mean @ kept, kept.T @ covariance @ kept
    return float(2.0 * current @ np.linalg.solve(spread, current))


def independent(covariance: Array, least: float) -> Array:
    """Combinations (c, m) of currents: eigenvectors of their correlation matrix with eigenvalues above ``least``."""
    scale = np.sqrt(np.maximum(np.diag(covariance), 0.0))  # rounding, of a current that is bounded
    moving = scale > 1e-9 * scale.max(initial=1e-300)
    scale = np.where(moving, scale, 1.0)
    eigenvalue, vector = np.linalg.eigh(covariance / np.outer(scale, scale))
    return np.asarray(vector[:, eigenvalue > least] / scale[:, None])


def occupation_bound(flows: Array, rates: Array, inside: NDArray[np.bool_]) -> float:
    """8 q^2 (1 - q)^2 / v - 4 f: the uncertainty relation of the share of time q spent in a set of states.

    v is the long-time variance of that share times the time, f the flow into the set; exact, nats per unit time. Zero
    for two states; may be negative, and says nothing then. Skinner and Dunkel (2021) compare their bound with it.

    Arguments:
        flows, rates: (n, n) of the stationary process.
        inside: (n,) whether each state is in the set.
    """
    p = flows.sum(axis=1) / rates.sum(axis=1)
    share = float(p[inside].sum())
    generator = rates - np.diag(rates.sum(axis=1))
    one = np.ones(len(p))
    deviation = np.linalg.inv(np.outer(one, p) - generator) - np.outer(one, p)
    variance = 2.0 * float((p * inside) @ deviation @ inside)
    flow = float(flows[np.ix_(~inside, inside)].sum())
    return 8.0 * share**2 * (1 - share) ** 2 / variance - 4.0 * flow
