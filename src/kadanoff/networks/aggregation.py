"""Region networks: the three maps, each with what it conserves.

- block: W = M A M^T with hard regions; total, and each region's out- and inflow, are those of its nodes, exactly.
- soft block: W = M_pre A M_post^T with shares; the same, in whole numbers of 1 / QUANTUM^2 of a connection. It takes
  the places of a node's inputs and outputs as independent, given the node.
- projectome: W_ab = sum_i in_i(a) out_i(b) / in_i; the nodes carry the flow from the region they receive in to the
  region they send in. Column sums are the output sites of b; what nodes without inputs send comes from "external".
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.networks._kernels import blocks, carriers
from kadanoff.networks._kernels import shares as share_kernels
from kadanoff.networks.network import Network, checked_count, whole_ids
from kadanoff.networks.regions import QUANTUM, Regions, Shares
from kadanoff.parallel import map_ordered

__all__ = [
    "EXTERNAL",
    "ExactSum",
    "RegionNetwork",
    "block",
    "block_layers",
    "projectome",
    "projectome_of_sites",
    "soft_block",
]

EXTERNAL = "external"
_EDGES = 1 << 22  # of a task and _NODES of a carriers' task: the same whatever the number of workers
_NODES = 1 << 12
_SMALL = 1 << 20  # edges, below which one type of counts and labels will do: each type more is compiled once more
_FEW = 64  # regions, below which the same bin is met again so soon that two sets of bins are faster
_FITS = 1 << 31  # counts whose soft sums fit into 63 bits
_WORD = 1 << 32
_SOFT_REGIONS = 1 << (32 - share_kernels.SHARE_BITS)


@dataclass(frozen=True, eq=False)
class RegionNetwork:
    """Connections between regions.

    Arguments:
        kind: which of the three maps made it; networks of different kinds are not to be compared.
        names: (K,) regions; for a projectome the last is "external".
        counts: (K, K) from row to column; int64 for a block network of whole counts, float64 else.
        members: (K,) nodes in each region (sums of shares for soft ones, 0 for external).
        exact: for a soft block network of whole counts the (K, K) whole numbers (Python integers), in units of
            1 / QUANTUM^2 of a connection; None else.
        ended: for a projectome (K,) input sites in each region of nodes that send nothing: they end there.
    """

    kind: Literal["block", "soft block", "projectome"]
    names: tuple[str, ...]
    counts: NDArray[Any]
    members: NDArray[np.float64]
    exact: NDArray[Any] | None = None
    ended: NDArray[Any] | None = None

    @property
    def k(self) -> int:
        """How many regions there are."""
        return len(self.names)

    @property
    def total(self) -> int | float:
        """All connections."""
        found = self.counts.sum()
        return int(found) if np.issubdtype(self.counts.dtype, np.integer) else float(found)


def block(network: Network, regions: Regions, executor: Executor | None = None) -> RegionNetwork:
    """Hard regions: W_IJ = sum of the counts from nodes of I to nodes of J, exact in int64 for whole counts.

    Raises:
        ValueError: where there are not as many labels as nodes.
    """
    _same_nodes(network, regions.label.size)
    counts = _zeros(network, (regions.k, regions.k))
    for part in map_ordered(_hard_part, _tasks(network, (_plain_label(network, regions), regions.k)), executor):
        counts += part
    return RegionNetwork("block", regions.names, counts, regions.sizes.astype(np.float64))


def block_layers(network: Network, regions: Regions, executor: Executor | None = None) -> dict[str, RegionNetwork]:
    """The `block` network of every layer, in one pass; they add up to that of all layers.

    Raises:
        ValueError: as `block`, and for a network without layers.
    """
    _same_nodes(network, regions.label.size)
    if network.layer is None:
        raise ValueError("layers: this network has none; name the column that holds them when it is read")
    k, layers = regions.k, len(network.layer_names)
    counts = _zeros(network, (k, layers, k))
    shared = (_plain_label(network, regions), k, layers)
    for part in map_ordered(_layered_part, _tasks(network, shared, network.layer), executor):
        counts += part
    sizes = regions.sizes.astype(np.float64)
    return {
        name: RegionNetwork("block", regions.names, np.ascontiguousarray(counts[:, index]), sizes)
        for index, name in enumerate(network.layer_names)
    }


def soft_block(network: Network, pre: Shares, post: Shares, executor: Executor | None = None) -> RegionNetwork:
    """Soft regions: W_IJ = sum_ij pre_iI A_ij post_jJ, in whole numbers for whole counts.

    Arguments:
        pre, post: shares of the nodes as senders and as receivers, of the same regions.

    Raises:
        ValueError: where regions or numbers of nodes differ, or there are more than 32,768 regions.
    """
    _same_nodes(network, pre.n)
    _same_nodes(network, post.n)
    if pre.names != post.names:
        raise ValueError("shares: senders and receivers must be shared out among the same regions")
    total = ExactSum(pre.k) if network.is_counted else None
    counts = np.zeros((pre.k, pre.k))
    shared = (*packed_shares(pre), *packed_shares(post), pre.k)
    for part in map_ordered(_soft_part, _tasks(network, shared), executor):
        if total is None:
            counts += part
        else:
            total.add(part)
    if total is None:
        return RegionNetwork("soft block", pre.names, counts / QUANTUM**2, _members(pre))
    exact = total.value
    return RegionNetwork("soft block", pre.names, exact.astype(np.float64) / QUANTUM**2, _members(pre), exact)


def projectome(network: Network, executor: Executor | None = None) -> RegionNetwork:
    """Nodes as carriers between the sites of their connections: W_ab = sum_i in_i(a) out_i(b) / in_i.

    in_i(a) are the counts node i receives at site a, out_i(b) those it sends at site b. Nodes that receive nothing send
    from `EXTERNAL`, so every column sums to the counts sent at that site, to 1e-12 of it: no sum is longer than 4,096
    terms and then one of every 4,096 nodes. Counts received by nodes that send nothing are in `ended`.

    Raises:
        ValueError: for a network without sites.
    """
    if network.site is None:
        raise ValueError("projectome: this network has no sites; give the column that says where a connection lies")
    count = _plain(network.count)
    starts = np.zeros(network.n + 1, np.int64)
    site, held = np.empty_like(network.site), np.empty_like(count)
    carriers.sort_by_target(network.target, network.site, count, starts, site, held)
    return _carried((starts, site, held), (network.starts, network.site, count), network.site_names, executor)


def projectome_of_sites(
    node: ArrayLike, site: ArrayLike, received: ArrayLike, sent: ArrayLike, executor: Executor | None = None
) -> RegionNetwork:
    """The `projectome` from a row for each node and site, with what the node receives and what it sends there.

    The two numbers may be of different things, postsynaptic densities received and T-bars sent: W is in units of what
    is sent, and what is received only says how a node's output is divided among the places it listens to.

    Arguments:
        node, site: (rows,) ids and names; rows of the same node and site are added up.
        received, sent: (rows,) counts or weights, not negative.

    Raises:
        ValueError: for columns of different lengths, ids that are missing, numbers that are negative or not finite.
    """
    ids = whole_ids("node", np.asarray(node))
    into, out = (checked_count(np.asarray(column), ids.size)[0] for column in (received, sent))
    names, place = np.unique(np.asarray(site), return_inverse=True)
    if place.shape != ids.shape:
        raise ValueError(f"site: {place.size} names for {ids.size} rows")
    known, where = np.unique(ids, return_inverse=True)
    order = np.argsort(where, kind="stable")
    starts = np.searchsorted(where[order], np.arange(known.size + 1)).astype(np.int64)
    at = place[order].astype(np.uint16)
    if into.dtype != out.dtype:
        into, out = into.astype(np.float64), out.astype(np.float64)
    site_names = tuple(str(name) for name in names)
    return _carried((starts, at, into[order]), (starts, at, out[order]), site_names, executor)


def _carried(
    into: tuple[NDArray[Any], ...], out: tuple[NDArray[Any], ...], names: tuple[str, ...], executor: Executor | None
) -> RegionNetwork:
    """From what nodes receive and send, each (starts, site, count) sorted by node."""
    k, n = len(names), into[0].size - 1
    tasks = (
        (_rows(into, rows), _rows(out, rows), k) for rows in (slice(i, min(i + _NODES, n)) for i in range(0, n, _NODES))
    )
    counts, ended = np.zeros((k + 1, k + 1)), np.zeros(k + 1, _sums(into[2]))
    for carried, lost in map_ordered(_carried_part, tasks, executor):
        counts += carried
        ended[:k] += lost
    return RegionNetwork("projectome", (*names, EXTERNAL), counts, np.zeros(k + 1), ended=ended.astype(np.float64))


class ExactSum:
    """Sums of (K, K) whole numbers of 63 bits without overflow: high and low words apart."""

    def __init__(self, k: int) -> None:
        self.words = np.zeros((2, k, k), np.int64)

    def add(self, part: NDArray[Any]) -> None:
        """Add int64 or Python integers, not negative."""
        self.add_words(np.array([part // _WORD, part % _WORD], np.int64))

    def add_words(self, words: NDArray[np.int64]) -> None:
        """Add high and low words (2, K, K), the low ones below 2^32."""
        self.words += words
        self.words[0] += self.words[1] // _WORD
        self.words[1] %= _WORD

    @property
    def value(self) -> NDArray[Any]:
        """(K, K) Python integers."""
        return np.asarray(self.words[0].astype(object) * _WORD + self.words[1].astype(object))


def packed_shares(shares: Shares) -> tuple[NDArray[Any], NDArray[np.uint32]]:
    """Where nodes begin (n + 1,), and (entries,) region and share in one word: what the kernel of soft blocks reads.

    Raises:
        ValueError: for more than 32,768 regions.
    """
    if shares.k > _SOFT_REGIONS:
        raise ValueError(f"shares: {shares.k} regions, at most {_SOFT_REGIONS} can be held in a soft block network")
    word = (shares.region.astype(np.uint32) << np.uint32(share_kernels.SHARE_BITS)) | shares.share
    return shares.starts.astype(np.int32 if word.size < 1 << 31 else np.int64), word


def _tasks(network: Network, shared: tuple[Any, ...], *more: NDArray[Any]) -> Iterator[tuple[Any, ...]]:
    """The edges in pieces of whole rows: (first row, starts, target, count, more columns, shared)."""
    starts, count = network.starts, _plain(network.count)
    cuts = np.unique(np.searchsorted(starts, np.arange(0, max(network.m, 1), _EDGES), side="left"))
    for first, last in zip(cuts, [*cuts[1:], network.n], strict=True):
        part = slice(starts[first], starts[last])
        yield (
            int(first),
            starts[first : last + 1],
            network.target[part],
            count[part],
            *(column[part] for column in more),
            shared,
        )


def _hard_part(task: tuple[Any, ...]) -> NDArray[Any]:
    first, starts, target, count, (label, k) = task
    out = np.zeros((2 if k < _FEW else 1, k, k), _sums(count))
    blocks.add_rows(starts, target, count, label, first, out)
    return np.asarray(out.sum(axis=0))


def _layered_part(task: tuple[Any, ...]) -> NDArray[Any]:
    first, starts, target, count, layer, (label, k, layers) = task
    out = np.zeros((k, layers, k), _sums(count))
    blocks.add_layers(starts, target, count, layer, label, first, out)
    return out


def _soft_part(task: tuple[Any, ...]) -> NDArray[Any]:
    first, starts, target, count, (*words, k) = task
    node = np.arange(first, first + starts.size - 1, dtype=np.int32)
    return shared_rows(node, starts, target, count, (words[0], words[1], words[2], words[3]), k)


def shared_rows(
    node: NDArray[np.int32],
    starts: NDArray[np.int64],
    target: NDArray[np.int32],
    count: NDArray[Any],
    words: tuple[NDArray[Any], NDArray[np.uint32], NDArray[Any], NDArray[np.uint32]],
    k: int,
) -> NDArray[Any]:
    """(K, K) soft sums of some rows: int64, or Python integers where the counts add up to 2^31 or more; float64 of
    weights.

    Arguments:
        node, starts, target, count: (rows,), (rows + 1,), (edges,), (edges,) as the kernel takes them.
        words: `packed_shares` of the senders and of the receivers.
        k: regions.
    """
    kind = _sums(count)
    if kind is np.float64 or count.sum(dtype=np.int64) < _FITS:
        out = np.zeros((k, k), kind)
        pre_starts, pre, post_starts, post = words
        reached = np.zeros(k, kind)
        share_kernels.add_shared_rows(node, starts, target, count, pre_starts, pre, post_starts, post, reached, out)
        return out
    if node.size > 1:
        middle = node.size // 2
        cut = starts[middle] - starts[0]
        return np.asarray(
            shared_rows(node[:middle], starts[: middle + 1], target[:cut], count[:cut], words, k).astype(object)
            + shared_rows(node[middle:], starts[middle:], target[cut:], count[cut:], words, k)
        )
    return _long_row(int(node[0]), target, count, words, k)


def _long_row(
    node: int, target: NDArray[Any], count: NDArray[Any], words: tuple[NDArray[Any], ...], k: int
) -> NDArray[Any]:
    """One node that sends 2^31 or more: in Python integers."""
    pre_starts, pre, post_starts, post = words
    bits = share_kernels.SHARE_BITS
    mask = (1 << bits) - 1
    reached, out = [0] * k, np.zeros((k, k), object)
    for t, c in zip(target.tolist(), count.tolist(), strict=True):
        for word in post[post_starts[t] : post_starts[t + 1]].tolist():
            reached[word >> bits] += c * (word & mask)
    for word in pre[pre_starts[node] : pre_starts[node + 1]].tolist():
        out[word >> bits] += np.array(reached, object) * (word & mask)
    return out


def _carried_part(task: tuple[Any, ...]) -> tuple[NDArray[np.float64], NDArray[Any]]:
    into, out, k = task
    kind = _sums(into[2])
    carried, ended = np.zeros((k + 1, k + 1)), np.zeros(k, kind)
    in_starts, in_site, in_count = into
    out_starts, out_site, out_count = out
    scratch = np.zeros((2, k), kind)
    carriers.carry(in_starts, in_site, in_count, out_starts, out_site, out_count, scratch, carried, ended)
    return carried, ended


def _rows(held: tuple[NDArray[Any], ...], rows: slice) -> tuple[NDArray[Any], ...]:
    starts, site, count = held
    part = slice(starts[rows.start], starts[rows.stop])
    return starts[rows.start : rows.stop + 1], site[part], count[part]


def _plain(count: NDArray[Any]) -> NDArray[Any]:
    """Counts as the kernels take them: unsigned 64 bits would turn sums with integers into floats."""
    if count.dtype == np.uint64 or (count.size < _SMALL and np.issubdtype(count.dtype, np.integer)):
        return count.astype(np.int64)
    return count


def _plain_label(network: Network, regions: Regions) -> NDArray[Any]:
    return regions.label if network.m >= _SMALL else regions.label.astype(np.uint16)


def _sums(count: NDArray[Any]) -> Any:
    return np.int64 if np.issubdtype(count.dtype, np.integer) else np.float64


def _zeros(network: Network, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.zeros(shape, np.int64 if network.is_counted else np.float64)


def _same_nodes(network: Network, given: int) -> None:
    if given != network.n:
        raise ValueError(f"regions: {given} labels for {network.n} nodes")


def _members(shares: Shares) -> NDArray[np.float64]:
    return np.asarray(np.bincount(shares.region, shares.share / QUANTUM, shares.k), dtype=np.float64)
