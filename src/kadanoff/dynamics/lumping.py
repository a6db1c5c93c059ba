"""What lumping the states of a Markov chain loses: the defect of lumpability, and the memory that is left, in nats.

The lumped process Y is a hidden Markov process. Its Markov closure (same flows between lumps, no memory) is a chain of
path measure Q; the KL rate of Y against it is h(Y_2 | Y_1) - h(Y) >= 0, zero where Y is Markovian.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.special import xlogy

from kadanoff.dynamics.jumps import simulate_chain
from kadanoff.dynamics.markov import (
    check_transition,
    stationary_state,
)
from kadanoff.estimates import Estimate, mean
from kadanoff.maps import Map

__all__ = [
    "EntropyRateBounds",
    "Lumpability",
    "LumpingLoss",
    "entropy_rate_bounds",
    "lump_chain",
    "lump_labels",
    "lumpability",
    "lumping_loss",
    "sampled_entropy_rate",
]

Array = NDArray[np.float64]
_SAME = 12  # decimals to which two posteriors of the hidden state are one
_WORDS = 20_000  # posteriors followed at once
_IDLE = 5  # steps that gain nothing, after which to stop


def lump_labels(lumps: Map, states: int) -> NDArray[np.int64]:
    """The lump (n,) of every state, for a hard map that owns them all.

    Raises:
        ValueError: for a soft map, a state in no lump, an empty lump (each named), another number of states.
    """
    if lumps.n_fine != states:
        raise ValueError(f"the map is one of {lumps.n_fine} states, the chain has {states}")
    if not lumps.is_hard:
        raise ValueError("lumping: the map must be hard, each state in one lump")
    if np.any(lumps.unassigned > 0):
        raise ValueError(f"lumping: state {int(lumps.unassigned.argmax())} is in no lump")
    sizes = np.diff(lumps.membership.indptr)
    if np.any(sizes == 0):
        raise ValueError(f"lumping: lump {int(sizes.argmin())} holds no state")
    columns = lumps.membership.tocsc()
    return np.asarray(columns.indices, dtype=np.int64)


def lump_chain(transition: Any, lumps: Map, probability: Any = None) -> Array:
    """The Markov closure of the lumped chain: T_IJ = sum_{i in I, j in J} p_i T_ij / p_I, from the flows p_i T_ij.

    Arguments:
        transition: (n, n), dense or sparse.
        lumps: a hard `Map` of all n states.
        probability: (n,) weights, by default the stationary ones.

    Returns:
        (m, m), rows sum to one.

    Raises:
        ValueError: as `lump_labels`, and for a lump without probability (named).
    """
    matrix = check_transition(transition)
    lump_labels(lumps, matrix.shape[0])
    p = stationary_state(matrix) if probability is None else np.asarray(probability, dtype=np.float64)
    flow = lumps.flow(scipy.sparse.diags_array(p) @ scipy.sparse.csr_array(matrix)).toarray()
    total = flow.sum(axis=1)
    if total.min() <= 0:
        raise ValueError(f"lumping: lump {int(total.argmin())} has no probability")
    return np.asarray(flow / total[:, None])


class Lumpability(NamedTuple):
    """How far a chain is from being lumpable: zero exactly where it is.

    ``largest``: of |P(i -> J) - P(I -> J)| over states i of lumps I and lumps J, found at ``state`` and ``lump``;
    ``mean``: root of the stationary mean of sum_J of its square.
    """

    largest: float
    state: int
    lump: int
    mean: float


def lumpability(transition: Any, lumps: Map) -> Lumpability:
    """The test of Kemeny and Snell (1960, theorem 6.3.2) as a number.

    A chain is lumpable, whatever its start, where all states of a lump go to each lump with the same probability:
    R_iJ = sum_{j in J} T_ij is compared with its stationary mean over the lump. A chain that is not lumpable can still
    have a Markovian lumped process in the stationary state (weak lumpability): `lumping_loss` tells.

    Arguments:
        transition: (n, n), dense or sparse, irreducible.
        lumps: a hard `Map` of all n states.
    """
    matrix = check_transition(transition)
    labels = lump_labels(lumps, matrix.shape[0])
    p = stationary_state(matrix)
    reach = np.asarray((lumps.membership @ scipy.sparse.csr_array(matrix).T).T.toarray())
    average = (lumps.membership @ (p[:, None] * reach)) / (lumps.membership @ p)[:, None]
    off = reach - average[labels]
    state, lump = np.unravel_index(int(np.abs(off).argmax()), off.shape)
    return Lumpability(float(np.abs(off).max()), int(state), int(lump), float(np.sqrt(np.sum(p[:, None] * off**2))))


@dataclass(frozen=True)
class EntropyRateBounds:
    """Bounds lower <= h(Y) <= upper, nats per step, from words of ``length``; ``closure`` is h(Y_2 | Y_1).

    ``pooled`` is the probability of words that were too many to follow one by one (0: none); the bounds hold all the
    same.
    """

    lower: float
    upper: float
    closure: float
    length: int
    pooled: float

    @property
    def exact(self) -> bool:
        """Whether lower and upper are the same to 1e-9."""
        return self.upper - self.lower <= 1e-9 * max(1.0, self.upper)


@dataclass(frozen=True)
class LumpingLoss:
    """The KL rate between the lumped process and its Markov closure, bounded from both sides (nats per step)."""

    lower: float
    upper: float
    bounds: EntropyRateBounds

    @property
    def lost(self) -> Estimate:
        """The middle of the bounds; its "error" is half their distance, a hard limit and not a standard error."""
        half = (self.upper - self.lower) / 2
        middle = max((self.upper + self.lower) / 2, 0.0)
        if half <= 1e-10:
            return Estimate.exact(middle, "nat/step")
        return Estimate(middle, half, None, "nat/step", f"two-sided bounds from words of {self.bounds.length}")


def entropy_rate_bounds(
    transition: Any, lumps: Map, *, width: float = 1e-9, longest: int = 200, words: int = _WORDS
) -> EntropyRateBounds:
    """The entropy rate of a lumped stationary chain between two bounds that close in (Birch, 1962).

    H(Y_n+1 | Y_1 ... Y_n, X_1) <= h(Y) <= H(Y_n+1 | Y_1 ... Y_n)

    Both are means, over the words seen so far, of the entropy of the next symbol given the posterior of the hidden
    state; the lower starts from the hidden state itself. The posteriors of all words are carried forward together, and
    words with the same posterior are one: a process that forgets needs few of them, and the bounds become exact. Where
    there are more than ``words``, the least probable are pooled: in the upper bound to one mean posterior a lump
    (less is known), in the lower to the hidden states themselves (more is known), so that both stay bounds.

    Arguments:
        transition: (n, n) irreducible, dense or sparse (made dense).
        lumps: a hard `Map` of all n states to m lumps.
        width: upper - lower at which to stop.
        longest: word at which to stop in any case.
        words: posteriors that may be followed at once.

    Returns:
        The bounds at the word where the iteration stopped, the tightest seen.
    """
    matrix = check_transition(transition)
    dense = matrix.toarray() if scipy.sparse.issparse(matrix) else np.asarray(matrix)
    labels, m = lump_labels(lumps, len(dense)), lumps.n_coarse
    p = stationary_state(dense)
    share = lumps.membership.toarray() * p
    mass = share.sum(axis=1)
    above = _Words(share / mass[:, None], mass)
    below = _Words(np.eye(len(p))[p > 0], p[p > 0])
    closure = upper = above.next_entropy(dense, labels, m)
    lower, length, idle = below.next_entropy(dense, labels, m), 1, 0
    while upper - lower > width and length < longest and idle < _IDLE:
        above.advance(dense, labels, m, words, upper=True)
        below.advance(dense, labels, m, words, upper=False)
        length += 1
        tighter = max(lower, below.next_entropy(dense, labels, m)), min(upper, above.next_entropy(dense, labels, m))
        gained = (upper - lower) - (tighter[1] - tighter[0])
        idle = idle + 1 if gained <= 1e-3 * (upper - lower) and above.pooled + below.pooled > 0 else 0
        lower, upper = tighter
    return EntropyRateBounds(lower, max(upper, lower), closure, length, max(above.pooled, below.pooled))


def lumping_loss(
    transition: Any, lumps: Map, *, width: float = 1e-9, longest: int = 200, words: int = _WORDS
) -> LumpingLoss:
    """What the Markov closure of a lumped chain forgets: the KL rate h(Y_2 | Y_1) - h(Y), in nats per step.

    It is zero where the lumped process is Markovian, so for every lumpable chain. Arguments as `entropy_rate_bounds`.
    """
    bounds = entropy_rate_bounds(transition, lumps, width=width, longest=longest, words=words)
    return LumpingLoss(max(bounds.closure - bounds.upper, 0.0), max(bounds.closure - bounds.lower, 0.0), bounds)


def sampled_entropy_rate(transition: Any, lumps: Map, *, steps: int = 100_000, seed: int) -> Estimate:
    """The entropy rate h(Y) of a lumped chain too large for its bounds, from one simulated trajectory.

    The mean entropy of the next symbol given the posterior of the hidden state, which is carried along the trajectory:
    right on average but for the forgotten past of its first tenth, and free of the noise of the symbols themselves.

    Arguments:
        transition, lumps: as `entropy_rate_bounds`.
        steps, seed: of the trajectory.
    """
    matrix = check_transition(transition)
    dense = matrix.toarray() if scipy.sparse.issparse(matrix) else np.asarray(matrix)
    labels = lump_labels(lumps, len(dense))
    seen = labels[simulate_chain(dense, steps, seed=seed)]
    share = lumps.membership.toarray().T  # (n, m)
    ahead = stationary_state(dense)
    entropy = np.empty(steps)
    for t in range(steps):
        posterior = np.where(labels == seen[t], ahead, 0.0)
        ahead = (posterior / posterior.sum()) @ dense
        following = ahead @ share
        entropy[t] = -xlogy(following, following).sum()
    return mean(entropy[steps // 10 :], "nat/step")


class _Words:
    """Posteriors (k, n) of the hidden state after the words so far, with the probability (k,) of those words."""

    def __init__(self, posterior: Array, probability: Array) -> None:
        self.posterior, self.probability, self.pooled = posterior, probability, 0.0

    def next_entropy(self, transition: Array, labels: NDArray[np.int64], m: int) -> float:
        """sum_w P(w) H(next symbol | w)."""
        following = self.posterior @ (transition @ np.eye(m)[labels])
        return float(-self.probability @ xlogy(following, following).sum(axis=1))

    def advance(self, transition: Array, labels: NDArray[np.int64], m: int, most: int, *, upper: bool) -> None:
        """Every word grows by one symbol; equal posteriors merge, and the least probable beyond ``most`` are pooled."""
        ahead = self.posterior @ transition
        grown, weights = [], []
        for lump in range(m):
            part = np.where(labels == lump, ahead, 0.0)
            mass = part.sum(axis=1)
            there = mass > 1e-300
            grown.append(part[there] / mass[there, None])
            weights.append(self.probability[there] * mass[there])
        posterior, weight = _merged(np.concatenate(grown), np.concatenate(weights))
        self.pooled = 0.0
        if len(weight) > most:
            order = np.argsort(-weight, kind="stable")
            kept, rest = order[:most], order[most:]
            self.pooled = float(weight[rest].sum())
            hidden = weight[rest] @ posterior[rest]
            if upper:  # one mean posterior a lump
                pool = np.where(labels == np.arange(m)[:, None], hidden, 0.0)
                mass = pool.sum(axis=1)
                pool, mass = pool[mass > 0] / mass[mass > 0, None], mass[mass > 0]
            else:
                pool, mass = np.eye(len(hidden))[hidden > 0], hidden[hidden > 0]
            posterior, weight = _merged(np.concatenate([posterior[kept], pool]), np.concatenate([weight[kept], mass]))
        self.posterior, self.probability = posterior, weight


def _merged(posterior: Array, weight: Array) -> tuple[Array, Array]:
    """Equal posteriors as one, with the sum of their probabilities."""
    key = np.ascontiguousarray(np.round(posterior, _SAME) + 0.0)
    _, first, member = np.unique(
        key.view(np.dtype((np.void, key.itemsize * key.shape[1]))).ravel(), return_index=True, return_inverse=True
    )
    return posterior[first], np.bincount(member.ravel(), weight, len(first)).astype(np.float64)
