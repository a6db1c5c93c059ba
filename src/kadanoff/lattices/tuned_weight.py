"""The weight of a block-spin rule, chosen where the blocked correlations change least from level to level.

    P(S) ~ exp(w S sum s)        w = argmin sum_a ( c_a^(k+1) - c_a^(k) )^2

c are correlations per cluster: of the even operators for y_t, and for y_h those of each odd operator with the
magnetization, in units of <M M>. At a fixed point of the rule they would not change at all, so that a rule that changes
them least starts nearest to its own. No exponent is looked at. After Ron, Brandt and Swendsen, Phys. Rev. E 95, 053305
(2017), who find that the even and the odd sector want different weights.

The two levels are compared on lattices of one size, one blocked once more from a wider lattice: correlations of two
levels of one pyramid differ by their finite size too, which hides what the rule does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kadanoff.lattices.blocking import PackedSpins, block_packed, lattice_blocks
from kadanoff.lattices.lattice import Lattice
from kadanoff.lattices.operators import even_operators, odd_operators, operator_sums

__all__ = ["level_change", "tuned_weights"]


def tuned_weights(
    large: tuple[PackedSpins, Lattice],
    small: tuple[PackedSpins, Lattice],
    weights: NDArray[np.float64],
    *,
    edge: int = 2,
    seed: int = 0,
) -> tuple[float, float, NDArray[np.float64]]:
    """The weights for the even and for the odd sector, and the changes (weights, 2) they were chosen by.

    Arguments:
        large, small: critical samples, some hundreds of independent ones each, and their lattices: the small one is
            what the large one becomes by one blocking or more.
        weights: (w,) to choose among.
        edge, seed: of `lattice_blocks` and `block_packed`.

    Raises:
        ValueError: for lattices that do not become alike.
    """
    changes = np.array([level_change(large, small, float(w), edge=edge, seed=seed) for w in weights])
    best = changes.argmin(axis=0)
    return float(weights[best[0]]), float(weights[best[1]]), changes


def level_change(
    large: tuple[PackedSpins, Lattice],
    small: tuple[PackedSpins, Lattice],
    weight: float,
    *,
    edge: int = 2,
    seed: int = 0,
) -> tuple[float, float]:
    """How much the even and the odd correlations of the small lattice, blocked once, differ from those of the large
    one, blocked to the same size: root of the summed squares. Arguments as `tuned_weights`."""
    spins, here = _blocked(*small, weight, edge, seed, 0)
    wide, lattice, level = *large, 0
    while lattice.sites > here.sites:
        wide, lattice = _blocked(wide, lattice, weight, edge, seed, level)
        level += 1
    if lattice.shape != here.shape or level < 2:
        raise ValueError(
            f"the large lattice {large[1].shape} does not become the small one {small[1].shape} by blocking: give "
            "them sizes in the ratio of one or more blockings"
        )
    one, two = _correlations(wide, lattice), _correlations(spins, here)
    return float(np.linalg.norm(one[0] - two[0])), float(np.linalg.norm(one[1] - two[1]))


def _blocked(
    spins: PackedSpins, lattice: Lattice, weight: float, edge: int, seed: int, level: int
) -> tuple[PackedSpins, Lattice]:
    blocks = lattice_blocks(lattice, edge)
    coarse, _ = block_packed(spins, blocks, "weighted", weight=weight, seed=seed, level=level)
    return coarse, blocks.coarse


def _correlations(spins: PackedSpins, lattice: Lattice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    even, odd = even_operators(lattice), odd_operators(lattice)
    sums = operator_sums(spins, lattice, even + odd).astype(np.float64)
    per_cluster = sums[:, : len(even)].mean(axis=0) / operator_sums(_aligned(lattice), lattice, even)[0]
    mixed = (sums[:, len(even) :] * sums[:, len(even), None]).mean(axis=0)
    return per_cluster, mixed[1:] / mixed[0]


def _aligned(lattice: Lattice) -> PackedSpins:
    """One configuration of spins that are all up: its sums are the numbers of clusters."""
    return PackedSpins(np.ones((1, lattice.sites), dtype=np.uint64), 1)
