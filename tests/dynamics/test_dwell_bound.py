"""The dwell-time bound: solved from both sides, against networks, the published table and its asymptote."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadanoff.dynamics import StateLumps, dwell_time_bound, hidden_dissipation, least_dissipation, ring
from kadanoff.maps import Map


def dual(theta: float) -> float:
    """gamma from below: what no network can undercut (the module's second equation), by brute force."""
    power, u = 2 / theta - 1, np.linspace(0, 1, 100_001)[:-1]
    entropy = 2 * u * np.log((1 + u) / (1 - u))
    a = np.linspace(1e-3, 0.25, 1000)
    return max((power - np.max((1 - 2 * x) ** 2 * u**2 - x**2 * entropy)) / x**2 for x in a) / 2


@pytest.mark.parametrize("theta", [1.95, 1.9285714286, 1.7857142857, 1.4])
def test_the_minimum_equals_its_dual(theta):
    assert least_dissipation(theta) == pytest.approx(dual(theta), rel=2e-5)


def test_the_asymptote():
    """theta = 2 - gamma / 4 for small gamma; what is left falls like the square."""
    rest = [float(least_dissipation(2 - x)) / (4 * x) - 1 for x in (1e-2, 1e-3, 1e-4)]
    assert rest == pytest.approx([0.0067, 0.00067, 0.000067], rel=0.05)
    assert least_dissipation(2.0) == 0
    assert least_dissipation(7.0) == 0


def test_against_the_published_table():
    """The authors' table is a minimum over networks of a few states: above ours, by less than 0.7 %."""
    ours = [dwell_time_bound(1.0, 2.0, 1.4), dwell_time_bound(2 / 3, 1 / 3, 1.9285714286 * 4 / 9)]
    for value, published in zip(ours, (2.8396, 0.6021), strict=True):
        assert 0.993 * published < value < published
    for forward, published in ((2.0, 0.6021), (4.0, 3.3507)):
        one = hidden_dissipation(ring(3, forward, 1.0), StateLumps(Map.groups([0, 1, 1])), bounds=["dwell_bound"])
        assert 0.993 * published < one["dwell_bound.1"].value < published


@pytest.mark.parametrize("theta", [1.9, 1.6])
def test_networks_come_close_and_never_below(theta):
    """Lines of more and more states reach the bound from above: the excess falls as the line gets longer."""
    power = 2 / theta - 1
    excess = []
    for states in (3, 6, 12, 48):
        best = math.inf
        for u in np.linspace(math.sqrt(power) + 1e-3, 0.999, 400):
            conductance = (states - 1) * (u**2 / power - 1) / 4
            if conductance <= u / 2:
                continue
            inner = (states - 1) * u * math.log((conductance + u / 2) / (conductance - u / 2))
            best = min(best, u * math.log((1 + u) / (1 - u)) + inner / 2)
        excess.append(best / float(least_dissipation(theta)) - 1)
    assert np.all(np.diff(excess) < 0)
    assert 0 <= excess[-1] < 0.002


@given(st.integers(0, 2**31), st.integers(3, 7), st.floats(0.5, 4.0))
def test_no_network_undercuts_it(seed, states, spread):
    random = np.random.default_rng(seed)
    rates = np.exp(random.normal(0, spread, (states, states)))
    np.fill_diagonal(rates, 0.0)
    label = np.concatenate([[0, 1], random.integers(0, 2, states - 2)])
    one = hidden_dissipation(rates, StateLumps(Map.groups(label)), bounds=["dwell_bound"])
    for bound in one.bounds.values():
        assert bound.estimate.value <= one.total.value * (1 + 1e-9) + 1e-9


@given(st.floats(0.8, 3.0), st.integers(3, 8))
def test_no_strongly_driven_ring_undercuts_it(drive, states):
    label = (np.arange(states) > 0).astype(int)
    one = hidden_dissipation(ring(states, math.exp(drive), 1), StateLumps(Map.groups(label)), bounds=["dwell_bound"])
    assert one["dwell_bound.1"].value <= one.total.value


def test_bad_times():
    with pytest.raises(ValueError, match="no finite dissipation"):
        least_dissipation(1.0)
    with pytest.raises(ValueError, match="must be positive"):
        dwell_time_bound(0.0, 1.0, 1.0)
