"""Lumping: the defect, the loss in nats between its bounds, metastable sets of driven and balanced chains."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import xlogy

from kadanoff.dynamics.lumping import (
    entropy_rate_bounds,
    lump_chain,
    lumpability,
    lumping_loss,
    sampled_entropy_rate,
)
from kadanoff.dynamics.markov import spectrum, stationary_state, transition_matrix
from kadanoff.dynamics.metastable import metastable_sets, suggested_sets
from kadanoff.dynamics.transition_counts import MarkovWarning
from kadanoff.information import entropy_rate
from kadanoff.maps import Map

CYCLE = np.array([[0.46, 0.36, 0.18], [0.18, 0.46, 0.36], [0.36, 0.18, 0.46]])


def random_chain(seed: int, states: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(states, 0.7), states)


def lumpable_chain(labels: np.ndarray, lumped: np.ndarray, seed: int = 0) -> np.ndarray:
    rng, n = np.random.default_rng(seed), len(labels)
    chain = np.zeros((n, n))
    for i, lump in itertools.product(range(n), range(len(lumped))):
        members = np.flatnonzero(labels == lump)
        chain[i, members] = lumped[labels[i], lump] * rng.dirichlet(np.ones(len(members)))
    return chain


def wells_on_a_ring(states: int, wells: int, force: float) -> np.ndarray:
    """Diffusion over ``wells`` barriers on a ring, with a force around it."""
    energy = -2.2 * np.cos(2 * np.pi * wells * np.arange(states) / states)
    rates, here = np.zeros((states, states)), np.arange(states)
    for step, push in ((1, force), (-1, -force)):
        there = (here + step) % states
        rates[here, there] = np.exp(-(energy[there] - energy[here]) / 2 + push)
    return transition_matrix(rates, 1.0)


def enumerated_entropy(chain, labels, length, hidden):
    """H(Y_1 ... Y_n | X_1 if hidden) - the same of n - 1, by all words, each by itself."""
    p = stationary_state(chain)
    m = labels.max() + 1

    def words(n, start):
        probabilities = []
        for word in itertools.product(range(m), repeat=n):
            alpha = np.where(labels == word[0], start, 0.0)
            for symbol in word[1:]:
                alpha = np.where(labels == symbol, alpha @ chain, 0.0)
            probabilities.append(alpha.sum())
        return -xlogy(probabilities, probabilities).sum()

    if not hidden:
        return words(length, p) - words(length - 1, p)
    return sum(p[x] * (words(length, np.eye(len(p))[x]) - words(length - 1, np.eye(len(p))[x])) for x in range(len(p)))


def test_a_lumpable_chain_loses_nothing():
    labels = np.array([0, 0, 1, 1, 1, 2])
    lumped = np.array([[0.7, 0.2, 0.1], [0.3, 0.5, 0.2], [0.25, 0.25, 0.5]])
    chain, lumps = lumpable_chain(labels, lumped), Map.groups(labels)
    assert lump_chain(chain, lumps) == pytest.approx(lumped, abs=1e-14)
    assert lumpability(chain, lumps).largest < 1e-14
    loss = lumping_loss(chain, lumps)
    assert loss.bounds.exact
    assert 0 <= loss.lower <= loss.upper < 1e-13
    assert loss.bounds.closure == pytest.approx(entropy_rate(lumped).value, abs=1e-13)


def test_the_defect_of_the_cycle_is_named():
    """B goes to A with 0.18, C with 0.36: 0.09 from their mean."""
    found = lumpability(CYCLE, Map.groups([0, 1, 1]))
    assert found.largest == pytest.approx(0.09)
    assert found.state in (1, 2)
    assert found.mean == pytest.approx(math.sqrt(2 / 3 * 2) * 0.09)


def test_weakly_lumpable_chains_have_a_defect_and_no_loss():
    """The reverse of a lumpable chain: its lumped process is Markovian in the stationary state only."""
    labels = np.array([0, 0, 1, 1, 1])
    chain = lumpable_chain(labels, np.array([[0.8, 0.2], [0.3, 0.7]]), seed=3)
    p = stationary_state(chain)
    backwards = (p[:, None] * chain).T / p[:, None]
    assert lumpability(backwards, Map.groups(labels)).largest > 0.01
    assert lumping_loss(backwards, Map.groups(labels)).upper < 1e-8


@pytest.mark.parametrize(("seed", "labels"), [(0, [0, 0, 1]), (1, [0, 1, 1, 0]), (2, [0, 1, 2, 2])])
def test_bounds_are_those_of_all_words(seed, labels):
    labels = np.array(labels)
    chain, lumps = random_chain(seed, len(labels)), Map.groups(labels)
    for length in (2, 3, 6):
        found = entropy_rate_bounds(chain, lumps, longest=length - 1, width=0.0)
        assert found.upper == pytest.approx(enumerated_entropy(chain, labels, length, False), abs=1e-11)
        assert found.lower == pytest.approx(enumerated_entropy(chain, labels, length, True), abs=1e-11)


def test_bounds_close_in_and_hold_when_words_are_pooled():
    chain, lumps = random_chain(5, 6), Map.groups([0, 0, 0, 1, 1, 1])
    full = entropy_rate_bounds(chain, lumps, width=1e-8)
    assert full.upper - full.lower < 1e-8
    assert full.pooled == 0
    few = entropy_rate_bounds(chain, lumps, width=1e-8, words=40)
    assert few.pooled > 0
    assert few.lower <= full.upper
    assert few.upper >= full.lower
    sampled = sampled_entropy_rate(chain, lumps, steps=8000, seed=1)
    assert sampled.value == pytest.approx(full.upper, abs=5 * sampled.error)


def test_a_lump_of_one_state_makes_the_rate_exact():
    """Seen through {A}, {B, C} the cycle is a renewal process: h = sum over times since A of a closed form."""
    found = entropy_rate_bounds(CYCLE, Map.groups([0, 1, 1]))
    p, posterior, h = np.full(3, 1 / 3), np.array([1.0, 0, 0]), 0.0
    weight = p[0]
    for _ in range(400):
        ahead = posterior @ CYCLE
        h += weight * -xlogy([ahead[0], 1 - ahead[0]], [ahead[0], 1 - ahead[0]]).sum()
        weight *= 1 - ahead[0]
        posterior = np.array([0, ahead[1], ahead[2]]) / (1 - ahead[0])
    assert found.exact
    assert found.upper == pytest.approx(h, abs=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(3, 6))
def test_lumping_further_never_sees_more(seed, states):
    """Data processing: the entropy rate falls along maps in a row, and the loss is never negative."""
    rng = np.random.default_rng(seed)
    chain = random_chain(seed, states)
    first = np.concatenate([np.arange(3), rng.integers(0, 3, states - 3)])
    one = Map.groups(first)
    second = Map.groups([0, 1, 1], weight=one.coarse_weight)
    fine = entropy_rate(chain).value
    middle = entropy_rate_bounds(chain, one, longest=12, words=2000)
    coarse = entropy_rate_bounds(chain, second @ one, longest=12, words=2000)
    assert middle.lower <= fine + 1e-12
    assert coarse.lower <= middle.upper + 1e-12
    for bounds in (middle, coarse):
        assert bounds.lower <= bounds.upper <= bounds.closure + 1e-12
    assert lump_chain(chain, second @ one) == pytest.approx(lump_chain(lump_chain(chain, one), second), abs=1e-12)


@pytest.mark.parametrize(
    ("lumps", "words"),
    [
        (Map.groups([0, 1]), "3"),
        (Map.groups([0, 1, -1]), "state 2 is in no lump"),
        (Map.groups([0, 2, 2]), "lump 1 holds no state"),
        (Map.shares([[1, 0.5, 0], [0, 0.5, 1]]), "hard"),
    ],
)
def test_bad_maps(lumps, words):
    with pytest.raises(ValueError, match=words):
        lump_chain(CYCLE, lumps)


def test_a_lump_without_probability_is_named():
    with pytest.raises(ValueError, match="lump 1 has no probability"):
        lump_chain(CYCLE, Map.groups([0, 1, 0]), [0.5, 0.0, 0.5])


@pytest.mark.parametrize("force", [0.0, 0.05, 0.15])
def test_known_wells_are_found_driven_or_not(force):
    """Three wells on a ring; with a force the slow eigenvalues are a complex pair."""
    chain = wells_on_a_ring(30, 3, force)
    assert suggested_sets(chain) == 3
    found = metastable_sets(chain, 3)
    labels = np.asarray(found.lumps.membership.argmax(axis=0)).ravel()
    for well in range(3):
        members = labels[(np.arange(30) - 10 * well + 3) % 30 < 7]  # seven states around the minimum
        assert len(set(members.tolist())) == 1
    assert found.memberships.sum(axis=1) == pytest.approx(np.ones(30))
    assert found.memberships.min() >= 0
    exact = spectrum(chain, 3).eigenvalues
    assert np.abs(np.linalg.eigvals(found.transition)).max() == pytest.approx(1)
    assert np.sort(np.abs(np.linalg.eigvals(found.transition))) == pytest.approx(np.sort(np.abs(exact)), abs=1e-9)


def test_a_complex_pair_is_kept_together():
    chain = wells_on_a_ring(30, 3, 0.15)
    with pytest.warns(MarkovWarning, match="part the complex pair"):
        found = metastable_sets(chain, 2)
    assert found.lumps.n_coarse == 2
    assert len(found.eigenvalues) == 3
    assert "joined" in found.note


def test_nearly_parted_blocks():
    """Blocks of 4, 5 and 6 states, driven inside, joined by rare jumps."""
    rng = np.random.default_rng(2)
    sizes, chain = (4, 5, 6), np.full((15, 15), 2e-4)
    labels = np.repeat(np.arange(3), sizes)
    for lump in range(3):
        members = np.flatnonzero(labels == lump)
        chain[np.ix_(members, members)] += rng.dirichlet(np.ones(len(members)), len(members))
    chain /= chain.sum(axis=1, keepdims=True)
    found = metastable_sets(chain, 3)
    got = np.asarray(found.lumps.membership.argmax(axis=0)).ravel()
    assert len({(a, b) for a, b in zip(labels.tolist(), got.tolist(), strict=True)}) == 3
    assert found.crispness > 0.99
    with pytest.raises(ValueError, match="from 2 to 14"):
        metastable_sets(chain, 15)


@pytest.mark.filterwarnings("ignore::kadanoff.dynamics.transition_counts.MarkovWarning")
@pytest.mark.parametrize("seed", [0, 3])
def test_crispness_of_noise_is_low(seed):
    """Negative control: a chain without slow sets has none to be crisp about."""
    chain = np.random.default_rng(seed).dirichlet(np.full(20, 5.0), 20)
    assert metastable_sets(chain, 3).crispness < 0.8
