"""Region networks: the three maps, each with what it conserves.

- block: W = M A M^T with hard regions; total, and each region's out- and inflow, are those of its nodes, exactly.
- soft block: W = M_pre A M_post^T with shares; the same, in whole numbers of 1 / QUANTUM^2 of a connection. It takes
  the places of a node's inputs and outputs as independent, given the node.
- projectome: W_ab = sum_i in_i(a) out_i(b) / in_i; the nodes carry the flow from the region they receive in to the
  region they send in. Column sums are the output sites of b; what nodes without inputs send comes from "external".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from kadanoff.networks.network import Network
from kadanoff.networks.regions import QUANTUM, Regions, Shares

__all__ = ["EXTERNAL", "RegionNetwork", "block", "projectome", "soft_block"]

EXTERNAL = "external"


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


def block(network: Network, regions: Regions) -> RegionNetwork:
    """Hard regions: W_IJ = sum of the counts from nodes of I to nodes of J, exact in int64 for whole counts.

    Raises:
        ValueError: where there are not as many labels as nodes.
    """
    _same_nodes(network, regions.label.size)
    counts = np.zeros(regions.k * regions.k, np.int64 if network.is_counted else np.float64)
    where = regions.label[network.source].astype(np.int64) * regions.k + regions.label[network.target]
    np.add.at(counts, where, network.count.astype(counts.dtype))
    return RegionNetwork("block", regions.names, counts.reshape(regions.k, regions.k), regions.sizes.astype(np.float64))


def soft_block(network: Network, pre: Shares, post: Shares) -> RegionNetwork:
    """Soft regions: W_IJ = sum_ij pre_iI A_ij post_jJ, in whole numbers for whole counts.

    Arguments:
        pre, post: shares of the nodes as senders and as receivers, of the same regions.

    Raises:
        ValueError: where regions or numbers of nodes differ.
    """
    _same_nodes(network, pre.n)
    _same_nodes(network, post.n)
    if pre.names != post.names:
        raise ValueError("shares: senders and receivers must be shared out among the same regions")
    if network.is_counted:
        sent, got = (_rows(shares, np.int64) for shares in (pre, post))
        reached = scipy.sparse.csr_array(network.matrix() @ got)
        exact = (sent.T @ reached).toarray().astype(object)
        return RegionNetwork("soft block", pre.names, exact.astype(np.float64) / QUANTUM**2, _members(pre), exact)
    sent, got = (_rows(shares, np.float64) / QUANTUM for shares in (pre, post))
    return RegionNetwork("soft block", pre.names, (sent.T @ (network.matrix() @ got)).toarray(), _members(pre))


def projectome(network: Network) -> RegionNetwork:
    """Nodes as carriers between the sites of their connections: W_ab = sum_i in_i(a) out_i(b) / in_i.

    in_i(a) are the counts node i receives at site a, out_i(b) those it sends at site b. Nodes that receive nothing send
    from `EXTERNAL`, so every column sums to the counts sent at that site; counts received by nodes that send nothing
    are in `ended`.

    Raises:
        ValueError: for a network without sites.
    """
    if network.site is None:
        raise ValueError("projectome: this network has no sites; give the column that says where a connection lies")
    k = len(network.site_names)
    shape = (network.n, k)
    count = network.count.astype(np.float64)
    into = scipy.sparse.csr_array((count, (network.target, network.site)), shape=shape)
    out = scipy.sparse.csr_array((count, (network.source, network.site)), shape=shape)
    received = np.asarray(into.sum(axis=1))
    sent = np.asarray(out.sum(axis=1))
    carried = scipy.sparse.diags_array(np.divide(1.0, received, out=np.zeros(network.n), where=received > 0)) @ into
    counts = np.zeros((k + 1, k + 1))
    counts[:k, :k] = (carried.T @ out).toarray()
    counts[k, :k] = out[received == 0].sum(axis=0)
    ended = np.append(np.asarray(into[sent == 0].sum(axis=0)), 0.0)
    return RegionNetwork("projectome", (*network.site_names, EXTERNAL), counts, np.zeros(k + 1), ended=ended)


def _same_nodes(network: Network, given: int) -> None:
    if given != network.n:
        raise ValueError(f"regions: {given} labels for {network.n} nodes")


def _rows(shares: Shares, kind: Any) -> scipy.sparse.csr_array:
    return scipy.sparse.csr_array(
        (shares.share.astype(kind), shares.region.astype(np.int32), shares.starts), shape=(shares.n, shares.k)
    )


def _members(shares: Shares) -> NDArray[np.float64]:
    return np.asarray(np.bincount(shares.region, shares.share / QUANTUM, shares.k), dtype=np.float64)
