"""Are the data reversible? A test by turning blocks of time round, and the entropy production of the counts.

Time reversal of a piece of trajectory turns its counts C_ij into C_ji. Where the process is reversible, a block and its
reverse are equally likely, whatever the memory of the process, the lag or the overlap of the pairs: the signs of the
blocks' net counts C_ij - C_ji are exchangeable, and turning blocks at random gives the exact law of any statistic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from kadanoff.dynamics.transition_counts import Counts, _connected, _part, _solve_laplacian
from kadanoff.estimates import Estimate

__all__ = ["Reversibility", "reversibility_test"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Reversibility:
    """What the data say about time reversal.

    Arguments:
        p_value: probability of net currents as large as these, were the process reversible; small: it is not.
        cycles: independent cycles of the network of counts; none, and counts at one lag cannot tell (p_value 1).
        entropy_production: of the counts, nats per lag, with what reversible data would show on average taken off. It
            is what this description shows, a lower bound of what the system produces.
        strongest: the pair of states with the most significant net current, or None.
    """

    p_value: float
    cycles: int
    entropy_production: Estimate
    strongest: tuple[int, int] | None

    @property
    def reversible(self) -> bool:
        """Whether the data are compatible with a reversible process (p above 0.05)."""
        return self.p_value > 0.05


def reversibility_test(counts: Counts, *, resamples: int = 4999, seed: int = 0) -> Reversibility:
    """Test for detailed balance: net circulating counts against those of the data with blocks of time turned round.

    J_b is the divergence-free part of C_ij - C_ji of block b, the statistic S = sum_ij (sum_b J_b)_ij^2 / (C_ij + C_ji)
    over i < j, and p the share of random signs s_b with S(s) at least S. The entropy production sum_i<j (C_ij - C_ji)
    ln(C_ij / C_ji) / N (1/2 added to each count, so that a missing reverse is not infinite) has the bias 2 <S>_0 / N
    from noise alone, which is taken off; its error joins the jackknife over blocks and the scatter of 2 S / N under
    reversal.

    Arguments:
        counts: with at least 8 blocks, each long against the correlation time (they count as independent).
        resamples: random signs; the smallest p is 1 / (resamples + 1).
        seed: of the signs.

    Raises:
        ValueError: for fewer than 8 blocks of time.
    """
    number = len(counts.blocks)
    if number < 8:
        raise ValueError(f"reversibility test: at least 8 blocks of time, got {number}; count with more blocks")
    states, _ = _connected(counts.matrix)
    upper = scipy.sparse.triu(scipy.sparse.csr_array(_part(counts.matrix, states)), 1)
    lower = scipy.sparse.triu(scipy.sparse.csr_array(_part(counts.matrix, states)).T, 1)
    edges = scipy.sparse.coo_array(upper + lower)
    i, j, both = edges.row, edges.col, edges.data.astype(np.float64)
    pairs = float(_part(counts.matrix, states).sum())
    there = np.array([_picked(block, states[i], states[j]) for block in counts.blocks])
    back = np.array([_picked(block, states[j], states[i]) for block in counts.blocks])
    cycles = len(both) - len(states) + 1
    if cycles < 1:
        return Reversibility(1.0, 0, Estimate(0.0, 0.0, number, "nat/lag", "no cycle: balanced by counting"), None)
    net: Array = _circulation(there - back, i, j, both, len(states))
    observed = float(np.sum(net.sum(axis=0) ** 2 / both))
    rng = np.random.default_rng(seed)
    signs = rng.integers(0, 2, (resamples, number)) * 2.0 - 1.0
    turned = _statistic(signs, net, both)
    p_value = (1 + int(np.count_nonzero(turned >= observed * (1 - 1e-12)))) / (resamples + 1)
    # noise alone: the blocks about their own mean
    quiet = (net - net.mean(axis=0)) * np.sqrt(number / (number - 1))
    noise = _statistic(signs, quiet, both)
    plain, error = _production(there, back, pairs)
    bias, scatter = 2 * float(np.sum(quiet**2 / both)) / pairs, 2 * float(noise.std()) / pairs
    production = Estimate(
        plain - bias, float(np.hypot(error, scatter)), number, "nat/lag", "counts, bias of noise taken off", number - 1
    )
    significance = net.sum(axis=0) ** 2 / np.maximum(np.sum(quiet**2, axis=0), 1e-300)
    most = int(significance.argmax())
    forward = net[:, most].sum() > 0
    pair = (int(states[i[most]]), int(states[j[most]]))
    return Reversibility(p_value, cycles, production, pair if forward else pair[::-1])


def _picked(table: Any, row: NDArray[np.int64], column: NDArray[np.int64]) -> Array:
    return np.asarray(table[row, column], dtype=np.float64).ravel()


def _circulation(net: Array, i: Any, j: Any, both: Array, n: int) -> Array:
    """Net counts (blocks, edges) without their gradient part both_ij (f_i - f_j), which no cycle feels."""
    divergence = np.zeros((n, len(net)))
    np.add.at(divergence, i, net.T)
    np.add.at(divergence, j, -net.T)
    two = np.concatenate([both, both])
    potential = _solve_laplacian(np.concatenate([i, j]), np.concatenate([j, i]), two, n, divergence)
    return np.asarray(net - (both[:, None] * (potential[i] - potential[j])).T)


def _statistic(signs: Any, net: Any, both: Array) -> Array:
    """S (resamples,) for signs (resamples, blocks), through the blocks' (blocks, blocks) inner products."""
    inner = (net / both) @ net.T
    return np.asarray(np.einsum("rb,bc,rc->r", signs, inner, signs, optimize=True))


def _production(there: Array, back: Array, pairs: float) -> tuple[float, float]:
    """Plug-in entropy production per pair and its jackknife error."""

    def plug_in(forward: Array, backward: Array) -> Array:
        return np.asarray(np.sum((forward - backward) * np.log((forward + 0.5) / (backward + 0.5)), axis=-1))

    forward, backward = there.sum(axis=0), back.sum(axis=0)
    number = len(there)
    left_out = plug_in(forward - there, backward - back) / (pairs * (1 - 1 / number))
    return float(plug_in(forward, backward)) / pairs, float(np.sqrt((number - 1) * left_out.var()))
