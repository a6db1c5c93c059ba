"""Words of n symbols against the same words read backwards: D_n = sum_w p(w) ln(p(w) / p(reversed w)), exactly.

For a map of the instantaneous state of a stationary Markov process with even variables D_n / (n - 1) is at most the
entropy production per step, at every n: the fine words have exactly (n - 1) sigma, and lumping lowers a divergence
(data processing). The increments d_n = D_n - D_{n-1} tend to the same limit, and faster, but at finite n they are NOT
bounds: a ring of 6 states with labels a, a, b, a, b, b has d_9 > sigma. Roldan and Parrondo, Physical Review Letters
105, 150607 (2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.dynamics.entropy_production import labels_of, step_flows
from kadanoff.maps import Map

__all__ = ["BlockDivergence", "block_divergence", "jump_words", "word_divergence"]

Array = NDArray[np.float64]

_LARGEST = 1 << 24  # numbers held for the words of one length


@dataclass(frozen=True, eq=False)
class BlockDivergence:
    """``divergence`` (m,): D_n for n = 1 ... m (D_1 = 0 for symbols that are their own reverse), in nats.

    ``per_step`` (m - 1,): D_n / (n - 1) for n = 2 ... m, rigorous at every n. ``increments`` (m - 1,): D_n - D_{n-1},
    an estimate of the limit, not a bound at finite n.
    """

    divergence: Array

    @property
    def lengths(self) -> NDArray[np.int64]:
        """n = 2 ... m."""
        return np.arange(2, len(self.divergence) + 1)

    @property
    def per_step(self) -> Array:
        """D_n / (n - 1) of n = 2 ... m."""
        return np.asarray(self.divergence[1:] / (self.lengths - 1))

    @property
    def increments(self) -> Array:
        """d_n = D_n - D_{n-1} of n = 2 ... m."""
        return np.diff(self.divergence)


def block_divergence(transition: ArrayLike, lumps: Map, longest: int) -> BlockDivergence:
    """D_n up to n = ``longest`` of a chain in discrete time, seen through a map; nats, per step once divided by n - 1.

    Arguments:
        transition: (n, n), rows sum to one; every jump needs its reverse.
        lumps: a hard `Map` that owns every state.
        longest: words of up to this many symbols; (lumps)^longest times n numbers must fit into memory.

    Raises:
        ValueError: for a word whose reverse has no probability, for more words than can be held.
    """
    flows = step_flows(transition)
    return word_divergence(np.asarray(transition, dtype=np.float64), flows.sum(axis=1), labels_of(lumps), longest)


def jump_words(flows: Array, rates: Array, label: NDArray[np.int64], longest: int) -> BlockDivergence:
    """D_n of the sequence of lumps that a jump process visits, without the times; nats, n - 1 jumps between lumps.

    The rate of jumps between lumps, times D_n / (n - 1), bounds the entropy production per unit time.
    """
    between = label[:, None] != label[None, :]
    within = np.where(between, 0.0, rates)
    hidden = np.diag(rates.sum(axis=1)) - within
    step = np.linalg.solve(hidden, np.where(between, rates, 0.0))  # from the state entered to the next one entered
    entered = np.where(between, flows, 0.0).sum(axis=0)
    return word_divergence(np.maximum(step, 0.0), entered / entered.sum(), label, longest)


def word_divergence(step: Array, start: Array, label: NDArray[np.int64], longest: int) -> BlockDivergence:
    """D_n of the labels of a Markov chain: ``step`` (n, n) from state to state, ``start`` (n,) its stationary law."""
    if longest < 2:
        raise ValueError(f"words of {longest} symbols have no direction; take 2 or more")
    symbols, n = int(label.max()) + 1, len(label)
    if symbols**longest * n > _LARGEST:
        raise ValueError(
            f"words of {longest} symbols out of {symbols}, times {n} states, are {symbols**longest * n:.2g} numbers: "
            f"take words of {int(np.log(_LARGEST / n) / np.log(symbols))} or fewer"
        )
    shown = label[None, :] == np.arange(symbols)[:, None]
    at_end = np.where(shown, start, 0.0)  # (words, n): probability of a word and of the state at its end
    divergence = [0.0]
    for length in range(2, longest + 1):
        moved = at_end @ step
        at_end = np.where(shown[None], moved[:, None, :], 0.0).reshape(-1, n)
        p = at_end.sum(axis=1).reshape((symbols,) * length)
        q = p.transpose(*range(length)[::-1])
        if (one_way := np.argwhere((p > 0) & (q == 0))).size:
            word = ", ".join(map(str, one_way[0]))
            raise ValueError(f"the word {word} is seen, its reverse never: the entropy production is infinite")
        there = p > 0
        divergence.append(float(0.5 * np.sum((p[there] - q[there]) * np.log(p[there] / q[there]))))
    return BlockDivergence(np.array(divergence))
