"""What a region network keeps of the network it was made from.

A (n, n) holds counts, A_ij from i to j; a `Map` M gives the region network W = M A M^T (`Map.flow`). Read as
probabilities, A/T and W/T are joint distributions of the source and target of one random connection; M acts on each end
alone. Entropies in nats.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, rel_entr

from kadanoff.maps import Map

__all__ = ["divergence", "outflow_defect", "reconstruction", "shared_information"]


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


def shared_information(counts: ArrayLike) -> float:
    """Mutual information of source and target of a random connection, I = H(out) + H(in) - H(out, in), in nats.

    Aggregation can only lower it (data processing): each end is mapped without looking at the other.
    """
    p = _counts(counts)
    p = p / p.sum()
    return float(entr(p.sum(axis=1)).sum() + entr(p.sum(axis=0)).sum() - entr(p).sum())
