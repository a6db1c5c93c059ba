"""The weight of a block-spin rule, chosen where the blocked correlations change least from level to level.

    P(S) ~ exp(w S sum s)        w = argmin sum_a ( c_a^(k+1) - c_a^(k) )^2

c are correlations per cluster: of the even operators for y_t, and for y_h those of each odd operator with the
magnetization, in units of <M M>. At a fixed point of the rule they would not change at all, so that a rule that changes
them least starts nearest to its own. No exponent is looked at. After Ron, Brandt and Swendsen, Phys. Rev. E 95, 053305
(2017), who find that the even and the odd sector want different weights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kadanoff.lattices.blocking import PackedSpins
from kadanoff.lattices.lattice import Lattice
from kadanoff.lattices.monte_carlo_rg import LevelSums, level_sums

__all__ = ["level_change", "tuned_weights"]


def tuned_weights(
    spins: PackedSpins, lattice: Lattice, weights: NDArray[np.float64], *, edge: int = 2, seed: int = 0
) -> tuple[float, float, NDArray[np.float64]]:
    """The weights for the even and for the odd sector, and the changes (weights, 2) they were chosen by.

    Arguments:
        spins: critical samples, some hundreds of independent ones.
        lattice: theirs.
        weights: (w,) to choose among.
        edge, seed: of `level_sums`.

    Raises:
        ValueError: for a lattice that can be blocked less than twice: one change is needed between blocked levels.
    """
    changes = np.array(
        [
            level_change(level_sums(spins, lattice, edge=edge, rule="weighted", weight=float(w), seed=seed))
            for w in weights
        ]
    )
    best = changes.argmin(axis=0)
    return float(weights[best[0]]), float(weights[best[1]]), changes


def level_change(sums: list[LevelSums]) -> tuple[float, float]:
    """How much the even and the odd correlations change between the last two levels, root of the summed squares.

    Raises ValueError for fewer than two blockings.
    """
    if len(sums) < 3:
        raise ValueError("a change between blocked levels needs two blockings: take a larger lattice")
    before, after = (_correlations(level) for level in sums[-2:])
    return float(np.linalg.norm(after[0] - before[0])), float(np.linalg.norm(after[1] - before[1]))


def _correlations(level: LevelSums) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    even = level.even.mean(axis=0) / level.even_clusters
    magnetization = level.odd[:, 0]
    mixed = (level.odd * magnetization[:, None, :]).sum(axis=2).mean(axis=0)
    return even, mixed[1:] / mixed[0]
