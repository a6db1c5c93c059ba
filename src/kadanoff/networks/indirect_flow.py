"""Flow along direct and indirect paths, hop by hop; the most that can flow, and the bottleneck that limits it.

With B_ij = A_ij / in_j the share of j's input that comes from i, (g B)^h is the flow along all paths of h steps, each
step passing on the fraction g.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from kadanoff.networks.hubs import Graph, counts_of
from kadanoff.networks.regions import Regions

__all__ = ["Flow", "MaximumFlow", "flow", "max_flow", "normalised_by", "spectral_radius"]

Normalisation = Literal["input", "output", "none"]

_DENSE = 1500  # nodes, up to which the resolvent is solved densely
_NODES = 10_000  # up to which flow from node to node is given
_EIGENVALUES = 1000  # nodes, up to which all eigenvalues are found
_HOPS = 4000  # hops, up to which the series is summed


@dataclass(frozen=True, eq=False)
class Flow:
    """Flow from region to region (or node to node).

    Arguments:
        gain: g.
        direct: (K, K) g B, summed over the members of regions.
        total: (K, K) direct and indirect, to all orders or to `hops`.
        indirect_share: 1 - sum of direct / sum of total.
        hops: how many steps the longest paths have; None: all.
        by_hop: (h,) the sum of the flow along paths of 1, 2, ... steps, as far as they were summed one by one.
        no_input: nodes without any input, where flow only begins.
        remainder: the sum of `total` is short of all orders by this at most (0 where solved).
    """

    gain: float
    direct: NDArray[np.float64]
    total: NDArray[np.float64]
    indirect_share: float
    hops: int | None
    by_hop: NDArray[np.float64]
    no_input: int
    remainder: float


class MaximumFlow(NamedTuple):
    """The most that flows from some regions to others when each block carries its count at most.

    Arguments:
        value: whole number; equals the counts of `cut`.
        carried: (K, K) int64, what each block carries.
        cut: the blocks (from, to) that are full and part the senders from the receivers: the bottleneck.
        side: (K,) whether a region lies on the senders' side of the cut.
    """

    value: int
    carried: NDArray[np.int64]
    cut: list[tuple[int, int]]
    side: NDArray[np.bool_]


def normalised_by(graph: Graph, by: Normalisation = "input") -> scipy.sparse.csr_array:
    """B (n, n): counts over all counts the target receives ("input"), the source sends ("output"), or as they are.

    Rows or columns without counts stay empty.
    """
    matrix = counts_of(graph).astype(np.float64)
    if by == "none":
        return matrix
    if by not in ("input", "output"):
        raise ValueError(f"normalise: 'input', 'output' or 'none', not {by!r}")
    whole = np.asarray(matrix.sum(axis=0 if by == "input" else 1))
    scale = scipy.sparse.diags_array(np.divide(1.0, whole, out=np.zeros(whole.size), where=whole > 0))
    return scipy.sparse.csr_array(matrix @ scale if by == "input" else scale @ matrix)


def spectral_radius(matrix: scipy.sparse.csr_array) -> float:
    """The largest modulus of the eigenvalues (Arnoldi's method beyond 1,000 nodes).

    Raises:
        ValueError: where Arnoldi's method does not converge.
    """
    n = matrix.shape[0]
    if n <= _EIGENVALUES:
        return float(np.abs(np.linalg.eigvals(matrix.toarray())).max(initial=0.0))
    try:
        found = scipy.sparse.linalg.eigs(matrix, k=1, which="LM", v0=np.ones(n), return_eigenvectors=False)
    except scipy.sparse.linalg.ArpackNoConvergence as error:
        raise ValueError(f"spectral radius: no convergence ({error}); normalise by input or output") from error
    return float(np.abs(found).max())


def flow(
    graph: Graph,
    *,
    gain: float = 0.9,
    regions: Regions | None = None,
    hops: int | None = None,
    normalise: Normalisation = "input",
    tolerance: float = 1e-12,
) -> Flow:
    """Direct and indirect flow: F = sum_h (g B)^h = (I - g B)^-1 - I, or the sum to a number of hops.

    Where every node has inputs and B is input-normalised, columns of B^h sum to one and the indirect share is g
    whatever the wiring: it says how far the model lets signals run; how F is spread over the blocks is what the wiring
    decides.

    Arguments:
        graph: counts from node to node, or between regions.
        gain: 0 < g; what a step passes on.
        regions: to sum the flow over, P^T F P; None keeps nodes (n, n), for some thousand nodes.
        hops: the longest paths; None sums all.
        normalise: as `normalised_by`; the spectral radius of g B must be below one.
        tolerance: relative, of sums over hops that go on for ever.

    Raises:
        ValueError: for a spectral radius of one or more, where the sum over hops does not converge; more than 10,000
            nodes without regions; negative counts; no connection at all.
    """
    if not gain > 0 or (hops is not None and hops < 1):
        raise ValueError(f"flow: gain {gain} must be positive and hops {hops} at least one")
    step = gain * normalised_by(graph, normalise)
    n = step.shape[0]
    if regions is not None and regions.label.size != n:
        raise ValueError(f"regions: {regions.label.size} labels for {n} nodes")
    if regions is None and n > _NODES:
        raise ValueError(f"flow: {n} x {n} numbers are too many; give the regions to sum the flow over")
    into = np.eye(n) if regions is None else _one_hot(regions)
    no_input = int((np.asarray(step.sum(axis=0)) == 0).sum())
    # the factor by which all flow shrinks at least from hop to hop, in the norm of columns or of rows
    by_column = float(np.asarray(step.sum(axis=0)).max(initial=0.0))
    by_row = float(np.asarray(step.sum(axis=1)).max(initial=0.0))
    shrink = min(by_column, by_row)
    if hops is None and shrink >= 1 and (radius := spectral_radius(step)) >= 1 - 1e-12:
        raise ValueError(
            f"flow: the spectral radius of g B is {radius:.6g}; below one is needed for paths of any length to add up. "
            "Lower the gain or give hops"
        )
    needed = np.log(tolerance * (1 - shrink)) / np.log(shrink) if 0 < shrink < 1 else (1.0 if shrink == 0 else np.inf)
    series = hops is not None or (needed <= _HOPS and n > _DENSE)
    direct, remainder = np.asarray(step @ into), 0.0
    if series:
        reached, summed, by_hop = direct, direct.copy(), [float(direct.sum())]
        while hops is None or len(by_hop) < hops:
            if hops is None:
                # columns shrink in their sums, rows in their largest entry
                largest = by_hop[-1] if by_column <= by_row else float(reached.max()) * reached.size
                remainder = largest * shrink / (1 - shrink)
                if remainder <= tolerance * summed.sum():
                    break
            reached = np.asarray(step @ reached)
            summed += reached
            by_hop.append(float(reached.sum()))
    else:
        summed = _solved(step, into) - into
        by_hop = [float(direct.sum())]
    if regions is not None:
        direct, summed = into.T @ direct, into.T @ summed
    whole = float(summed.sum())
    if whole == 0:
        raise ValueError("flow: there is no connection")
    share = 1 - float(direct.sum()) / whole
    return Flow(gain, direct, summed, share, hops, np.array(by_hop), no_input, remainder)


def max_flow(counts: ArrayLike, senders: ArrayLike, receivers: ArrayLike) -> MaximumFlow:
    """The most that flows from senders to receivers, and the minimum cut (Ford and Fulkerson, 1956).

    Arguments:
        counts: (K, K) whole numbers, what a block can carry.
        senders, receivers: positions of regions, disjoint.

    Raises:
        ValueError: for counts that are not whole, more than 2^31 - 1 in all, or sets that overlap or are empty.
    """
    matrix = counts_of(counts)
    if not np.issubdtype(matrix.dtype, np.integer):
        raise ValueError(f"max flow: whole numbers are needed, got {matrix.dtype}")
    k = matrix.shape[0]
    first, last = (np.unique(np.asarray(x, dtype=np.int64).ravel()) for x in (senders, receivers))
    if first.size == 0 or last.size == 0 or np.intersect1d(first, last).size:
        raise ValueError("max flow: senders and receivers are two sets without common regions, neither empty")
    whole = int(matrix.sum())
    if whole > np.iinfo(np.int32).max:
        raise ValueError(f"max flow: {whole} connections in all; 2^31 - 1 at most")
    entries = matrix.tocoo()
    row, column = entries.coords
    kept = row != column
    row = np.concatenate([row[kept], np.full(first.size, k), last])
    column = np.concatenate([column[kept], first, np.full(last.size, k + 1)])
    limit = np.concatenate([entries.data[kept], np.full(first.size + last.size, max(whole, 1))]).astype(np.int32)
    capacity = scipy.sparse.csr_array((limit, (row.astype(np.int32), column.astype(np.int32))), shape=(k + 2, k + 2))
    found = maximum_flow(capacity, k, k + 1)
    left = scipy.sparse.csr_array(capacity - found.flow)
    left.eliminate_zeros()
    reached = np.zeros(k + 2, dtype=bool)
    reached[breadth_first_order(left, k, return_predecessors=False)] = True
    side = reached[:k]
    dense = matrix.toarray()
    cut = [(int(a), int(b)) for a, b in np.argwhere((dense > 0) & side[:, None] & ~side[None, :])]
    carried = np.maximum(found.flow.toarray()[:k, :k], 0).astype(np.int64)
    return MaximumFlow(int(found.flow_value), carried, cut, side)


def _solved(step: scipy.sparse.csr_array, right: NDArray[np.float64]) -> NDArray[np.float64]:
    n = step.shape[0]
    if n <= _DENSE:
        return np.asarray(np.linalg.solve(np.eye(n) - step.toarray(), right))
    factors = scipy.sparse.linalg.splu(scipy.sparse.csc_array(scipy.sparse.eye_array(n) - step))
    return np.asarray(factors.solve(right))


def _one_hot(regions: Regions) -> NDArray[np.float64]:
    member = np.zeros((regions.label.size, regions.k))
    member[np.arange(regions.label.size), regions.label] = 1.0
    return member
