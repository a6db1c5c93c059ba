"""Highways: blocks of a region network that are stronger than the nodes' own strengths explain."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from kadanoff.networks.aggregation import RegionNetwork
from kadanoff.networks.multiplicity import benjamini_hochberg, benjamini_yekutieli, holm, largest_of_all
from kadanoff.networks.network import Network
from kadanoff.networks.null_models import Edges, NullModel, configuration, configuration_tail, degree_null, whole_counts
from kadanoff.networks.null_tests import Alternative, judge_draws, refuse_fixed
from kadanoff.networks.regions import Regions
from kadanoff.parallel import map_ordered

__all__ = ["Highways", "find_highways", "matched_highways"]

Masked: TypeAlias = "np.ma.MaskedArray[Any, np.dtype[np.float64]]"

_CHUNK = 16  # draws of one task: the same whatever the number of workers
_ROUNDS = 1000  # of fitting the factors of nodes, at most
_LARGEST = 1 << 28  # numbers of all draws that are kept


@dataclass(frozen=True, eq=False)
class Highways:
    """Every block against a null; arrays (K, K), masked where the null leaves no choice (all draws equal the data).

    Arguments:
        names: (K,) regions.
        null: what the blocks are held against.
        observed: counts W.
        expected, spread: mean and standard deviation under the null.
        ratio: observed / expected, the effect size; masked where nothing is expected.
        z, z_error: (W - expected) / spread, and its standard error from the number of draws (0 in closed form); masked
            as well where all draws are alike, though the data differ from them.
        p: of one block by itself: (1 + draws at least as extreme) / (draws + 1), or exact.
        p_holm, p_hochberg, p_yekutieli: adjusted for all blocks that were tested.
        p_largest: adjusted by the most extreme block of every draw, the sharpest one where draws are few; None in
            closed form.
        alternative: "greater" looks for highways, "less" for what is avoided.
        tested: how many blocks were.
        replicas: draws; None in closed form.
    """

    names: tuple[str, ...]
    null: str
    observed: NDArray[np.int64]
    expected: NDArray[np.float64]
    spread: NDArray[np.float64]
    ratio: Masked
    z: Masked
    z_error: Masked
    p: Masked
    p_holm: Masked
    p_hochberg: Masked
    p_yekutieli: Masked
    p_largest: Masked | None
    alternative: Alternative
    tested: int
    replicas: int | None

    def found(self, level: float = 0.05) -> list[tuple[str, str]]:
        """The blocks (from, to) beyond chance with all tests counted, those farthest out first: by `p_largest` where
        there are draws, else by `p_holm`."""
        adjusted = self.p_holm if self.p_largest is None else self.p_largest
        chosen = np.argwhere((adjusted <= level).filled(False))
        far = np.abs(self.z.filled(np.inf))
        ranked = sorted(chosen.tolist(), key=lambda at: -float(far[at[0], at[1]]))
        return [(self.names[a], self.names[b]) for a, b in ranked]


def find_highways(
    network: Network,
    regions: Regions,
    *,
    seed: int,
    replicas: int = 1000,
    alternative: Alternative = "greater",
    null: NullModel | None = None,
    received: bool = True,
    executor: Executor | None = None,
) -> Highways:
    """Blocks of W = P^T A P against networks in which every node keeps its degrees and strengths but not its
    partners.

        z = (W - mean W_r) / s,    p = (1 + #{W_r at least as extreme}) / (R + 1)

    Synapses of one pair of nodes stay together in the draws, so that the spread is that of pairs: wider than that of
    single synapses (`matched_highways`). A count c_e = r_i c_j x_e that travels with its source i to a new target l
    is taken as r_i c_l x_e, with the factors r, c of nodes that give every one the counts it sends and receives
    (Sinkhorn, 1967); then all that a node sends is scaled to what it sends. Without this, nodes whose pairs have many
    synapses would make a highway of every block into their region. What nodes receive is kept on average only, so that
    p is close, not exact: at 5 % it came out 4 to 6 % a block, and 9 +- 2 % for `p_largest`, in degree-corrected
    networks without structure. The p-values of many blocks are adjusted four ways. Holm and Benjamini's need
    R > tests / level draws to find anything; `p_largest` does not.

    Arguments:
        network, regions: the data; whole counts, one label a node.
        seed: of the draws.
        replicas: R.
        alternative: "greater", "less" or "two-sided".
        null: of the network; None takes `degree_null` with counts that travel with their source.
        received: scale counts that travel, as above. Without, p is exact for counts that do not depend on the target.
        executor: of `kadanoff.parallel`; the numbers do not depend on it.

    Raises:
        ValueError: for a null of another network or one that keeps the blocks (all draws equal the data), fewer than 20
            draws, or more numbers than are kept (2^28).
    """
    null = degree_null(network, seed=seed) if null is None else null
    refuse_fixed("region_network", null)
    if null.kind == "undirected degree":
        raise ValueError("highways: blocks have a direction; take a null of directed graphs")
    if regions.label.size != network.n:
        raise ValueError(f"regions: {regions.label.size} labels for {network.n} nodes")
    if replicas < 20:
        raise ValueError(f"highways: {replicas} draws are too few for a spread; take 20 at least, 1000 for p-values")
    k = regions.k
    if replicas * k * k > _LARGEST:
        raise ValueError(f"highways: {replicas} draws of {k} x {k} blocks; take {_LARGEST // (k * k)} draws at most")
    sums = partial(_blocks, regions.label.astype(np.int64), k)
    matrix = network.matrix().tocoo()
    observed = sums((*matrix.coords, matrix.data)).astype(np.int64)
    scaled = _Scaled(matrix, null) if received and null.weights == "travel" and null.kind.startswith("degree") else None
    own = sums((null.loops[0], *null.loops))
    chunks = [range(first, min(first + _CHUNK, replicas)) for first in range(0, replicas, _CHUNK)]
    drawn = np.concatenate(list(map_ordered(partial(_drawn, sums, null, scaled), chunks, executor)))
    drawn += own
    test = judge_draws("region network", null.kind, observed, drawn, alternative, null.preserves)
    free = ~test.fixed
    largest = _nothing(observed.shape)
    seen, most = test.extremes()
    largest[free] = largest_of_all(seen[free], most[:, None])
    return _adjusted(
        regions.names,
        f"{null.kind} null" + (", strengths kept" if scaled else ""),
        observed,
        test.mean,
        test.spread,
        test.z,
        test.z_error,
        np.ma.array(test.p, mask=~free),
        largest,
        alternative,
        replicas,
    )


def matched_highways(network: RegionNetwork, *, alternative: Alternative = "greater") -> Highways:
    """Blocks of W against random matching of the ends of all synapses, in closed form (`configuration`).

    p is the exact tail of the hypergeometric law. It takes every synapse as a trial of its own. Those of one pair of
    neurons are not: with several synapses a pair the p-values are too small, and `find_highways` is the test to use.

    Arguments:
        network: a block network of whole counts.
        alternative: "greater", "less" or "two-sided" (twice the smaller tail).
    """
    observed = whole_counts(network)
    law = configuration(observed)
    above, below = configuration_tail(observed)
    p = {"greater": above, "less": below, "two-sided": np.minimum(1.0, 2 * np.minimum(above, below))}[alternative]
    spread = np.sqrt(law.variance)
    fixed = spread == 0
    z = np.ma.array((observed - law.mean) / np.where(fixed, 1.0, spread), mask=fixed)
    error = np.ma.array(np.zeros(observed.shape), mask=fixed)
    p = np.ma.array(p, mask=fixed)
    return _adjusted(network.names, "random matching", observed, law.mean, spread, z, error, p, None, alternative, None)


def _adjusted(
    names: tuple[str, ...],
    null: str,
    observed: NDArray[np.int64],
    expected: NDArray[np.float64],
    spread: NDArray[np.float64],
    z: Masked,
    z_error: Masked,
    p: Masked,
    largest: Masked | None,
    alternative: Alternative,
    replicas: int | None,
) -> Highways:
    free = ~np.ma.getmaskarray(p)
    by_holm, by_hochberg, by_yekutieli = (_nothing(observed.shape) for _ in range(3))
    by_holm[free] = holm(p[free])
    by_hochberg[free] = benjamini_hochberg(p[free])
    by_yekutieli[free] = benjamini_yekutieli(p[free])
    ratio = np.ma.array(observed / np.where(expected > 0, expected, 1.0), mask=expected <= 0)
    return Highways(
        names,
        null,
        observed,
        expected,
        spread,
        ratio,
        z,
        z_error,
        p,
        by_holm,
        by_hochberg,
        by_yekutieli,
        largest,
        alternative,
        int(free.sum()),
        replicas,
    )


class _Scaled:
    """Counts of rewired edges scaled so that nodes send what they send, and receive it on average."""

    def __init__(self, matrix: scipy.sparse.coo_array, null: NullModel) -> None:
        source, target = matrix.coords
        kept = (source != target) | (null.kind == "degree and loops")
        order = np.lexsort((target[kept], source[kept]))  # as the null has its edges
        source, target = source[kept][order], target[kept][order]
        count, n = matrix.data[kept][order].astype(np.float64), null.n
        if not np.array_equal(source, null.source):  # draws change targets alone
            raise ValueError("highways: this null model was made of another network")
        self.sent, got = np.bincount(source, count, n), np.bincount(target, count, n)
        send, receive = np.ones(n), np.ones(n)
        for _ in range(_ROUNDS):
            send = self.sent / np.maximum(np.bincount(source, receive[target], n), 1e-300)
            last, receive = receive, got / np.maximum(np.bincount(target, send[source], n), 1e-300)
            if np.all(np.abs(receive - last) <= 1e-9 * receive):
                break
        self.receive, self.count = receive, count / receive[target]

    def __call__(self, edges: Edges) -> NDArray[np.float64]:
        """(m,) counts of a draw, whose edges stand in the order of the data."""
        source, target, _ = edges
        found = self.count * self.receive[target]
        made = np.bincount(source, found, self.sent.size)
        return np.asarray(found * (self.sent / np.maximum(made, 1e-300))[source])


def _blocks(
    label: NDArray[np.int64], k: int, edges: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
) -> NDArray[np.float64]:
    """W (K, K); sums of whole numbers below 2^53 are exact."""
    source, target, count = edges
    summed = np.bincount(label[source] * k + label[target], count, k * k)
    if summed.sum() >= 2.0**53:
        raise ValueError("highways: more than 2^53 synapses")
    return np.asarray(summed.reshape(k, k), dtype=np.float64)


def _drawn(
    sums: Callable[[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]], NDArray[np.float64]],
    null: NullModel,
    scaled: _Scaled | None,
    chunk: range,
) -> NDArray[np.float64]:
    drawn = (null.edges(replica) for replica in chunk)
    return np.array([sums(edges if scaled is None else (*edges[:2], scaled(edges))) for edges in drawn])


def _nothing(shape: tuple[int, ...]) -> Masked:
    return np.ma.array(np.ones(shape), mask=True)
