"""Entropy production against closed forms, and what lumping hides."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.dynamics import (
    cycles,
    edge_flows,
    entropy_production,
    lumped_entropy_production,
    ring,
    split,
    stationary,
    step_flows,
)
from kadanoff.dynamics.studies.hidden_cycle import HARUNARI, driven_chain, flashing_ratchet
from kadanoff.maps import Map


def random_rates(seed: int, states: int) -> np.ndarray:
    rates = np.exp(np.random.default_rng(seed).normal(0, 1.5, (states, states)))
    np.fill_diagonal(rates, 0)
    return rates


@pytest.mark.parametrize(("forward", "backward"), [(2.0, 1.0), (4.0, 1.0), (1.0, 3.0), (1.0, 1.0), (1e3, 1e-3)])
@pytest.mark.parametrize("states", [3, 7])
def test_a_driven_ring(states, forward, backward):
    rates = ring(states, forward, backward)
    assert stationary(rates) == pytest.approx(np.full(states, 1 / states))
    total = (forward - backward) * math.log(forward / backward)
    assert entropy_production(edge_flows(rates)) == pytest.approx(total, rel=1e-12, abs=1e-14)


def test_known_values():
    """Totals of the hidden cycle: ln 2 and 3 ln 4."""
    assert entropy_production(edge_flows(ring(3, 2, 1))) == pytest.approx(0.6931471805599453, rel=1e-13)
    assert entropy_production(edge_flows(ring(3, 4, 1))) == pytest.approx(4.1588830833596715, rel=1e-13)


def test_the_hidden_cycle():
    parts = split(ring(3, 2, 1), Map.groups([0, 1, 1]))
    assert parts.apparent == pytest.approx(0, abs=1e-15)
    assert parts.inside == pytest.approx(math.log(2) / 3, rel=1e-12)
    assert parts.mixed == pytest.approx(2 * math.log(2) / 3, rel=1e-12)
    assert parts.total == pytest.approx(math.log(2), rel=1e-12)


def test_the_stationary_state_is_one():
    rates = random_rates(1, 6)
    p = stationary(rates)
    assert p.sum() == pytest.approx(1)
    assert p @ rates == pytest.approx(p * rates.sum(axis=1), rel=1e-12)


def test_detailed_balance_produces_nothing():
    """Rates k_ij = w_ij / p_i with symmetric w: no entropy production, fine or lumped."""
    random = np.random.default_rng(2)
    weights = random.uniform(0.1, 1, (8, 8))
    p = random.dirichlet(np.ones(8))
    rates = (weights + weights.T) / p[:, None]
    np.fill_diagonal(rates, 0.0)
    assert stationary(rates) == pytest.approx(p, rel=1e-10)
    assert entropy_production(edge_flows(rates)) == pytest.approx(0, abs=1e-12)
    assert lumped_entropy_production(rates, Map.groups([0, 0, 1, 1, 2, 2, 2, 3])) == pytest.approx(0, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 8), st.data())
def test_apparent_never_exceeds_total(seed, states, data):
    labels = data.draw(st.lists(st.integers(0, 3), min_size=states, max_size=states))
    rates = random_rates(seed, states)
    parts = split(rates, Map.groups(np.unique(labels, return_inverse=True)[1]))
    slack = 1e-9 * parts.total
    assert -slack <= parts.apparent <= parts.total + slack
    assert parts.inside >= -slack
    assert parts.mixed >= -slack
    assert parts.total == pytest.approx(entropy_production(edge_flows(rates)), rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 8))
def test_two_visible_states_show_nothing(seed, states):
    labels = (np.arange(states) > 0).astype(int)
    assert lumped_entropy_production(random_rates(seed, states), Map.groups(labels)) == pytest.approx(0, abs=1e-10)


def test_nothing_lumped_nothing_lost():
    rates = random_rates(5, 5)
    parts = split(rates, Map.groups(np.arange(5)))
    assert (parts.inside, parts.mixed) == pytest.approx((0, 0), abs=1e-12)


def test_known_networks():
    """The network of Harunari et al. (2022), a driven chain of steps, and the flashing ratchet at three heights."""
    assert entropy_production(edge_flows(HARUNARI)) == pytest.approx(1.0830749292, abs=1e-10)
    assert entropy_production(step_flows(driven_chain())) == pytest.approx(0.12477, abs=5e-6)
    for height, total in ((0.5, 0.0163762), (1.0, 0.0623642), (2.0, 0.2130692)):
        assert entropy_production(step_flows(flashing_ratchet(height))) == pytest.approx(total, abs=1e-7)


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.integers(2, 7), st.integers(1, 3), st.data())
def test_cycles_add_up_to_the_total(seed, states, reservoirs, data):
    """One cycle for every edge outside a spanning tree; sum of affinity times current = total, to 1e-12."""
    rates = np.stack([random_rates(seed + r, states) for r in range(reservoirs)])
    for i, j in data.draw(st.lists(st.tuples(st.integers(0, states - 1), st.integers(0, states - 1)), max_size=5)):
        if states > 2 and abs(i - j) > 1:
            rates[-1, i, j] = rates[-1, j, i] = 0.0
    total = entropy_production(edge_flows(rates))
    found = cycles(rates)
    assert len(found) == np.count_nonzero(np.triu(rates)) - states + 1
    assert sum(one.affinity * one.current for one in found) == pytest.approx(total, rel=1e-10, abs=1e-12)
    for one in found:
        path = list(zip(one.states, one.states[1:] + one.states[:1], one.reservoirs, strict=True))
        by_rates = sum(np.log(rates[r, i, j] / rates[r, j, i]) for i, j, r in path)
        assert one.affinity == pytest.approx(by_rates, rel=1e-9, abs=1e-9)


def test_the_cycle_of_a_ring():
    (one,) = cycles(ring(5, 3.0, 1.0))
    assert sorted(one.states) == [0, 1, 2, 3, 4]
    assert abs(one.affinity) == pytest.approx(5 * math.log(3))
    assert one.affinity * one.current == pytest.approx(2 * math.log(3), rel=1e-13)


def test_reservoirs_are_edges_of_their_own():
    """Two states between a hot and a cold bath: a current runs through them that the summed rates do not show."""
    hot, cold = np.array([[0, 1.0], [2.0, 0]]), np.array([[0, 1.0], [8.0, 0]])
    rates = np.stack([hot, cold])
    p = stationary(rates)
    current = p[0] * 1.0 - p[1] * 2.0
    assert entropy_production(edge_flows(rates)) == pytest.approx(current * math.log(8.0 / 2.0), rel=1e-12)
    assert entropy_production(edge_flows(hot + cold)) == pytest.approx(0, abs=1e-15)
    parts = split(rates, Map.groups([0, 1]))
    assert parts.apparent == pytest.approx(0, abs=1e-15)
    assert parts.mixed == pytest.approx(parts.total, rel=1e-12)
    with pytest.raises(ValueError, match="1 -> 0 has no reverse in reservoir 1"):
        entropy_production([[[0, 1], [1, 0]], [[0, 0], [1, 0]]])


def test_a_lump_without_states():
    with pytest.raises(ValueError, match="lump 1 holds no state"):
        split(ring(3, 2, 1), Map.groups([0, 0, 2]))


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ([[0, 1], [1, 0], [1, 1]], "square"),
        ([[0, -1], [1, 0]], "not negative"),
        ([[0, np.nan], [1, 0]], "finite"),
        ([[0, 1, 0], [1, 0, 0], [0, 0, 0]], "2 parts"),
    ],
)
def test_bad_rates(rates, words):
    with pytest.raises(ValueError, match=words):
        stationary(rates)


def test_a_jump_without_return_is_named():
    with pytest.raises(ValueError, match="1 -> 2 has no reverse"):
        entropy_production([[0, 1, 1], [1, 0, 1], [1, 0, 0]])


@pytest.mark.parametrize("lumps", [Map.groups([0, 1, -1]), Map.shares(np.array([[1, 0.5, 0], [0, 0.5, 1]]))])
def test_soft_or_incomplete_lumps_are_refused(lumps):
    with pytest.raises(ValueError, match="hard map"):
        split(ring(3, 2, 1), lumps)
