"""Metropolis moves of fine spins under a bias on their block spins."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.lattices._kernels.sfc64 import next_sfc64, seed_sfc64

__all__ = ["biased_sweeps"]

_SHIFT, _STEP = np.uint64(11), 2.0**-53
_MOST = 0.8  # the largest probability of a move


@njit(cache=True, nogil=True)
def biased_sweeps(
    spins: NDArray[np.int8],
    coins: NDArray[np.int8],
    members: NDArray[np.int32],
    by_rule: bool,
    others: NDArray[np.int32],
    sizes: NDArray[np.int64],
    numbers: NDArray[np.int64],
    couplings: NDArray[np.float64],
    block_others: NDArray[np.int32],
    block_sizes: NDArray[np.int64],
    block_numbers: NDArray[np.int64],
    bias: NDArray[np.float64],
    key: NDArray[np.uint64],
    every: int,
    kept: NDArray[np.int8],
    blocked: NDArray[np.int8],
) -> None:
    """Sweeps with the weight exp(sum_a K_a S_a - sum_a J_a S'_a), S' of the block spins.

    A move turns one spin with probability 4/5 min(1, exp(gain)): in fixed order Metropolis's own rule would turn all
    spins of a hot lattice in every sweep, and forget nothing. Where the majority of its block turns with it, the
    block's local field takes part. A tied block has the sign of its coin, which is a variable of its own: it has no
    weight but that of the block spin it decides, so that block spins without bias are those of coins tossed anew.

    Arguments:
        spins: (sites,) +-1, moved on. coins: (blocks,) +-1, moved on.
        members: (blocks, size) the sites of each block; with ``by_rule`` the first one decides ties, not the coin.
        others, sizes, numbers: of the fine operators, as `local_fields.count_patterns`; couplings: (kinds,) K.
        block_others, block_sizes, block_numbers: of the block operators; bias: (block kinds,) J.
        key: (4,) seed, stream, leg, walker.
        every: sweeps between records.
        kept: (records, sites) the spins of every record, or (records, 0).
        blocked: (records, blocks) the block spins of every record.
    """
    sites, blocks, size = len(spins), members.shape[0], members.shape[1]
    a, b, c, w = seed_sfc64(key[0], key[1], key[2], key[3])
    parent = np.empty(sites, np.int64)
    votes = np.zeros(blocks, np.int64)
    for block in range(blocks):
        for k in range(size):
            parent[members[block, k]] = block
            votes[block] += spins[members[block, k]]
    block_spins = np.empty(blocks, np.int8)
    for block in range(blocks):
        first = spins[members[block, 0]]
        block_spins[block] = _majority(votes[block], first if by_rule else coins[block])
    for record in range(blocked.shape[0]):
        for _ in range(every):
            for site in range(sites + blocks):
                coin = site >= sites
                block = site - sites if coin else parent[site]
                gain = 0.0
                if coin:
                    if by_rule or votes[block] != 0:
                        continue
                    vote, decides = votes[block], -coins[block]
                else:
                    gain = -2.0 * spins[site] * _field(spins, others, sizes, numbers, couplings, site)
                    vote = votes[block] - 2 * spins[site]
                    decides = coins[block]
                    if by_rule:
                        decides = spins[members[block, 0]]
                        if members[block, 0] == site:
                            decides = -decides
                then = _majority(vote, decides)
                turns = then != block_spins[block]
                if turns:
                    field = _field(block_spins, block_others, block_sizes, block_numbers, bias, block)
                    gain += 2.0 * block_spins[block] * field
                word, a, b, c, w = next_sfc64(a, b, c, w)
                uniform = (word >> _SHIFT) * _STEP
                if uniform >= _MOST or (gain < 0.0 and uniform >= _MOST * math.exp(gain)):
                    continue
                if coin:
                    coins[block] = decides
                else:
                    spins[site] = -spins[site]
                    votes[block] = vote
                block_spins[block] = then
        blocked[record] = block_spins
        if kept.shape[1] > 0:
            kept[record] = spins


@njit(cache=True, nogil=True, inline="always")
def _majority(vote: Any, decides: Any) -> Any:
    return np.int8(1) if vote > 0 or (vote == 0 and decides > 0) else np.int8(-1)


@njit(cache=True, nogil=True)
def _field(
    spins: NDArray[np.int8],
    others: NDArray[np.int32],
    sizes: NDArray[np.int64],
    numbers: NDArray[np.int64],
    couplings: NDArray[np.float64],
    site: int,
) -> float:
    """sum_a K_a times the sum over the clusters of kind a that hold the site of the product of their other spins."""
    total = 0.0
    at = 0
    for kind in range(len(sizes)):
        size, number = sizes[kind], numbers[kind]
        field = 0
        if size == 1:
            for k in range(number):
                field += spins[others[site, at + k]]
        elif size == 3:
            for k in range(number):
                here = at + 3 * k
                field += spins[others[site, here]] * spins[others[site, here + 1]] * spins[others[site, here + 2]]
        else:
            for k in range(number):
                product = 1
                for j in range(size):
                    product *= spins[others[site, at + k * size + j]]
                field += product
        total += couplings[kind] * field
        at += size * number
    return total
