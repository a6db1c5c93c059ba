"""Real-space mutual information by exact tables: against full enumeration, closed forms, and all rules tried."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.information import mutual_information_from_probabilities
from kadanoff.lattices.information_optimal import (
    Patch,
    best_rule,
    chain_patch,
    linear_rules,
    odd_rules,
    rule_information,
    square_patch,
    weighted_rule,
)

CRITICAL = math.log1p(math.sqrt(2)) / 2
MAJORITY, DECIMATION = weighted_rule([1, 1, 1, 1]), weighted_rule([1, 0, 0, 0])
MAJORITY_FIRST = weighted_rule([1.5, 1, 1, 1])


@pytest.fixture(scope="module")
def critical():
    return {buffer: square_patch(CRITICAL, buffer=buffer) for buffer in (0, 1)}


def enumerated(size: int, coupling: float):
    """All states of size x size free spins: (2^n, n) and their probabilities, by brute force."""
    n = size * size
    states = (2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1) - 1).reshape(-1, size, size)
    energy = (states[:, 1:] * states[:, :-1]).sum(axis=(1, 2)) + (states[:, :, 1:] * states[:, :, :-1]).sum(axis=(1, 2))
    weight = np.exp(coupling * energy)
    return states, weight / weight.sum()


def test_the_patch_without_buffer_is_the_full_enumeration_of_four_by_four():
    """I(V; E) with all 12 spins of the rim, corners and all: 2^16 states."""
    states, probability = enumerated(4, 0.37)
    inner = states[:, 1:3, 1:3].reshape(-1, 4)
    rim = np.delete(states.reshape(-1, 16), [5, 6, 9, 10], axis=1)
    block = ((inner + 1) // 2) @ (1 << np.arange(4))
    environment = ((rim + 1) // 2) @ (1 << np.arange(12))
    joint = np.zeros((16, 4096))
    np.add.at(joint, (block, environment), probability)
    patch = square_patch(0.37, buffer=0)
    assert patch.information == pytest.approx(mutual_information_from_probabilities(joint).value, abs=1e-12)
    rules = np.array([MAJORITY, DECIMATION, MAJORITY_FIRST])
    assert rule_information(patch, rules) == pytest.approx(rule_information(Patch(joint), rules), abs=1e-12)


def test_the_buffer_is_summed_over_exactly():
    """Against the plain sum over the 12 spins between, for some rims of 20 spins, corners summed by hand."""
    k, patch = 0.5, square_patch(0.5, buffer=1)
    ring = [(1, 1), (1, 2), (1, 3), (1, 4), (2, 4), (3, 4), (4, 4), (4, 3), (4, 2), (4, 1), (3, 1), (2, 1)]
    corners = [(0, 0), (0, 5), (5, 5), (5, 0)]
    outer = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 5), (2, 5), (3, 5), (4, 5), (5, 4), (5, 3), (5, 2), (5, 1), (4, 0),
             (3, 0), (2, 0), (1, 0)]  # fmt: skip
    between = 2 * (np.arange(2**12)[:, None] >> np.arange(12) & 1) - 1
    rng = np.random.default_rng(1)
    ratios = []
    for _ in range(6):
        block, rim = int(rng.integers(16)), int(rng.integers(1 << 16))
        spins = np.zeros((2**12, 6, 6))
        for bit, site in enumerate([(2, 2), (2, 3), (3, 2), (3, 3)]):
            spins[:, site[0], site[1]] = 2 * (block >> bit & 1) - 1
        for bit, site in enumerate(outer):
            spins[:, site[0], site[1]] = 2 * (rim >> bit & 1) - 1
        for bit, site in enumerate(ring):
            spins[:, site[0], site[1]] = between[:, bit]
        total = 0.0
        for signs in itertools.product((-1, 1), repeat=4):
            for value, site in zip(signs, corners, strict=True):
                spins[:, site[0], site[1]] = value
            energy = (spins[:, 1:] * spins[:, :-1]).sum(axis=(1, 2))
            energy += (spins[:, :, 1:] * spins[:, :, :-1]).sum(axis=(1, 2))
            total += np.exp(k * energy).sum()
        ratios.append(patch.joint[block, rim] / total)
    assert ratios == pytest.approx([ratios[0]] * 6, rel=1e-11)


def test_majority_like_rules_are_best_at_the_critical_point(critical):
    for patch in critical.values():
        best = best_rule(patch)
        majority, decimation, first = rule_information(patch, [MAJORITY, DECIMATION, MAJORITY_FIRST])
        assert best.agrees_with(MAJORITY)
        assert not best.agrees_with(DECIMATION)
        assert best.ties == 8  # the symmetries of the square, H -> -H among them
        assert decimation < majority < first <= best.information < patch.information
        assert best.information > 1.14 * decimation
    assert critical[1].information < critical[0].information  # further out there is less to know


def test_numbers_stay(critical):
    assert best_rule(critical[0]).information == pytest.approx(0.3480161, abs=1e-7)
    assert best_rule(critical[1]).information == pytest.approx(0.2519921, abs=1e-7)
    assert rule_information(critical[1], [MAJORITY, DECIMATION]) == pytest.approx([0.2489779, 0.2115714], abs=1e-7)


def test_no_rule_with_coins_beats_those_without(critical):
    """Convexity: random odd channels, and soft weights up to the hardest, stay below the enumerated optimum."""
    patch = critical[0]
    best = best_rule(patch).information
    half = np.random.default_rng(0).random((300, 8))
    assert rule_information(patch, np.concatenate([half, 1 - half[:, ::-1]], axis=1)).max() <= best + 1e-12
    soft = [rule_information(patch, weighted_rule(np.array([1.5, 1, 1, 1]) * w, soft=True))[0] for w in (0.3, 1, 3, 20)]
    assert soft == sorted(soft)
    assert soft[-1] == pytest.approx(rule_information(patch, MAJORITY_FIRST)[0], abs=1e-6)
    linear = best_rule(patch, linear_rules(4))
    assert linear.information == pytest.approx(best, abs=1e-12)  # the optimum is a linear rule


def test_how_many_rules_there_are():
    assert odd_rules(4).shape == (256, 16)
    assert len(np.unique(odd_rules(3), axis=0)) == 16
    assert np.all(odd_rules(4) + odd_rules(4)[:, ::-1] == 1)
    linear = linear_rules(4)
    without_coins = linear[~np.any(linear == 0.5, axis=1)]
    assert len(without_coins) == 104  # self-dual threshold functions of four variables (Muroga, 1971)
    assert {tuple(rule) for rule in without_coins} <= {tuple(rule) for rule in odd_rules(4)}


def test_chain_in_closed_form():
    """One spin between two: I = H(E) - H(E | spin), both from the correlation t^(m+1)."""
    k, buffer = 0.6, 1
    r = math.tanh(k) ** (buffer + 1)

    def entropy(correlation):
        p = np.array([(1 + correlation) / 2, (1 - correlation) / 2])
        return -float(p @ np.log(p))

    exact = math.log(2) + entropy(r * r) - 2 * entropy(r)
    patch = chain_patch(k, block=1, buffer=buffer)
    assert patch.information == pytest.approx(exact, abs=1e-12)
    assert best_rule(patch).information == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("block", [2, 3, 4])
def test_in_one_dimension_decimation_is_best(block):
    for buffer in (0, 1, 3):
        patch = chain_patch(0.6, block=block, buffer=buffer)
        ends = [weighted_rule(np.eye(block)[i]) for i in (0, -1)]
        best = best_rule(patch)
        assert rule_information(patch, ends) == pytest.approx([best.information] * 2, abs=1e-12)
        assert best.information > rule_information(patch, weighted_rule(np.ones(block)))[0]


@given(st.floats(0.05, 1.2), st.integers(1, 4), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_information_falls_with_distance_and_by_the_rule(coupling, block, buffer):
    near, far = (chain_patch(coupling, block=block, buffer=m) for m in (buffer, buffer + 1))
    assert far.information <= near.information + 1e-12
    values = rule_information(near, odd_rules(block))
    assert np.all(values <= near.information + 1e-12)
    assert np.all(values <= math.log(2) + 1e-12)


def test_without_coupling_there_is_nothing_to_know():
    patch = square_patch(0.0, buffer=0)
    assert patch.information == pytest.approx(0, abs=1e-12)
    assert rule_information(patch, odd_rules(4)) == pytest.approx(np.zeros(256), abs=1e-12)


@given(st.floats(0.1, 0.8), st.integers(0, 255))
@settings(max_examples=20, deadline=None)
def test_the_square_and_a_global_turn_change_no_information(coupling, number):
    patch, rule = square_patch(coupling, buffer=0), odd_rules(4)[number]
    states = np.arange(16)
    turned = sum((states >> old & 1) << new for old, new in zip((0, 1, 2, 3), (1, 3, 0, 2), strict=True))
    values = rule_information(patch, [rule, rule[turned], 1 - rule])
    assert values == pytest.approx([values[0]] * 3, abs=1e-12)


def test_what_has_no_meaning_is_refused():
    for wrong in (
        lambda: square_patch(0.4, buffer=2),
        lambda: square_patch(30.0),
        lambda: chain_patch(0.4, block=5),
        lambda: chain_patch(0.4, buffer=-1),
        lambda: weighted_rule([1, np.nan]),
        lambda: odd_rules(5),
        lambda: linear_rules(4, 0),
        lambda: rule_information(chain_patch(0.4), MAJORITY),
        lambda: Patch(np.ones((3, 2)) / 6),
    ):
        with pytest.raises(ValueError, match="not"):
            wrong()
    with pytest.raises(ValueError, match="between 0 and 1"):
        rule_information(chain_patch(0.4), [0, 2, 0, 1])
