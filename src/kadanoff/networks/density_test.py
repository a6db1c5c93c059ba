"""Whether two parts of a network (left and right) are connected alike: Pedigo et al. (2023), eLife 12, e83739."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from kadanoff.networks.multiplicity import holm
from kadanoff.networks.network import Network
from kadanoff.networks.regions import Regions

__all__ = ["BlockDensityTest", "DensityTest", "compare_block_densities", "compare_densities", "fisher"]

Masked: TypeAlias = "np.ma.MaskedArray[Any, np.dtype[np.float64]]"


class DensityTest(NamedTuple):
    """Edges over ordered pairs of different nodes within each of two parts, and whether they differ.

    Arguments:
        edges, pairs: (2,) whole numbers.
        density: (2,).
        odds_ratio: of the first to the second part; None where one of the parts is empty of edges or full.
        p: two-sided.
    """

    edges: tuple[int, int]
    pairs: tuple[int, int]
    density: tuple[float, float]
    odds_ratio: float | None
    p: float


@dataclass(frozen=True, eq=False)
class BlockDensityTest:
    """The densities of two parts block by block; arrays (K, K), masked where a part has no pair of nodes.

    Arguments:
        names: (K,) regions.
        edges, pairs: (2, K, K) whole numbers.
        density: (2, K, K).
        p, p_holm: two-sided, and adjusted for all blocks that were tested.
        tested: how many blocks were.
        odds: the odds ratio of the two parts taken as the null.
    """

    names: tuple[str, ...]
    edges: NDArray[np.int64]
    pairs: NDArray[np.int64]
    density: Masked
    p: Masked
    p_holm: Masked
    tested: int
    odds: float

    def found(self, level: float = 0.05) -> list[tuple[str, str]]:
        """The blocks (from, to) that differ with all tests counted, the smallest p first."""
        chosen = np.argwhere((self.p_holm <= level).filled(False)).tolist()
        return [(self.names[a], self.names[b]) for a, b in sorted(chosen, key=lambda at: float(self.p[at[0], at[1]]))]


def compare_densities(network: Network, one: ArrayLike, other: ArrayLike) -> DensityTest:
    """Whether the chance of a connection is the same within two disjoint sets of nodes (Fisher, exact).

    Counts, layers and loops play no part. Connections are taken as independent of each other given the density: the
    test sees any difference of density, not its cause.

    Arguments:
        one, other: (n,) masks of nodes, as left and right.

    Raises:
        ValueError: for masks that overlap or hold fewer than two nodes.
    """
    parts = _parts(network, one, other)
    label = np.zeros(network.n, np.int64)
    edges, pairs = _counted(network, parts, label, 1)
    e, n = [int(x) for x in edges[:, 0, 0]], [int(x) for x in pairs[:, 0, 0]]
    odds = None
    if all(0 < x < m for x, m in zip(e, n, strict=True)):
        odds = e[0] * (n[1] - e[1]) / ((n[0] - e[0]) * e[1])
    return DensityTest((e[0], e[1]), (n[0], n[1]), (e[0] / n[0], e[1] / n[1]), odds, fisher(e[0], n[0], e[1], n[1]))


def compare_block_densities(
    network: Network, one: ArrayLike, other: ArrayLike, regions: Regions, *, common: bool = False
) -> BlockDensityTest:
    """Whether the chance of a connection is the same in two parts, for every pair of regions, with Holm's correction.

    Arguments:
        one, other: (n,) masks of nodes, as left and right.
        regions: that occur in both parts, as cell types; of one label a node.
        common: hold the blocks against the odds ratio of the two whole parts in place of one: does more differ than
            the density overall (Pedigo et al., 2023)? The ratio is taken as known, though it comes from the same data.

    Raises:
        ValueError: as `compare_densities`, or where no block has pairs of nodes in both parts.
    """
    if regions.label.size != network.n:
        raise ValueError(f"regions: {regions.label.size} labels for {network.n} nodes")
    parts = _parts(network, one, other)
    edges, pairs = _counted(network, parts, regions.label.astype(np.int64), regions.k)
    tested = np.all(pairs > 0, axis=0)
    if not tested.any():
        raise ValueError("density test: no pair of regions has pairs of nodes in both parts")
    odds = 1.0
    if common:
        whole = compare_densities(network, one, other)
        if whole.odds_ratio is None:
            raise ValueError("density test: one of the parts has no edges at all, and no common ratio can be had")
        odds = whole.odds_ratio
    p, adjusted = _nothing(tested.shape), _nothing(tested.shape)
    values = [
        fisher(int(edges[0, a, b]), int(pairs[0, a, b]), int(edges[1, a, b]), int(pairs[1, a, b]), odds)
        for a, b in np.argwhere(tested)
    ]
    p[tested], adjusted[tested] = values, holm(values)
    density = np.ma.array(edges / np.maximum(pairs, 1), mask=pairs == 0)
    return BlockDensityTest(regions.names, edges, pairs, density, p, adjusted, int(tested.sum()), odds)


def fisher(edges_one: int, pairs_one: int, edges_other: int, pairs_other: int, odds: float = 1.0) -> float:
    """Two-sided exact p-value of two proportions whose odds have a given ratio under the null (Fisher, 1935).

    Given all edges, those of the first part follow P(x) ~ C(pairs_one, x) C(pairs_other, edges - x) odds^x; p sums what
    is no more likely than what was seen.
    """
    whole = edges_one + edges_other
    x = np.arange(max(0, whole - pairs_other), min(whole, pairs_one) + 1, dtype=np.float64)
    log = x * np.log(odds) - gammaln(x + 1) - gammaln(pairs_one - x + 1)
    log -= gammaln(whole - x + 1) + gammaln(pairs_other - whole + x + 1)
    chance = np.exp(log - log.max())
    seen = chance[edges_one - int(x[0])]
    return float(min(1.0, chance[chance <= seen * (1 + 1e-7)].sum() / chance.sum()))


def _parts(network: Network, one: ArrayLike, other: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    first, second = np.asarray(one, dtype=bool), np.asarray(other, dtype=bool)
    for mask in (first, second):
        if mask.shape != (network.n,):
            raise ValueError(f"density test: a mask of {mask.shape} for {network.n} nodes")
        if mask.sum() < 2:
            raise ValueError("density test: each part needs two nodes at least")
    if (both := int((first & second).sum())) > 0:
        raise ValueError(f"density test: {both} nodes lie in both parts")
    return first, second


def _counted(
    network: Network, parts: tuple[NDArray[np.bool_], NDArray[np.bool_]], label: NDArray[np.int64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Edges and ordered pairs of different nodes (2, K, K)."""
    source, target = network.matrix().tocoo().coords
    edges, pairs = np.zeros((2, k, k), np.int64), np.zeros((2, k, k), np.int64)
    for at, part in enumerate(parts):
        inside = part[source] & part[target] & (source != target)
        found = np.bincount(label[source[inside]] * k + label[target[inside]], minlength=k * k)
        size = np.bincount(label[part], minlength=k)
        edges[at], pairs[at] = found.reshape(k, k), np.outer(size, size) - np.diag(size)
    return edges, pairs


def _nothing(shape: tuple[int, ...]) -> Masked:
    return np.ma.array(np.ones(shape), mask=True)
