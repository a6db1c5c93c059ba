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

__all__ = ["current_statistics", "uncertainty_bound"]

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
    """2 J^T C^-1 J, in nats per unit time. Zero without a current.

    Raises ValueError for a covariance that is singular: some combination of the currents is bounded and no current.
    """
    if len(mean) == 0:
        return 0.0
    scale = np.sqrt(np.diag(covariance))
    if not np.all(scale > 0) or np.linalg.cond(covariance / np.outer(scale, scale)) > 1e12:
        raise ValueError("the currents are not independent: their covariance is singular; leave some of them out")
    return float(2.0 * mean @ np.linalg.solve(covariance, mean))
