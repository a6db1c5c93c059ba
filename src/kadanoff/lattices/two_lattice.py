"""The critical coupling from two lattices, one twice as wide and blocked once more (Wilson's matching).

At a fixed point the spins of every level look alike, and on lattices of one size without any finite-size error. With e
the nearest-neighbour correlation

    e_L^(k+1)(K) = e_(L/b)^(k)(K)   at K = K_c,        d e^(k) / dK = < e^(k) S_nn^(0) >c

so that one simulation of each lattice near K_c gives K_c by a Newton step, better at every level as what is irrelevant
dies out. Wilson (1980); Pawley, Swendsen, Wallace and Wilson, Phys. Rev. B 29, 4030 (1984).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kadanoff.estimates import Estimate
from kadanoff.lattices.blocked_operators import LevelSums

__all__ = ["matched_couplings"]


def matched_couplings(
    large: list[LevelSums], small: list[LevelSums], coupling: float, *, bins: int = 32
) -> list[Estimate]:
    """K_c from every pair of levels k + 1 of the large and k of the small lattice, k = 0, 1, ...

    Arguments:
        large, small: sums of both, drawn at the same ``coupling`` with nearest neighbours only.
        coupling: K, close to K_c.
        bins: of consecutive samples, for the jackknife; long against the correlation time.

    Raises:
        ValueError: for lattices that are not of one size after the first blocking, or fewer samples than bins.
    """
    if large[1].lattice.sites != small[0].lattice.sites or large[1].lattice.name != small[0].lattice.name:
        raise ValueError(
            f"the large lattice has {large[1].lattice.shape} blocks and the small one {small[0].lattice.shape} sites: "
            "they must be alike"
        )
    found = []
    for k in range(min(len(large) - 1, len(small))):
        one, one_slope = _replicates(large, k + 1, bins)
        two, two_slope = _replicates(small, k, bins)
        at = coupling - (one[0] - two[0]) / (one_slope[0] - two_slope[0])
        first = coupling - (one[1:] - two[0]) / (one_slope[1:] - two_slope[0])
        second = coupling - (one[0] - two[1:]) / (one_slope[0] - two_slope[1:])
        error = math.sqrt((bins - 1) * float(first.var() + second.var()))
        found.append(Estimate(float(at), error, bins, "", "two-lattice matching, jackknife"))
    return found


def _replicates(sums: list[LevelSums], level: int, bins: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The correlation of a level and its slope in K: of all samples, then without each bin, (1 + bins,)."""
    e = sums[level].even[:, 0] / sums[level].even_clusters[0]
    s = sums[0].even[:, 0]
    length = len(e) // bins
    if length == 0:
        raise ValueError(f"{len(e)} samples do not fill {bins} bins")
    parts = np.stack([x[: bins * length].reshape(bins, length).mean(axis=1) for x in (e, s, e * s)])
    means = np.concatenate([parts.mean(axis=1)[:, None], (parts.sum(axis=1)[:, None] - parts) / (bins - 1)], axis=1)
    return means[0], means[2] - means[0] * means[1]
