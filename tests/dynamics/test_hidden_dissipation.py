"""What observers of a known process can say: published numbers, theorems on random networks, and what is refused."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.dynamics import (
    Milestones,
    ResolvedTransitions,
    StateLumps,
    block_divergence,
    edge_flows,
    entropy_production,
    hidden_dissipation,
    ring,
    simulate_jumps,
    stationary,
    step_flows,
)
from kadanoff.dynamics.current_uncertainty import current_statistics, independent, occupation_bound
from kadanoff.dynamics.studies.hidden_cycle import HARUNARI, flashing_ratchet
from kadanoff.dynamics.waiting_times import entry_law_is_fixed, lump_passages, transition_passages, waiting_divergence
from kadanoff.maps import Map

EDGES = ResolvedTransitions(((0, 1), (2, 3)))


def lumps(*label: int) -> StateLumps:
    return StateLumps(Map.groups(np.unique(label, return_inverse=True)[1]))


def random_rates(seed: int, states: int, spread: float = 1.5) -> np.ndarray:
    rates = np.exp(np.random.default_rng(seed).normal(0, spread, (states, states)))
    np.fill_diagonal(rates, 0)
    return rates


def reversible_rates(seed: int, states: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    weight = random.uniform(0.1, 1, (states, states))
    rates = (weight + weight.T) / random.dirichlet(np.full(states, 3.0))[:, None]
    np.fill_diagonal(rates, 0)
    return rates


def test_the_network_of_harunari():
    one = hidden_dissipation(HARUNARI, EDGES)
    parts = one.bounds["transition_based"].parts
    assert one.total.value == pytest.approx(1.0830749292, abs=1e-10)
    assert one["transition_sequence"].value == pytest.approx(0.5290872826, abs=1e-10)
    assert parts["sequence"].value == one["transition_sequence"].value
    assert parts["times"].value == pytest.approx(0.0169745833, abs=1e-10)


@pytest.mark.parametrize(("forward", "total"), [(2.0, 0.6931471806), (4.0, 4.1588830834)])
def test_the_hidden_cycle(forward, total):
    one = hidden_dissipation(ring(3, forward, 1), lumps(0, 1, 1))
    assert one["apparent"].value == 0
    assert one.bounds["semi_markov"].rigorous
    for name in ("waiting_times", "semi_markov", "block_divergence.6", "current_uncertainty", "dwell_bound.0"):
        assert one[name].value == pytest.approx(0, abs=1e-12)
    assert 0.7 * total < one["dwell_bound.1"].value < total
    assert one.best.name == "dwell_bound.1"
    edge = hidden_dissipation(ring(3, forward, 1), ResolvedTransitions(((0, 1),)))
    assert edge["transition_based"].value == pytest.approx(total, abs=1e-10)
    assert edge.bounds["transition_based"].parts["times"].value == pytest.approx(0, abs=1e-13)


@pytest.mark.parametrize("rates", [ring(3, 2, 1), HARUNARI, random_rates(3, 6)])
def test_the_identity_hides_nothing(rates):
    one = hidden_dissipation(rates, lumps(*range(len(rates))))
    total = entropy_production(edge_flows(rates))
    for name in ("apparent", "block_divergence.2", "block_divergence.5", "block_increment.5", "semi_markov"):
        assert one[name].value == pytest.approx(total, rel=1e-12)
    assert one["waiting_times"].value == pytest.approx(total, rel=1e-12)
    everything = ResolvedTransitions(tuple((i, j) for i in range(len(rates)) for j in range(i) if rates[i, j] > 0))
    assert hidden_dissipation(rates, everything)["transition_based"].value == pytest.approx(total, rel=1e-11)
    stones = hidden_dissipation(rates, Milestones(tuple(range(len(rates)))))
    assert stones["milestone_sequence"].value == pytest.approx(total, rel=1e-12)


def test_words_of_the_flashing_ratchet():
    """Exact increments of the ratchet with its switch unseen, to the digits known; all still far below the total."""
    found = block_divergence(flashing_ratchet(1.0), Map.groups([0, 1, 2, 0, 1, 2]), 9)
    known = [6e-6, 5.7e-4, 1.57e-3, 2.47e-3, 3.30e-3, 4.06e-3, 4.76e-3, 5.42e-3]
    assert found.increments == pytest.approx(known, rel=4e-3, abs=5e-7)
    assert np.all(found.per_step < 0.0623642)


def test_increments_are_no_bounds():
    """The ring of six seen as a, a, b, a, b, b: d_9 = 1.13 sigma at p = 0.8, while D_n / (n - 1) stays below sigma."""
    steps, total = ring(6, 0.8, 0.2), 0.6 * math.log(4)
    found = block_divergence(steps, Map.groups([0, 0, 1, 0, 1, 1]), 12)
    assert found.increments[7] / total == pytest.approx(1.13, abs=0.005)
    assert np.all(found.per_step <= total)
    one = hidden_dissipation(steps, lumps(0, 0, 1, 0, 1, 1), discrete=True, longest=9)
    assert not one.bounds["block_increment.9"].rigorous
    assert "not a bound" in one.bounds["block_increment.9"].assumptions
    assert one["block_increment.9"].value > one.total.value
    assert all(loss.holds for loss in one.ledger())
    assert not any("increment" in loss.name for loss in one.ledger())


def test_words_against_plain_enumeration():
    chain, label = flashing_ratchet(1.3), [0, 1, 1, 0, 1, 0]
    p = step_flows(chain).sum(axis=1)
    table = np.zeros((2,) * 4)
    for word in np.ndindex(6, 6, 6, 6):
        weight = p[word[0]] * np.prod([chain[i, j] for i, j in itertools.pairwise(word)])
        table[tuple(label[i] for i in word)] += weight
    direct = np.sum(table * np.log(table / table.transpose(3, 2, 1, 0)))
    assert block_divergence(chain, Map.groups(label), 4).divergence[-1] == pytest.approx(direct, rel=1e-12)


def test_waiting_times_against_a_fine_sum():
    """The quadrature by octaves against a plain sum over an equal grid of times with matrix exponentials."""
    from scipy.linalg import expm

    passage = transition_passages(edge_flows(HARUNARI), HARUNARI, EDGES.directed)
    step = 0.001
    once = expm((passage.hidden - np.diag(passage.leaving)) * step)
    power, total = np.eye(4), 0.0
    for k in range(10_001):
        density = passage.entry @ power @ passage.exit
        back = density[passage.first][:, passage.last].T
        seen = density > 0  # at t = 0 some pairs cannot follow each other
        total += (0.5 if k == 0 else 1.0) * step * float(np.sum(density[seen] * np.log(density[seen] / back[seen])))
        power = power @ once
    found = waiting_divergence(passage)
    assert found.pairs + found.times == pytest.approx(total, abs=2e-6)


def test_moments_of_dwell_times():
    """A lump of two states in a row: theta from the phases, <t> from the share of time over the flow."""
    rates = ring(3, 4, 1)
    p, flows = stationary(rates), edge_flows(rates)
    visit = lump_passages(flows, rates, np.array([0, 1, 1]))[1]
    rate, mean, square = visit.moments
    assert rate == pytest.approx(flows[0, 1] + flows[0, 2])
    assert mean == pytest.approx((p[1] + p[2]) / rate)
    assert square / mean**2 == pytest.approx(1.7857142857, rel=1e-9)


def test_currents_against_a_trajectory():
    """Long-time mean and variance of two currents against blocks of a trajectory."""
    weights = np.zeros((2, 4, 4))
    for k, (i, j) in enumerate(EDGES.pairs):
        weights[k, i, j], weights[k, j, i] = 1, -1
    mean, covariance = current_statistics(edge_flows(HARUNARI), HARUNARI, weights)
    path = simulate_jumps(HARUNARI, jumps=600_000, seed=1)
    block = (np.cumsum(path.dwells)[:-1] // 100.0).astype(int)
    number = int(block.max())
    jumps = [np.bincount(block, w[path.states[:-1], path.states[1:]], number + 1)[:number] for w in weights]
    error = np.sqrt(np.diag(covariance) / (100 * number))
    assert np.all(np.abs(np.mean(jumps, axis=1) / 100 - mean) < 5 * error)
    assert np.cov(jumps) / 100 == pytest.approx(covariance, abs=5 * covariance.max() * math.sqrt(2 / number))


BOUNDS = ("apparent", "block_divergence.4", "waiting_times", "dwell_bound.0", "current_uncertainty")


@given(st.integers(0, 2**31), st.integers(3, 6), st.data())
@settings(max_examples=40)
def test_every_bound_lies_between_zero_and_the_total(seed, states, data):
    label = data.draw(st.lists(st.integers(0, 2), min_size=states, max_size=states))
    rates = random_rates(seed, states)
    seen = hidden_dissipation(rates, lumps(*label), longest=4)
    pairs = data.draw(
        st.sets(st.tuples(st.integers(0, states - 1), st.integers(0, states - 1)), min_size=1, max_size=3)
    )
    pairs = {(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]} or {(0, 1)}
    edges = hidden_dissipation(rates, ResolvedTransitions(tuple(sorted(pairs))))
    stones = hidden_dissipation(rates, Milestones((0, 2)))
    for one in (seen, edges, stones):
        slack = 1e-8 * one.total.value + 1e-10
        for bound in one.bounds.values():
            if bound.rigorous:
                assert -slack <= bound.estimate.value <= one.total.value + slack, bound.name
        assert all(loss.holds for loss in one.ledger())
    assert edges["transition_sequence"].value <= edges["transition_based"].value + 1e-9
    inside = np.arange(states) < 2
    assert occupation_bound(edge_flows(rates), rates, inside) <= seen.total.value * (1 + 1e-9)


@given(st.integers(0, 2**31), st.integers(4, 6))
@settings(max_examples=30)
def test_data_processing(seed, states):
    """A finer map never shows less: apparent, words and jump-dwell-jump of lumps and of lumps of lumps."""
    random = np.random.default_rng(seed)
    rates = random_rates(seed, states)
    fine = np.unique(random.integers(0, 4, states), return_inverse=True)[1]
    coarse = np.unique(np.array([0, 0, 1, 2])[fine], return_inverse=True)[1]
    one = hidden_dissipation(rates, lumps(*fine), bounds=["apparent"])["apparent"].value
    other = hidden_dissipation(rates, lumps(*coarse), bounds=["apparent"])["apparent"].value
    assert other <= one * (1 + 1e-9) + 1e-12
    chain = rates / (2 * rates.sum(axis=1).max()) + np.diag(1 - rates.sum(axis=1) / (2 * rates.sum(axis=1).max()))
    words = [block_divergence(chain, Map.groups(label), 5).divergence for label in (fine, coarse)]
    assert np.all(words[1] <= words[0] * (1 + 1e-9) + 1e-12)
    total = entropy_production(step_flows(chain))
    per_step = block_divergence(chain, Map.groups(fine), 5).per_step
    assert np.all(per_step <= total * (1 + 1e-9))
    apparent = hidden_dissipation(chain, lumps(*fine), discrete=True, longest=5)
    assert apparent["apparent"].value <= apparent["block_divergence.5"].value * 4 + 1e-12
    assert np.all(np.diff(words[0]) >= -1e-12)  # longer words show more


@given(st.integers(0, 2**31), st.integers(3, 6))
@settings(max_examples=20)
def test_equilibrium_shows_nothing(seed, states):
    rates = reversible_rates(seed, states)
    label = np.unique(np.random.default_rng(seed).integers(0, 3, states), return_inverse=True)[1]
    for observer in (StateLumps(Map.groups(label)), ResolvedTransitions(((0, 1), (1, 2))), Milestones((0, 1))):
        for bound in hidden_dissipation(rates, observer).bounds.values():
            assert bound.estimate.value == pytest.approx(0, abs=1e-9), bound.name


def test_apparent_may_exceed_the_divergence_of_the_whole_path():
    """Bounds are not ordered: the lumped path of the four states is semi-Markov of second order, its divergence rate
    exact, and smaller than that of its flows; longer words of lumps tend to the limit from above."""
    one = hidden_dissipation(HARUNARI, lumps(0, 1, 2, 2), longest=10)
    assert one.bounds["semi_markov"].rigorous
    assert one["apparent"].value == pytest.approx(0.307136, abs=1e-6)
    assert one["semi_markov"].value == pytest.approx(0.303523, abs=1e-6)
    words = [one[f"block_divergence.{n}"].value for n in range(2, 11)]
    assert np.all(np.diff(words) < 0)
    assert words[-1] > one["block_increment.10"].value == pytest.approx(one["block_increment.3"].value, rel=1e-9)


def test_many_lumps_and_long_words_are_left_out_by_name():
    rates = np.ones((300, 300)) - np.eye(300)
    one = hidden_dissipation(rates, lumps(*range(300)), bounds=["apparent", "block_divergence", "current_uncertainty"])
    assert set(one.bounds) == {"apparent"}
    assert any("300 lumps" in note for note in one.notes)
    assert any("44551 currents" in note for note in one.notes)


def test_more_resolved_transitions_show_more():
    few = hidden_dissipation(HARUNARI, ResolvedTransitions(((0, 1),)))["transition_based"].value
    assert few <= hidden_dissipation(HARUNARI, EDGES)["transition_based"].value
    assert hidden_dissipation(HARUNARI, EDGES)["transition_based"].value <= 1.0830749292


def test_the_entry_law():
    """Where a lump is entered by a law that depends on the past, the semi-Markov value is no bound, and says so."""
    assert entry_law_is_fixed(HARUNARI, np.array([0, 1, 2, 2]))
    assert not entry_law_is_fixed(HARUNARI, np.array([0, 0, 1, 1]))
    one = hidden_dissipation(HARUNARI, lumps(0, 0, 1, 1))
    assert not one.bounds["semi_markov"].rigorous
    assert any("semi_markov is no bound" in note for note in one.notes)


@pytest.mark.parametrize(
    ("observer", "name", "words"),
    [
        (EDGES, "dwell_bound", "resolved transitions: between resolved transitions the state is not known"),
        (EDGES, "semi_markov", "no bound for an observer of resolved transitions"),
        (Milestones((0, 1)), "waiting_times", "milestones.*Hartich and Godec"),
        (Milestones((0, 1)), "dwell_bound", "only their order can be used"),
        (Milestones((0, 1)), "current_uncertainty", "no bound for an observer of milestones"),
        (lumps(0, 1, 1, 1), "transition_based", "single jumps between known states"),
        (lumps(0, 1, 1, 1), "milestone_sequence", "no bound for an observer of state lumps"),
        (lumps(0, 1, 1, 1), "magic", "there is no bound 'magic'"),
    ],
)
def test_the_wrong_estimator_is_refused(observer, name, words):
    with pytest.raises(ValueError, match=words):
        hidden_dissipation(HARUNARI, observer, bounds=[name])
    with pytest.raises(ValueError, match=words):
        hidden_dissipation(simulate_jumps(HARUNARI, jumps=2000, seed=1), observer, bounds=[name])


def test_discrete_time_refuses_what_needs_a_clock():
    chain = flashing_ratchet(1.0)
    observer = lumps(0, 1, 2, 0, 1, 2)
    for name, words in (("current_uncertainty", "a chain of steps can break it"), ("dwell_bound", "continuous time")):
        with pytest.raises(ValueError, match=words):
            hidden_dissipation(chain, observer, discrete=True, bounds=[name])
    assert set(hidden_dissipation(chain, observer, discrete=True, longest=3).bounds) == {
        "apparent", "block_divergence.2", "block_divergence.3", "block_increment.3",
    }  # fmt: skip
    with pytest.raises(ValueError, match="continuous time, that is, rates"):
        hidden_dissipation(chain, EDGES, discrete=True)


@pytest.mark.parametrize(
    ("rates", "observer", "words"),
    [
        ([[0, 1, 1], [1, 0, 1], [1, 0, 0]], lumps(0, 1, 1), "1 -> 2 has no reverse"),
        (HARUNARI, lumps(0, 1, 1), "map has 3 states, the model 4"),
        (HARUNARI, StateLumps(Map.groups([0, 0, 2, 2])), "lump 1 holds no state"),
        (ring(4, 2, 1), ResolvedTransitions(((0, 2),)), "no such jump"),
        (HARUNARI, Milestones((0, 7)), "has the states 0 ... 3"),
        ([[0, np.nan], [1, 0]], lumps(0, 1), "nan for the jump 0 -> 1"),
        (np.stack([HARUNARI, HARUNARI]), EDGES, "several reservoirs"),
    ],
)
def test_bad_models(rates, observer, words):
    with pytest.raises(ValueError, match=words):
        hidden_dissipation(rates, observer)


def test_bad_observers():
    with pytest.raises(ValueError, match="two or more different states"):
        Milestones((1, 1))
    for pairs in ((), ((1, 1),), ((0, 1), (1, 0))):
        with pytest.raises(ValueError, match="different pairs"):
            ResolvedTransitions(pairs)
    with pytest.raises(ValueError, match="take words of 7 or fewer"):
        block_divergence(np.full((8, 8), 1 / 8), Map.groups(np.arange(8)), 9)


@pytest.mark.slow
def test_a_thousand_random_networks():
    """No bound is ever broken; how far the best of each observer is from the total is what `slack` would plot."""
    random = np.random.default_rng(11)
    for k in range(1000):
        states = int(random.integers(3, 8))
        rates = random_rates(int(random.integers(2**31)), states, float(random.uniform(0.3, 3.0)))
        label = np.unique(random.integers(0, 3, states), return_inverse=True)[1]
        for observer in (StateLumps(Map.groups(label)), ResolvedTransitions(((0, 1), (1, 2))), Milestones((0, 1, 2))):
            one = hidden_dissipation(rates, observer, longest=4)
            assert all(loss.holds for loss in one.ledger()), (k, observer)


def test_rates_ten_decades_apart():
    """One cycle with one resolved edge: the times carry nothing, and the sequence is the total."""
    rates = np.zeros((4, 4))
    for i, j, there, back in ((0, 1, 0.19, 4.2), (1, 2, 4.2e4, 2.2e-5), (2, 3, 0.089, 12.4), (3, 0, 3.6e-4, 3.4e3)):
        rates[i, j], rates[j, i] = there, back
    found = hidden_dissipation(rates, ResolvedTransitions(((0, 1),)), bounds=["transition_based"])
    parts = found.bounds["transition_based"].parts
    assert found["transition_based"].value == pytest.approx(found.total.value, rel=1e-7)
    assert abs(parts["times"].value) < 1e-8 * found.total.value


def test_a_current_that_rounding_leaves_with_a_negative_variance_is_left_out_alone():
    assert independent(np.diag([4.0, -1e-20]), 1e-9) == pytest.approx(np.array([[0.5], [0.0]]))
