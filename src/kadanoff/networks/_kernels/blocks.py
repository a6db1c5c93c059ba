"""Connections added up by region, one pass over the edges.

Letters: e edge, a region of its source, b of its target. An addition to a bin waits for the one before it to the same
bin (store-to-load forwarding, some five cycles), hence two sets of bins taken in turn where regions are few; the region
of the source is the same over a row, so that only the label of the target is looked up. Unsigned positions keep the
compiler from testing for negative ones. What is left is the look-up itself: the labels do not fit into the first cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["add_columns", "add_layers", "add_rows", "add_where", "read"]

_1, _2, _3, _4 = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)


@njit(cache=True, nogil=True)
def add_rows(
    starts: NDArray[np.int64],
    target: NDArray[np.int32],
    count: NDArray[Any],
    label: NDArray[Any],
    first: int,
    out: NDArray[Any],
) -> None:
    """Add rows sorted by source to out (sets, K, K), one or two sets of bins, which are to be added afterwards.

    Arguments:
        starts: (rows + 1,) where rows begin in `target`, counted from starts[0].
        target, count: (edges,) of these rows; `count` of at most 32 bits or float64.
        label: (n,) unsigned region of every node.
        first: the node of the first row.
        out: int64 or float64, added to.
    """
    begin = np.uint64(starts[0])
    for row in range(starts.size - 1):
        a = label[first + row]
        even, odd = out[0, a], out[-1, a]
        e, end = np.uint64(starts[row]) - begin, np.uint64(starts[row + 1]) - begin
        while e + _4 <= end:
            b0, b1 = label[np.uint32(target[e])], label[np.uint32(target[e + _1])]
            b2, b3 = label[np.uint32(target[e + _2])], label[np.uint32(target[e + _3])]
            c0, c1, c2, c3 = count[e], count[e + _1], count[e + _2], count[e + _3]
            even[b0] += c0
            odd[b1] += c1
            even[b2] += c2
            odd[b3] += c3
            e += _4
        while e < end:
            even[label[np.uint32(target[e])]] += count[e]
            e += _1


@njit(cache=True, nogil=True)
def add_layers(
    starts: NDArray[np.int64],
    target: NDArray[np.int32],
    count: NDArray[Any],
    layer: NDArray[np.uint8],
    label: NDArray[Any],
    first: int,
    out: NDArray[Any],
) -> None:
    """As `add_rows` for out (K, layers, K): a row of the network stays in one slice of it."""
    begin = np.uint64(starts[0])
    for row in range(starts.size - 1):
        bins = out[label[first + row]]
        e, end = np.uint64(starts[row]) - begin, np.uint64(starts[row + 1]) - begin
        while e < end:
            bins[layer[e], label[np.uint32(target[e])]] += count[e]
            e += _1


@njit(cache=True, nogil=True)
def add_columns(
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    count: NDArray[Any],
    source_label: NDArray[Any],
    target_label: NDArray[Any],
    out: NDArray[Any],
) -> None:
    """Add edges in any order to out (K, K); positions in the two arrays of labels."""
    for e in range(target.size):
        out[source_label[np.uint32(source[e])], target_label[np.uint32(target[e])]] += count[e]


@njit(cache=True, nogil=True)
def add_where(where: NDArray[np.int32], count: NDArray[Any], out: NDArray[Any]) -> None:
    """Add every count to out (n,) at its place."""
    for e in range(where.size):
        out[np.uint32(where[e])] += count[e]


@njit(cache=True, nogil=True)
def read(target: NDArray[np.int32], count: NDArray[Any]) -> int:
    """The sum of both columns: what merely reading them costs (several edges at once, limited by memory)."""
    ends, counts = 0, 0
    for e in range(target.size):
        ends += target[e]
        counts += count[e]
    return ends + counts
