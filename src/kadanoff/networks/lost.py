"""What a region network keeps of the network it was made from, and the ledger of it.

Read as probabilities, A/T and W/T are joint distributions of the source and the target of one random connection. Hard
regions map each end alone, and so do soft ones, which send each end to a region by its shares: information can only be
lost (data processing; Cover and Thomas, 2006, section 2.8). It holds exactly for the plug-in values, so these go into
the ledger; values with the bias of sparse counts taken off stand beside them. Entropies in nats.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr

from kadanoff.estimates import Estimate
from kadanoff.information import entropy
from kadanoff.losses import Ledger, Loss
from kadanoff.maps import Map
from kadanoff.networks.aggregation import RegionNetwork
from kadanoff.networks.network import Network
from kadanoff.networks.regions import QUANTUM, Regions, Shares

__all__ = [
    "corrected_information",
    "divergence",
    "ledger_of",
    "outflow_defect",
    "reconstruction",
    "shared_information",
    "wiring_forgotten",
]

_EDGES = 1 << 16  # connections looked at together, where regions are soft


def shared_information(counts: Any) -> float:
    """Mutual information of source and target of a random connection, I = sum p_ij ln(p_ij / (p_i. p_.j)), in nats.

    The plug-in value. Aggregation can only lower it (data processing): each end is mapped without looking at the other.

    Arguments:
        counts: a `Network`, or a matrix of counts, dense or scipy.sparse, of any size; only what is not zero is held.

    Raises:
        ValueError: for counts that are negative or not finite, or without a single connection.
    """
    row, column, count, shape = _triples(counts)
    total = count.sum()
    sent, got = (np.bincount(ends, count, n) for ends, n in zip((row, column), shape, strict=True))
    # sums of single terms, not differences of entropies: independent ends give zero to rounding
    p = count / total
    return float(np.sum(p * (np.log(p) - np.log(sent[row] / total) - np.log(got[column] / total))))


def corrected_information(counts: Any) -> Estimate:
    """Mutual information of source and target with the bias of sparse counts taken off, from three entropies.

    I = H(source) + H(target) - H(both), each by Chao, Wang and Jost (2013), which looks at the pairs seen once and
    twice. The error joins the variance (sum p ln^2(p_ij / p_i. p_.j) - I^2) / N with the distance from the same by
    Miller and Madow (1955). It takes connections as independent draws; synapses of one pair of nodes are not, so the
    true error is larger (see `kadanoff.networks.resampling`).

    Arguments:
        counts: as `shared_information`, whole numbers.
    """
    row, column, count, shape = _triples(counts)
    if not np.array_equal(count, np.rint(count)):
        raise ValueError("counts: the bias of sparse counts is one of whole numbers of draws; these are weights")
    whole = count.astype(np.int64)
    total = int(whole.sum())
    sides = [np.bincount(ends, count, n).astype(np.int64) for ends, n in zip((row, column), shape, strict=True)]

    def by(correction: Any) -> float:
        one, two, both = (entropy(table, correction=correction).value for table in (*sides, whole))
        return one + two - both

    value = by("chao-wang-jost")
    p = count / total
    ratio = np.log(p) - np.log(sides[0][row] / total) - np.log(sides[1][column] / total)
    variance = max(float(np.sum(p * ratio**2) - np.sum(p * ratio) ** 2), 0.0) / total
    error = math.hypot(math.sqrt(variance), value - by("miller-madow"))
    return Estimate(value, error, total, "nat", "three entropies, Chao-Wang-Jost")


def wiring_forgotten(
    network: Network, regions: Regions | Shares, region_network: RegionNetwork, *, post: Shares | None = None
) -> float:
    """Divergence of a network from what its regions remember of it, D = sum p_ij ln(p_ij / q_ij), nats a connection.

    q_ij = sum_IJ M_iI M_jJ W_IJ / (n_I n_J) / T spreads every block evenly over its members; for hard regions it is the
    network of most entropy with that W, and D its entropy less that of A. Only connections that are there are looked
    at: no n x n array is made.

    Arguments:
        regions: hard, or the shares of senders (and receivers, unless `post` is given).
        region_network: `block` or `soft_block` of them.
    """
    made = _checked_pair(network, regions, region_network)
    row, column, count, _ = _triples(network)
    total = count.sum()
    weight = made.counts.astype(np.float64)
    if isinstance(regions, Regions):
        pairs = np.outer(made.members, made.members)
        density = np.divide(weight, pairs, out=np.zeros_like(weight), where=pairs > 0)
        remembered = density[regions.label[row], regions.label[column]]
    else:
        sent, got = _share_rows(regions), _share_rows(regions if post is None else post)
        n_sent, n_got = (np.asarray(m.sum(axis=0)).ravel() for m in (sent, got))
        pairs = np.outer(n_sent, n_got)
        spread = sent @ scipy.sparse.csr_array(np.divide(weight, pairs, out=np.zeros_like(weight), where=pairs > 0))
        remembered = np.empty(count.size)
        for start in range(0, count.size, _EDGES):
            part = slice(start, start + _EDGES)
            remembered[part] = np.asarray((spread[row[part]] * got[column[part]]).sum(axis=1)).ravel()
    if np.any(remembered <= 0):
        where = int(np.argmin(remembered))
        raise ValueError(
            f"region network: it holds nothing between the regions of nodes {network.nodes[row[where]]} and "
            f"{network.nodes[column[where]]}, which are connected; it was made from another network or other regions"
        )
    return float(np.sum(count / total * (np.log(count) - np.log(remembered))))


def ledger_of(
    network: Network,
    regions: Regions | Shares | None,
    region_network: RegionNetwork,
    *,
    post: Shares | None = None,
    name: str = "",
) -> Ledger:
    """What was kept and lost from a network to its regions, with the theorems that bind it.

    Entries, each followed by ", {name}" where one is given: "connections", "outflow of regions", "inflow of regions",
    "source tells target" and "wiring" for `block` and `soft_block`; "connections" and "outflow of sites" for
    `projectome`, whose carriers are nodes, so that it is no function of the matrix A.

    Conservation of whole counts is checked in whole numbers, to the last connection: the flows enter as the largest
    difference of any region, which must be zero. Weights enter as that difference over the total.

    Arguments:
        network, regions, post: what the map was given; `regions` is None for a projectome.
        region_network: what it made.
    """
    ending = f", {name}" if name else ""
    if region_network.kind == "projectome":
        return _projectome_ledger(network, region_network, ending)
    if regions is None:
        raise ValueError(f"ledger: a {region_network.kind} network needs the regions that it was made with")
    made = _checked_pair(network, regions, region_network)
    coarse, unit = _whole(network, made)
    ledger = Ledger([_connections(network, made, ending)])
    receivers = regions if post is None else post
    for word, axis, shares, strength in (
        ("outflow", 1, regions, network.outflow),
        ("inflow", 0, receivers, network.inflow),
    ):
        told = _flows(shares, strength, network.is_counted)
        gap = np.abs(coarse.sum(axis=axis) - told).max()
        difference = float(gap / unit) if network.is_counted else float(gap) / float(network.total)
        ledger.add(
            Loss(
                f"{word} of regions{ending}",
                Estimate.exact(0.0),
                Estimate.exact(difference),
                Estimate.exact(difference),
                "",
                "coarse == fine",
                "every node is in a region, the unassigned included",
                f"the {word} of a region is that of its nodes; the largest difference of any region",
            )
        )
    before, after = shared_information(network), shared_information(made.counts)
    forgotten = wiring_forgotten(network, regions, made, post=post)
    return ledger.add(
        Loss(
            f"source tells target{ending}",
            Estimate.exact(before, "nat"),
            Estimate.exact(after, "nat"),
            Estimate.exact(before - after, "nat"),
            "nat",
            "coarse <= fine",
            "each end is mapped without looking at the other",
            "data processing",
        )
    ).add(
        Loss(
            f"wiring{ending}",
            None,
            None,
            Estimate.exact(forgotten, "nat"),
            "nat",
            "lost >= 0",
            "",
            "divergence of the network from what its regions remember",
        )
    )


def _connections(network: Network, made: RegionNetwork, ending: str) -> Loss:
    coarse, unit = _whole(network, made)
    total = coarse.sum()
    lost = (network.total * unit - total) / unit if network.is_counted else network.total - total
    return Loss(
        f"connections{ending}",
        Estimate.exact(network.total),
        Estimate.exact(float(total / unit)),
        Estimate.exact(float(lost)),
        "",
        "coarse == fine",
        "every node is in a region, the unassigned included",
        "aggregation conserves every connection",
    )


def _projectome_ledger(network: Network, made: RegionNetwork, ending: str) -> Ledger:
    if network.site is None:
        raise ValueError("ledger: a projectome is made from a network with sites, this one has none")
    sent = np.bincount(network.site, network.count, len(network.site_names))
    gap = float(np.abs(made.counts.sum(axis=0)[:-1] - sent).max()) / float(network.total)
    return Ledger([_connections(network, made, ending)]).add(
        Loss(
            f"outflow of sites{ending}",
            Estimate.exact(0.0),
            Estimate.exact(gap),
            Estimate.exact(gap),
            "",
            "coarse == fine",
            "nodes without inputs send from the external",
            "columns sum to the connections sent at the site; the largest difference, over the total",
        )
    )


def _whole(network: Network, made: RegionNetwork) -> tuple[NDArray[Any], int]:
    """The region counts, in whole numbers where there are such, and how many of them make one connection."""
    if made.exact is not None:
        return made.exact, QUANTUM**2
    return made.counts, 1


def _flows(regions: Regions | Shares, strength: NDArray[Any], counted: bool) -> NDArray[Any]:
    """(K,) strengths of the nodes added up by region, in the whole numbers of `_whole`."""
    if isinstance(regions, Regions):
        if not counted:
            return np.asarray(np.bincount(regions.label, strength, regions.k))
        summed = np.zeros(regions.k, np.int64)
        np.add.at(summed, regions.label, strength)
        return summed
    node = np.repeat(np.arange(regions.n), np.diff(regions.starts))
    if not counted:
        return np.asarray(np.bincount(regions.region, regions.share / QUANTUM * strength[node], regions.k))
    # strength times share fits into 63 bits for up to 2^47 connections of a node
    shared = np.zeros(regions.k, dtype=object)
    np.add.at(shared, regions.region, (strength[node] * regions.share.astype(np.int64)).astype(object))
    return shared * QUANTUM


def _checked_pair(network: Network, regions: Regions | Shares, made: RegionNetwork) -> RegionNetwork:
    n = regions.label.size if isinstance(regions, Regions) else regions.n
    wanted = "block" if isinstance(regions, Regions) else "soft block"
    if n != network.n:
        raise ValueError(f"regions: {n} labels for {network.n} nodes")
    if made.kind != wanted or made.names != regions.names:
        raise ValueError(f"region network: a {made.kind} network of {made.k} regions was not made with these regions")
    return made


def _share_rows(shares: Shares) -> scipy.sparse.csr_array:
    return scipy.sparse.csr_array(
        (shares.share / QUANTUM, shares.region.astype(np.int32), shares.starts), shape=(shares.n, shares.k)
    )


def _triples(
    counts: Any,
) -> tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]], NDArray[np.float64], tuple[int, int]]:
    """Rows, columns and counts of what is not zero."""
    matrix = scipy.sparse.coo_array(counts.matrix() if isinstance(counts, Network) else counts)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"counts must be a square matrix, from each node to each node, not {matrix.shape}")
    matrix.sum_duplicates()
    row, column = matrix.coords
    count = matrix.data.astype(np.float64)
    if not np.all(np.isfinite(count)) or np.any(count < 0) or not count.sum() > 0:
        raise ValueError("counts must be finite and not negative, with at least one connection")
    kept = count > 0
    return row[kept], column[kept], count[kept], matrix.shape


def _counts(counts: ArrayLike) -> NDArray[np.float64]:
    matrix = np.asarray(counts, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"counts must be a square matrix, from each node to each node, not {matrix.shape}")
    if not np.all(np.isfinite(matrix)) or np.any(matrix < 0) or not matrix.sum() > 0:
        raise ValueError("counts must be finite and not negative, with at least one connection")
    return matrix


def outflow_defect(counts: ArrayLike, regions: Map) -> float:
    """Largest |W 1 - M (A 1)| and |1 W - (1 A) M^T|: zero where every region sends and receives just what its parts do.

    Holds for hard and soft maps that own every node; what is unassigned is missing from W.
    """
    fine = _counts(counts)
    coarse = regions.flow(fine)
    out = coarse.sum(axis=1) - regions.sum(fine.sum(axis=1))
    into = coarse.sum(axis=0) - regions.sum(fine.sum(axis=0))
    return float(max(np.abs(out).max(), np.abs(into).max()))


def reconstruction(counts: ArrayLike, regions: Map) -> NDArray[np.float64]:
    """The network as its regions remember it: A'_ij = sum_IJ M_Ii M_Jj W_IJ / (n_I n_J), n_I = sum_i M_Ii.

    Connections are spread evenly over the members; the total is that of A. For hard regions A' is constant on each
    block, has the same W, and is the network of most entropy among all with that W.
    """
    fine = _counts(counts)
    size = regions.sum(np.ones(len(fine)))
    pairs = np.outer(size, size)
    coarse = np.asarray(regions.flow(fine))
    density = np.divide(
        coarse, pairs, out=np.zeros_like(coarse), where=pairs > 0
    )  # a region without members has no flow
    return np.asarray(regions.spread(regions.spread(density, axis=0), axis=1))


def divergence(counts: ArrayLike, other: ArrayLike) -> float:
    """Kullback-Leibler divergence sum p ln(p/q) of two networks read as distributions of one connection, in nats per
    connection.

    Infinite (ValueError) where ``other`` excludes a connection that ``counts`` holds.
    """
    p, q = _counts(counts), _counts(other)
    found = float(rel_entr(p / p.sum(), q / q.sum()).sum())
    if not np.isfinite(found):
        raise ValueError("the second network excludes a connection of the first: the divergence is infinite")
    return found
