"""Synapses that are none, and thresholds: how a region network depends on what was taken for a connection.

Detection with precision p leaves a share p of real synapses; the others fall anywhere, in proportion to what nodes send
and receive. Both act on single connections, so that on the (K, K) counts they have a closed form:

    W -> p W + (1 - p) out_I in_J / T,    variance p (1 - p) W + (1 - p) out_I in_J / T

A threshold acts on pairs of nodes, and does not commute with aggregation: it has to look at the edges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.networks.aggregation import RegionNetwork, block
from kadanoff.networks.network import Network
from kadanoff.networks.regions import Regions

__all__ = ["Detected", "Thresholds", "above", "detected", "spoiled", "threshold_curve", "without_background"]


@dataclass(frozen=True, eq=False)
class Detected:
    """Counts between regions with the error that detection gives them: mean and standard deviation, (K, K) each."""

    mean: NDArray[np.float64]
    error: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Thresholds:
    """How the region network changes when weak connections are left out.

    Arguments:
        thresholds: (T,) a pair of nodes stays with at least so many synapses, all its sites and layers together.
        pairs: (T,) pairs of nodes that stay.
        total: (T,) their synapses.
        silent: (T,) nodes left without any connection.
        counts: (T, K, K) between regions.
        moved: (T,) half of sum |W / T - W_1 / T_1|, the share of the synapses that would have to change their block
            for the two maps to be alike in proportion: 0 where a threshold takes the same share of every block.
    """

    thresholds: NDArray[np.int64]
    pairs: NDArray[np.int64]
    total: NDArray[np.float64]
    silent: NDArray[np.int64]
    counts: NDArray[np.float64]
    moved: NDArray[np.float64]


def detected(region_network: RegionNetwork, precision: float) -> Detected:
    """What detection makes of a region network: each synapse stays with probability p, and a background of Poisson
    numbers of mean (1 - p) out_I in_J / T takes the place of those that do not.

    Arguments:
        region_network: W, of the kind block, in counts.
        precision: p, above 0 and at most 1.
    """
    w, background = _with_background(region_network, precision)
    return Detected(precision * w + background, np.sqrt(precision * (1 - precision) * w + background))


def without_background(region_network: RegionNetwork, precision: float) -> Detected:
    """The real synapses behind detected ones: W - (1 - p) out_I in_J / T, with the error of Poisson counts.

    The total of the means is p T. A mean below zero says that the block holds fewer synapses than the background alone
    would give.

    The error takes the margins as known: they hold far more synapses than any block.
    """
    w, background = _with_background(region_network, precision)
    return Detected(w - background, np.sqrt(w))


def spoiled(network: Network, precision: float, *, seed: int) -> Network:
    """A network as detection of precision p would show it: the simulation behind `detected`.

    Each synapse stays with probability p; a Poisson number, of mean (1 - p) T, of false ones have sources drawn in
    proportion to what nodes send and targets to what they receive. Layers and sites are added up.
    """
    _check_precision(precision)
    if not network.is_counted:
        raise ValueError("precision: synapses are detected one by one, these are weights and not counts")
    random = np.random.default_rng(seed)
    matrix = network.matrix().tocoo()
    row, column = matrix.coords
    kept = random.binomial(matrix.data, precision)
    false = int(random.poisson((1 - precision) * network.total))
    ends = []
    for strength in (network.outflow, network.inflow):
        edge = np.cumsum(strength)
        ends.append(np.searchsorted(edge, random.integers(edge[-1], size=false), side="right"))
    return Network.from_edges(
        network.nodes[np.concatenate([row, ends[0]])],
        network.nodes[np.concatenate([column, ends[1]])],
        np.concatenate([kept, np.ones(false, kept.dtype)]),
        nodes=network.nodes,
    )


def above(network: Network, threshold: float) -> Network:
    """The connections of the pairs of nodes with at least `threshold` synapses in all, over every site and layer.

    The rows of a pair stay or go together: a pair with 3 + 3 synapses in two neuropils has 6.
    """
    if not threshold > 0:
        raise ValueError(f"threshold: expected a positive number of synapses, got {threshold}")
    return network.where(_pair_totals(network)[0] >= threshold)


def threshold_curve(network: Network, regions: Regions, thresholds: ArrayLike = (1, 2, 3, 5, 10)) -> Thresholds:
    """The region network for several thresholds on the pair total.

    Thresholding the region network itself is another thing: it cuts off weak blocks and leaves weak pairs.

    Arguments:
        thresholds: (T,) increasing whole numbers from 1 on; the first is what `moved` is measured from.
    """
    levels = np.asarray(thresholds)
    if levels.ndim != 1 or levels.size == 0 or np.any(levels < 1) or np.any(np.diff(levels) <= 0):
        raise ValueError(f"thresholds: expected increasing numbers from 1 on, got {levels.tolist()}")
    pair_total, first = _pair_totals(network)
    pairs, total, silent, counts = [], [], [], []
    for level in levels:
        kept = pair_total >= level
        some = network.where(kept)
        pairs.append(int(np.count_nonzero(kept & first)))
        total.append(float(some.total))
        touched = np.zeros(network.n, dtype=bool)
        touched[some.source] = touched[some.target] = True
        silent.append(int(network.n - touched.sum()))
        counts.append(block(some, regions).counts.astype(np.float64))
    if total[-1] == 0:
        highest = levels[np.flatnonzero(np.array(total) > 0)[-1]] if total[0] else 0
        raise ValueError(f"thresholds: no pair has {levels[-1]} synapses; {highest} is the highest that leaves any")
    share = np.array(counts) / np.array(total)[:, None, None]
    moved = np.abs(share - share[0]).sum(axis=(1, 2)) / 2
    return Thresholds(levels, np.array(pairs), np.array(total), np.array(silent), np.array(counts), moved)


def _pair_totals(network: Network) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """For every row, the count of its pair of nodes over all rows, and whether it is the pair's first."""
    first = np.ones(network.m, dtype=bool)
    if network.m > 1:
        first[1:] = (network.source[1:] != network.source[:-1]) | (network.target[1:] != network.target[:-1])
    pair = np.cumsum(first) - 1
    return np.bincount(pair, network.count)[pair] if network.m else np.zeros(0), first


def _with_background(made: RegionNetwork, precision: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    _check_precision(precision)
    if made.kind != "block":
        raise ValueError(f"precision: expected a block network of counts, got a {made.kind} one")
    w = made.counts.astype(np.float64)
    total = w.sum()
    if total == 0:
        return w, w
    return w, (1 - precision) * np.outer(w.sum(axis=1), w.sum(axis=0)) / total


def _check_precision(precision: float) -> None:
    if not (math.isfinite(precision) and 0 < precision <= 1):
        raise ValueError(f"precision: expected the share of detected synapses that are real, got {precision}")
