"""Hubs: nodes or regions that much passes through or that reach many others.

Everything here takes counts that are not negative. Excitatory and inhibitory counts set off against each other would
make a strong hub look like none: give one layer at a time (`kadanoff.networks.layers`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import dijkstra

from kadanoff.networks.aggregation import RegionNetwork
from kadanoff.networks.layers import Netted
from kadanoff.networks.network import Network
from kadanoff.networks.regions import Regions

__all__ = ["Hubs", "Lengths", "betweenness", "hub_statistics", "participation", "strength", "within_region_z"]

Masked: TypeAlias = "np.ma.MaskedArray[Any, np.dtype[np.float64]]"
Lengths = Literal["inverse", "logarithm", "hops"]
Graph: TypeAlias = Network | RegionNetwork | ArrayLike


@dataclass(frozen=True, eq=False)
class Hubs:
    """One row a node or region; masked where a number has no value.

    Arguments:
        names: (n,).
        strength_out, strength_in: (n,) counts sent and received, loops left out.
        degree_out, degree_in: (n,) others reached and heard.
        betweenness: (n,) share of the shortest paths between others that pass here.
        lengths: how long an edge is on these paths.
        participation_out, participation_in, within_z: (n,) where regions were given, else None.
    """

    names: tuple[str, ...]
    strength_out: NDArray[Any]
    strength_in: NDArray[Any]
    degree_out: NDArray[np.int64]
    degree_in: NDArray[np.int64]
    betweenness: NDArray[np.float64]
    lengths: Lengths
    participation_out: Masked | None
    participation_in: Masked | None
    within_z: Masked | None


def hub_statistics(graph: Graph, *, regions: Regions | None = None, lengths: Lengths = "inverse") -> Hubs:
    """Strength, degree, betweenness and, where regions are given, participation and the within-region z of all nodes.

    Arguments:
        graph: a network, a region network, or counts (n, n).
        regions: of its nodes: for a region network the larger regions that its regions lie in.
        lengths: of edges, as `betweenness`.
    """
    matrix = counts_of(graph)
    if isinstance(graph, RegionNetwork):
        names = graph.names
    else:
        names = tuple(str(x) for x in (graph.nodes if isinstance(graph, Network) else range(matrix.shape[0])))
    others = _without_loops(matrix)
    out, into = strength(matrix)
    return Hubs(
        names,
        out,
        into,
        np.diff(others.indptr).astype(np.int64),
        np.bincount(others.indices, minlength=len(names)).astype(np.int64),
        betweenness(matrix, lengths=lengths),
        lengths,
        None if regions is None else participation(matrix, regions, "out"),
        None if regions is None else participation(matrix, regions, "in"),
        None if regions is None else within_region_z(matrix, regions),
    )


def strength(graph: Graph) -> tuple[NDArray[Any], NDArray[Any]]:
    """Counts that every node sends to others and receives from others, (n,) each, loops left out."""
    matrix = _without_loops(counts_of(graph))
    return np.asarray(matrix.sum(axis=1)), np.asarray(matrix.sum(axis=0))


def betweenness(graph: Graph, *, lengths: Lengths = "inverse") -> NDArray[np.float64]:
    """Share of shortest directed paths that pass through a node: sum_st sigma_st(v) / sigma_st / ((n - 1) (n - 2)).

    sigma_st is the number of shortest paths from s to t, sigma_st(v) of those through v != s, t (Freeman, 1977;
    Brandes, 2001). Time n^2 times the neighbours of a node: for regions, or some thousand nodes.

    Arguments:
        graph: counts w; loops play no part.
        lengths: of an edge: "inverse" 1/w, so that many synapses are a short way; "logarithm" ln(T/w) with T all counts
            between different nodes, so that the shortest path is the one of the largest product of shares; "hops" 1.

    Returns:
        (n,) from 0 to 1; zero where there are fewer than three nodes.

    Raises:
        ValueError: for negative counts, and lengths that differ by more than 10^12.
    """
    matrix = _without_loops(counts_of(graph)).astype(np.float64)
    n = matrix.shape[0]
    passed = np.zeros(n)
    if n < 3 or matrix.nnz < 2:  # one edge alone is of length ln 1 = 0, and no path passes anyone
        return passed
    if lengths == "inverse":
        matrix.data = 1 / matrix.data
    elif lengths == "logarithm":
        matrix.data = np.log(matrix.sum() / matrix.data)
    elif lengths == "hops":
        matrix.data = np.ones(matrix.nnz)
    else:
        raise ValueError(f"lengths: 'inverse', 'logarithm' or 'hops', not {lengths!r}")
    if matrix.data.min() < 1e-12 * matrix.data.max():
        raise ValueError("betweenness: lengths of edges differ by more than 10^12, beyond what sums of them can tell")
    back = scipy.sparse.csr_array(matrix.T)
    for start in range(n):
        distance = dijkstra(matrix, indices=start)
        order = np.argsort(distance, kind="stable")
        order = order[np.isfinite(distance[order])]
        paths, before = np.zeros(n), {}
        paths[start] = 1.0
        for v in order[1:]:
            come = slice(back.indptr[v], back.indptr[v + 1])
            u = back.indices[come]
            near = u[(distance[u] < distance[v]) & (distance[u] + back.data[come] <= distance[v] * (1 + 1e-12))]
            paths[v] = paths[near].sum()
            before[v] = near
        dependent = np.zeros(n)
        for v in order[:0:-1]:
            dependent[before[v]] += paths[before[v]] / paths[v] * (1 + dependent[v])
        dependent[start] = 0.0
        passed += dependent
    return np.asarray(passed / ((n - 1) * (n - 2)))


def participation(graph: Graph, regions: Regions, direction: Literal["out", "in"] = "out") -> Masked:
    """How evenly a node's counts are spread over regions, P_i = 1 - sum_m (k_im / k_i)^2 (Guimera and Amaral, 2005).

    0 where all go to one region, 1 - 1/K where they go to all alike. Masked for nodes without counts that way.

    Arguments:
        graph: counts of n nodes; loops play no part.
        regions: of the nodes; "unassigned" counts as one.
        direction: counts sent or received.
    """
    matrix = _without_loops(counts_of(graph)).astype(np.float64)
    spread = (matrix if direction == "out" else scipy.sparse.csr_array(matrix.T)) @ _members(regions, matrix.shape[0])
    whole = spread.sum(axis=1)
    silent = whole == 0
    shares = spread / np.where(silent, 1.0, whole)[:, None]
    return np.ma.array(1 - (shares**2).sum(axis=1), mask=silent)


def within_region_z(graph: Graph, regions: Regions) -> Masked:
    """Counts within the own region, in standard deviations from its mean (Guimera and Amaral, 2005).

        z_i = (k_i - mean k) / s over the members of the region of i; k_i: sent and received

    Masked where all members of a region have the same.
    """
    matrix = _without_loops(counts_of(graph)).astype(np.float64)
    member = _members(regions, matrix.shape[0])
    label = regions.label.astype(np.int64)
    row = np.arange(label.size)
    own = (matrix @ member)[row, label] + (matrix.T @ member)[row, label]
    size = np.maximum(regions.sizes, 1)
    mean = np.bincount(label, own, regions.k) / size
    spread = np.sqrt(np.bincount(label, (own - mean[label]) ** 2, regions.k) / size)
    alike = spread[label] <= 1e-12 * np.maximum(mean[label], 1e-300)
    return np.ma.array((own - mean[label]) / np.where(alike, 1.0, spread[label]), mask=alike)


def counts_of(graph: Graph) -> scipy.sparse.csr_array:
    """The counts (n, n) as a sparse matrix, checked: square, finite, not negative."""
    if isinstance(graph, Network):
        return graph.matrix()
    if isinstance(graph, Netted):
        raise ValueError(
            f"graph: excitation and inhibition were set off against each other ({graph.cancelled:.1%} of the synapses "
            "cancelled); hubs and flows are those of one layer at a time (kadanoff.networks.layers.per_layer)"
        )
    given = graph.counts if isinstance(graph, RegionNetwork) else graph
    matrix = scipy.sparse.csr_array(given, copy=True)  # what follows works in place
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"graph: expected counts from each node to each node, got shape {matrix.shape}")
    if not np.all(np.isfinite(matrix.data)):
        raise ValueError("graph: counts must be finite")
    if (bad := int((matrix.data < 0).sum())) > 0:
        raise ValueError(
            f"graph: {bad} negative counts; excitation and inhibition must not be set off against each other before "
            "hubs or flows are sought: give each layer by itself (kadanoff.networks.layers)"
        )
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def _without_loops(matrix: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    entries = matrix.tocoo()
    row, column = entries.coords
    kept = row != column
    return scipy.sparse.csr_array((entries.data[kept], (row[kept], column[kept])), shape=matrix.shape)


def _members(regions: Regions, n: int) -> NDArray[np.float64]:
    if regions.label.size != n:
        raise ValueError(f"regions: {regions.label.size} labels for {n} nodes")
    member = np.zeros((n, regions.k))
    member[np.arange(n), regions.label] = 1.0
    return member
