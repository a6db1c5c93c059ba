"""Rewiring of graphs by swaps of two ends, with what must stay kept exactly.

Edge e goes from source[e] to target[e] and edges stand sorted by source, so that those of node i are starts[i] ...
starts[i + 1] - 1 for good: a move changes targets only. Attempt t of a run draws the four words of
philox(item, t, t >> 32, stream, seed, seed >> 32); a move that is not allowed leaves the graph and counts as one
attempt. Every move is proposed with the chance of its inverse, so that all graphs within reach come up equally often.

The edges that are there, as keys source * n + target, stand in `table`: one bit for every pair of nodes (shift 0) or an
open hash of the keys (linear probing, -1 is empty), whichever is smaller.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.random import Integer, philox

__all__ = ["edge_table", "rewire_blocks", "rewire_directed", "rewire_undirected"]

_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_LOW = np.uint64(11)
_TRIANGLES = np.uint64(1 << 29)  # of 2^32: one attempt in eight reverses a directed triangle
_ONE = np.uint64(1)


@njit(cache=True, nogil=True)
def _home(key: Integer, shift: Integer) -> Integer:
    return np.int64((np.uint64(key) * _SPREAD) >> np.uint64(shift))


@njit(cache=True, nogil=True)
def _has(table: NDArray[np.int64], shift: Integer, key: Integer) -> bool:
    if shift == 0:
        return bool((table[key >> 6] >> (key & 63)) & 1)
    mask = len(table) - 1
    at = _home(key, shift)
    while table[at] != -1:
        if table[at] == key:
            return True
        at = (at + 1) & mask
    return False


@njit(cache=True, nogil=True)
def _insert(table: NDArray[np.int64], shift: Integer, key: Integer) -> None:
    if shift == 0:
        table[key >> 6] |= np.int64(1) << (key & 63)
        return
    mask = len(table) - 1
    at = _home(key, shift)
    while table[at] != -1:
        at = (at + 1) & mask
    table[at] = key


@njit(cache=True, nogil=True)
def _remove(table: NDArray[np.int64], shift: Integer, key: Integer) -> None:
    if shift == 0:
        table[key >> 6] &= ~(np.int64(1) << (key & 63))
        return
    mask = len(table) - 1
    hole = _home(key, shift)
    while table[hole] != key:
        hole = (hole + 1) & mask
    at = hole
    while True:  # close the gap, so that no search ends early
        at = (at + 1) & mask
        if table[at] == -1:
            break
        if ((at - _home(table[at], shift)) & mask) >= ((at - hole) & mask):
            table[hole] = table[at]
            hole = at
    table[hole] = -1


@njit(cache=True, nogil=True)
def _chosen(high: np.uint64, low: np.uint64, width: Integer) -> Integer:
    """One of 0 ... width - 1, with 53 random bits."""
    return np.int64(np.float64(((high << _HALF) | low) >> _LOW) * 2.0**-53 * width)


@njit(cache=True, nogil=True)
def edge_table(source: NDArray[np.int32], target: NDArray[np.int32], n: Integer) -> tuple[NDArray[np.int64], int]:
    """The table of all edges and its shift; a hash is at most half full."""
    bits, pairs = 3, np.int64(n) * n
    while (1 << bits) < 2 * len(source):
        bits += 1
    if pairs >> 6 < 1 << bits:
        table, shift = np.zeros((pairs >> 6) + 1, np.int64), 0
    else:
        table, shift = np.full(1 << bits, -1, np.int64), 64 - bits
    for e in range(len(source)):
        _insert(table, shift, np.int64(source[e]) * n + target[e])
    return table, shift


@njit(cache=True, nogil=True)
def _triangle(
    e: Integer,
    word: np.uint64,
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    starts: NDArray[np.int64],
    table: NDArray[np.int64],
    shift: Integer,
) -> tuple[Integer, Integer]:
    """The edges f, g that close i -> j (edge e) to a triangle i -> j -> k -> i that may be reversed, or (-1, -1).

    The three edges are found from any of them, with 1 / out_j, 1 / out_k or 1 / out_i: the same sum either way round.
    """
    n = len(starts) - 1
    i, j = np.int64(source[e]), np.int64(target[e])
    width = starts[j + 1] - starts[j]
    if width == 0:
        return -1, -1
    f = starts[j] + _chosen(word, np.uint64(0), width)
    k = np.int64(target[f])
    if k == i or not _has(table, shift, k * n + i):
        return -1, -1
    if _has(table, shift, i * n + k) or _has(table, shift, k * n + j) or _has(table, shift, j * n + i):
        return -1, -1
    g = starts[k]
    while target[g] != i:
        g += 1
    return f, g


@njit(cache=True, nogil=True)
def _reverse(
    e: Integer,
    f: Integer,
    g: Integer,
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    n: Integer,
    table: NDArray[np.int64],
    shift: Integer,
) -> None:
    i, j, k = np.int64(source[e]), np.int64(source[f]), np.int64(source[g])
    _remove(table, shift, i * n + j)
    _remove(table, shift, j * n + k)
    _remove(table, shift, k * n + i)
    _insert(table, shift, i * n + k)
    _insert(table, shift, k * n + j)
    _insert(table, shift, j * n + i)
    target[e], target[f], target[g] = k, i, j


@njit(cache=True, nogil=True)
def _swap(
    e: Integer,
    f: Integer,
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    n: Integer,
    table: NDArray[np.int64],
    shift: Integer,
    free: bool,
) -> bool:
    """i -> j and k -> l become i -> l and k -> j, where neither is there yet (nor a loop, unless these are free)."""
    i, j = np.int64(source[e]), np.int64(target[e])
    k, l = np.int64(source[f]), np.int64(target[f])  # noqa: E741
    if i == k or j == l or (not free and (i == l or k == j)):
        return False
    if _has(table, shift, i * n + l) or _has(table, shift, k * n + j):
        return False
    _remove(table, shift, i * n + j)
    _remove(table, shift, k * n + l)
    _insert(table, shift, i * n + l)
    _insert(table, shift, k * n + j)
    target[e], target[f] = l, j
    return True


@njit(cache=True, nogil=True)
def rewire_directed(
    seed: int,
    stream: int,
    item: int,
    first: int,
    attempts: int,
    free: bool,
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    starts: NDArray[np.int64],
) -> int:
    """Change target (m,) in place by attempts ``first`` ... ``first`` + ``attempts`` - 1, keeping all degrees.

    ``free``: loops are edges like others (swaps alone then reach every graph); else there are none and none is made
    (reversed triangles are needed besides: two directed triangles share no swap). Returns the moves made.
    """
    m, n, made = len(source), len(starts) - 1, 0
    table, shift = edge_table(source, target, n)
    for t in range(first, first + attempts):
        a, b, c, d = philox(item, t, t >> 32, stream, seed, seed >> 32)
        e = _chosen(a, d, m)
        if not free and c < _TRIANGLES:
            f, g = _triangle(e, b, source, target, starts, table, shift)
            if f >= 0:
                _reverse(e, f, g, source, target, n, table, shift)
                made += 1
        else:
            made += _swap(e, _chosen(b, np.uint64(0), m), source, target, n, table, shift, free)
    return made


@njit(cache=True, nogil=True)
def rewire_blocks(
    seed: int,
    stream: int,
    item: int,
    first: int,
    attempts: int,
    block: NDArray[np.int32],
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    weight: NDArray[np.int64],
    starts: NDArray[np.int64],
) -> int:
    """As `rewire_directed` without loops, keeping besides the edges and the weights between all pairs of blocks.

    Two edges swap their targets where these lie in one block (weights stay with the sources) or where the sources do
    (weights go with the targets); a triangle is reversed where two of its nodes lie in one block. weight (m,) changes
    in place too.
    """
    m, n, made = len(source), len(starts) - 1, 0
    blocks = 0
    for i in range(n):
        blocks = max(blocks, block[i] + 1)
    # the edges from a block, for good, and those into a block, kept up to date; how many there are never changes
    from_start, into_start = np.zeros(blocks + 1, np.int64), np.zeros(blocks + 1, np.int64)
    for x in range(m):
        from_start[block[source[x]] + 1] += 1
        into_start[block[target[x]] + 1] += 1
    for k in range(blocks):
        from_start[k + 1] += from_start[k]
        into_start[k + 1] += into_start[k]
    outgoing, incoming, where = np.empty(m, np.int64), np.empty(m, np.int64), np.empty(m, np.int64)
    filled, used = from_start.copy(), into_start.copy()
    for x in range(m):
        k = block[source[x]]
        outgoing[filled[k]] = x
        filled[k] += 1
        k = block[target[x]]
        incoming[used[k]], where[x] = x, used[k]
        used[k] += 1
    table, shift = edge_table(source, target, n)
    for t in range(first, first + attempts):
        a, b, c, d = philox(item, t, t >> 32, stream, seed, seed >> 32)
        e = _chosen(a, d, m)
        one: Integer = -1  # edges that exchange weights and places among the incoming
        two: Integer = -1
        f: Integer = -1
        if c < _TRIANGLES:
            f, g = _triangle(e, b, source, target, starts, table, shift)
            if f < 0:
                continue
            p, q, r = block[source[e]], block[source[f]], block[source[g]]
            if p == q:
                one, two = e, f
            elif q == r:
                one, two = f, g
            elif p == r:
                one, two = e, g
            else:
                continue
            _reverse(e, f, g, source, target, n, table, shift)
        elif c & _ONE:
            k = block[target[e]]
            f = incoming[into_start[k] + _chosen(b, np.uint64(0), into_start[k + 1] - into_start[k])]
            if not _swap(e, f, source, target, n, table, shift, False):
                continue
        else:
            k = block[source[e]]
            f = outgoing[from_start[k] + _chosen(b, np.uint64(0), from_start[k + 1] - from_start[k])]
            if not _swap(e, f, source, target, n, table, shift, False):
                continue
            one, two = e, f
        made += 1
        if one >= 0:
            weight[one], weight[two] = weight[two], weight[one]
            p, q = where[one], where[two]
            incoming[p], incoming[q] = two, one
            where[one], where[two] = q, p
    return made


@njit(cache=True, nogil=True)
def rewire_undirected(
    seed: int,
    stream: int,
    item: int,
    first: int,
    attempts: int,
    n: Integer,
    one: NDArray[np.int32],
    other: NDArray[np.int32],
) -> int:
    """Edges one[e] - other[e] of a simple undirected graph exchange ends in place, keeping all degrees."""
    m, made = len(one), 0
    low, high = np.minimum(one, other), np.maximum(one, other)
    table, shift = edge_table(low, high, n)
    for t in range(first, first + attempts):
        a, b, c, d = philox(item, t, t >> 32, stream, seed, seed >> 32)
        e, f = _chosen(a, d, m), _chosen(b, np.uint64(0), m)
        i, j = np.int64(one[e]), np.int64(other[e])
        k, l = np.int64(one[f]), np.int64(other[f])  # noqa: E741
        if c & _ONE:
            k, l = l, k  # noqa: E741
        if i in (k, l) or j in (k, l):
            continue
        first_key, second_key = min(i, l) * n + max(i, l), min(k, j) * n + max(k, j)
        if _has(table, shift, first_key) or _has(table, shift, second_key):
            continue
        _remove(table, shift, min(i, j) * n + max(i, j))
        _remove(table, shift, min(k, l) * n + max(k, l))
        _insert(table, shift, first_key)
        _insert(table, shift, second_key)
        other[e], one[f], other[f] = l, k, j
        made += 1
    return made
