"""Shares of nodes in regions: from where their synapses lie, from amounts; and which regions may stand side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from kadanoff.networks.network import Network
from kadanoff.networks.regions import QUANTUM, UNASSIGNED, Shares

__all__ = ["coarser_shares", "post_shares", "pre_shares", "require_disjoint", "shares_of_amounts"]


def pre_shares(network: Network) -> Shares:
    """Shares of every node as a sender: the part of its output connections that lies at each site.

    share_ib = out_i(b) / out_i, in whole numbers of 1 / QUANTUM; nodes that send nothing are unassigned.

    Raises:
        ValueError: for a network without sites.
    """
    return _site_shares(network, network.source)


def post_shares(network: Network) -> Shares:
    """Shares of every node as a receiver: the part of its input connections that lies at each site; see
    `pre_shares`."""
    return _site_shares(network, network.target)


def shares_of_amounts(amounts: Any, names: tuple[str, ...]) -> Shares:
    """Shares of a node's amounts in their sum, amounts (n, K) dense or sparse and not negative.

    Whole numbers are shared out exactly by largest remainder (ties to the first region), so that the shares of every
    node sum to QUANTUM and none is off by 1 / QUANTUM; a node without amounts is unassigned. A column named
    "unassigned" is that region.

    Raises:
        ValueError: where names and columns differ in number, two names are alike, whole amounts add up to 2^46 or more
            at one node, or amounts are negative or not finite.
    """
    rows = scipy.sparse.csr_array(amounts)
    if rows.shape[1] != len(names) or len(set(names)) != len(names):
        raise ValueError(f"shares: {rows.shape[1]} columns need as many names, all different, got {', '.join(names)}")
    rows.sum_duplicates()
    rows.eliminate_zeros()
    if not np.all(np.isfinite(rows.data)) or np.any(rows.data < 0):
        raise ValueError("shares: amounts must be finite and not negative")
    n, node = rows.shape[0], np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    if np.all(rows.data == np.rint(rows.data)) and rows.data.sum(dtype=np.float64) < 1 << 52:
        held = rows.data.astype(np.int64)
        total = np.zeros(n, np.int64)
        np.add.at(total, node, held)
        if total.max(initial=0) >= 1 << 46:
            raise ValueError("shares: the amounts of a node add up to 2^46 or more; give them in larger units")
        whole, rest = np.divmod(held * QUANTUM, total[node])
    else:
        weight = rows.data.astype(np.float64)
        part = weight * (QUANTUM / np.bincount(node, weight, n))[node]
        whole = np.floor(part + 1e-9).astype(np.int64)
        rest = part - whole
    left = QUANTUM - np.bincount(node, whole, n).astype(np.int64)
    order = np.lexsort((rows.indices, -rest, node))
    rank = np.empty(node.size, np.int64)
    rank[order] = np.arange(node.size) - rows.indptr[node[order]]
    whole += rank < left[node]
    return _assembled(n, node, rows.indices, whole, names)


def coarser_shares(shares: Shares, parent: Mapping[str, str]) -> Shares:
    """The shares in larger regions: those of the regions that lie in them added up, exactly.

    Arguments:
        parent: {region: the larger one it lies in}; one left out stays unassigned.

    Raises:
        ValueError: for a region that there is not.
    """
    if unknown := sorted(set(parent) - set(shares.names)):
        raise ValueError(f"parent: no region named {', '.join(unknown)}; there are {', '.join(shares.names)}")
    names = tuple(sorted({name for region, name in parent.items() if region != UNASSIGNED and name != UNASSIGNED}))
    number = {name: place for place, name in enumerate(names)}
    to = np.array([number.get(parent.get(name, ""), len(names)) for name in shares.names])
    to[-1] = len(names)
    node = np.repeat(np.arange(shares.n), np.diff(shares.starts))
    summed = scipy.sparse.coo_array(
        (shares.share.astype(np.int64), (node, to[shares.region])), shape=(shares.n, len(names) + 1)
    ).tocsr()
    summed.sum_duplicates()
    node = np.repeat(np.arange(shares.n), np.diff(summed.indptr))
    return _assembled(shares.n, node, summed.indices, summed.data, (*names, UNASSIGNED))


def require_disjoint(names: Iterable[str], parents: Mapping[str, str]) -> None:
    """Refuse regions of which one lies in another: their counts added up would hold some synapses twice.

    Arguments:
        names: the regions that are to stand side by side.
        parents: {region: the larger one it lies in}, any number of levels (the ROI hierarchy of neuPrint).

    Raises:
        ValueError: with the regions that overlap, and for a hierarchy that runs in a circle.
    """
    chosen = set(names)
    overlapping = []
    for name in sorted(chosen):
        seen, above = {name}, parents.get(name)
        while above is not None:
            if above in seen:
                raise ValueError(f"parents: {name!r} lies in itself, by way of {above!r}")
            if above in chosen:
                overlapping.append(f"{name} in {above}")
            seen.add(above)
            above = parents.get(above)
    if overlapping:
        raise ValueError(
            f"regions overlap, so they are no partition: {', '.join(overlapping[:10])}"
            f"{' ...' if len(overlapping) > 10 else ''} ({len(overlapping)} pairs); choose one level of the hierarchy"
        )


def _site_shares(network: Network, ends: NDArray[np.int32]) -> Shares:
    if network.site is None:
        raise ValueError("shares: this network has no sites; give the column that says where a connection lies")
    count = network.count.astype(np.int64 if network.is_counted else np.float64)
    amounts = scipy.sparse.coo_array((count, (ends, network.site)), shape=(network.n, len(network.site_names))).tocsr()
    return shares_of_amounts(amounts, network.site_names)


def _assembled(
    n: int, node: NDArray[Any], column: NDArray[Any], whole: NDArray[np.int64], names: tuple[str, ...]
) -> Shares:
    """Shares from whole numbers sorted by node, those missing to QUANTUM and the column "unassigned" last."""
    place = names.index(UNASSIGNED) if UNASSIGNED in names else len(names)
    named = tuple(name for name in names if name != UNASSIGNED)
    region = np.where(column == place, len(named), column - (column > place)).astype(np.int64)
    missing = QUANTUM - np.bincount(node, whole, n).astype(np.int64)
    empty = np.flatnonzero(missing > 0)
    node, region = np.concatenate([node, empty]), np.concatenate([region, np.full(empty.size, len(named))])
    whole = np.concatenate([whole, missing[empty]])
    kept = whole > 0
    node, region, whole = node[kept], region[kept], whole[kept]
    order = np.lexsort((region, node))
    starts = np.concatenate([[0], np.cumsum(np.bincount(node, minlength=n))]).astype(np.int64)
    return Shares((*named, UNASSIGNED), starts, region[order].astype(np.uint16), whole[order].astype(np.uint32))
