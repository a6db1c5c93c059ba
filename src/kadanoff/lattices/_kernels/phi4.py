"""Updates of a scalar field with weight exp(K sum phi_i phi_j - sum phi_i^2 - lambda sum (phi_i^2 - 1)^2)."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.lattices._kernels.cluster import _draw_states, _join
from kadanoff.lattices._kernels.records import step_of, store
from kadanoff.random import uniform

MOVES, EMBEDDED = np.uint64(0x5034_0000), np.uint64(0x5034_1000)  # streams


@njit(cache=True, nogil=True)
def move_fields(
    fields: NDArray[np.float64],
    neighbours: NDArray[np.int32],
    coupling: float,
    quartic: float,
    width: float,
    order: NDArray[np.int32],
    seed: np.uint64,
    step: np.uint64,
) -> int:
    """One Metropolis sweep, phi (n,) overwritten, each moved by a number from (-width, width), one site of ``order``
    after the other; returns how many moves were taken."""
    taken = 0
    for at in range(len(order)):
        i = order[at]
        near = 0.0
        for k in range(neighbours.shape[1]):
            j = neighbours[i, k]
            if j >= 0:
                near += fields[j]
        u, v = uniform(seed, MOVES, step, np.uint64(at))
        old = fields[i]
        new = old + width * (2.0 * u - 1.0)
        before, after = old * old - 1.0, new * new - 1.0
        gain = coupling * near * (new - old) - (after - before) - quartic * (after * after - before * before)
        if gain >= 0.0 or v < math.exp(gain):
            fields[i] = new
            taken += 1
    return taken


@njit(cache=True, nogil=True)
def flip_clusters(
    fields: NDArray[np.float64],
    bonds: NDArray[np.int32],
    coupling: float,
    seed: np.uint64,
    step: np.uint64,
    parent: NDArray[np.uint32],
    fresh: NDArray[np.int8],
    size: NDArray[np.int64],
) -> None:
    """Swendsen and Wang's clusters of the signs at fixed |phi| (Brower and Tamayo, 1989): a bond is kept with
    probability 1 - exp(-2 max(0, K phi_i phi_j)), and every cluster changes its sign or not by a coin."""
    n = len(fields)
    for i in range(n):
        parent[i] = i
    for b in range(len(bonds)):
        i, j = bonds[b, 0], bonds[b, 1]
        strength = coupling * fields[i] * fields[j]
        if strength > 0.0:
            u, _ = uniform(seed, EMBEDDED, step, np.uint64(b))
            if u > math.exp(-2.0 * strength):
                _join(parent, i, j)
    _draw_states(parent, size, np.int64(n), 2, 0.0, seed, step, fresh)
    for i in range(n):
        if fresh[i]:
            fields[i] = -fields[i]


@njit(cache=True, nogil=True)
def run_fields(
    fields: NDArray[np.float64],
    neighbours: NDArray[np.int32],
    bonds: NDArray[np.int32],
    coupling: float,
    quartic: float,
    width: float,
    order: NDArray[np.int32],
    seed: np.uint64,
    chain: int,
    first: int,
    every: int,
    sums: NDArray[np.float64],
    stored: NDArray[np.float64],
) -> int:
    """Sweeps first, first + 1, ..., of local moves and clusters each. Returns how many moves were taken.

    ``sums`` (sweeps, 4): phi_i phi_j over bonds, phi^2, (phi^2 - 1)^2 and phi over sites; stored (m, n) after every
    ``every`` sweeps.
    """
    n, taken = len(fields), 0
    parent, fresh, size = np.empty(n, np.uint32), np.empty(n, np.int8), np.empty(n, np.int64)
    for t in range(len(sums)):
        step = step_of(chain, first + t)
        taken += move_fields(fields, neighbours, coupling, quartic, width, order, seed, step)
        flip_clusters(fields, bonds, coupling, seed, step, parent, fresh, size)
        near = square = well = total = 0.0
        for b in range(len(bonds)):
            near += fields[bonds[b, 0]] * fields[bonds[b, 1]]
        for i in range(n):
            p = fields[i] * fields[i]
            square += p
            well += (p - 1.0) * (p - 1.0)
            total += fields[i]
        sums[t, 0], sums[t, 1], sums[t, 2], sums[t, 3] = near, square, well, total
        store(fields, t, every, stored)
    return taken
