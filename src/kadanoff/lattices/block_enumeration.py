"""Block spins on a small Ising lattice, and the nats they keep, by enumeration of every state.

Weights exp(K sum_<ij> s_i s_j) on a torus, s = +-1, coupling K = J/kT; entropies in nats.

A block-spin rule is a channel P(S | s) from spin states s to block states S. Per block, with b blocks:

    kept = I(s; S) / b = (H(S) - H(S | s)) / b,        lost = H(s | S) / b = (H(s) - I(s; S)) / b.

H(S | s) is the noise of the coins that break ties. It is counted in H(S) but says nothing about the spins: calling H(S)
"kept" overstates what a coin-tossing rule keeps. Mutual information never exceeds H(s), and no further blocking brings
any of it back (data processing). Kadanoff (1966); Cover & Thomas, Elements of Information Theory, section 2.8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from kadanoff.lattices.kaufman import log_partition
from kadanoff.maps import Map

__all__ = [
    "BlockInformation",
    "Enumeration",
    "Rule",
    "bond_sum",
    "channel",
    "enumerate_states",
    "information",
    "log_partition",
    "spin_states",
]

Rule = Literal["coin", "first", "decimation"]
_MOST = 20  # sites: 2^20 states are a second's work, more are not


@dataclass(frozen=True)
class BlockInformation:
    """Nats per block: ``fine`` = H(s)/b, ``coarse`` = H(S)/b, ``noise`` = H(S|s)/b, and what follows from them."""

    fine: float
    coarse: float
    noise: float

    @property
    def kept(self) -> float:
        """I(s; S) / b."""
        return self.coarse - self.noise

    @property
    def lost(self) -> float:
        """H(s | S) / b."""
        return self.fine - self.kept


def spin_states(sites: int) -> NDArray[np.int8]:
    """All states of ``sites`` spins, (sites, 2^sites) of +-1; state n has spin i up where bit i of n is set.

    Raises ValueError for more than 20 sites.
    """
    if not 1 <= sites <= _MOST:
        raise ValueError(f"enumeration is for 1 to {_MOST} spins, not {sites}")
    return (2 * (np.arange(2**sites)[None, :] >> np.arange(sites)[:, None] & 1) - 1).astype(np.int8)


def bond_sum(states: NDArray[np.int8], shape: tuple[int, int]) -> NDArray[np.int64]:
    """Sum over bonds of s_i s_j on a torus of ``shape`` for each state (2^sites,): each site with its right and its
    lower neighbour."""
    grid = states.reshape(*shape, -1).astype(np.int64)
    return np.asarray((grid * (np.roll(grid, -1, axis=0) + np.roll(grid, -1, axis=1))).sum(axis=(0, 1)))


def channel(shape: tuple[int, int], size: int, rule: Rule = "coin") -> NDArray[np.float64]:
    """P(S | s), (2^sites, 2^blocks), of blocks of size x size spins on a lattice of ``shape``.

    "coin": majority, a tie is decided by a fair coin; "first": majority, a tie goes to the block's first spin;
    "decimation": the block's first spin, whatever the others say. Two steps in a row are the matrix product of two
    channels. Raises ValueError for another rule, or where ``size`` does not divide the lattice.
    """
    if rule not in get_args(Rule):
        raise ValueError(f"rule: expected one of {', '.join(get_args(Rule))}, got {rule!r}")
    blocks = Map.blocks(shape, size)
    states = spin_states(math.prod(shape))
    first = states[np.argmax(blocks.membership.toarray() > 0, axis=1)]
    vote = first if rule == "decimation" else np.sign(blocks.sum(states))
    up = (1.0 + np.where((vote == 0) & (rule == "first"), first, vote)) / 2.0  # probability that each block spin is up
    product = np.ones((states.shape[1], 1))
    for block in up:  # bit I of a block state belongs to block I, so later blocks are slower
        product = np.concatenate([product * (1.0 - block)[:, None], product * block[:, None]], axis=1)
    return product


@dataclass(frozen=True, eq=False)
class Enumeration:
    """All states, gathered by their bond sum: ``levels`` (e,), ``degeneracy`` (e,); for a block-spin rule the summed
    P(S | s) (e, S) and the summed coin entropy H(S | s) (e,) of the states of each level."""

    levels: NDArray[np.int64]
    degeneracy: NDArray[np.int64]
    blocks: NDArray[np.float64]
    noise: NDArray[np.float64]


def enumerate_states(bonds: NDArray[np.int64], rule: NDArray[np.float64]) -> Enumeration:
    """Gather the states once, for any number of couplings: ``bonds`` (states,) from `bond_sum`, ``rule`` (states, S)
    from `channel`."""
    levels, level, degeneracy = np.unique(bonds, return_inverse=True, return_counts=True)
    blocks, noise = np.zeros((len(levels), rule.shape[1])), np.zeros(len(levels))
    np.add.at(blocks, level, rule)
    np.add.at(noise, level, entr(rule).sum(axis=1))
    return Enumeration(levels, degeneracy, blocks, noise)


def information(states: Enumeration, coupling: float, blocks: int) -> BlockInformation:
    """Fine, coarse and noise entropy per block at a coupling K; H(s) = ln Z - K <bonds>. ``blocks`` is the number to
    divide by."""
    exponent = coupling * (states.levels - states.levels.max())
    each = np.exp(exponent) / np.sum(states.degeneracy * np.exp(exponent))  # probability of one state of the level
    fine = np.sum(states.degeneracy * entr(each))
    return BlockInformation(
        float(fine) / blocks, float(entr(each @ states.blocks).sum()) / blocks, float(each @ states.noise) / blocks
    )
