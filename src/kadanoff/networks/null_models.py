"""Random networks that keep some things and forget the rest: what a finding must be held against.

- `degree_null`: simple directed graphs with the in- and out-degree of every node (Maslov and Sneppen, 2002; reversed
  triangles added, so that every such graph is reached: Berger and Mueller-Hannemann, 2010).
- `undirected_degree_null`: simple undirected graphs with every degree.
- `block_null`: besides the degrees, the connections and counts between all pairs of regions: a region network W is
  the same in every one, so what differs is just what W forgot.
- `random_null`: as many connections between any two different nodes (Erdos and Renyi, 1959).
- `configuration`: the ends of all synapses matched at random; means and variances of W in closed form.

Rewired graphs are drawn as Besag and Clifford (1989) do: the chain runs from the data to a hub and from there, afresh,
to every draw. Data and draws are then exchangeable under the null whatever the length of the runs, so that a p-value
is never too small.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray

from kadanoff.networks._kernels import rewiring as kernels
from kadanoff.networks.aggregation import RegionNetwork
from kadanoff.networks.network import Network
from kadanoff.networks.regions import Regions

__all__ = [
    "Configuration",
    "NullModel",
    "block_null",
    "configuration",
    "configuration_tail",
    "degree_null",
    "either_way",
    "random_null",
    "undirected_degree_null",
]

Edges: TypeAlias = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]
Weights = Literal["travel", "permute"]

_TO_HUB, _FROM_HUB, _PILOT, _COUNTS = 0x6E70, 0x6E71, 0x6E72, 0x6E73  # streams of random numbers
_SHORTEST = 10  # sweeps
_LONGEST = 4096  # sweeps, after which a graph is taken as one that does not mix


@dataclass(frozen=True, eq=False)
class NullModel:
    """A distribution of networks; `draw` gives them, numbered. Made by the functions of this module.

    Arguments:
        kind: in words.
        preserves: what every draw has in common with the data, in words; statistics that these fix are refused by
            `kadanoff.networks.null_tests`.
        nodes: (n,) ids.
        source, target, count: (m,) the hub that draws start from; of an undirected graph every edge once.
        loops: (source, count) of connections of nodes with themselves that stay as they are.
        seed: of all random numbers.
        label: (n,) int32 regions that are kept, or None.
        weights: "travel" (a count stays with its source; where only the sources' region is shared it goes with its
            target) or "permute" (counts are dealt out afresh, within pairs of regions where these are kept).
        sweeps: attempts per edge of a draw.
        acceptance: share of the attempts towards the hub that moved edges.
    """

    kind: Literal["degree", "degree and loops", "undirected degree", "degree and blocks", "random"]
    preserves: tuple[str, ...]
    nodes: NDArray[np.generic]
    source: NDArray[np.int32]
    target: NDArray[np.int32]
    count: NDArray[np.int64]
    loops: tuple[NDArray[np.int32], NDArray[np.int64]]
    seed: int
    label: NDArray[np.int32] | None = None
    weights: Weights = "travel"
    sweeps: int = 1
    acceptance: float = 1.0

    @property
    def n(self) -> int:
        """How many nodes there are."""
        return len(self.nodes)

    @property
    def m(self) -> int:
        """How many edges are drawn, without loops that stay."""
        return len(self.source)

    def edges(self, replica: int) -> Edges:
        """Source, target and count (m,) of one draw, in no order, without the loops that stay."""
        if not 0 <= replica < 1 << 32:
            raise ValueError(f"replica: a number from 0 to 2^32 - 1, not {replica}")
        if self.kind == "random":
            generator = np.random.default_rng((_FROM_HUB, self.seed, replica))
            place = generator.choice(self.n * (self.n - 1), self.m, replace=False)
            source, target = np.divmod(place, self.n - 1)
            target += target >= source
            return source.astype(np.int32), target.astype(np.int32), self.count
        source, target, count, _ = _run(self, _FROM_HUB, replica, self.sweeps)
        if self.weights == "permute":
            count = _dealt(self, source, target, count, replica)
        return source, target, count

    def draw(self, replica: int) -> Network:
        """Network number ``replica``; the same number gives the same network. An undirected edge stands both ways."""
        source, target, count = self.edges(replica)
        if self.kind == "undirected degree":
            return _both_ways(self.nodes, source, target, count)
        nodes, counts = self.loops
        source = np.concatenate([source, nodes])
        target, count = np.concatenate([target, nodes]), np.concatenate([count, counts])
        return _in_order(self.nodes, source, target, count)


def either_way(network: Network) -> Network:
    """The undirected network of who is joined to whom: every edge stands both ways with the counts of both ways added,
    loops are left out."""
    return _both_ways(network.nodes, *_joined(network))


def degree_null(
    network: Network,
    *,
    seed: int,
    weights: Weights = "travel",
    loops: Literal["fixed", "free"] = "fixed",
    sweeps: int | None = None,
) -> NullModel:
    """Simple directed graphs with the same in- and out-degree of every node, each as likely as the others.

    Layers and sites are added up first. Multiple edges are never made.

    Arguments:
        network: of whole counts.
        seed: of all random numbers.
        weights: "travel": counts stay with their source, so that the counts sent by every node are kept too;
            "permute": counts are dealt out over all edges.
        loops: "fixed": connections of a node with itself stay as they are and no new ones are made; "free": they are
            edges like others.
        sweeps: attempts per edge; None takes twice as many as the memory of the first graph needs to fade: until the
            share of first edges still there is within two standard deviations of its later values; ten at least.

    Raises:
        ValueError: for weights that are not whole numbers, fewer than two edges, or a graph that does not mix.
    """
    source, target, count, own = _simple(network, keep_loops=loops == "free")
    kind: Literal["degree", "degree and loops"] = "degree" if loops == "fixed" else "degree and loops"
    kept = ["nodes", "edges", "degrees", "total count"]
    kept += ["counts sent"] * (weights == "travel") + ["loops"] * (loops == "fixed")
    made = NullModel(kind, tuple(kept), network.nodes, source, target, count, own, seed, weights=weights)
    return _hub(made, sweeps)


def undirected_degree_null(network: Network, *, seed: int, sweeps: int | None = None) -> NullModel:
    """Simple undirected graphs with the same degrees, each as likely as the others.

    Nodes are joined where the network has a connection either way; loops are left out, as rich clubs know none. An
    edge's count (both ways added) goes along with it.

    Arguments:
        network, seed, sweeps: as `degree_null`.
    """
    one, other, summed = _joined(network)
    none = (np.empty(0, np.int32), np.empty(0, np.int64))
    kept = ("nodes", "edges", "degrees", "total count")
    made = NullModel("undirected degree", kept, network.nodes, one, other, summed, none, seed)
    return _hub(made, sweeps)


def block_null(
    network: Network, regions: Regions, *, seed: int, weights: Weights = "travel", sweeps: int | None = None
) -> NullModel:
    """Simple directed graphs with the same degrees and the same region network W, in edges and in counts, exactly.

    Only edges whose targets (or whose sources) lie in one region swap. Every graph within reach of the data by such
    moves is as likely as the others. Not all graphs of these degrees and blocks are always within reach: a path
    0 -> 4 -> 5 -> 1 from one region through another cannot turn into 0 -> 5 -> 4 -> 1 where there are no other edges
    to swap with (of small random graphs about one in ten has such a part); p-values hold among those that are (Czabarka
    et al., 2015, for regions that are classes of degree). Loops stay as they are.

    Arguments:
        network, regions: the data; regions with one label a node.
        seed, sweeps: as `degree_null`.
        weights: "travel": counts move within their pair of regions; "permute": they are also dealt out within it.
    """
    if regions.label.size != network.n:
        raise ValueError(f"regions: {regions.label.size} labels for {network.n} nodes")
    source, target, count, own = _simple(network, keep_loops=False)
    kept = ("nodes", "edges", "degrees", "total count", "loops", "blocks")
    label = regions.label.astype(np.int32)
    made = NullModel("degree and blocks", kept, network.nodes, source, target, count, own, seed, label, weights)
    return _hub(made, sweeps)


def random_null(network: Network, *, seed: int) -> NullModel:
    """As many edges, without loops, between nodes chosen at random, counts dealt out with them (Erdos and Renyi, 1959).

    Loops of the data stay as they are.
    """
    source, target, count, own = _simple(network, keep_loops=False)
    kept = ("nodes", "edges", "total count", "loops")
    return NullModel("random", kept, network.nodes, source, target, count, own, seed)


class Configuration(NamedTuple):
    """W when the ends of all connections are matched at random: mean and variance (K, K)."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


