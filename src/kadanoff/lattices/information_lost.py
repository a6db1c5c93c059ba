"""Entropy per spin of configurations, and the information each blocking keeps, in nats.

    h_m = H( s | m spins before it in reading order )           falls as the context m grows

On an infinite translation-invariant lattice the chain rule makes S / N the limit of h_m; any finite context gives more
(Cover and Thomas, section 4.2). On a torus of N spins that holds but for what belongs to the torus as a whole: no
context nearby tells the sign that an ordered lattice has, so that h_m may lie up to about ln 2 / N below S / N (0.003
of 0.006 nats for 16 x 16 spins at K = 1, half of ln 2 / N at the critical point). A blocking keeps, per fine spin,

    I( fine; blocks ) / N = ( H(blocks) - H(blocks | fine) ) / N = ( h_blocks - noise ) / b^d

with the noise of the rule's coins, t ln 2 where a share t of the blocks had a tie that a coin decided: it is in the
entropy of the blocks but tells nothing about the spins. Both numbers are upper bounds, as h_m is. They hold for that
single step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, xlogy

from kadanoff.estimates import Estimate
from kadanoff.lattices._kernels import contexts
from kadanoff.lattices._kernels.blocking import plurality
from kadanoff.lattices.blocking import Blocks, Level, ising_spins, potts_states
from kadanoff.lattices.lattice import square

__all__ = [
    "CONTEXTS",
    "Context",
    "block_microstates",
    "entropy_per_spin",
    "information_kept",
    "magnetization_entropy",
    "plurality_noise",
    "potts_information_kept",
]

NAT = "nat"


class Context(NamedTuple):
    """Spins before a spin in reading order: ``left`` in its row, a reach of ``above`` to both sides in the row above,
    of ``second`` in the one above that (-1: none)."""

    left: int
    above: int
    second: int

    @property
    def spins(self) -> int:
        """m."""
        return self.left + max(2 * self.above + 1, 0) + max(2 * self.second + 1, 0)


CONTEXTS = (
    Context(0, -1, -1), Context(1, 0, -1), Context(1, 1, -1), Context(2, 2, -1), Context(2, 2, 0), Context(3, 3, 0),
    Context(4, 3, 1), Context(4, 3, 2), Context(5, 4, 2),
)  # fmt: skip
"""Each holds the one before it, so that the entropy falls along them: m = 0, 2, 4, 7, 8, 11, 14, 16, 19."""
_SAMPLES = 8.0  # spins for each word of a context, below which a longer one is not tried
_WORDS = 1 << 21  # of a table
_BLOCKS = 20


@dataclass(frozen=True, eq=False)
class EntropyPerSpin:
    """Conditional entropies: ``contexts`` m (c,), ``values`` and ``errors`` (c,) in nats a spin; ``estimate`` the
    last and lowest."""

    contexts: NDArray[np.int64]
    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    estimate: Estimate


def entropy_per_spin(configurations: ArrayLike, *, q: int = 2, blocks: int = _BLOCKS) -> EntropyPerSpin:
    """The entropy of a spin given the spins before it, an upper bound of the entropy per spin of a large lattice.

    Every block of samples is predicted from the counts of the others, -ln (n_s + 1/2) / (n + q / 2) (Krichevsky and
    Trofimov, 1981). A prediction is never better than the truth, so that the mean stays above h_m however few samples
    there are, where the entropy of the counts themselves would fall below it. The context grows until that mean rises.

    Arguments:
        configurations: (samples, rows, columns) of +-1 on a square lattice, in time order; for q > 2 of 0 ... q - 1.
        q: states of a spin.
        blocks: of consecutive samples, each long against the correlation time.

    Raises:
        ValueError: for other shapes or values, or fewer samples than blocks.
    """
    spins = ising_spins(configurations) if q == 2 else np.asarray(configurations)
    if spins.ndim != 3:
        raise ValueError(f"expected configurations (samples, rows, columns), got shape {spins.shape}")
    if q > 2:
        spins = potts_states(spins, q, square(*spins.shape[1:])).reshape(spins.shape)
    if blocks < 4 or len(spins) < blocks:
        raise ValueError(f"{len(spins)} samples in {blocks} blocks: errors need 4 blocks of a sample at least")
    allowed = [
        context
        for context in CONTEXTS
        if q ** (context.spins + 1) <= min(q * spins.size / _SAMPLES, _WORDS)
        and min(spins.shape[1:]) > 2 * context.above + 1 + context.left
    ]
    edges = np.linspace(0, len(spins), blocks + 1).astype(np.int64)
    found: list[tuple[int, float, float]] = []
    for context in allowed:
        table = np.zeros((blocks, q ** (context.spins + 1)), dtype=np.int64)
        for b in range(blocks):
            part = spins[edges[b] : edges[b + 1]]
            if q == 2:
                contexts.count_contexts(part, *context, table[b])
            else:
                contexts.count_state_contexts(part, q, *context, table[b])
        total = table.sum(axis=0)
        each = np.array([_predicted(part, total - part, q) for part in table])
        value = float(np.average(each, weights=np.diff(edges)))
        if found and value > found[-1][1]:
            break
        found.append((context.spins, value, float(each.std(ddof=1)) / math.sqrt(blocks)))
    m, values, errors = (np.array(column) for column in zip(*found, strict=True))
    method = f"prediction from {m[-1]} spins, blocks"
    return EntropyPerSpin(m, values, errors, Estimate(values[-1], errors[-1], blocks, NAT, method))


def information_kept(level: Level, entropy: Estimate) -> Estimate:
    """I(level below; this level) in nats per spin of the level below, from the entropy per spin of this level.

    The entropy bounds it from above. Without coins (`Level.noise`) all of the blocks' entropy is information.
    """
    return _kept(entropy, level.noise, level.ratio**-level.lattice.dimension)


def plurality_noise(states: ArrayLike, blocks: Blocks, q: int) -> float:
    """H(blocks | states) in nats per block of Potts states blocked by plurality with coins: the mean of ln k, k the
    number of commonest states of a block.

    Arguments:
        states: (samples, *shape) of 0 ... q - 1.
        blocks: of their lattice.
    """
    flat = potts_states(states, q, blocks.fine)
    blocked = np.empty((len(flat), len(blocks.members)), dtype=np.int8)
    counts = np.empty(blocks.members.shape[1] + 1, dtype=np.int64)
    plurality(flat, blocks.members, q, False, 0, 0, blocked, counts)
    return float(counts[1:] @ np.log(np.arange(1, len(counts))) / counts.sum())


def potts_information_kept(noise: float, blocks: Blocks, entropy: Estimate) -> Estimate:
    """I(states; blocks) in nats per spin, from the entropy per spin of the blocks and the coins' `plurality_noise` (0
    for ties by rule)."""
    return _kept(entropy, noise, 1.0 / blocks.members.shape[1])


def _kept(entropy: Estimate, noise: float, share: float) -> Estimate:
    return Estimate(
        share * (entropy.value - noise), share * (entropy.error or 0.0), entropy.samples, NAT, entropy.method
    )


def block_microstates(spins: int) -> tuple[float, float]:
    """How many states of a block stand behind its majority being up, and the entropy ln of that number.

    Half of the ties belong to each sign: 2^(n-1) for every n. Of 4 x 4 spins 26,333 have an up majority for certain
    and 12,870 are tied.
    """
    return 2.0 ** (spins - 1), (spins - 1) * math.log(2.0)


def magnetization_entropy(spins: int, magnetization: ArrayLike) -> NDArray[np.float64]:
    """ln of how many states of ``spins`` spins have this magnetization M = sum s: ln C(n, (n + M) / 2).

    Raises ValueError for a magnetization that no state has.
    """
    m = np.asarray(magnetization, dtype=np.float64)
    up = (spins + m) / 2
    if np.any((up < 0) | (up > spins) | (up != np.rint(up))):
        raise ValueError(f"the magnetization of {spins} spins is one of -{spins}, -{spins - 2}, ..., {spins}")
    return np.asarray(gammaln(spins + 1) - gammaln(up + 1) - gammaln(spins - up + 1))


def _predicted(counts: NDArray[np.int64], others: NDArray[np.int64], q: int) -> float:
    """Mean of -ln P(spin | context) over words, lowest digit the spin, with P from the counts of other words."""
    given = others.reshape(-1, q) + 0.5
    return float(-xlogy(counts.reshape(-1, q), given / given.sum(axis=1, keepdims=True)).sum() / counts.sum())
