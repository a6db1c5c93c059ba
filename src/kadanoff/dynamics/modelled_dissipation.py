"""The entropy production of a known process, and every bound on it that an observer could get from endless data."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.dynamics.block_divergence import BlockDivergence, jump_words, word_divergence
from kadanoff.dynamics.current_uncertainty import current_statistics, uncertainty_bound
from kadanoff.dynamics.dissipation import (
    BARATO,
    FIXED,
    HARUNARI,
    INSTANT,
    LIMIT,
    MARTINEZ,
    RESOLVED,
    ROLDAN,
    SCHNAKENBERG,
    SKINNER,
    STATIONARY,
    Collected,
    Dissipation,
    chords_of,
    current_weights,
)
from kadanoff.dynamics.dwell_bound import dwell_time_bound
from kadanoff.dynamics.entropy_production import Split, entropy_production, labels_of, split_flows, step_flows
from kadanoff.dynamics.jumps import check_rates, edge_flows
from kadanoff.dynamics.observers import Milestones, Observer, ResolvedTransitions, StateLumps, wanted_bounds
from kadanoff.dynamics.waiting_times import entry_law_is_fixed, lump_passages, transition_passages, waiting_divergence
from kadanoff.estimates import Estimate

__all__ = ["modelled_dissipation"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


def modelled_dissipation(
    model: ArrayLike,
    observer: Observer,
    *,
    discrete: bool = False,
    bounds: Iterable[str] | None = None,
    longest: int = 6,
    unit: str = "",
) -> Dissipation:
    """The exact total, and every bound that endless data would give: `hidden_dissipation` of a model, with its
    arguments."""
    unit = unit or ("nat/step" if discrete else "nat/time")
    names = wanted_bounds(observer, bounds, not discrete)
    if discrete:
        flows, rates = step_flows(model), np.asarray(model, dtype=np.float64)
    else:
        edges = check_rates(model)
        flows, rates = edge_flows(edges), edges.sum(axis=0) if edges.ndim == 3 else edges
    total = Estimate.exact(entropy_production(flows), unit)
    found = Collected(unit)
    merged = flows.sum(axis=0) if flows.ndim == 3 else flows
    parts = None
    if isinstance(observer, StateLumps):
        if observer.lumps.n_fine != len(rates):
            raise ValueError(f"the map has {observer.lumps.n_fine} states, the model {len(rates)}")
        parts = split_flows(flows, observer.lumps)
        _exact_lumps(found, names, merged, rates, labels_of(observer.lumps), parts, longest, discrete)
    elif discrete:
        raise ValueError(f"an observer of {observer.name} needs a model in continuous time, that is, rates")
    elif isinstance(observer, ResolvedTransitions):
        if flows.ndim == 3:
            raise ValueError(
                "resolved transitions of a model with several reservoirs: give each reservoir's jump a state pair of "
                "its own, or sum the rates; which reservoir a jump used is not part of the pair (i, j)"
            )
        _exact_transitions(found, names, merged, rates, observer)
    else:
        flux = _milestone_flows(merged, rates, observer)
        found.add("milestone_sequence", entropy_production(flux), STATIONARY + "; each milestone is a single state",
                  "order of the milestones, no times")  # fmt: skip
    return Dissipation(observer.name, unit, found.bounds, total, parts, tuple(found.notes))


def _exact_lumps(
    found: Collected, names: tuple[str, ...], flows: Array, rates: Array, label: Index, parts: Split, longest: int,
    discrete: bool,
) -> None:  # fmt: skip
    lumped = np.array([[flows[np.ix_(label == i, label == j)].sum() for j in range(label.max() + 1)]
                       for i in range(label.max() + 1)])  # fmt: skip
    if "apparent" in names:
        found.add("apparent", parts.apparent, INSTANT, SCHNAKENBERG)
    if label.max() == 0:
        found.notes.append("one lump: nothing is seen to move")
        return
    if "block_divergence" in names:
        most = int(np.log((1 << 24) / len(label)) / np.log(label.max() + 1))
        if discrete:
            blocks, rate = word_divergence(rates, flows.sum(axis=1), label, min(longest, most)), 1.0
        else:
            blocks = jump_words(flows, rates, label, min(longest, most))
            rate = float(lumped.sum() - np.trace(lumped))
        _enter_blocks(found, blocks, rate)
    if discrete:
        return
    passages = lump_passages(flows, rates, label)
    if "waiting_times" in names or "semi_markov" in names:
        waiting = [waiting_divergence(passage) for passage in passages]
        triples, times = sum(w.pairs for w in waiting), sum(w.times for w in waiting)
        _enter_waiting(found, names, triples, times, parts.apparent, entry_law_is_fixed(rates, label))
    if "dwell_bound" in names:
        mean_cycle = [1.0 / passage.moments[0] for passage in passages]
        for lump, passage in enumerate(passages):
            _, stay, square = passage.moments
            value = dwell_time_bound(stay, mean_cycle[lump] - stay, square)
            found.add(f"dwell_bound.{lump}", value, INSTANT, SKINNER)
    if "current_uncertainty" in names:
        chords = chords_of(lumped)
        weights = current_weights(chords, label[:, None], label[None, :])
        mean, covariance = current_statistics(flows, rates, weights)
        found.add("current_uncertainty", uncertainty_bound(mean, covariance), f"{INSTANT}; continuous time", BARATO)


def _exact_transitions(
    found: Collected, names: tuple[str, ...], flows: Array, rates: Array, observer: ResolvedTransitions
) -> None:
    passage = transition_passages(flows, rates, observer.directed)
    if "transition_sequence" in names or "transition_based" in names:
        waiting = waiting_divergence(passage)
        single = passage.entry.sum(axis=1)
        sequence = waiting.pairs - float(np.sum(single * np.log(single / single[passage.first])))
        if "transition_sequence" in names:
            found.add("transition_sequence", sequence, RESOLVED, HARUNARI)
        if "transition_based" in names:
            found.add("transition_based", sequence + waiting.times, RESOLVED, HARUNARI, sequence=sequence,
                      times=waiting.times)  # fmt: skip
    if "current_uncertainty" in names:
        state = np.arange(len(rates))
        weights = current_weights(list(observer.pairs), state[:, None], state[None, :])
        mean, covariance = current_statistics(flows, rates, weights)
        found.add("current_uncertainty", uncertainty_bound(mean, covariance), f"{RESOLVED}; continuous time", BARATO)


def _milestone_flows(flows: Array, rates: Array, observer: Milestones) -> Array:
    """How often (m, m) the process goes from one milestone to another without touching a third."""
    stones = np.array(observer.states)
    if stones.min() < 0 or stones.max() >= len(rates):
        raise ValueError(f"milestones {observer.states}: the model has the states 0 ... {len(rates) - 1}")
    rest = np.setdiff1d(np.arange(len(rates)), stones)
    hidden = np.diag(rates.sum(axis=1))[np.ix_(rest, rest)] - rates[np.ix_(rest, rest)]
    hits = np.linalg.solve(hidden, rates[np.ix_(rest, stones)]) if len(rest) else np.zeros((0, len(stones)))
    flux = flows[np.ix_(stones, stones)] + flows[np.ix_(stones, rest)] @ np.maximum(hits, 0.0)
    np.fill_diagonal(flux, 0.0)
    return np.asarray(flux)


def _enter_blocks(found: Collected, blocks: BlockDivergence, rate: float) -> None:
    for length, per_step, increment in zip(blocks.lengths, blocks.per_step, blocks.increments, strict=True):
        found.add(f"block_divergence.{length}", rate * per_step, INSTANT, ROLDAN)
        if length > 2:
            found.add(f"block_increment.{length}", rate * increment, LIMIT, ROLDAN, rigorous=False)


def _enter_waiting(
    found: Collected, names: tuple[str, ...], triples: float, times: float, apparent: float, fixed: bool
) -> None:
    if "waiting_times" in names:
        found.add("waiting_times", (triples + times) / 2, INSTANT, "half the divergence of jump, dwell time, jump")
    if "semi_markov" in names:
        found.add("semi_markov", triples - apparent + times, f"{INSTANT}; {FIXED}", MARTINEZ, fixed,
                  affinity=triples - apparent, waiting=times)  # fmt: skip
        if not fixed:
            found.notes.append("semi_markov is no bound here: how a lump is entered depends on more than the last lump")
