"""Which block spin tells most about its surroundings: real-space mutual information, exact for small blocks.

A block V of spins is replaced by one spin H by a rule P(H | V). The rule that keeps what matters at long distances is
the one whose H knows most about an environment E some way off (Koch-Janusz and Ringel, 2018):

    I(H; E) = sum_{H,E} P(H, E) ln( P(H, E) / (P(H) P(E)) ),        P(H, E) = sum_V P(H | V) P(V, E)     (nats)

I(H; E) is convex in P(H | V) at fixed P(V, E) (Cover and Thomas, theorem 2.7.4), so its maximum lies at a corner: a
rule without coins. The odd rules among those, f(-V) = -f(V), are 2^(2^(v-1)) Boolean functions, 256 for four spins,
and all of them are tried. No sampling, no network, no bound: within its patch the optimum is exact.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from kadanoff.information import mutual_information_from_probabilities
from kadanoff.lattices.block_enumeration import spin_states

__all__ = [
    "BestRule",
    "Patch",
    "best_rule",
    "chain_patch",
    "linear_rules",
    "odd_rules",
    "rule_information",
    "square_patch",
    "weighted_rule",
]

Array = NDArray[np.float64]
_MOST = 4  # spins of a block: five have 65 536 odd rules
_CHUNK = 1 << 22  # numbers of a table worked on at once
_SIDES = ((0, 1), (1, 3), (3, 2), (2, 0))  # spins of the block 0 1 / 2 3 under each side, clockwise


@dataclass(frozen=True, eq=False)
class Patch:
    """A block and its environment: ``joint`` P(V, E), (2^v, states of E). Bit i of a block state is set where spin i
    is up."""

    joint: Array

    def __post_init__(self) -> None:
        rows = self.joint.shape[0] if self.joint.ndim == 2 else 0
        if rows < 2 or rows & (rows - 1) or np.any(self.joint < 0) or abs(self.joint.sum() - 1) > 1e-9:
            raise ValueError(
                f"a patch is a table of probabilities (2^v, states of E) with sum 1, not {self.joint.shape} with sum "
                f"{self.joint.sum():.12g}"
            )

    @property
    def spins(self) -> int:
        """Spins of the block, v."""
        return int(self.joint.shape[0]).bit_length() - 1

    @property
    def information(self) -> float:
        """I(V; E), nats: what the whole block knows of the environment. No rule keeps more (data processing)."""
        return mutual_information_from_probabilities(self.joint).value


def square_patch(coupling: float, *, buffer: int = 1) -> Patch:
    """A 2 x 2 block of the square lattice and the ring of spins next to it, or one site further out.

    buffer = 0: 4 x 4 spins, E the 12 of the rim. buffer = 1: 6 x 6 spins, E the 20 of the rim; the 12 between are
    summed over by transfer matrices. The four corners of the rim touch nothing but the rim, hang on their two
    neighbours and add nothing to I(V; E): they are summed over too, and the table has 2^8 or 2^16 states of E.

    The spins of E enclose the block, so that P(V | E) is that of the infinite lattice (Markov). P(E) is that of the
    patch cut out with a free rim, less correlated than in the infinite lattice.

    Arguments:
        coupling: K = J/kT, |K| <= 20.
        buffer: 0 or 1, sites between block and environment.

    Raises:
        ValueError: for another buffer or coupling.
    """
    if buffer not in (0, 1):
        raise ValueError(f"a buffer of 0 or 1 sites, not {buffer}: the exact table of a wider one does not fit")
    _check_coupling(coupling)
    long = 2 if buffer == 0 else 4  # spins of a side of the rim, without corners
    block, rim = (spin_states(n).astype(np.float64) for n in (4, 4 * long))
    bonds = block[0] * block[1] + block[2] * block[3] + block[0] * block[2] + block[1] * block[3]
    weights = coupling * np.repeat(bonds[:, None], rim.shape[1], axis=1)
    for side in range(4):
        here = rim[long * side : long * (side + 1)]
        weights += coupling * (here[:-1] * here[1:]).sum(axis=0)
        weights += np.log(2 * np.cosh(coupling * (here[-1] + rim[long * (side + 1) % (4 * long)])))  # the corner
        if buffer == 0:
            for spin, outer in zip(_SIDES[side], here, strict=True):
                weights += coupling * block[spin][:, None] * outer
    if buffer == 1:
        weights += _through_buffer(coupling, block)
    return _patch(weights)


def _through_buffer(coupling: float, block: Array) -> Array:
    """ln of the sum over the 12 spins between, (16, 2^16): the trace of four transfer matrices, one a side.

    A side has the corner c, the spins a and b above the block's u and v, and the next corner d; the four spins of the
    rim above it touch c, a, b and d.
    """
    side = spin_states(4).astype(np.float64)  # of the rim above one side
    up = np.array([-1.0, 1.0])
    c, a, b, d = (up.reshape([-1 if i == n else 1 for i in range(4)])[None] for n in range(4))
    above = [side[n].reshape(-1, 1, 1, 1, 1) for n in range(4)]
    sums = np.empty((16, 65536))
    for state in range(16):
        matrices = []
        for first, second in _SIDES:
            u, v = block[first, state], block[second, state]
            energy = c * a + a * b + b * d + c * above[0] + a * (u + above[1]) + b * (v + above[2]) + d * above[3]
            matrices.append(np.exp(coupling * energy).sum(axis=(2, 3)))  # (16, c, d)
        first_half, second_half = (
            np.einsum("eab,fbc->feac", matrices[i], matrices[i + 1]).reshape(256, 2, 2) for i in (0, 2)
        )
        sums[state] = np.einsum("eab,fba->fe", first_half, second_half).reshape(-1)
    return np.log(sums)


def chain_patch(coupling: float, *, block: int = 2, buffer: int = 1) -> Patch:
    """A block of an infinite Ising chain and the two spins ``buffer`` sites beyond its ends; exact.

    What lies further out is screened by those two (Markov), so that they stand for the whole environment on both sides.
    Spins r apart have the correlation tanh^r K.

    Arguments:
        coupling: K = J/kT.
        block: spins of the block, 1 to 4.
        buffer: spins between, 0 or more, on each side.

    Raises:
        ValueError: for what is outside these ranges.
    """
    if not 1 <= block <= _MOST:
        raise ValueError(f"blocks of 1 to {_MOST} spins, not {block}")
    if buffer < 0:
        raise ValueError(f"a buffer has 0 spins or more, not {buffer}")
    _check_coupling(coupling)
    chain = spin_states(block + 2).astype(np.float64)[[block, *range(block), block + 1]]  # left, block, right
    t = math.tanh(coupling)
    joint = np.full(2 ** (block + 2), 0.5)
    for n, reach in enumerate([buffer + 1] + [1] * (block - 1) + [buffer + 1]):
        joint *= (1 + t**reach * chain[n] * chain[n + 1]) / 2
    return Patch(joint.reshape(4, 2**block).T.copy())


def weighted_rule(weights: ArrayLike, *, soft: bool = False) -> Array:
    """P(H up | V) of a rule with one weight a spin, (2^v,): the sign of sum_i w_i s_i, a tie by a fair coin.

    ``soft`` takes P = 1 / (1 + exp(-2 sum_i w_i s_i)) instead. Equal weights are majority, a single one is decimation.

    Raises ValueError for weights that are not finite, or for no or more than 4 of them.
    """
    w = np.atleast_1d(np.asarray(weights, dtype=np.float64))
    if w.ndim != 1 or not 1 <= len(w) <= _MOST or not np.all(np.isfinite(w)):
        raise ValueError(f"1 to {_MOST} finite weights, one a spin of the block, not {w}")
    votes = w @ spin_states(len(w))
    if soft:
        return np.asarray(0.5 * (1 + np.tanh(votes)))
    votes[np.abs(votes) < 1e-12 * np.abs(w).sum()] = 0.0
    return np.asarray(0.5 * (1 + np.sign(votes)))


def odd_rules(spins: int) -> Array:
    """Every odd rule without coins, f(-V) = -f(V), as P(H up | V): (2^(2^(v-1)), 2^v) of zeros and ones.

    Raises ValueError for no or more than 4 spins.
    """
    if not 1 <= spins <= _MOST:
        raise ValueError(f"the odd rules of 1 to {_MOST} spins can be listed, not of {spins}")
    half = 2 ** (spins - 1)
    lower = (np.arange(2**half)[:, None] >> np.arange(half)[None, :] & 1).astype(np.float64)
    return np.concatenate([lower, 1 - lower[:, ::-1]], axis=1)  # state 2^v - 1 - n is state n turned round


def linear_rules(spins: int, largest: int = 3) -> Array:
    """Every rule `weighted_rule` makes of whole-number weights up to ``largest`` in size, each once: (n, 2^v).

    Weights up to 3 give all 104 linear threshold rules of four spins, and those with tied states left to coins.
    """
    if not 1 <= spins <= _MOST or largest < 1:
        raise ValueError(f"1 to {_MOST} spins and weights of 1 or more, not {spins} and {largest}")
    values = range(-largest, largest + 1)
    rules = np.array([weighted_rule(w) for w in itertools.product(values, repeat=spins) if any(w)])
    return np.unique(rules, axis=0)


def rule_information(patch: Patch, rules: ArrayLike) -> Array:
    """I(H; E) of one or many rules, (n,) nats.

    Arguments:
        patch: of v spins.
        rules: P(H up | V), (2^v,) or (n, 2^v).

    Raises:
        ValueError: for rules of another block, or probabilities outside [0, 1].
    """
    table = np.atleast_2d(np.asarray(rules, dtype=np.float64))
    if table.ndim != 2 or table.shape[1] != patch.joint.shape[0]:
        raise ValueError(f"rules of {patch.spins} spins have shape (n, {patch.joint.shape[0]}), not {table.shape}")
    if not np.all((table >= 0) & (table <= 1)):
        raise ValueError("rules are probabilities that H is up, between 0 and 1")
    environment = patch.joint.sum(axis=0)
    found = np.empty(len(table))
    width = max(1, _CHUNK // patch.joint.shape[1])
    for start in range(0, len(table), width):
        up = table[start : start + width] @ patch.joint
        down = np.maximum(environment - up, 0.0)
        total = np.zeros(len(up))
        for part in (up, down):
            total += xlogy(part, part).sum(axis=1) - xlogy(part.sum(axis=1), part.sum(axis=1))
        found[start : start + width] = total - xlogy(environment, environment).sum()
    return np.maximum(found, 0.0)


@dataclass(frozen=True, eq=False)
class BestRule:
    """The best of many rules: ``rule`` P(H up | V), ``information`` I(H; E) in nats, ``ties`` the number of rules that
    do as well (symmetry images), ``share`` = I(H; E) / I(V; E)."""

    rule: Array
    information: float
    ties: int
    share: float

    def agrees_with(self, other: ArrayLike) -> bool:
        """Whether this rule, or its mirror image H -> -H, says what ``other`` says wherever that tosses no coin."""
        given = np.asarray(other, dtype=np.float64)
        decided = given != 0.5
        return any(bool(np.array_equal(mine[decided], given[decided])) for mine in (self.rule, 1 - self.rule))


def best_rule(patch: Patch, rules: ArrayLike | None = None) -> BestRule:
    """The rule with the most information on the environment, by trial of all.

    Arguments:
        patch: block and environment.
        rules: (n, 2^v) to choose from; default every odd rule. No odd rule with coins does better (convexity).
    """
    table = odd_rules(patch.spins) if rules is None else np.atleast_2d(np.asarray(rules, dtype=np.float64))
    values = rule_information(patch, table)
    top = int(np.argmax(values))
    ties = int(np.sum(values > values[top] * (1 - 1e-9) - 1e-15))
    whole = patch.information
    return BestRule(table[top], float(values[top]), ties, float(values[top]) / whole if whole > 0 else 1.0)


def _patch(weights: Array) -> Patch:
    table = np.exp(weights - weights.max())
    return Patch(table / table.sum())


def _check_coupling(coupling: float) -> None:
    if not abs(coupling) <= 20:
        raise ValueError(f"couplings of size 20 at most, not {coupling}: colder, all weights but one vanish")
