"""Coarse entropy with unequal cells, its bias and its error, slopes, and the way out and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.dynamics.reversibility import (
    coarse_entropy,
    coarse_entropy_from_probabilities,
    echo,
    entropy_loss,
    entropy_slope,
    occupation_entropy,
)
from kadanoff.estimates import Estimate
from kadanoff.information import entropy_from_probabilities
from kadanoff.losses import BrokenTheorem, Ledger
from kadanoff.maps import Map


@settings(max_examples=50)
@given(st.integers(0, 2**31), st.integers(2, 40))
def test_coarse_is_never_below_fine_and_merging_cells_never_lowers_it(seed, states):
    generator = np.random.default_rng(seed)
    p = generator.dirichlet(np.full(states, 0.3))
    fine = entropy_from_probabilities(p).value
    first = Map.groups(
        np.concatenate([np.arange(4), generator.integers(0, 4, states)])[:states] if states > 4 else np.arange(states)
    )
    sizes = first.sum(np.ones(states))
    coarse = coarse_entropy_from_probabilities(first.sum(p), sizes).value
    merged = Map.groups(np.arange(first.n_coarse) // 2)
    coarser = coarse_entropy_from_probabilities(merged.sum(first.sum(p)), merged.sum(sizes)).value
    assert fine <= coarse + 1e-12
    assert coarse <= coarser + 1e-12
    assert coarser <= math.log(states) + 1e-12


def test_estimates_cover_the_exact_value_with_unequal_cells():
    generator = np.random.default_rng(0)
    p, size = generator.dirichlet(np.full(30, 0.7)), generator.uniform(0.1, 10, 30)
    exact = coarse_entropy_from_probabilities(p, size).value
    found = [coarse_entropy(generator.multinomial(2000, p), size) for _ in range(300)]
    values, errors = np.array([one.value for one in found]), np.array([one.error for one in found])
    assert abs(values.mean() - exact) < 4.5 * values.std() / math.sqrt(300)
    assert values.std() <= 1.1 * errors.mean()
    plain = [coarse_entropy(generator.multinomial(2000, p), size, correction="none").value for _ in range(300)]
    assert np.mean(plain) < exact - 4.5 * np.std(plain) / math.sqrt(300)  # without the correction it is too small


def test_equal_cells_add_a_constant():
    counts = [5, 9, 0, 3]
    assert coarse_entropy(counts, 2.5).value == pytest.approx(coarse_entropy(counts).value + math.log(2.5))
    assert coarse_entropy(counts, 2.5).error == pytest.approx(coarse_entropy(counts).error)


def test_occupation_entropy_counts_ways():
    assert occupation_entropy([2, 1, 1]) == pytest.approx(math.log(12) / 4)
    assert occupation_entropy([7, 0]) == pytest.approx(0, abs=1e-14)
    assert occupation_entropy([500_000, 500_000]) == pytest.approx(math.log(2), abs=1e-5)


def test_a_slope_is_found_in_its_window_alone():
    t = np.arange(15)
    s = np.minimum(np.where(t < 3, 1.3 * t, 3.9 + 0.8 * (t - 3)), 11.5)
    slope = entropy_slope(s, 14.0)
    assert slope.rate.value == pytest.approx(0.8)
    assert (slope.first, slope.last) == (3, 9)
    with pytest.raises(ValueError, match="0 steps in a row"):
        entropy_slope(np.zeros(10), 14.0)


def test_the_error_of_a_slope_knows_of_curvature():
    t = np.arange(12.0)
    bent = entropy_slope(t + 0.02 * t**2, 30.0)
    straight = entropy_slope(t, 30.0)
    assert straight.rate.error < 1e-12
    assert bent.rate.error > 0.05


def test_a_broken_theorem_is_caught():
    fine, coarse = Estimate.exact(2.0, "nat"), Estimate(1.5, 0.01, unit="nat")
    with pytest.raises(BrokenTheorem, match="coarse >= fine"):
        Ledger([entropy_loss("broken", fine, coarse, constant_by="Liouville")]).verify()
    Ledger([entropy_loss("whole", fine, Estimate.exact(2.0, "nat"), constant_by="permutation")]).verify()


def test_an_echo_looks_on_both_ways():
    def forward(state, steps):
        return state + steps

    def backward(state, steps):
        return state - steps

    found = echo(10, forward, backward, float, [1, 2, 3])
    assert found.steps.tolist() == [0, 1, 3, 6]
    assert found.out.tolist() == found.back.tolist() == [10, 11, 13, 16]
    assert found.final == 10
    off = echo(10, forward, backward, float, [1, 2], disturb=lambda s: s + 5)
    assert (off.turned, off.final) == (18, 15)
    assert off.back.tolist() == [15, 16, 18]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: coarse_entropy([5, 5], [1.0, 0.0]), "positive"),
        (lambda: coarse_entropy([5, 5], [1.0, 1.0, 1.0]), "one for each"),
        (lambda: coarse_entropy_from_probabilities([0.5, 0.4]), "sum to 0.9"),
        (lambda: occupation_entropy([0, 0]), "one particle"),
        (lambda: occupation_entropy([-1, 2]), "from 0 on"),
        (lambda: echo(0, None, None, None, []), "from 1 on"),
    ],
)
def test_bad_requests_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