def configuration(network: RegionNetwork | ArrayLike) -> Configuration:
    """Mean and variance of W under random matching of the ends, given every region's out- and inflow.

        E W_ab = o_a i_b / T,    var W_ab = o_a i_b (T - o_a) (T - i_b) / (T^2 (T - 1))

    W_ab is hypergeometric: o_a of T outgoing ends draw from i_b of T incoming ones. Every synapse counts for itself;
    synapses of one pair of neurons come together, so that the true spread is larger (`find_highways`).

    Arguments:
        network: (K, K) whole counts, or a block network of them.

    Raises:
        ValueError: for counts that are not whole, not square, negative or all zero.
    """
    counts = whole_counts(network)
    out, into = counts.sum(axis=1).astype(np.float64), counts.sum(axis=0).astype(np.float64)
    total = float(counts.sum())
    mean = np.outer(out, into) / total
    rest = np.outer(1 - out / total, 1 - into / total)
    variance = mean * rest * (total / (total - 1)) if total > 1 else np.zeros_like(mean)
    return Configuration(mean, variance)


def configuration_tail(network: RegionNetwork | ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """P(W_ab >= observed) and P(W_ab <= observed) (K, K) under random matching, exactly (hypergeometric)."""
    counts = whole_counts(network)
    out, into = counts.sum(axis=1)[:, None], counts.sum(axis=0)[None, :]
    law = scipy.stats.hypergeom(int(counts.sum()), out, into)
    return np.asarray(law.sf(counts - 1)), np.asarray(law.cdf(counts))


def whole_counts(network: RegionNetwork | ArrayLike) -> NDArray[np.int64]:
    """(K, K) int64 counts of a block network or an array, checked."""
    if isinstance(network, RegionNetwork) and network.kind != "block":
        raise ValueError(f"counts: whole numbers of a block network are needed, this is a {network.kind}")
    counts = np.asarray(network.counts if isinstance(network, RegionNetwork) else network)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"counts: expected a square matrix, got {counts.shape}")
    if not np.issubdtype(counts.dtype, np.integer):
        raise ValueError(f"counts: whole numbers are needed, got {counts.dtype}; give counts, not fractions of them")
    if (counts < 0).any():
        a, b = (int(x) for x in np.argwhere(counts < 0)[0])
        raise ValueError(f"counts: {counts[a, b]} from region {a} to {b}; keep signs in layers of their own")
    if not counts.any():
        raise ValueError("counts: there is no connection")
    return counts.astype(np.int64)


