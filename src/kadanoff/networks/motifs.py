"""Reciprocity, clustering and triads of the graph of who connects to whom; counts and loops play no part."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from kadanoff.networks._kernels import motifs as kernels
from kadanoff.networks.network import Network

__all__ = ["TRIADS", "reciprocity", "transitivity", "triad_census"]

TRIADS = (
    "003", "012", "102", "021D", "021U", "021C", "111D", "111U",
    "030T", "030C", "201", "120D", "120U", "120C", "210", "300",
)  # fmt: skip
"""Holland and Leinhardt (1970): mutual, one-way and absent pairs; Down, Up, Transitive, Cyclic."""

_OPEN, _CLOSED = (3, 4, 5, 6, 7, 10), (8, 9, 11, 12, 13, 14, 15)
# one of each, as pairs i -> j among 0, 1, 2
_EXAMPLES = (
    (), ((0, 1),), ((0, 1), (1, 0)), ((0, 1), (0, 2)), ((1, 0), (2, 0)), ((0, 1), (1, 2)),
    ((0, 1), (1, 0), (2, 0)), ((0, 1), (1, 0), (0, 2)), ((0, 1), (1, 2), (0, 2)), ((0, 1), (1, 2), (2, 0)),
    ((0, 1), (1, 0), (0, 2), (2, 0)), ((1, 2), (2, 1), (0, 1), (0, 2)), ((1, 2), (2, 1), (1, 0), (2, 0)),
    ((1, 2), (2, 1), (1, 0), (0, 2)), ((1, 2), (2, 1), (0, 2), (2, 0), (0, 1)),
    ((0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)),
)  # fmt: skip


def _code(pairs: tuple[tuple[int, int], ...]) -> int:
    there = set(pairs)
    return sum(
        scale * (((i, j) in there) + 2 * ((j, i) in there)) for scale, i, j in ((1, 0, 1), (4, 0, 2), (16, 1, 2))
    )


_TYPE = np.zeros(64, np.int64)
for _number, _example in enumerate(_EXAMPLES):
    for _order in permutations(range(3)):
        _TYPE[_code(tuple((_order[i], _order[j]) for i, j in _example))] = _number


def reciprocity(network: Network) -> float:
    """The share of connected ordered pairs i -> j, i != j, with j -> i as well.

    Raises:
        ValueError: for a network without connections between different nodes.
    """
    joined = _binary(network)
    if joined.nnz == 0:
        raise ValueError("reciprocity: no two different nodes are connected")
    return float(joined.multiply(joined.T).nnz / joined.nnz)


def triad_census(network: Network) -> NDArray[np.int64]:
    """(16,) how many triples of nodes are of each of the types `TRIADS`.

    Time grows with sum over connected pairs of their neighbours (Batagelj and Mrvar, 2001).
    """
    joined = _binary(network)
    both = scipy.sparse.csr_array(joined + 2 * joined.T)
    both.sort_indices()
    codes = kernels.triad_codes(both.indptr.astype(np.int64), both.indices.astype(np.int32), both.data.astype(np.uint8))
    found = np.zeros(16, np.int64)
    np.add.at(found, _TYPE, codes)
    n = network.n
    found[0] = n * (n - 1) * (n - 2) // 6 - found[1:].sum()
    return found


def transitivity(network: Network) -> float:
    """Global clustering of who is joined to whom, either way: 3 triangles / (paths of two edges).

    Raises:
        ValueError: where no node has two neighbours.
    """
    census = triad_census(network)
    closed, unclosed = int(census[list(_CLOSED)].sum()), int(census[list(_OPEN)].sum())
    if closed + unclosed == 0:
        raise ValueError("transitivity: no node has two neighbours")
    return 3 * closed / (3 * closed + unclosed)


def _binary(network: Network) -> scipy.sparse.csr_array:
    matrix = scipy.sparse.coo_array(network.matrix())
    row, column = matrix.coords
    kept = row != column
    ones = np.ones(int(kept.sum()), np.int8)
    return scipy.sparse.csr_array((ones, (row[kept], column[kept])), shape=matrix.shape)
