"""What the study `lumping` computes: random networks under random maps, and two chains seen as two states."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kadanoff.dynamics._kernels.hidden_markov import log_likelihood
from kadanoff.dynamics.block_divergence import block_divergence
from kadanoff.dynamics.entropy_production import split_flows, step_flows
from kadanoff.dynamics.hidden_markov import HiddenMarkov, choose_hidden_states, hidden_markov_error
from kadanoff.dynamics.jumps import simulate_chain
from kadanoff.dynamics.lumping import lump_chain, lumpability, lumping_loss
from kadanoff.dynamics.markov import (
    spectrum,
    stationary_state,
    transition_matrix,
)
from kadanoff.dynamics.quasi_markov import (
    implied_times_of_kernels,
    lumped_propagators,
    memory_kernels,
    propagate,
    quasi_markov,
)
from kadanoff.estimates import Estimate, from_blocks
from kadanoff.maps import Map

__all__ = [
    "LumpedChain",
    "NetworkCase",
    "double_well",
    "hidden_ring",
    "lumped_chain",
    "network_cases",
    "random_network",
]

Array = NDArray[np.float64]
_WORD = 200  # symbols of one word of the sampled path divergence
_LONGEST = 7  # of the exact words


class NetworkCase(NamedTuple):
    """One random network under one random map; entropies in nats per step."""

    states: int
    lumps: int
    total: float
    apparent: float
    block: float  # largest D_n / (n - 1), n <= 7
    path: float  # D_200 / 199, sampled
    path_error: float
    path_words: float
    loss: float  # KL rate of the lumped process against its Markov closure, middle of its bounds
    loss_width: float
    defect: float


def random_network(seed: int, number: int) -> tuple[Array, NDArray[np.int64]]:
    """A random driven chain of 4 to 8 states, and a random map of it to 2 to 4 lumps.

    A ring and half of the other pairs of states are joined, by log-normal rates of spread 1.5 in both directions; the
    chain is the jump process at the events of a clock 1.25 times as fast as its fastest state.
    """
    rng = np.random.default_rng([seed, number])
    n = int(rng.integers(4, 9))
    joined = rng.random((n, n)) < 0.5
    joined |= joined.T
    ring = np.arange(n)
    joined[ring, (ring + 1) % n] = joined[(ring + 1) % n, ring] = True
    rates = np.where(joined, rng.lognormal(0.0, 1.5, (n, n)), 0.0)
    np.fill_diagonal(rates, 0.0)
    leaving = rates.sum(axis=1)
    clock = 1.25 * leaving.max()
    m = int(rng.integers(2, min(4, n - 1) + 1))
    labels = np.concatenate([np.arange(m), rng.integers(0, m, n - m)])
    return rates / clock + np.diag(1.0 - leaving / clock), rng.permutation(labels)


def network_cases(numbers: range, seed: int, frames: int) -> list[NetworkCase]:
    """The random networks of these numbers."""
    return [_network_case(number, seed, frames) for number in numbers]


def _network_case(number: int, seed: int, frames: int) -> NetworkCase:
    transition, labels = random_network(seed, number)
    lumps = Map.groups(labels)
    parts = split_flows(step_flows(transition), lumps)
    words = block_divergence(transition, lumps, _LONGEST)
    path = path_divergence(transition, labels, frames, _own_seed(seed, number))
    loss = lumping_loss(transition, lumps, width=1e-6, words=3000, longest=60)
    return NetworkCase(
        len(labels), lumps.n_coarse, parts.total, parts.apparent, float(words.per_step.max()), path.value,
        path.error or 0.0, float(path.samples or 0), (loss.lower + loss.upper) / 2, loss.upper - loss.lower,
        lumpability(transition, lumps).largest,
    )  # fmt: skip


def _own_seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0] >> 1)


def path_divergence(transition: Array, labels: NDArray[np.int64], frames: int, seed: int) -> Estimate:
    """D_n / (n - 1) of the lumped chain for words of n = 200 symbols: the mean of ln P(w) / P(w backwards), sampled.

    Each word counts with its exact probabilities, from the forward recursion; the words follow one another in one
    simulated trajectory.
    """
    seen = labels.astype(np.int32)[simulate_chain(transition, frames, seed=seed)]
    p = stationary_state(transition)
    shown = np.vstack([labels == lump for lump in range(labels.max() + 1)] + [np.ones(len(labels), dtype=bool)]) * 1.0
    ratio = [
        log_likelihood(word, p, transition, shown)
        - log_likelihood(np.ascontiguousarray(word[::-1]), p, transition, shown)
        for word in seen[: frames // _WORD * _WORD].reshape(-1, _WORD)
    ]
    return from_blocks(np.array(ratio) / (_WORD - 1), "nat/step")


class LumpedChain(NamedTuple):
    """A chain seen as two states, exactly and from one trajectory."""

    exact: Array  # (t + 1, m, m) T(t)
    kernels: Array  # exact (t, m, m)
    markov: Array  # (t + 1, m, m) T(1)^t, exact T(1)
    quasi: Array  # (t + 1, m, m) from data, with the cut-off the data support
    hidden: Array  # (t + 1, m, m) from data
    kernel_sizes: Array  # (steps, 2) largest entry of each sampled kernel, and its error
    time: float  # slowest of the fine chain, frames
    markov_time: float
    quasi_time: Estimate
    quasi_limit: float  # of the exact kernels at the same cut-off
    cutoff: int
    hidden_time: Estimate
    hidden_model: HiddenMarkov
    choice: Array  # (candidates, 4) hidden states, BIC, held-out ln P per frame against the first, its error
    unidentified: int
    times_of_cutoff: Array  # (c, 2) cut-off, slowest time of the exact kernels
    errors_of_cutoff: Array  # (c,) rms error of T(t) of the exact kernels
    loss: tuple[float, float]
    defect: float


def hidden_ring(forward: float, backward: float) -> Array:
    """The driven ring of three states with these probabilities a step."""
    stay = 1.0 - forward - backward
    return np.array([[stay, forward, backward], [backward, stay, forward], [forward, backward, stay]])


def double_well(states: int, depth: float) -> tuple[Array, Array]:
    """Diffusion in U = depth (x^2 - 1)^2 kT on a grid from -1.7 to 1.7, D = 0.01 a frame; transition matrix of a
    frame."""
    x = np.linspace(-1.7, 1.7, states)
    energy = depth * (x**2 - 1) ** 2
    hop = 0.01 / (x[1] - x[0]) ** 2
    rates = np.zeros((states, states))
    here = np.arange(states - 1)
    rates[here, here + 1] = hop * np.exp(-np.diff(energy) / 2)
    rates[here + 1, here] = hop * np.exp(np.diff(energy) / 2)
    return transition_matrix(rates, 1.0), x


def lumped_chain(
    transition: Array, labels: NDArray[np.int64], frames: int, horizon: int, memory: int, candidates: tuple[int, ...],
    seed: int,
) -> LumpedChain:  # fmt: skip
    """The lumped chain exactly, then by a Markov, a quasi-Markov and a hidden Markov model of ``frames`` frames."""
    lumps = Map.groups(labels)
    exact = lumped_propagators(transition, lumps, horizon)
    kernels = memory_kernels(exact)
    closure = lump_chain(transition, lumps)
    seen = labels.astype(np.int8)[simulate_chain(transition, frames, seed=seed)]
    quasi = quasi_markov(seen, memory)
    compared = choose_hidden_states(seen, candidates, seed=seed)
    best = min(compared, key=lambda one: one.fit.bic).fit
    cutoffs = np.unique(np.geomspace(1, horizon - 1, 16).astype(int))
    cutoffs = np.concatenate([[0], cutoffs])
    loss = lumping_loss(transition, lumps, width=1e-7, words=2000, longest=60)
    return LumpedChain(
        exact, kernels, propagate(closure[None], horizon), quasi.propagate(horizon), best.model.propagators(horizon),
        np.column_stack([np.abs(quasi.kernels).max(axis=(1, 2)), quasi.kernel_errors.max(axis=(1, 2))]),
        float(spectrum(transition).times[0]), float(spectrum(closure).times[0]), quasi.slowest,
        float(implied_times_of_kernels(kernels[: quasi.cutoff + 1])[0]), quasi.cutoff,
        hidden_markov_error(best, seen, _slowest, unit="frame"), best.model,
        np.array([[one.hidden, one.fit.bic, one.held_out.value, one.held_out.error or 0.0] for one in compared]),
        best.unidentified,
        np.array([[c, implied_times_of_kernels(kernels[: c + 1])[0]] for c in cutoffs]),
        np.array([rms(propagate(kernels[: c + 1], horizon), exact) for c in cutoffs]),
        (loss.lower, loss.upper), lumpability(transition, lumps).largest,
    )  # fmt: skip


def rms(found: Array, exact: Array) -> float:
    """Root mean square difference."""
    return float(np.sqrt(np.mean((found - exact) ** 2)))


def _slowest(model: HiddenMarkov) -> float:
    return float(model.times[0])