def _simple(
    network: Network, *, keep_loops: bool
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64], tuple[NDArray[np.int32], NDArray[np.int64]]]:
    """One edge for each connected pair, sorted, and the loops apart."""
    if not network.is_counted:
        raise ValueError("null model: counts are whole numbers; weights cannot be drawn again synapse by synapse")
    matrix = network.matrix()
    matrix.sort_indices()
    source = np.repeat(np.arange(network.n, dtype=np.int32), np.diff(matrix.indptr))
    target, count = matrix.indices.astype(np.int32), matrix.data.astype(np.int64)
    loop = (source == target) & (not keep_loops)
    own = (source[loop], count[loop])
    source, target, count = source[~loop], target[~loop], count[~loop]
    if source.size < 2:
        raise ValueError(f"null model: {source.size} edges between different nodes; at least two are needed")
    return source, target, count, own


def _joined(network: Network) -> Edges:
    """Every pair of different nodes joined either way once, one < other, with the counts of both ways."""
    source, target, count, _ = _simple(network, keep_loops=False)
    low, high = np.minimum(source, target).astype(np.int64), np.maximum(source, target)
    key, inverse = np.unique(low * network.n + high, return_inverse=True)
    summed = np.zeros(key.size, np.int64)
    np.add.at(summed, inverse, count)
    one, other = np.divmod(key, network.n)
    return one.astype(np.int32), other.astype(np.int32), summed


