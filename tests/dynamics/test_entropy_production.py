"""Entropy production against closed forms, and what lumping hides."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.dynamics import edge_flows, entropy_production, lumped_entropy_production, ring, split, stationary
from kadanoff.dynamics.studies.hidden_cycle import HiddenCycle, arc_curve, hidden_cycle
from kadanoff.maps import Map
from kadanoff.study import Run


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


def test_arcs_of_a_ring():
    arcs, seen = arc_curve(12, 2.0, 1.0).T
    assert arcs.tolist() == [2, 3, 4, 6, 12]
    assert seen == pytest.approx(np.array([0, 3, 4, 6, 12]) / 12 * math.log(2), abs=1e-14)


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


@pytest.mark.parametrize(("forward", "backward", "states"), [(2, 1, 12), (1, 5, 7), (1, 1, 4)])
def test_the_study(forward, backward, states):
    result = hidden_cycle(HiddenCycle(forward=forward, backward=backward, ring=states), Run())
    assert result.verdict.passed is True
    assert all(loss.holds for loss in result.ledger)
    total = (forward - backward) * math.log(forward / backward)
    assert result.reported["entropy_production_total"].value == pytest.approx(total, abs=1e-13)
    assert result.reported["entropy_production_apparent"].value == pytest.approx(0, abs=1e-13)
