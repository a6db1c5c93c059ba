"""Chains of sweeps: Metropolis and heat-bath updates, and the loops that run, record and store.

Spins are states 0 ... q - 1; the weight of a configuration is exp(sum over bonds of J [s_i = s_j] + sum over sites of
fields[s_i]), with J = 2 K for Ising and K for Potts.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.lattices._kernels.cluster import swendsen_wang, swendsen_wang_square, wolff
from kadanoff.lattices._kernels.records import step_of, store
from kadanoff.random import Integer, philox

PROPOSALS = np.uint64(0x4D65_0000)  # stream; the colour is added
HEAT = np.uint64(0x4862_0000)  # stream
_HALF = np.uint64(32)
_STEP_32 = 2.0**-32
_FREE = 0.9375  # any chance below 1 will do; at the critical point 1 is the quickest
_NOTHING = 1e-12  # a gain this small is one that rounding made of 0


@njit(cache=True, nogil=True)
def metropolis(
    spins: NDArray[np.int8],
    neighbours: NDArray[np.int32],
    couplings: NDArray[np.float64],
    fields: NDArray[np.float64],
    order: NDArray[np.int32],
    starts: NDArray[np.int64],
    seed: Integer,
    step: Integer,
) -> None:
    """One sweep, spins (n,) overwritten: the sites order[starts[c] : starts[c + 1]] of colour c, colour after colour.

    Metropolis et al. (1953): another state of a site is taken with probability min(1, weight ratio). ``couplings`` (z,)
    are those of the columns of ``neighbours`` (n, z; -1: none). Of two states the other one is taken with probability
    15/16 where that changes nothing: flipped for certain, colour after colour, spins without a local field would chase
    one another for ever, and no other state would ever lead there.
    """
    z, states = neighbours.shape[1], len(fields)
    step, seed = np.uint64(step), np.uint64(seed)
    late, key = step >> _HALF, seed >> _HALF
    for colour in range(len(starts) - 1):
        for at in range(starts[colour], starts[colour + 1]):
            i = order[at]
            a, b, _, _ = philox(np.uint64(at), step, late, PROPOSALS + np.uint64(colour), seed, key)
            old = spins[i]
            shift = 1 + np.int64((b * np.uint64(states - 1)) >> _HALF)
            new = np.int8((old + shift) % states)
            gain = fields[new] - fields[old]
            for k in range(z):
                j = neighbours[i, k]
                if j >= 0:
                    if spins[j] == new:
                        gain += couplings[k]
                    elif spins[j] == old:
                        gain -= couplings[k]
            chance = _FREE if states == 2 and abs(gain) < _NOTHING else math.exp(min(gain, 0.0))
            if (np.float64(a) + 0.5) * _STEP_32 < chance:
                spins[i] = new


@njit(cache=True, nogil=True)
def heat_bath(
    spins: NDArray[np.int8],
    terms: NDArray[np.int32],
    couplings: NDArray[np.float64],
    touching: NDArray[np.int32],
    field: float,
    seed: Integer,
    step: Integer,
) -> None:
    """One sweep of Ising spins (n,) of 0 and 1, overwritten, site after site: up with its conditional probability.

    The weight is exp(sum_t couplings[t] prod_{i in terms[t]} s_i + field sum_i s_i), s = +-1; rows of terms (m, r) and
    of touching (n, t), the terms of each site, end with -1.
    """
    step, seed = np.uint64(step), np.uint64(seed)
    late, key = step >> _HALF, seed >> _HALF
    for i in range(len(spins)):
        gain = field  # of an up spin, half the difference to a down spin
        for k in range(touching.shape[1]):
            t = touching[i, k]
            if t < 0:
                break
            down = 0
            for r in range(terms.shape[1]):
                j = terms[t, r]
                if j < 0:
                    break
                if j != i:
                    down ^= 1 - spins[j]
            gain += -couplings[t] if down else couplings[t]
        a, _, _, _ = philox(np.uint64(i), step, late, HEAT, seed, key)
        spins[i] = (np.float64(a) + 0.5) * _STEP_32 * (1.0 + math.exp(-2.0 * gain)) < 1.0


@njit(cache=True, nogil=True)
def measure(
    spins: NDArray[np.int8],
    bonds: NDArray[np.int32],
    starts: NDArray[np.int64],
    like: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """Like bonds of each shell, and sites in each state."""
    rest = len(spins)
    for state in range(1, len(counts)):  # a loop for each state vectorises, a histogram does not
        found = 0
        for i in range(len(spins)):
            found += spins[i] == state
        counts[state] = found
        rest -= found
    counts[0] = rest
    for a in range(len(like)):
        total = 0
        for b in range(starts[a], starts[a + 1]):
            total += spins[np.uint32(bonds[b, 0])] == spins[np.uint32(bonds[b, 1])]  # unsigned: no index from the end
        like[a] = total


@njit(cache=True, nogil=True)
def measure_square(spins: NDArray[np.int8], like: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
    """`measure` on the square lattice, spins (rows, columns)."""
    rows, columns = spins.shape
    total = np.int64(0)
    for i in range(rows):
        here, below = spins[i], spins[(i + 1) % rows]
        row = np.int32(here[columns - 1] == here[0])
        for j in range(columns):
            row += np.int32(here[j] == below[j])
        for j in range(columns - 1):
            row += np.int32(here[j] == here[j + 1])
        total += np.int64(row)
    like[0] = total
    rest = rows * columns
    for state in range(1, len(counts)):
        found = np.int64(0)
        for i in range(rows):
            row = np.int32(0)
            for j in range(columns):
                row += np.int32(spins[i, j] == state)
            found += np.int64(row)
        counts[state] = found
        rest -= found
    counts[0] = rest


@njit(cache=True, nogil=True)
def run_swendsen_wang_square(
    spins: NDArray[np.int8],
    threshold: Integer,
    field: float,
    seed: Integer,
    chain: Integer,
    first: int,
    every: int,
    like: NDArray[np.int64],
    counts: NDArray[np.int64],
    stored: NDArray[np.int8],
) -> None:
    """Sweeps first, first + 1, ...: as many as ``like`` (sweeps, 1) and ``counts`` (sweeps, q) have rows; spins (rows,
    columns) go into stored (m, n) after every ``every`` sweeps."""
    n = spins.size
    words, labels = np.empty((2, n // 64 + 1), np.uint64), np.empty(spins.shape, np.uint32)
    parent, size, fresh = np.empty(n, np.uint32), np.empty(n, np.int64), np.empty(n, np.int8)
    states = counts.shape[1]
    for t in range(len(like)):
        step = step_of(chain, first + t)
        swendsen_wang_square(spins, threshold, states, field, seed, step, words, labels, parent, size, fresh)
        measure_square(spins, like[t], counts[t])
        store(spins.ravel(), t, every, stored)


@njit(cache=True, nogil=True)
def run_swendsen_wang(
    spins: NDArray[np.int8],
    bonds: NDArray[np.int32],
    starts: NDArray[np.int64],
    thresholds: NDArray[np.uint64],
    field: float,
    seed: Integer,
    chain: Integer,
    first: int,
    every: int,
    like: NDArray[np.int64],
    counts: NDArray[np.int64],
    stored: NDArray[np.int8],
) -> None:
    """As `run_swendsen_wang_square` for any lattice, spins (n,)."""
    n = len(spins)
    words, parent = np.empty(len(bonds) // 64 + 1, np.uint64), np.empty(n, np.uint32)
    size, fresh = np.empty(n, np.int64), np.empty(n, np.int8)
    states = counts.shape[1]
    for t in range(len(like)):
        step = step_of(chain, first + t)
        swendsen_wang(spins, bonds, starts, thresholds, states, field, seed, step, words, parent, size, fresh)
        measure(spins, bonds, starts, like[t], counts[t])
        store(spins, t, every, stored)


@njit(cache=True, nogil=True)
def run_wolff(
    spins: NDArray[np.int8],
    neighbours: NDArray[np.int32],
    thresholds: NDArray[np.uint64],
    clusters: int,
    bonds: NDArray[np.int32],
    starts: NDArray[np.int64],
    seed: Integer,
    chain: Integer,
    first: int,
    every: int,
    like: NDArray[np.int64],
    counts: NDArray[np.int64],
    stored: NDArray[np.int8],
) -> int:
    """As `run_swendsen_wang`, a sweep being ``clusters`` clusters of Wolff; returns how many sites they had in all."""
    stack, flipped = np.empty(len(spins), np.int32), 0
    states = counts.shape[1]
    for t in range(len(like)):
        for c in range(clusters):
            step = step_of(chain, (first + t) * clusters + c)
            flipped += wolff(spins, neighbours, thresholds, states, seed, step, stack)
        measure(spins, bonds, starts, like[t], counts[t])
        store(spins, t, every, stored)
    return flipped


@njit(cache=True, nogil=True)
def run_metropolis(
    spins: NDArray[np.int8],
    neighbours: NDArray[np.int32],
    couplings: NDArray[np.float64],
    fields: NDArray[np.float64],
    order: NDArray[np.int32],
    colours: NDArray[np.int64],
    bonds: NDArray[np.int32],
    starts: NDArray[np.int64],
    seed: Integer,
    chain: Integer,
    first: int,
    every: int,
    like: NDArray[np.int64],
    counts: NDArray[np.int64],
    stored: NDArray[np.int8],
) -> None:
    """As `run_swendsen_wang`, by `metropolis`; ``colours`` are its starts."""
    for t in range(len(like)):
        step = step_of(chain, first + t)
        metropolis(spins, neighbours, couplings, fields, order, colours, seed, step)
        measure(spins, bonds, starts, like[t], counts[t])
        store(spins, t, every, stored)


@njit(cache=True, nogil=True)
def run_heat_bath(
    spins: NDArray[np.int8],
    terms: NDArray[np.int32],
    couplings: NDArray[np.float64],
    touching: NDArray[np.int32],
    field: float,
    starts: NDArray[np.int64],
    seed: Integer,
    chain: Integer,
    first: int,
    every: int,
    like: NDArray[np.int64],
    counts: NDArray[np.int64],
    stored: NDArray[np.int8],
) -> None:
    """As `run_swendsen_wang`, by `heat_bath`; ``like`` counts the products that are +1."""
    for t in range(len(like)):
        step = step_of(chain, first + t)
        heat_bath(spins, terms, couplings, touching, field, seed, step)
        up = 0
        for i in range(len(spins)):
            up += spins[i]
        counts[t, 0], counts[t, 1] = len(spins) - up, up
        for a in range(len(starts) - 1):
            total = 0
            for b in range(starts[a], starts[a + 1]):
                down = 0
                for r in range(terms.shape[1]):
                    j = terms[b, r]
                    if j < 0:
                        break
                    down ^= 1 - spins[j]
                total += 1 - down
            like[t, a] = total
        store(spins, t, every, stored)
