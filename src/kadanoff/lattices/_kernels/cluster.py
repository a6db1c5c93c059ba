"""Cluster updates of Ising (q = 2) and Potts spins: Swendsen and Wang (1987), Wolff (1989).

Spins are states 0 ... q - 1. A bond between like spins is kept with probability p = 1 - exp(-K) (Potts; 2K for Ising),
and every cluster gets a new state of its own. Random numbers are keyed by (seed, stream, step, item), the step being
the sweep of a chain: those of states and of Wolff's bonds by `kadanoff.random.philox`, those of Swendsen and Wang's
bonds by an sfc64 generator that Philox seeds for every sweep.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.lattices._kernels.sfc64 import next_sfc64, seed_sfc64
from kadanoff.random import Integer, philox

# streams; BONDS + k for shell k
BONDS, STATES = np.uint64(0x5357_0000), np.uint64(0x5357_1000)
SEEDS, GROWTH = np.uint64(0x5746_0000), np.uint64(0x5746_1000)

_ONE, _ALL = np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)
_SIX, _LOW_SIX, _HALF, _TOP = np.uint64(6), np.uint64(63), np.uint64(32), np.uint64(63)
_STEP_32 = 2.0**-32


@njit(cache=True, nogil=True)
def bernoulli_words(
    threshold: Integer, seed: Integer, stream: Integer, step: Integer, count: int, out: NDArray[np.uint64]
) -> None:
    """``count`` words of 64 independent bits, each set with probability threshold / 2^64.

    Bit by bit the comparison u < p of binary fractions: where u has a 0 and p a 1 the bit is set, where u has a 1 and p
    a 0 it is not, and where the digits agree the next ones decide. 64 lanes are decided after some 8 random words, of
    one sfc64 generator for each (seed, stream, step).
    """
    p = np.uint64(threshold)
    a, b, c, counter = seed_sfc64(np.uint64(seed), np.uint64(stream), np.uint64(step), np.uint64(0))
    for w in range(count):
        undecided, result = _ALL, np.uint64(0)
        digits = p
        while undecided != 0 and digits != 0:
            u, a, b, c, counter = next_sfc64(a, b, c, counter)
            one = np.uint64(0) - (digits >> _TOP)  # all ones where the digit of p is one
            result |= undecided & one & ~u
            undecided &= ~(u ^ one)
            digits <<= _ONE
        out[w] = result


@njit(cache=True, nogil=True)
def _root(parent: NDArray[np.uint32], a: Integer) -> Any:
    while parent[a] != a:
        parent[a] = parent[parent[a]]
        a = parent[a]
    return a


@njit(cache=True, nogil=True)
def _join(parent: NDArray[np.uint32], a: Integer, b: Integer) -> Any:
    """Join the clusters of a and b; the smaller root becomes the root of both, and is returned."""
    a, b = _root(parent, a), _root(parent, b)
    if a < b:
        parent[b] = a
        return a
    parent[a] = b
    return b


@njit(cache=True, nogil=True)
def _draw_states(
    parent: NDArray[np.uint32],
    size: NDArray[np.int64],
    labels: int | np.integer[Any],
    states: int,
    field: float,
    seed: Integer,
    step: Integer,
    fresh: NDArray[np.int8],
) -> None:
    """A new state for every label: of its own for a root, of its root (a smaller label) for the others."""
    step, seed = np.uint64(step), np.uint64(seed)
    late, key = step >> _HALF, seed >> _HALF
    if states == 2 and field == 0.0:
        low = high = np.uint64(0)
        for k in range(labels):
            if k & 127 == 0:
                a, b, c, d = philox(np.uint64(k >> 7), step, late, STATES, seed, key)
                low, high = (a << _HALF) | b, (c << _HALF) | d
            if k & 63 == 0 and k & 127:
                low = high
            above = np.uint64(parent[k])
            coin = np.int8((low >> np.uint64(k & 63)) & _ONE)
            inherited = fresh[above]  # read in any case: a choice without a branch
            fresh[k] = coin if above == np.uint64(k) else inherited
        return
    if field != 0.0:
        for k in range(labels - 1, -1, -1):
            if parent[k] != k:
                size[parent[k]] += size[k]
    for k in range(labels):
        if parent[k] != k:
            fresh[k] = fresh[parent[k]]
            continue
        a, b, _, _ = philox(np.uint64(k), step, late, STATES, seed, key)
        if field == 0.0:
            fresh[k] = np.int8((a * np.uint64(states)) >> _HALF)
            continue
        # Ising: the field works on s = +-1, state 1 being up; Potts: on state 0
        gain = 2.0 * field * size[k] if states == 2 else field * size[k]
        others = states - 1
        favoured = 1.0 / (1.0 + others * math.exp(-gain)) if gain > -700.0 else 0.0
        if (np.float64(a) + 0.5) * _STEP_32 < favoured:
            fresh[k] = 1 if states == 2 else 0
        elif states == 2:
            fresh[k] = 0
        else:
            fresh[k] = np.int8(_ONE + ((b * np.uint64(others)) >> _HALF))


@njit(cache=True, nogil=True)
def swendsen_wang_square(
    spins: NDArray[np.int8],
    threshold: Integer,
    states: int,
    field: float,
    seed: Integer,
    step: Integer,
    words: NDArray[np.uint64],
    labels: NDArray[np.uint32],
    parent: NDArray[np.uint32],
    size: NDArray[np.int64],
    fresh: NDArray[np.int8],
) -> None:
    """One sweep of the square lattice, spins (rows, columns), overwritten.

    Sites are labelled row by row (Hoshen and Kopelman, 1976): a site takes the label to its left or above, and labels
    that meet are joined. There are some four times fewer labels than sites, and their roots fit into cache.

    Scratch: words (2, n // 64 + 1), labels (rows, columns), parent, size, fresh (n,).
    """
    rows, columns = spins.shape
    count = (rows * columns + 63) >> 6
    bernoulli_words(threshold, seed, BONDS, step, count, words[0])  # bit k: the bond of site k to the site above
    bernoulli_words(threshold, seed, BONDS + _ONE, step, count, words[1])  # to the site on the left
    upward, leftward = words[0], words[1]
    new = np.uint32(0)
    for i in range(rows):
        here, over = spins[i], spins[i - 1]
        mine, others = labels[i], labels[i - 1]
        inner = np.uint64(i > 0)
        label, before = np.uint32(0), np.int8(-1)
        for j in range(columns):
            k = np.uint64(i * columns + j)
            word, shift = k >> _SIX, k & _LOW_SIX
            s, above = here[j], others[j]
            left = np.uint64(s == before) & (leftward[word] >> shift)
            up = np.uint64(s == over[j]) & inner & (upward[word] >> shift)
            # no branch where a coin decides: the label on the left, else that above, else a new one
            parent[new] = new
            from_left, from_above = np.uint32(0) - np.uint32(left), np.uint32(0) - np.uint32(up)
            found = (above & from_above) | (new & ~from_above)
            found = (label & from_left) | (found & ~from_left)
            if (left & up) != 0 and above != label:
                found = _join(parent, label, above)
            label = np.uint32(found)
            mine[j] = label
            new = np.uint32(new + np.uint32((left | up) ^ _ONE))
            before = s
        k = np.uint64(i * columns)
        if here[0] == before and (leftward[k >> _SIX] >> (k & _LOW_SIX)) & _ONE:
            _join(parent, label, mine[0])
    for j in range(columns):
        k = np.uint64(j)
        if spins[rows - 1, j] == spins[0, j] and (upward[k >> _SIX] >> (k & _LOW_SIX)) & _ONE:
            _join(parent, labels[rows - 1, j], labels[0, j])
    if field != 0.0:
        size[:new] = 0
        for i in range(rows):
            for j in range(columns):
                size[labels[i, j]] += 1
    _draw_states(parent, size, np.int64(new), states, field, seed, step, fresh)
    for i in range(rows):
        for j in range(columns):
            spins[i, j] = fresh[labels[i, j]]


@njit(cache=True, nogil=True)
def swendsen_wang(
    spins: NDArray[np.int8],
    bonds: NDArray[np.int32],
    starts: NDArray[np.int64],
    thresholds: NDArray[np.uint64],
    states: int,
    field: float,
    seed: Integer,
    step: Integer,
    words: NDArray[np.uint64],
    parent: NDArray[np.uint32],
    size: NDArray[np.int64],
    fresh: NDArray[np.int8],
) -> None:
    """One sweep of any lattice, spins (n,), overwritten: bonds starts[a] to starts[a + 1] of (m, 2) have thresholds[a].

    Scratch: words (m // 64 + 1,), parent, size, fresh (n,).
    """
    n = len(spins)
    for i in range(n):
        parent[i] = i
    for a in range(len(thresholds)):
        first, last = starts[a], starts[a + 1]
        bernoulli_words(thresholds[a], seed, BONDS + np.uint64(a), step, (last - first + 63) >> 6, words)
        for b in range(first, last):
            k = np.uint64(b - first)
            one, other = np.uint32(bonds[b, 0]), np.uint32(bonds[b, 1])
            if (words[k >> _SIX] >> (k & _LOW_SIX)) & np.uint64(spins[one] == spins[other]):
                _join(parent, one, other)
    if field != 0.0:
        size[:] = 1
    _draw_states(parent, size, n, states, field, seed, step, fresh)
    spins[:] = fresh


@njit(cache=True, nogil=True)
def wolff(
    spins: NDArray[np.int8],
    neighbours: NDArray[np.int32],
    thresholds: NDArray[np.uint64],
    states: int,
    seed: Integer,
    step: Integer,
    stack: NDArray[np.int32],
) -> int:
    """Grow one cluster from a random site and give it another state; returns its size. Spins (n,), overwritten.

    A like neighbour in column k of neighbours (n, z; -1: none) is added with probability thresholds[k] / 2^64, of
    which the upper 32 digits count. Scratch: stack (n,).
    """
    n, z = neighbours.shape
    step, seed = np.uint64(step), np.uint64(seed)
    late, key = step >> _HALF, seed >> _HALF
    a, b, c, d = philox(np.uint64(0), step, late, SEEDS, seed, key)
    start = np.int64((a * np.uint64(n)) >> _HALF)  # n < 2^32
    old = spins[start]
    new = np.int8((np.uint64(old) + _ONE + ((b * np.uint64(states - 1)) >> _HALF)) % np.uint64(states))
    spins[start] = new
    stack[0] = start
    top, flipped, drawn = 1, 1, 0
    while top > 0:
        top -= 1
        i = stack[top]
        for k in range(z):
            j = neighbours[i, k]
            if j < 0 or spins[j] != old:
                continue
            turn = drawn & 3
            if turn == 0:
                a, b, c, d = philox(np.uint64(drawn >> 2), step, late, GROWTH, seed, key)
            u = a if turn == 0 else b if turn == 1 else c if turn == 2 else d
            drawn += 1
            if u < thresholds[k] >> _HALF:
                spins[j] = new
                stack[top] = j
                top += 1
                flipped += 1
    return flipped