def _run(
    model: NullModel, stream: int, item: int, sweeps: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64], int]:
    """The hub after so many sweeps, and the moves made."""
    source, target, count = model.source.copy(), model.target.copy(), model.count.copy()
    made = _advance(model, source, target, count, stream, item, 0, sweeps)
    return source, target, count, made


def _advance(
    model: NullModel,
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    count: NDArray[np.int64],
    stream: int,
    item: int,
    first: int,
    sweeps: int,
) -> int:
    begin, attempts = first * model.m, sweeps * model.m
    if model.kind == "undirected degree":
        return int(kernels.rewire_undirected(model.seed, stream, item, begin, attempts, model.n, source, target))
    starts = np.searchsorted(source, np.arange(model.n + 1, dtype=np.int32)).astype(np.int64)
    if model.label is not None:
        return int(
            kernels.rewire_blocks(model.seed, stream, item, begin, attempts, model.label, source, target, count, starts)
        )
    free = model.kind == "degree and loops"
    return int(kernels.rewire_directed(model.seed, stream, item, begin, attempts, free, source, target, starts))


def _hub(model: NullModel, sweeps: int | None) -> NullModel:
    """The null model with the hub and the length of its runs filled in."""
    length = _sweeps_to_forget(model) if sweeps is None else sweeps
    if length < 1:
        raise ValueError(f"sweeps: at least one attempt per edge, not {length}")
    source, target, count, made = _run(model, _TO_HUB, 0, length)
    acceptance = made / (length * model.m)
    return replace(model, source=source, target=target, count=count, sweeps=length, acceptance=acceptance)


def _sweeps_to_forget(model: NullModel) -> int:
    """Twice the sweeps after which the share of first edges still there is like that of later times."""
    first = np.unique(_keys(model, model.source, model.target))
    source, target, count = model.source.copy(), model.target.copy(), model.count.copy()
    shares: list[float] = []
    length = 16
    while length <= _LONGEST:
        while len(shares) < length:
            _advance(model, source, target, count, _PILOT, 0, len(shares), 1)
            shares.append(float(np.isin(_keys(model, source, target), first, assume_unique=True).mean()))
        late = np.array(shares[length // 2 :])
        below = np.flatnonzero(np.array(shares) <= late.mean() + 2 * late.std())
        if below.size and below[0] + 1 <= length // 4:
            return max(_SHORTEST, 2 * int(below[0] + 1))
        length *= 2
    raise ValueError(
        f"null model: after {_LONGEST} attempts per edge the first graph is still not forgotten; give `sweeps`"
    )


def _keys(model: NullModel, source: NDArray[np.int32], target: NDArray[np.int32]) -> NDArray[np.int64]:
    if model.kind == "undirected degree":
        source, target = np.minimum(source, target), np.maximum(source, target)
    return np.asarray(source.astype(np.int64) * model.n + target)


def _both_ways(
    nodes: NDArray[np.generic], one: NDArray[np.int32], other: NDArray[np.int32], count: NDArray[np.int64]
) -> Network:
    count = np.concatenate([count, count])
    return _in_order(nodes, np.concatenate([one, other]), np.concatenate([other, one]), count)


def _in_order(
    nodes: NDArray[np.generic], source: NDArray[np.int32], target: NDArray[np.int32], count: NDArray[np.int64]
) -> Network:
    order = np.argsort(source.astype(np.int64) * len(nodes) + target, kind="stable")
    kind = np.min_scalar_type(int(count.max(initial=0)))
    return Network(nodes, source[order], target[order], count[order].astype(kind))


def _dealt(
    model: NullModel,
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    count: NDArray[np.int64],
    replica: int,
) -> NDArray[np.int64]:
    """Counts dealt out afresh, among all edges or among those of one pair of regions."""
    chance = np.random.default_rng((_COUNTS, model.seed, replica)).random(count.size)
    if model.label is None:
        return count[np.argsort(chance)]
    pair = model.label[source].astype(np.int64) * (int(model.label.max()) + 1) + model.label[target]
    dealt = np.empty_like(count)
    dealt[np.argsort(pair, kind="stable")] = count[np.lexsort((chance, pair))]
    return dealt
